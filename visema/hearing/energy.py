"""Mouth shapes from energy and spectrum alone: the last resort, right in 20-35 % of frames, but never out of step.

Loud and low-pitched resonances open the mouth, bright ones spread it, dark ones round it, hiss brings the teeth
together, a short dip between voiced sounds closes the lips.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from visema.hearing.signal import HOP, RATE, spectra
from visema.speech.types import Span
from visema.types import FloatArray, Samples

#: dB under the loud parts where speech ends.
SILENCE_DB: Final = -32.0
#: A shape shorter than this flickers.
SHORTEST: Final = 0.05
_HZ_PER_BIN: Final = RATE / 512
# What each kind of frame sounds like, in IPA.
_SOUND: Final = ("", "a", "ɛ", "i", "o", "u", "s", "ʃ", "m")


def sounds_from_energy(samples: Samples) -> tuple[Span, ...]:
    """Timed IPA symbols that stand for the likely look of the mouth.

    Args:
        samples: Conditioned, at `RATE`.
    """
    power = spectra(samples)
    if not len(power):
        return ()
    kinds = _smooth(_kinds(power))
    out = []
    at = 0
    for kind, run in groupby(kinds.tolist()):
        n = len(list(run))
        out.append(Span(at * HOP, (at + n) * HOP, _SOUND[kind]))
        at += n
    return tuple(out)


def _db(power: FloatArray) -> FloatArray:
    kernel = np.hanning(5)[1:-1] / np.hanning(5).sum()
    return np.asarray(10 * np.log10(np.convolve(power, kernel, "same") + 1e-9), np.float32)


def _kinds(power: FloatArray) -> NDArray[np.int64]:
    def band(low: float, high: float) -> FloatArray:
        return power[:, round(low / _HZ_PER_BIN) : round(high / _HZ_PER_BIN)]

    total = _db(power[:, 3:].sum(1))
    level = total - np.percentile(total, 95)
    hiss = _db(band(3500, 7800).sum(1)) - _db(band(100, 2000).sum(1))
    vowel = band(250, 3000)
    hz = np.arange(vowel.shape[1]) * _HZ_PER_BIN + 250
    # Compressed, so that the second resonance counts beside the first.
    weight = np.sqrt(vowel)
    centre = (weight * hz).sum(1) / (weight.sum(1) + 1e-9)
    low = _db(band(250, 500).sum(1)) - _db(band(550, 1000).sum(1))

    kind = np.full(len(power), _SOUND.index("ɛ"))
    kind[(low < 2) & (level > -12)] = _SOUND.index("a")
    kind[(low >= 2) & (centre > 1150)] = _SOUND.index("i")
    kind[centre < 850] = _SOUND.index("o")
    kind[(centre < 750) & (low > 6)] = _SOUND.index("u")
    kind[hiss > 3] = _SOUND.index("s")
    kind[(hiss > 0) & (hiss <= 3)] = _SOUND.index("ʃ")
    # A dip of 12 dB against the voiced sound before and after, not a pause: lips that close.
    around = np.minimum(_shifted_max(level, 12, before=True), _shifted_max(level, 12, before=False))
    kind[(around - level > 12) & (hiss < 0)] = _SOUND.index("m")
    kind[level < SILENCE_DB] = 0
    return kind


def _shifted_max(x: FloatArray, n: int, before: bool) -> FloatArray:
    padded = np.pad(x, (n, 0) if before else (0, n), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, n + 1)
    return np.asarray(windows.max(1), np.float32)


def _smooth(kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """The majority over 70 ms, then runs shorter than `SHORTEST` join the run before."""
    votes = np.stack([np.convolve(kinds == k, np.ones(7), "same") for k in range(len(_SOUND))])
    out: NDArray[np.int64] = votes.argmax(0)
    at = 0
    for kind, run in groupby(out.tolist()):
        n = len(list(run))
        if n * HOP < SHORTEST and at and kind != _SOUND.index("m"):
            out[at : at + n] = out[at - 1]
        at += n
    return out
