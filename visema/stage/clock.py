"""Clocks that tell how much of a speech has been heard: the picture follows whichever plays the sound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from visema.speech.types import Speech


class Clock(Protocol):
    """Audio time of one speech."""

    def start(self, speech: Speech) -> None:
        """The sound may begin now."""
        ...

    def time(self) -> float | None:
        """Seconds of sound heard so far; None while nothing has been heard."""
        ...

    def stop(self) -> None:
        """Silence, at once; also called after the end."""
        ...


class WallClock:
    """For nobody's ears: time passes from `start` on, or from `signal` on when it is told to wait for it."""

    def __init__(self, *, wait_for_signal: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self._wait = wait_for_signal
        self._now = now
        self._began: float | None = None

    def start(self, speech: Speech) -> None:
        """Begin, unless a signal is waited for."""
        if not self._wait:
            self._began = self._now()

    def signal(self, at: float = 0.0) -> None:
        """The sound is at ``at`` seconds now."""
        self._began = self._now() - at

    def time(self) -> float | None:
        """Seconds since the start or the signal."""
        return None if self._began is None else self._now() - self._began

    def stop(self) -> None:
        """Nothing to silence."""


class ReportedClock:
    """Audio time as a player elsewhere (a browser) reports it, carried on between reports.

    A report moves the clock; a small difference is taken in slowly, so that the jitter of the network does not
    shake the picture.
    """

    #: A report that differs by more than this is a seek or a stall of the player: believed at once.
    JUMP_S = 0.08
    #: Of a smaller difference, this share is taken in with each report.
    GAIN = 0.25
    #: Nothing heard of the player for so long: the clock stands, as the sound probably does.
    PATIENCE_S = 1.5

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._began: float | None = None
        self._reported = 0.0

    def start(self, speech: Speech) -> None:
        """The player decides when the sound begins; its first report starts the clock."""

    def report(self, position: float) -> None:
        """The player is at ``position`` seconds now."""
        now = self._now()
        with self._lock:
            began = now - position
            if self._began is None or abs(began - self._began) > self.JUMP_S:
                self._began = began
            else:
                self._began += self.GAIN * (began - self._began)
            self._reported = now

    def time(self) -> float | None:
        """Seconds heard, by the last report and the time since."""
        with self._lock:
            if self._began is None:
                return None
            return min(self._now(), self._reported + self.PATIENCE_S) - self._began

    def stop(self) -> None:
        """The player is silenced by whoever speaks with it."""
