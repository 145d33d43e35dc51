"""``visema worker``: makes what servers have put into the queue, on this machine or another."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from visema.errors import InputError
from visema.ops import alive, logs
from visema.service.jobs import State
from visema.service.order import QUEUES

if TYPE_CHECKING:
    from visema.service.files import Files
    from visema.service.settings import Settings
    from visema.service.store import JobStore

log = logging.getLogger(__name__)

#: The file of the health check is touched this often.
BEAT_S: Final = 5.0
_QUEUES: Final = tuple(dict.fromkeys(QUEUES.values()))


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "--queues", default=",".join(_QUEUES), metavar="LIST", help="whose jobs are made, by commas (%(default)s)"
    )
    parser.add_argument(
        "--processes", type=int, metavar="N", help="jobs made at once (VISEMA_WORKERS, else one for each core)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Work until Ctrl-C.

    With VISEMA_BROKER Celery's messages wake it; without, it looks for jobs in the database itself.

    Raises:
        InputError: A queue or a setting makes no sense.
        OutputError: The folder or the database cannot be used.
    """
    from visema.service.files import Files
    from visema.service.settings import settings_from
    from visema.service.storage import storage_of
    from visema.service.store import JobStore

    logs.set_up()
    queues = [name.strip() for name in arguments.queues.split(",") if name.strip()]
    if not queues or not set(queues) <= set(_QUEUES):
        raise InputError(f"--queues is '{arguments.queues}'.", f"Choose from {', '.join(_QUEUES)}.")
    settings = settings_from(os.environ)
    processes = settings.workers if arguments.processes is None else arguments.processes
    if processes < 1:
        raise InputError("A worker needs a process.", "Give --processes 1 or more.")
    settings = replace(settings, workers=processes)
    files = Files(settings.folder, storage_of(settings.storage))
    store = JobStore(settings.database_url)
    waiting = store.counts()[State.QUEUED]
    how = "the broker" if settings.broker else "the database"
    log.info("Makes jobs of %s, %d at once, woken by %s; %d wait.", " and ".join(queues), processes, how, waiting)
    try:
        if settings.broker:
            from visema.service.celery_worker import serve_queues

            serve_queues(settings, queues, processes, store, files)
        else:
            _look_for_jobs(settings, queues, store, files)
    finally:
        store.close()
    return 0


def _look_for_jobs(settings: Settings, queues: list[str], store: JobStore, files: Files) -> None:
    from visema.service.crew import Crew

    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    crew = Crew(settings, store, files, queues=queues, alone=False)
    crew.start()
    try:
        while not over.wait(BEAT_S):
            alive.touch()
    finally:
        crew.close()
