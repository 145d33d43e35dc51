"""What a stage shows to its watchers: its time, its state, and everything that it sends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from visema.live.crew import Crew
from visema.live.fan import Fan
from visema.live.loop_file import LoopFile
from visema.live.messages import Output, Standing
from visema.live.timeline import Timeline


class Watchable:
    """A media time, and outputs that follow it. For use by many threads.

    Args:
        loop: What is seen while nobody speaks.
        crew: Threads, and the clock.
    """

    def __init__(self, loop: LoopFile, crew: Crew) -> None:
        self._crew = crew
        self._lock = threading.RLock()
        self._origin = crew.now()
        self._fan = Fan()
        self._timeline = Timeline(loop, self._fan)
        self._closed = False

    def _wake(self) -> None:
        """Have a look at what is to be done."""

    def attach(self, output: Output) -> None:
        """Send everything to ``output`` too, from what is still ahead on."""
        with self._lock:
            if self._closed:
                output.closed("The stage is closed.")
                return
            self._fan.attach(output, self.now)
        self._wake()

    def detach(self, output: Output) -> None:
        """Send nothing more to ``output``."""
        with self._lock:
            self._fan.detach(output)

    @contextmanager
    def watching(self) -> Iterator[float]:
        """Hold everything still and give the media time, so that a watcher can be told a state that is true."""
        with self._lock:
            yield self.now

    @property
    def now(self) -> float:
        """Media time, seconds."""
        return self._crew.now() - self._origin

    @property
    def epoch(self) -> int:
        """Cuts so far."""
        return self._timeline.epoch

    @property
    def standing(self) -> Standing:
        """State, and place in the line for a seat."""
        return self._fan.stands

    @property
    def closed(self) -> bool:
        """True when it is no more."""
        return self._closed
