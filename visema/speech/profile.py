"""What a voice is like, in numbers: its pitch, its rate and the colour of its sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from visema.types import Samples

_Floats = NDArray[np.float64]

#: Everything is measured at this rate; seconds between measurements, and of each.
_RATE: Final = 16_000
_HOP, _WINDOW = 0.010, 0.040
#: Hz that voices of men, women and children have, and how periodic a voiced moment is.
_LOWEST, _HIGHEST, _VOICED = 65.0, 420.0, 0.5
#: Speech is what is less than this below its loud parts, in dB.
_RANGE_DB: Final = 28.0
#: A syllable is a hill of the level of the vowels' band that stands out by so many dB, and so far from the next (s).
_BAND: Final = (300.0, 3000.0)
_HILL_DB, _HILL_GAP = 2.5, 0.08
#: Middles of the bands that the colour is told by, in Hz: half octaves.
BANDS: Final = tuple(125 * 2 ** (i / 2) for i in range(12))
#: Voiced moments that there must be.
LEAST_VOICED: Final = 100


@dataclass(frozen=True)
class Profile:
    """A voice, measured.

    Attributes:
        pitch: Hz, the median of the voiced moments; 0 without any.
        rate: Syllables a second of speech, pauses left out.
        colour: (12,) dB of `BANDS` about their mean, over the voiced moments.
        voiced: How many moments of 10 ms were voiced.
    """

    pitch: float
    rate: float
    colour: tuple[float, ...]
    voiced: int


def profile(samples: Samples, rate: int) -> Profile:
    """Measure a voice.

    Args:
        samples: (n,) mono, some seconds of one voice.
        rate: Samples a second.
    """
    from scipy.signal import resample_poly

    common = int(np.gcd(rate, _RATE))
    sound = np.asarray(resample_poly(samples, _RATE // common, rate // common), np.float64)
    size, hop = round(_WINDOW * _RATE), round(_HOP * _RATE)
    if len(sound) < 4 * size:
        return Profile(0.0, 0.0, (0.0,) * len(BANDS), 0)
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] * np.hanning(size)
    power: _Floats = np.square(np.abs(np.fft.rfft(frames, 2 * size)), dtype=np.float64)
    level = 10 * np.log10(power.sum(1) + 1e-9)
    loud = level > np.percentile(level, 95) - _RANGE_DB
    pitch, voiced = _pitch(power, size)
    voiced &= loud
    if not voiced.any():
        return Profile(0.0, 0.0, (0.0,) * len(BANDS), 0)
    frequencies = np.fft.rfftfreq(2 * size, 1 / _RATE)
    return Profile(
        float(np.median(pitch[voiced])),
        _syllables(power, frequencies, loud),
        _colour(power[voiced], frequencies),
        int(voiced.sum()),
    )


def _pitch(power: _Floats, size: int) -> tuple[_Floats, NDArray[np.bool_]]:
    """Hz of each window by autocorrelation, and whether it is voiced."""
    same = np.fft.irfft(power)[:, :size]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(size), 2 * size)) ** 2)[:size]
    low, high = int(_RATE / _HIGHEST), int(_RATE / _LOWEST)
    alike = same[:, low:high] / (same[:, :1] + 1e-9) / (window[low:high] / window[0])
    # Only hilltops are periods: the slope down from no shift at all reaches far in dull sounds.
    tops = np.zeros_like(alike)
    inner = alike[:, 1:-1]
    tops[:, 1:-1] = np.where((inner >= alike[:, :-2]) & (inner > alike[:, 2:]), inner, 0.0)
    best = tops.max(1)
    # Of equally good periods the shortest is the voice's, its multiples fit as well.
    lag = (tops > 0.9 * best[:, None]).argmax(1) + low
    return _RATE / lag, best > _VOICED


def _syllables(power: _Floats, frequencies: _Floats, loud: NDArray[np.bool_]) -> float:
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    inside = (frequencies >= _BAND[0]) & (frequencies <= _BAND[1])
    level = gaussian_filter1d(10 * np.log10(power[:, inside].sum(1) + 1e-9), 0.02 / _HOP)
    floor = np.percentile(level, 95) - _RANGE_DB
    peaks, _ = find_peaks(np.maximum(level, floor), prominence=_HILL_DB, distance=round(_HILL_GAP / _HOP))
    # Gaps shorter than a fifth of a second are within words.
    filled = gaussian_filter1d(loud.astype(float), 0.08 / _HOP) > 0.25
    seconds = float(filled.sum()) * _HOP
    return sum(bool(filled[p]) for p in peaks) / seconds if seconds else 0.0


def _colour(power: _Floats, frequencies: _Floats) -> tuple[float, ...]:
    mean = (power / power.sum(1, keepdims=True)).mean(0)
    out = []
    for middle in BANDS:
        inside = (frequencies >= middle / 2**0.25) & (frequencies < middle * 2**0.25)
        out.append(10 * np.log10(mean[inside].sum() + 1e-9))
    return tuple(float(v) for v in np.array(out) - np.mean(out))


@dataclass(frozen=True)
class Distance:
    """How far two voices are apart.

    Attributes:
        semitones: Between their pitches.
        rate: Of the second's rate to the first's.
        colour: dB, the root of the mean square over `BANDS`.
    """

    semitones: float
    rate: float
    colour: float


def distance(one: Profile, other: Profile) -> Distance:
    """From ``one`` to ``other``; both were voiced."""
    return Distance(
        float(12 * np.log2(other.pitch / one.pitch)) if one.pitch and other.pitch else 0.0,
        other.rate / one.rate if one.rate else 1.0,
        float(np.sqrt(np.mean((np.array(one.colour) - np.array(other.colour)) ** 2))),
    )
