"""What the end of a job brings with it, in the transaction that ends it: news for webhooks, and what was used."""

from __future__ import annotations

import time
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from visema.service import tally
from visema.service.jobs import State, new_id
from visema.service.schema import BATCHES, DELIVERIES, JOBS

_C: Final = JOBS.c
_OVER: Final = [state.value for state in State if state.over]
#: What of a job's cost is counted, by its name there and in the usage.
_COUNTED: Final = {"characters": "characters", "money": "money"}


def month_of(moment: float) -> int:
    """The calendar month (UTC) of a time, YYYYMM."""
    parts = time.gmtime(moment)
    return parts.tm_year * 100 + parts.tm_mon


def ended(connection: Connection, job_id: str, now: float, *, last: bool = True) -> None:
    """Write down what the end of a job brings with it; called once for each, when its state has become final.

    Args:
        connection: Inside the transaction that ended it.
        job_id: Its name.
        now: The time.
        last: The last of those that ended in this transaction: it looks whether its batch is over.
    """
    row = connection.execute(sa.select(JOBS).where(_C.id == job_id)).one()
    if row.state == State.DONE.value:
        _count(connection, row, now)
    if row.webhook:
        _announce(connection, row.key, row.id, f"job.{row.state}", row.webhook, _told(row), now)
    if row.batch and last:
        _end_batch(connection, row.batch, now)


def _count(connection: Connection, row: Row[Any], now: float) -> None:
    used = {"video_s": float(row.duration or 0)}
    used |= {what: float((row.cost or {}).get(name) or 0) for name, what in _COUNTED.items()}
    for what, amount in used.items():
        if amount > 0:
            tally.add(connection, row.key, what, month_of(now), amount)


def _told(row: Row[Any]) -> dict[str, Any]:
    """What a webhook hears: enough to go and ask, and nothing that only the owner may know."""
    return {
        "job_id": row.id, "kind": row.kind, "state": row.state, "error": row.error or None, "batch": row.batch,
        "duration": row.duration, "created": row.created, "ended": row.ended,
    }  # fmt: skip


def _end_batch(connection: Connection, batch: str, now: float) -> None:
    # The row is locked first, so that of the last two jobs one sees the other's end.
    found = connection.execute(sa.select(BATCHES).where(BATCHES.c.id == batch).with_for_update()).one_or_none()
    if found is None or not found.webhook:
        return
    counted = sa.select(_C.state, sa.func.count()).where(_C.batch == batch).group_by(_C.state)
    states = {str(state): int(count) for state, count in connection.execute(counted)}
    if all(state in _OVER for state in states):
        told = {"batch": batch, "items": found.items, "states": states, "created": found.created, "ended": now}
        _announce(connection, found.key, batch, "batch.done", found.webhook, told, now)


def _announce(
    connection: Connection, key: str, job: str, event: str, url: str, told: dict[str, Any], now: float
) -> None:
    connection.execute(
        DELIVERIES.insert().values(
            id=new_id(),
            key=key,
            job=job,
            event=event,
            url=url,
            payload={"event": event, **told},
            state="waiting",
            due=now,
            created=now,
        )
    )
