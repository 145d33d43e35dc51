"""Talking seats: how many stages may talk at once, and the line of those that wait."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable

#: Called when the line has moved; the place is asked for again.
Told = Callable[[], None]


def usual_seats() -> int:
    """Six for each core: twelve talk at 25 pictures a second of 512 x 512 on two."""
    return 6 * (os.cpu_count() or 1)


class Seats:
    """A bounded number of seats, given in order of asking. For use by many threads.

    Args:
        total: How many; 0 for `usual_seats`.
    """

    def __init__(self, total: int = 0) -> None:
        self.total = total or usual_seats()
        self._lock = threading.Lock()
        self._taken: set[object] = set()
        self._line: OrderedDict[object, Told] = OrderedDict()

    @property
    def taken(self) -> int:
        """Seats in use."""
        return len(self._taken)

    @property
    def waiting(self) -> int:
        """How many stand in the line."""
        return len(self._line)

    def ask(self, who: object, told: Told) -> int:
        """Ask for a seat.

        Args:
            who: One seat each; asking again changes nothing.
            told: Called, from any thread, when the place may have changed.

        Returns:
            The place; 0 when the seat is there already.
        """
        with self._lock:
            if who in self._taken:
                return 0
            if who not in self._line:
                if len(self._taken) < self.total and not self._line:
                    self._taken.add(who)
                    return 0
                self._line[who] = told
            return list(self._line).index(who) + 1

    def leave(self, who: object) -> None:
        """Give the seat back, or leave the line."""
        with self._lock:
            if who not in self._taken and who not in self._line:
                return
            self._taken.discard(who)
            self._line.pop(who, None)
            calls = list(self._line.values())
            while self._line and len(self._taken) < self.total:
                self._taken.add(self._line.popitem(last=False)[0])
        for told in calls:
            told()
