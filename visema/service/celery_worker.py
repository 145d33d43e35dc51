"""The worker processes of Celery: each message makes them claim and make the next job of its queue."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from visema.errors import OutputError
from visema.media.guard import trust
from visema.ops import alive, logs, traces
from visema.service.broker import TASK, Broker
from visema.service.files import PICTURE, SOUND
from visema.service.herald import Herald
from visema.service.settings import Settings
from visema.service.worker import Worker, warm

if TYPE_CHECKING:
    from visema.service.files import Files
    from visema.service.store import JobStore

log = logging.getLogger(__name__)


def serve_queues(settings: Settings, queues: Sequence[str], processes: int, store: JobStore, files: Files) -> None:
    """Work until told to stop; what is being made then is finished first.

    Args:
        settings: Of the service; with a broker.
        queues: Whose jobs are made, of ``render`` and ``train``.
        processes: Jobs made at once.
        store: The jobs.
        files: The folder.
    """
    from celery.signals import heartbeat_sent, setup_logging, worker_process_init

    broker = Broker(settings.broker)
    app = broker.app
    workers: list[Worker] = []

    @worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def begin(**_: Any) -> None:
        # A process of its own: nothing of the parent's connections may be used in it.
        traces.start("visema-worker")
        logging.getLogger("visema").setLevel(logging.INFO)  # the session's log gets all of it
        trust(settings.folder / "temp", PICTURE, SOUND)
        warm()

    heartbeat_sent.connect(alive.touch, weak=False)
    if logs.wanted():
        # Celery leaves the logs alone where somebody listens to this.
        setup_logging.connect(_keep_logs, weak=False)

    @app.task(name=TASK)  # type: ignore[untyped-decorator]  # Celery has no types
    def make(queue: str) -> None:
        # Not as soon as the process is there: the database may be away then, and this process is to go on after.
        if not workers:
            owner = f"celery@{socket.gethostname()[:40]}:{os.getpid()}-{secrets.token_hex(3)}"
            try:
                workers.append(Worker(settings, owner))
            except OutputError as e:
                log.warning("%s The next message may find it.", e)
                return
        workers[0].make_next((queue,))

    herald = Herald(settings, store, files, broker)
    herald.start()
    try:
        app.worker_main(
            [
                "worker", "--loglevel=WARNING", "--without-gossip", "--without-mingle", "--pool=prefork",
                f"--concurrency={processes}", f"--queues={','.join(queues)}",
                f"--hostname=visema-{os.getpid()}-{secrets.token_hex(2)}@{socket.gethostname()}",
            ]
        )  # fmt: skip
    finally:
        herald.close()


def _keep_logs(**_: object) -> None:
    logs.set_up()
