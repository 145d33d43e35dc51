"""All outputs of a stage, and what a late one must be told: everything that is still ahead."""

from __future__ import annotations

from collections import deque
from typing import Final

from visema.live.messages import Cut, LiveEvent, Output, Picture, SoundChunk, Standing

#: Pictures so far back may still be on the screen.
SHOWN_S: Final = 0.25


class Fan:
    """Hands everything to each output, in order. Guarded by the lock of its stage."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self._standing = Standing()
        self._pictures: deque[Picture] = deque()
        self._sounds: deque[SoundChunk] = deque()
        self._events: deque[LiveEvent] = deque()

    @property
    def wants_pictures(self) -> bool:
        """True while somebody looks."""
        return any(output.wants_pictures for output in self.outputs)

    def attach(self, output: Output, now: float) -> None:
        """Add an output; it gets what is still ahead of ``now``."""
        self._prune(now)
        self.outputs.append(output)
        output.standing(self._standing)
        ahead = [event for event in self._events if event_end(event) > now]
        if ahead:
            output.events(ahead)
        for chunk in self._sounds:
            output.sound(chunk)
        for picture in self._pictures:
            output.picture(picture)

    def detach(self, output: Output) -> None:
        """Remove an output."""
        if output in self.outputs:
            self.outputs.remove(output)

    def picture(self, picture: Picture, now: float) -> None:
        """Send a picture; the bare loop also to those who do not look, so that no mouth stays for when they do."""
        self._pictures.append(picture)
        self._prune(now)
        for output in self.outputs:
            if output.wants_pictures or not picture.jpeg:
                output.picture(picture)

    def sound(self, chunk: SoundChunk) -> None:
        """Send sound."""
        self._sounds.append(chunk)
        for output in self.outputs:
            output.sound(chunk)

    def events(self, events: list[LiveEvent]) -> None:
        """Send events."""
        self._events.extend(events)
        for output in self.outputs:
            output.events(events)

    def cut(self, cut: Cut) -> None:
        """Send an interruption, and forget what it made void."""
        self._pictures = deque(p for p in self._pictures if p.frame < cut.frame)
        self._sounds.clear()
        self._events.clear()
        for output in self.outputs:
            output.cut(cut)

    def standing(self, standing: Standing) -> bool:
        """Send the state if it is another one; True if it was."""
        if standing == self._standing:
            return False
        self._standing = standing
        for output in self.outputs:
            output.standing(standing)
        return True

    @property
    def stands(self) -> Standing:
        """The last state that was sent."""
        return self._standing

    def close(self, reason: str) -> None:
        """Send everybody away."""
        for kept in (self._pictures, self._sounds, self._events):
            kept.clear()
        outputs, self.outputs = self.outputs, []
        for output in outputs:
            output.closed(reason)

    def _prune(self, now: float) -> None:
        pictures = self._pictures
        while len(pictures) > 1 and pictures[1].t <= now - SHOWN_S:
            pictures.popleft()
        while self._sounds and self._sounds[0].end <= now:
            self._sounds.popleft()
        while self._events and event_end(self._events[0]) <= now:
            self._events.popleft()


def event_end(event: LiveEvent) -> float:
    """Media time when an event is over."""
    return float(event.more.get("end", event.t))
