"""The rows of batches: asked for once under one Idempotency-Key, kept for as long as one of their jobs is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from visema.service.jobs import State
from visema.service.order import Conflict
from visema.service.schema import BATCHES, JOBS

_B: Final = BATCHES.c


def repeated(connection: Connection, key: str, once: str | None, asked: str | None) -> str | None:
    """The batch that a key asked for under the same Idempotency-Key, if its films are still there.

    Raises:
        Conflict: Something else was asked for under it.
    """
    if once is None:
        return None
    kept = sa.exists().where(JOBS.c.batch == _B.id, JOBS.c.state != State.EXPIRED.value)
    same = sa.select(_B.id, _B.asked).where(_B.key == key, _B.once == once, kept)
    row = connection.execute(same).one_or_none()
    if row is None:
        return None
    if row.asked != asked:
        raise Conflict("Another request came under the same Idempotency-Key.", "Use a key of its own for each.")
    return str(row.id)


def write(connection: Connection, batch: Mapping[str, Any], now: float) -> None:
    """Write a batch down, unless it is there; a key that an expired one was asked for with is free again."""
    once = batch.get("once")
    if once is not None:
        mine = sa.and_(_B.key == batch["key"], _B.once == once, _B.id != batch["id"])
        connection.execute(BATCHES.update().where(mine).values(once=None, asked=None))
    if connection.scalar(sa.select(_B.id).where(_B.id == batch["id"])) is None:
        connection.execute(BATCHES.insert().values(**batch, created=now))


def forget_empty(connection: Connection, before: float) -> None:
    """Delete the rows of batches from before a time that have no job any more."""
    jobs = sa.exists().where(JOBS.c.batch == _B.id)
    connection.execute(BATCHES.delete().where(_B.created < before, ~jobs))
