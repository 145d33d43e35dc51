"""How loud a recording is at each moment, for people open the mouth wider on what they stress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from visema.types import FloatArray, Samples

#: Openness is multiplied by FLOOR + SLOPE x loudness; with these a real speaker's opening was matched best.
FLOOR: Final = 0.5
SLOPE: Final = 0.8
#: Loudness spans this many dB below the loud parts of the speech.
RANGE_DB: Final = 30.0
#: Seconds between measurements, and the width of the window of each.
HOP: Final = 0.010
WINDOW: Final = 0.040


def loudness(samples: Samples, rate: int) -> FloatArray:
    """Loudness in [0, 1] every `HOP` seconds, relative to the speech's own loud parts.

    Args:
        samples: (n,) mono; a constant offset is ignored.
        rate: Samples a second.

    Returns:
        (ceil(n / (rate * HOP)),) float32; row i is centred at (i + .5) * HOP.
    """
    hop = max(1, round(rate * HOP))
    n = -(-len(samples) // hop)
    if n == 0:
        return np.zeros(0, np.float32)
    x = np.zeros(n * hop, np.float32)
    x[: len(samples)] = samples - np.mean(samples, dtype=np.float64)
    power = np.square(x.reshape(n, hop)).mean(1, dtype=np.float64)
    kernel = np.hanning(round(WINDOW / HOP) * 2 + 1)
    smooth = np.convolve(np.pad(power, len(kernel) // 2, mode="edge"), kernel / kernel.sum(), "valid")
    db = 10 * np.log10(smooth + 1e-12)
    top = np.percentile(db, 95)
    return np.asarray(((db - top) / RANGE_DB + 1).clip(0, 1), np.float32)


def openness_of(samples: Samples, rate: int) -> Callable[[FloatArray], FloatArray]:
    """A function from times in seconds, (n,), to the factor on the mouth's opening, (n,)."""
    level = loudness(samples, rate)
    at = (np.arange(len(level)) + 0.5) * HOP

    def factor(times: FloatArray) -> FloatArray:
        if not len(level):
            return np.ones(len(times), np.float32)
        return np.asarray(FLOOR + SLOPE * np.interp(times, at, level), np.float32)

    return factor
