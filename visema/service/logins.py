"""Failed logins of an address, counted in the database, so that every process of the server knows of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from visema.service.schema import USAGE
from visema.service.tally import add

#: So many wrong keys within `SPAN_S` and an address waits.
MOST: Final = 10
SPAN_S: Final = 300
_WHAT: Final = "failures"


class Logins:
    """Who has tried too often.

    Args:
        engine: The database.
        now: The clock, seconds since 1970.
    """

    def __init__(self, engine: Engine, now: Callable[[], float] = time.time) -> None:
        self._engine, self._now = engine, now

    def wait(self, address: str) -> int:
        """Seconds until an address may try again; 0 for now."""
        now = self._now()
        span = int(now // SPAN_S) * SPAN_S
        mine = sa.select(USAGE.c.amount).where(
            USAGE.c.key == _name(address), USAGE.c.what == _WHAT, USAGE.c.span == span
        )
        with self._engine.connect().execution_options(reads=True) as connection:
            count = connection.scalar(mine) or 0
        return int(span + SPAN_S - now) + 1 if count >= MOST else 0

    def failed(self, address: str) -> None:
        """An address has shown a wrong key."""
        span = int(self._now() // SPAN_S) * SPAN_S
        with self._engine.begin() as connection:
            add(connection, _name(address), _WHAT, span, 1)


def _name(address: str) -> str:
    return f"from {address}"[:200]
