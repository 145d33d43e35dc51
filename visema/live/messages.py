"""What a stage sends to its watchers: pictures, sound, cuts and events, and their bytes on the wire.

The layout is documented in ``docs/live_protocol.md``; it is one of the few places where numbers must agree with it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from visema.types import Samples

VERSION = 1
PICTURE, SOUND = 1, 2
BARE, JPEG = 0, 1
PCM, OPUS = 1, 2
#: Rate of the sound on a stage, and of PCM on the wire: the voices reach 11-12 kHz.
RATE = 24_000
#: Ogg Opus counts in this rate whatever went in.
OPUS_RATE = 48_000
FIRST_CHUNK, LAST_CHUNK = 1, 2

_PICTURE = struct.Struct("<BBHIdIHHHHBBH")
_SOUND = struct.Struct("<BBHIdIIII")
HEADER = 32

State = Literal["listening", "waiting", "preparing", "speaking"]
Kind = Literal["queued", "started", "sentence", "word", "viseme", "finished", "interrupted", "failed"]


@dataclass(frozen=True)
class Picture:
    """What is seen at one frame: the loop's own, or a rectangle on it.

    Attributes:
        frame: Number of the frame; it is due at ``t``.
        base: Loop frame that it lies on.
        t: Media time, seconds.
        epoch: Cuts of the stage before it.
        x: Left edge.
        y: Top edge.
        width: Of the rectangle; 0 for the bare loop.
        height: Of the rectangle.
        jpeg: The rectangle's pixels; empty for the bare loop.
    """

    frame: int
    base: int
    t: float
    epoch: int
    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0
    jpeg: bytes = b""

    @cached_property
    def wire(self) -> bytes:
        """Header and JPEG; the same bytes for every watcher."""
        codec = JPEG if self.jpeg else BARE
        place = (self.x, self.y, self.width, self.height)
        head = _PICTURE.pack(PICTURE, codec, self.base, self.epoch, self.t, self.frame & 0xFFFFFFFF, *place, 0, 0, 0)
        return head + self.jpeg


@dataclass(frozen=True)
class SoundChunk:
    """A stretch of sound that can be decoded alone.

    Attributes:
        t: Media time of its first sample.
        epoch: Cuts of the stage before it.
        take: Number of the run of sound that it belongs to.
        first: Index of its first sample in the take, at `RATE`.
        samples: (n,) float32 at `RATE`.
        opus: The same as a whole Ogg Opus file; empty where nothing encodes Opus.
        flags: `FIRST_CHUNK`, `LAST_CHUNK`.
    """

    t: float
    epoch: int
    take: int
    first: int
    samples: Samples
    opus: bytes = b""
    flags: int = 0

    @property
    def end(self) -> float:
        """Media time after its last sample."""
        return self.t + len(self.samples) / RATE

    @cached_property
    def wire_pcm(self) -> bytes:
        """Header and signed 16-bit samples."""
        import numpy as np

        data = (np.clip(self.samples, -1, 1) * 32767).astype("<i2").tobytes()
        return self._head(PCM, RATE) + data

    @cached_property
    def wire_opus(self) -> bytes:
        """Header and Ogg Opus."""
        return self._head(OPUS, OPUS_RATE) + self.opus

    def _head(self, codec: int, rate: int) -> bytes:
        times = rate // RATE
        count, first = len(self.samples) * times, self.first * times
        return _SOUND.pack(SOUND, codec, self.flags, self.epoch, self.t, rate, count, self.take, first)


@dataclass(frozen=True)
class Cut:
    """An interruption: nothing of lower epochs counts from ``t`` and ``frame`` on."""

    epoch: int
    t: float
    frame: int


@dataclass(frozen=True)
class LiveEvent:
    """Something that happens to an utterance.

    Attributes:
        kind: What.
        t: Media time when it is heard or seen; may lie ahead.
        utterance: Number of the utterance.
        epoch: Cuts of the stage before it was made known.
        more: Further fields, see the protocol.
    """

    kind: Kind
    t: float
    utterance: int
    epoch: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As the wire has it, times rounded to 0.1 ms."""
        more = {k: round(v, 4) if isinstance(v, float) else v for k, v in self.more.items()}
        return {"kind": self.kind, "t": round(self.t, 4), "utterance": self.utterance, **more}


@dataclass(frozen=True)
class Standing:
    """How a stage stands: its state, and the place in the line for a talking seat (1 is next, 0 for none)."""

    state: State = "listening"
    place: int = 0


class Output(Protocol):
    """Takes what a stage sends: a browser's socket, a recording, MJPEG; others may come.

    Called from the stage's threads while it holds its lock: hand over and return, never wait, never call the stage.
    Everything comes in order, some of it ahead of its time.
    """

    @property
    def wants_pictures(self) -> bool:
        """False while nobody looks: nothing is drawn if no output wants pictures."""
        ...

    def picture(self, picture: Picture) -> None:
        """A picture; frames may be left out."""
        ...

    def sound(self, chunk: SoundChunk) -> None:
        """A stretch of sound."""
        ...

    def cut(self, cut: Cut) -> None:
        """An interruption."""
        ...

    def events(self, events: list[LiveEvent]) -> None:
        """Events, some ahead of their time."""
        ...

    def standing(self, standing: Standing) -> None:
        """The stage's state has changed."""
        ...

    def closed(self, reason: str) -> None:
        """The stage is no more; empty reason: as asked for."""
        ...
