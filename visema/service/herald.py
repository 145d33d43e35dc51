"""Sees to it that every waiting job has a message that wakes a worker, and that lost workers' jobs come back.

In place of `visema.service.crew` where the workers are other processes, perhaps on other machines. Any number of
heralds may run, one in each server and one beside each worker: they do the same, and too much of it does no harm.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from visema.service.broker import Broker
from visema.service.files import Files
from visema.service.settings import Settings
from visema.service.storage import StorageError
from visema.service.store import JobStore
from visema.service.sweeper import Sweeper

log = logging.getLogger(__name__)

#: Rows and messages are compared this often where nobody says that there is a new job.
BEAT_S: Final = 1.0
#: Messages sent at once; the next look sends more.
_MOST: Final = 200


class Herald:
    """Wakes workers by a broker; None leaves them to look for themselves, as workers without one do.

    Args:
        settings: Of the service.
        store: The jobs.
        files: The folder.
        broker: Carries the messages.
    """

    def __init__(self, settings: Settings, store: JobStore, files: Files, broker: Broker | None) -> None:
        self._settings, self._store, self._broker = settings, store, broker
        self._sweeper = Sweeper(settings, store, files)
        self._over = threading.Event()
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._away = False

    def start(self) -> None:
        """Begin; where that has begun, nothing."""
        with self._lock:
            if self._thread is None and not self._over.is_set():
                self._thread = threading.Thread(target=self._run, name="herald", daemon=True)
                self._thread.start()

    def poke(self) -> None:
        """There is a new job, or one was cancelled."""
        self.start()
        self._woken.set()

    @property
    def busy(self) -> bool:
        """Whether it has begun."""
        return self._thread is not None

    def close(self) -> None:
        """End; what is being made goes on."""
        self._over.set()
        self._woken.set()
        if self._thread:
            self._thread.join(timeout=10)

    def look(self) -> None:
        """Compare once.

        Raises:
            OSError: The broker does not answer.
            SQLAlchemyError: The database does not.
            StorageError: Old films cannot be removed.
        """
        for job_id in self._store.release_lapsed(self._settings.attempts):
            log.warning("The worker of %s was lost.", job_id)
        if self._broker:
            for queue, rows in self._store.waiting().items():
                missing = min(rows - self._broker.waiting(queue), _MOST)
                if missing > 0:
                    self._broker.wake(queue, missing)
        self._sweeper.look()

    def _run(self) -> None:
        while not self._over.is_set():
            self._woken.clear()
            try:
                self.look()
                if self._away:
                    log.warning("The broker, the database and the storage can be used again.")
                self._away = False
            except (OSError, SQLAlchemyError, StorageError) as e:
                if not self._away:  # once: it may be away for long
                    log.warning("The broker, the database or the storage cannot be used: %s", e)
                self._away = True
            self._woken.wait(BEAT_S)
