"""What the rows say of jobs, deliveries, keys and storage, for Prometheus.

The rows are the truth about every job, whichever process or machine makes it. So each server that is asked tells the
same gauges, and counts up what has ended since it was started: over several servers take the greatest, not the sum.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from visema.ops.numbers import JOB_BOUNDS, Counter, Histogram, family
from visema.service.jobs import State
from visema.service.schema import AVATARS, DELIVERIES, JOBS, KEYS, OUTPUTS, USAGE

log = logging.getLogger(__name__)

#: Rows that end now may be seen a little later: another machine's clock, a transaction that was slow.
_LATE_S: Final = 60.0
#: Numbers are asked of the database no more often than this.
FRESH_S: Final = 1.0
_OVER: Final = (State.DONE.value, State.FAILED.value, State.CANCELLED.value)
_QUEUES: Final = ("render", "train")


class ServiceNumbers:
    """Counts what the rows tell. For any number of threads.

    Args:
        engine: The database.
        free: Bytes free where films are kept.
        now: The clock, seconds since 1970.
    """

    def __init__(self, engine: Engine, free: Callable[[], int], now: Callable[[], float] = time.time) -> None:
        self._engine, self._free, self._now = engine, free, now
        self._lock = threading.Lock()
        self._begin = self._since = now()
        self._seen: dict[str, float] = {}
        self._kept, self._text = -FRESH_S, ""
        self._ended = Counter("visema_jobs_ended_total", "Jobs that ended, by kind and how.")
        self._failed = Counter("visema_jobs_failed_total", "Jobs that failed, by kind and the error's code.")
        self._tries = Counter("visema_jobs_retried_total", "Attempts that were made again, by kind.")
        self._waited = Histogram("visema_job_wait_seconds", "From asking to the last beginning, by kind.", JOB_BOUNDS)
        self._made = Histogram("visema_job_make_seconds", "From the last beginning to the end, by kind.", JOB_BOUNDS)
        self._film = Counter("visema_film_seconds_total", "Seconds of film that were made, by kind.")
        self._money = Counter("visema_money_total", "Money spent on voices by the price table, by kind, US dollars.")

    def text(self) -> str:
        """In Prometheus' text format."""
        with self._lock:
            if time.monotonic() - self._kept >= FRESH_S:
                self._text = self._look()
                self._kept = time.monotonic()
            return self._text

    def _look(self) -> str:
        gauges: list[str] = []
        try:
            with self._engine.connect() as connection:
                self._count(connection)
                gauges = self._gauges(connection)
        except SQLAlchemyError as e:  # away for a moment: that is a number too
            log.warning("The database could not be asked for numbers: %s", e)
        up = family("visema_database_up", "gauge", "Whether the database answers.", [({}, float(bool(gauges)))])
        return "".join((up, *gauges, *self._counters()))

    # -- what has ended -------------------------------------------------------------------------------------------

    def _count(self, connection: Connection) -> None:
        c = JOBS.c
        fields = (c.id, c.kind, c.state, c.error, c.created, c.started, c.ended, c.duration, c.cost, c.attempts)
        newly = sa.select(*fields).where(c.ended > self._since - _LATE_S, c.state.in_(_OVER)).order_by(c.ended)
        for row in connection.execute(newly):
            if row.id in self._seen or row.ended < self._begin:
                continue
            self._seen[row.id] = row.ended
            self._add(row)
            self._since = max(self._since, row.ended)
        self._seen = {name: ended for name, ended in self._seen.items() if ended > self._since - 2 * _LATE_S}

    def _add(self, row: Any) -> None:
        kind = {"kind": row.kind}
        self._ended.add({**kind, "state": row.state})
        if row.attempts > 1:
            self._tries.add(kind, row.attempts - 1)
        if row.state == State.FAILED.value:
            self._failed.add({**kind, "code": row.error or "unknown"})
        if row.started is not None:
            self._waited.observe(kind, max(0.0, row.started - row.created))
            self._made.observe(kind, max(0.0, row.ended - row.started))
        if row.state == State.DONE.value:
            self._film.add(kind, row.duration or 0.0)
        self._money.add(kind, float((row.cost or {}).get("money") or 0.0))

    def _counters(self) -> list[str]:
        told = (self._ended, self._failed, self._tries, self._waited, self._made, self._film, self._money)
        return [one.text() for one in told]

    # -- what is --------------------------------------------------------------------------------------------------

    def _gauges(self, connection: Connection) -> list[str]:
        c = JOBS.c
        rows = connection.execute(
            sa.select(c.queue, c.state, sa.func.count())
            .where(c.state.in_(("queued", "running")))
            .group_by(c.queue, c.state)
        ).all()
        # A queue that is empty says so: who scales by its length must not be left without a number.
        counts = {(queue, state): 0 for queue in _QUEUES for state in ("queued", "running")}
        counts.update({(queue, state): int(count) for queue, state, count in rows})
        oldest = connection.scalar(sa.select(sa.func.min(c.created)).where(c.state == "queued"))
        waiting = 0.0 if oldest is None else max(0.0, self._now() - oldest)
        return [
            family("visema_jobs", "gauge", "Jobs that wait or are being made, by queue.",
                   (({"queue": q, "state": s}, n) for (q, s), n in counts.items())),
            family("visema_oldest_wait_seconds", "gauge", "How long the job that has waited longest waits.",
                   [({}, waiting)]),
            *self._deliveries(connection),
            *self._keys(connection),
            *self._storage(connection),
        ]  # fmt: skip

    def _deliveries(self, connection: Connection) -> list[str]:
        state = DELIVERIES.c.state
        rows = connection.execute(sa.select(state, sa.func.count()).group_by(state)).all()
        counts = {"waiting": 0, "sent": 0, "failed": 0} | {name: int(count) for name, count in rows}
        meaning = "Webhooks in the delivery log, by what became of them."
        return [family("visema_webhooks", "gauge", meaning, (({"state": s}, n) for s, n in counts.items()))]

    def _keys(self, connection: Connection) -> list[str]:
        month = int(time.strftime("%Y%m", time.gmtime(self._now())))
        u = USAGE.c
        rows = connection.execute(
            sa.select(u.key, KEYS.c.name, u.what, u.amount)
            .join(KEYS, KEYS.c.id == u.key, isouter=True)
            .where(u.span == month)
        ).all()
        samples = [
            ({"key": row.key or "local", "name": row.name or "", "what": row.what}, float(row.amount)) for row in rows
        ]
        return [family("visema_key_usage", "gauge", "What a key has used this month, by what.", samples)]

    def _storage(self, connection: Connection) -> list[str]:
        films = connection.scalar(sa.select(sa.func.sum(JOBS.c.bytes)).where(JOBS.c.state == State.DONE.value)) or 0
        avatars = connection.scalar(sa.select(sa.func.sum(AVATARS.c.bytes))) or 0
        outputs = connection.scalar(sa.select(sa.func.count()).select_from(OUTPUTS)) or 0
        used = [({"what": "films"}, float(films)), ({"what": "avatars"}, float(avatars))]
        return [
            family("visema_storage_bytes", "gauge", "Bytes that are kept, by what.", used),
            family("visema_storage_free_bytes", "gauge", "Bytes free on this server's disk.", [({}, self._free())]),
            family("visema_outputs", "gauge", "Films whose mark can be looked up.", [({}, float(outputs))]),
        ]
