"""How open a mouth sounds at each moment: people open it wider on what they stress, and loudness tells.

Not all loudness: hiss and hum are made with a nearly closed mouth. What rises with the opening is the energy around
the first formant of open vowels. On the reference clips the opening planned from phones alone agreed with that of the
real speaker by .42-.46; multiplied by loudness of the whole band by .45-.50, of this band by .48-.51, while its
agreement with the sound rose by a tenth. The effect is the same on synthetic voices, which stress syllables too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from visema.speech.sound import let_go
from visema.types import FloatArray, Samples

#: Openness is multiplied by floor + slope x loudness. A synthetic voice has no noise and no distance to the
#: microphone, so that its loudness says more; in recordings more than this disagreed with the real mouth.
SYNTHETIC: Final = (0.5, 0.8)
RECORDED: Final = (0.6, 0.6)
#: Loudness spans this many dB below the loud parts of the speech.
RANGE_DB: Final = 40.0
#: Hz.
BAND: Final = (600.0, 1400.0)
#: Seconds between measurements, width of each one's window, and of the smoothing after.
HOP: Final = 0.010
WINDOW: Final = 0.025
SMOOTHING: Final = 0.080
#: Measurements at once, which bounds memory.
_BLOCK: Final = 1024


def loudness(samples: Samples, rate: int) -> FloatArray:
    """Loudness of the band in [0, 1] every `HOP` seconds, relative to the speech's own loud parts.

    Args:
        samples: (n,) mono; a constant offset is ignored.
        rate: Samples a second.

    Returns:
        (ceil(n / (rate * HOP)),) float32; row i is centred at (i + .5) * HOP.
    """
    n = int(np.ceil(len(samples) / (rate * HOP)))
    if n == 0:
        return np.zeros(0, np.float32)
    power = _band_power(samples, rate, n)
    kernel = np.hanning(round(SMOOTHING / HOP) + 3)[1:-1]
    smooth = np.convolve(np.pad(power, len(kernel) // 2, mode="edge"), kernel / kernel.sum(), "valid")[:n]
    db = 10 * np.log10(smooth + 1e-12)
    return np.asarray(((db - np.percentile(db, 95)) / RANGE_DB + 1).clip(0, 1), np.float32)


def _band_power(samples: Samples, rate: int, n: int) -> FloatArray:
    size = max(8, round(rate * WINDOW))
    # The few frequencies wanted, by projection: cheaper than whole spectra, at any rate.
    frequencies = np.arange(BAND[0], min(BAND[1], 0.45 * rate) + 1, 50.0)
    phase = 2 * np.pi / rate * np.outer(np.arange(size), frequencies)
    window = np.hanning(size)[:, None]
    basis = (np.hstack([np.cos(phase), np.sin(phase)]) * window / window.sum()).astype(np.float32)
    basis -= basis.mean(0)
    starts = np.round((np.arange(n) + 0.5) * HOP * rate).astype(np.int64) - size // 2
    out = np.empty(n, np.float32)
    for i in range(0, n, _BLOCK):
        block = starts[i : i + _BLOCK]
        first, end = int(block[0]), int(block[-1]) + size
        # Only this stretch is copied: a long speech lies on disk and need not come into memory at once.
        stretch = np.asarray(samples[max(first, 0) : end], np.float32)
        stretch = np.pad(stretch, (max(-first, 0), end - max(first, 0) - len(stretch)))
        frames = np.lib.stride_tricks.sliding_window_view(stretch, size)
        out[i : i + _BLOCK] = np.square(frames[block - first] @ basis).sum(1)
        let_go(samples)
    return out


def _sounds(samples: Samples) -> bool:
    step = _BLOCK * 1024  # 4 MB: a long speech lies on disk and need not come into memory at once
    return any(samples[i : i + step].any() for i in range(0, len(samples), step))


def openness_of(samples: Samples, rate: int, recorded: bool) -> Callable[[FloatArray], FloatArray]:
    """A function from times in seconds, (n,), to the factor on the mouth's opening, (n,)."""
    floor, slope = RECORDED if recorded else SYNTHETIC
    # Where there is no sound, as under an edited timeline, the visemes alone say how open the mouth is.
    level = loudness(samples, rate) if _sounds(samples) else np.zeros(0, np.float32)
    at = (np.arange(len(level)) + 0.5) * HOP

    def factor(times: FloatArray) -> FloatArray:
        if not len(level):
            return np.ones(len(times), np.float32)
        return np.asarray(floor + slope * np.interp(times, at, level), np.float32)

    return factor
