"""A take: a run of sound without a gap, given out in chunks ahead of its time."""

from __future__ import annotations

from typing import Final

import numpy as np

from visema.live.messages import FIRST_CHUNK, LAST_CHUNK, RATE, SoundChunk
from visema.live.opus import PACKET, OpusStream, available
from visema.types import Samples

#: Length of the first chunk, which must be there soon, and of the others, each with 80 ms of pre-roll.
FIRST_S: Final = 0.2
CHUNK_S: Final = 0.5


class Take:
    """One run of sound.

    Args:
        number: Counts the takes of a stage.
        start: Media time of its first sample.
        epoch: Cuts of the stage before it.
        opus: Encode Opus too.
    """

    def __init__(self, number: int, start: float, epoch: int, *, opus: bool = True) -> None:
        self.number, self.start, self.epoch = number, start, epoch
        self._opus = OpusStream(number) if opus and available() else None
        self._pending: list[Samples] = []
        self._length = 0  # samples in all
        self._emitted = 0
        self._fed = 0  # samples that the encoder has had, one packet more than were given out
        self._finished = False

    @property
    def end(self) -> float:
        """Media time after its last sample so far."""
        return self.start + self._length / RATE

    @property
    def emitted(self) -> float:
        """Media time up to which it was given out."""
        return self.start + self._emitted / RATE

    def append(self, samples: Samples) -> None:
        """Put (n,) float32 sound at the end."""
        if len(samples):
            self._pending.append(samples)
            self._length += len(samples)

    def emit(self, until: float, *, last: bool = False) -> list[SoundChunk]:
        """Chunks that begin before ``until``.

        Args:
            until: Media time.
            last: Nothing more will be appended: all of it.
        """
        out: list[SoundChunk] = []
        while not self._finished and (last or self.emitted < until):
            wanted = round((CHUNK_S if self._emitted else FIRST_S) * RATE) // PACKET * PACKET
            left = self._length - self._emitted
            final = last and left <= wanted
            if not final and left < wanted + PACKET:
                # A part of a chunk rather than a gap, a packet held back that the encoder looks ahead by.
                wanted = (left - PACKET) // PACKET * PACKET
            count = left if final else wanted
            if count <= 0:
                if final:
                    self._finished = True
                break
            out.append(self._chunk(count, final))
        return out

    def _chunk(self, count: int, final: bool) -> SoundChunk:
        first = self._emitted
        samples = self._taken(count + (0 if final else PACKET))
        opus = b""
        if self._opus is not None:
            self._opus.feed(samples[self._fed - first :])
            if final:
                self._opus.finish()
            opus = self._opus.piece(first, count)
        self._fed = first + len(samples)
        if not final:
            self._pending.insert(0, samples[count:])
        self._emitted += count
        self._finished = final
        flags = (0 if first else FIRST_CHUNK) | (LAST_CHUNK if final else 0)
        return SoundChunk(self.start + first / RATE, self.epoch, self.number, first, samples[:count], opus, flags)

    def _taken(self, count: int) -> Samples:
        """The next ``count`` samples that are pending, removed."""
        parts: list[Samples] = []
        while count > 0 and self._pending:
            part = self._pending.pop(0)
            if len(part) > count:
                self._pending.insert(0, part[count:])
                part = part[:count]
            parts.append(part)
            count -= len(part)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
