"""Counting up a row of the usage table, in one statement, whichever process does it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from visema.service.schema import USAGE


def add(
    connection: Connection, key: str, what: str, span: int, amount: float, *, most: float | None = None
) -> float | None:
    """Add to what a key has used; the sum, or None where it would be over ``most`` and nothing was added.

    Args:
        connection: Inside a transaction.
        key: Whose it is.
        what: Of `USAGE`.
        span: The minute (seconds since 1970) or the month (YYYYMM).
        amount: What to add.
        most: The sum's bound.
    """
    if most is not None and amount > most:
        return None
    # Both dialects have the same words for it.
    make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = make(USAGE).values(key=key, what=what, span=span, amount=amount)
    total = USAGE.c.amount + new.excluded.amount
    found = connection.execute(
        new.on_conflict_do_update(
            index_elements=[USAGE.c.key, USAGE.c.what, USAGE.c.span],
            set_={"amount": total},
            where=sa.true() if most is None else total <= most,
        ).returning(USAGE.c.amount)
    ).scalar_one_or_none()
    return None if found is None else float(found)


def used(connection: Connection, key: str, what: str, span: int) -> float:
    """What a key has used in a span of time."""
    mine = sa.select(USAGE.c.amount).where(USAGE.c.key == key, USAGE.c.what == what, USAGE.c.span == span)
    return float(connection.scalar(mine) or 0.0)
