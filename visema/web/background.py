"""Long work in a thread, with its progress told on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

#: The page is told this often.
TELL_S = 0.25

#: Takes steps done, steps in all.
Progress = Callable[[int, int], None]


class Job(Generic[T]):
    """Work that runs in a thread of its own; iterate for the share done, then ask for the `result`."""

    def __init__(self, work: Callable[[Progress], T]) -> None:
        self._work = work
        self._done, self._total = 0, 0
        self._task: asyncio.Future[T] | None = None

    async def shares(self) -> AsyncIterator[float]:
        """Share of the work done, 0 to 1, now and then until it ends well or badly."""

        def progress(done: int, total: int) -> None:
            self._done, self._total = done, total

        self._task = asyncio.ensure_future(asyncio.to_thread(self._work, progress))
        while True:
            yield self._done / self._total if self._total else 0.0
            finished, _ = await asyncio.wait({self._task}, timeout=TELL_S)
            if finished:
                return

    def result(self) -> T:
        """What the work returned.

        Raises:
            Exception: Whatever the work raised.
        """
        assert self._task is not None, "shares() runs the work"
        return self._task.result()
