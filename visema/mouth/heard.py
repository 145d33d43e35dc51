"""`Heard`: a moment of a speech, for engines that draw from the sound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from visema.types import Samples

#: What the networks listen to.
RATE = 16_000
#: Samples on both sides of a stretch that is brought to `RATE`, so that its ends are as they would be in the whole.
_MARGIN = 64


@dataclass(frozen=True)
class Heard:
    """A moment of a speech.

    Attributes:
        samples: The whole of it, mono.
        rate: Samples a second.
        number: The picture's number in the speech.
        fps: Pictures a second.
        shift: Seconds from the speech's beginning to picture 0.
        live: Whether somebody waits for the picture, so that half the pictures may be drawn as means of others.
    """

    samples: Samples
    rate: int
    number: int
    fps: float
    shift: float = 0.0
    live: bool = False

    @property
    def length(self) -> int:
        """Samples of the whole speech at `RATE`."""
        return len(self.samples) * RATE // self.rate

    def stretch(self, start: int, end: int) -> Samples:
        """Samples ``start`` to ``end`` of the speech at `RATE`; both within it."""
        if self.rate == RATE:
            return np.asarray(self.samples[start:end], np.float32)
        from visema.media.audio import resample

        # A multiple of this is a whole sample at either rate, so that nothing is shifted.
        unit = RATE // math.gcd(RATE, self.rate)
        first = max(0, (start - _MARGIN) // unit * unit)
        low = first * self.rate // RATE
        high = min(len(self.samples), math.ceil((end + _MARGIN) * self.rate / RATE))
        return resample(self.samples[low:high], self.rate, RATE)[start - first : end - first]
