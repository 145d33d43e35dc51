"""Removes by and by what was kept long enough, and uploads that nobody speaks of."""

from __future__ import annotations

import logging
import math
import time
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from visema.errors import OutputError
from visema.paths import cache_dir
from visema.service import faces
from visema.service.files import ORPHAN_S, Files
from visema.service.keys import Limits
from visema.service.schema import KEYS
from visema.service.settings import Settings
from visema.service.storage import StorageError
from visema.service.store import JobStore

log = logging.getLogger(__name__)

#: Old results are looked for this often, or four times within the time that they are kept.
SWEEP_S: Final = 30.0
#: Rows of what is gone are remembered for so long, so that who asks hears that it is gone and not that it never was.
REMEMBERED_S: Final = 7 * 24 * 3600.0


def kept_by_keys(engine: Engine) -> dict[str, float]:
    """How long the films of a key are kept, seconds, of those that have a time of their own."""
    with engine.connect().execution_options(reads=True) as connection:
        rows = connection.execute(sa.select(KEYS.c.id, KEYS.c.limits)).all()
    hours = {row.id: Limits.from_json(row.limits or {}).keep_hours for row in rows}
    return {key: 3600 * kept for key, kept in hours.items() if kept is not None}


class Sweeper:
    """Looks for what can go, now and then; several of them do no harm to each other.

    Args:
        settings: Of the service.
        store: The jobs.
        files: The folder.
    """

    def __init__(self, settings: Settings, store: JobStore, files: Files) -> None:
        self._settings, self._store, self._files = settings, store, files
        self._swept = -math.inf

    def look(self) -> None:
        """Sweep, where it is time."""
        if time.monotonic() - self._swept > min(SWEEP_S, self._settings.keep_s / 4):
            self._swept = time.monotonic()
            self.sweep()

    def sweep(self) -> None:
        """Remove what can go."""
        now = time.time()
        own = kept_by_keys(self._store.engine)
        cache = cache_dir().absolute()
        self._store.expire(now - self._settings.keep_s, but=tuple(own))
        for key, seconds in own.items():
            self._store.expire(now - seconds, key=key)
        gone = faces.drop_here(self._store, self._files, cache)
        try:
            self._remove_expired()
            faces.drop_stored(self._store, self._files, gone)
            self._files.drop_fetched(cache)
            for job_id in self._files.stored_inputs():
                job = self._store.get(job_id)
                # Where there is no job, its uploads are just on their way.
                if job and job.state.over and not job.dead and (job.ended or now) < now - ORPHAN_S:
                    self._files.clear(job_id)
        except StorageError as e:  # the next sweep does it
            log.warning("The storage could not be tidied: %s", e)
        self._files.forget_logs(now - self._settings.keep_s - REMEMBERED_S)
        self._store.forget(now - self._settings.keep_s - REMEMBERED_S)
        for job_id in self._files.orphans():
            job = self._store.get(job_id)
            if job is None or (job.state.over and not job.dead):
                self._files.clear(job_id)

    def _remove_expired(self) -> None:
        """Remove the files of what has expired, of earlier sweeps too where that failed.

        Raises:
            StorageError: The storage cannot be used: all that is left would wait for it in vain.
        """
        removed = []
        try:
            for job_id in self._store.remains():
                try:
                    self._files.erase(job_id)
                    removed.append(job_id)
                except OutputError as e:
                    log.warning("Not everything of the job %s could be removed: %s", job_id, e)
        finally:
            self._store.removed(removed)
