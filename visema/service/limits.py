"""Requests that a key may make in a minute, counted for all processes of a server without asking each time.

A process takes some of a minute's requests from the database and gives them out by itself. So the sum over all
processes is never over the limit; where several serve one key, what one has taken and nobody asks it for is lost to
the others, at most a twentieth for each.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from visema.service.keys import BOOTSTRAP, Key
from visema.service.schema import KEYS, USAGE
from visema.service.tally import add, used

MINUTE_S: Final = 60
WHAT: Final = "requests"
#: What was counted for those who have no limit is written down this often.
FLUSH_S: Final = 5.0
#: Minutes that are over are forgotten after so long.
KEPT_S: Final = 3600


@dataclass(frozen=True)
class Allowance:
    """How a key stands.

    Attributes:
        limit: Requests a minute.
        remaining: What is left of this minute.
        reset_s: Seconds until the next one.
        granted: Whether this request may pass.
    """

    limit: int
    remaining: int
    reset_s: int
    granted: bool = True

    def headers(self) -> dict[str, str]:
        """The headers that tell of it."""
        return {
            "RateLimit-Limit": str(self.limit), "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s), "RateLimit-Policy": f"{self.limit};w={MINUTE_S}",
        }  # fmt: skip


@dataclass
class _Purse:
    """What this process has of a key's minute."""

    minute: int
    tokens: int = 0
    left: int = 0  # in the database, when it was last asked
    empty: bool = False


class Meter:
    """Counts requests.

    Args:
        engine: The database.
        now: The clock, seconds since 1970.
    """

    def __init__(self, engine: Engine, now: Callable[[], float] = time.time) -> None:
        self._engine, self._now = engine, now
        self._lock = threading.Lock()
        self._purses: dict[str, _Purse] = {}
        self._counted: Counter[tuple[str, int]] = Counter()
        self._seen: set[str] = set()
        self._flushed = time.monotonic()

    def take(self, key: Key) -> Allowance | None:
        """Let a request pass or not; None where `refill` must be called first."""
        now = self._now()
        minute = int(now // MINUTE_S) * MINUTE_S
        limit = key.limits.requests_per_minute
        with self._lock:
            self._seen.add(key.id)
            if limit is None:
                self._counted[key.id, minute] += 1
                return Allowance(0, 0, 0)
            purse = self._purses.get(key.id)
            if purse is None or purse.minute != minute:
                return None
            reset = int(minute + MINUTE_S - now) + 1
            if purse.tokens:
                purse.tokens -= 1
                return Allowance(limit, purse.tokens + purse.left, reset)
            return Allowance(limit, 0, reset, granted=False) if purse.empty else None

    def refill(self, key: Key) -> None:
        """Take some of a key's minute from the database."""
        limit = key.limits.requests_per_minute or 0
        minute = int(self._now() // MINUTE_S) * MINUTE_S
        with self._engine.begin() as connection:
            free = limit - int(used(connection, key.id, WHAT, minute))
            wish = max(1, min(limit // 20, free // 4))
            total = add(connection, key.id, WHAT, minute, wish, most=limit) if free > 0 else None
        with self._lock:
            purse = self._purses.get(key.id)
            if purse is None or purse.minute != minute:
                purse = self._purses[key.id] = _Purse(minute)
                self._purses = {name: p for name, p in self._purses.items() if p.minute >= minute}
            if total is None:
                # Others may have been quicker by one transaction: only what was seen to be used up is.
                purse.empty = free <= 0
                purse.left = max(0, free)
            else:
                purse.tokens += wish
                purse.left = limit - int(total)

    @property
    def flush_is_due(self) -> bool:
        """Whether something is to be written down."""
        return bool(self._seen) and time.monotonic() - self._flushed > FLUSH_S

    def flush(self) -> None:
        """Write down who was here, and how often those who have no limit."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
            seen, self._seen = self._seen, set()
            self._flushed = time.monotonic()
        now = self._now()
        with self._engine.begin() as connection:
            for (key, minute), count in counted.items():
                add(connection, key, WHAT, minute, count)
            known = sorted(seen - {BOOTSTRAP})
            connection.execute(KEYS.update().where(KEYS.c.id.in_(known)).values(used=now))


def forget(engine: Engine, before: float) -> int:
    """Remove the counts of minutes that are long over; how many rows. Those of months stay."""
    old = sa.and_(USAGE.c.what.in_((WHAT, "failures")), USAGE.c.span > 10_000_000, USAGE.c.span < before - KEPT_S)
    with engine.begin() as connection:
        return int(connection.execute(USAGE.delete().where(old)).rowcount)
