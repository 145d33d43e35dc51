"""How a recording is spoken, as far as heads and eyelids follow it: where it is loud, high, stressed, and silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.signal import find_peaks, resample_poly

from visema.types import FloatArray, Samples

_Flags: TypeAlias = NDArray[np.bool_]
_Ints: TypeAlias = NDArray[np.intp]

#: Seconds between measurements; a pitch window holds two periods of the lowest voice.
HOP: Final = 0.010
_WINDOW: Final = 0.040
_RATE: Final = 8000
#: Hz; voices of men, women and children.
_LOWEST, _HIGHEST = 70.0, 400.0
#: So periodic a window is voiced (peak of the normalised autocorrelation).
_VOICED: Final = 0.45
#: Speech is what is less than this below the loud parts; noise floors rise the threshold.
_RANGE_DB: Final = 30.0
#: A gap shorter than this is part of a word (the closure of a stop lasts up to .15 s).
PAUSE: Final = 0.22
#: Stresses are at least this far apart (people nod at most about twice a second) and stand out by this much.
_STRESS_GAP, _PROMINENCE = 0.45, 0.35
#: Analysed at once, in seconds, so that memory does not grow with length.
_PIECE: Final = 60


@dataclass(frozen=True)
class Stress:
    """A stressed moment: when (seconds), and how much it stands out (0-1)."""

    at: float
    weight: float


@dataclass(frozen=True)
class Prosody:
    """What a speech sounds like over time, one row every `HOP` seconds.

    Attributes:
        duration: Seconds.
        activity: (n,) 0 in pauses, 1 in speech, smooth over about .2 s.
        level: (n,) loudness relative to the speech's loud parts, 0-1.
        tone: (n,) pitch relative to the speaker's middle, in standard deviations, smooth; 0 in pauses.
        stresses: In order.
        pauses: (start, end) of every pause, those at the ends included.
    """

    duration: float
    activity: FloatArray
    level: FloatArray
    tone: FloatArray
    stresses: tuple[Stress, ...]
    pauses: tuple[tuple[float, float], ...]

    @property
    def onsets(self) -> tuple[float, ...]:
        """Where speech begins after a pause."""
        return tuple(end for _, end in self.pauses if end < self.duration - HOP)

    def at(self, values: FloatArray, times: FloatArray) -> FloatArray:
        """A row of the above at ``times`` (m,) seconds."""
        return np.asarray(np.interp(times, (np.arange(len(values)) + 0.5) * HOP, values), np.float32)


def measure_prosody(samples: Samples, rate: int) -> Prosody:
    """Listen to how something is said; the words do not matter.

    Args:
        samples: (n,) mono.
        rate: Samples a second.
    """
    duration = len(samples) / rate
    n = max(1, int(np.ceil(duration / HOP)))
    db, tone = np.full(n, -120.0), np.full(n, np.nan)
    for first in range(0, n, round(_PIECE / HOP)):
        last = min(n, first + round(_PIECE / HOP))
        piece = _piece(samples, rate, first, last)
        db[first:last], tone[first:last] = _measure(piece, last - first)
    speaking, level = _speaking(db)
    pauses = _runs(~speaking)
    for start, end in pauses:
        tone[start:end] = np.nan
    tone = _contour(tone)
    activity = gaussian_filter1d(speaking.astype(np.float64), 0.10 / HOP)
    stresses = _stresses(level, tone, speaking)
    f32 = np.float32
    seconds = tuple((a * HOP, duration if b == n else b * HOP) for a, b in pauses)
    return Prosody(duration, activity.astype(f32), level.astype(f32), tone.astype(f32), stresses, seconds)


def _piece(samples: Samples, rate: int, first: int, last: int) -> FloatArray:
    """The sound of rows ``first`` to ``last`` at `_RATE`, with half a window more on either side."""
    half = _WINDOW / 2
    begin, end = round((first * HOP - half) * rate), round((last * HOP + half) * rate)
    part = np.nan_to_num(np.asarray(samples[max(0, begin) : end], np.float32))
    part = np.pad(part, (max(0, -begin), max(0, end - max(begin, 0) - len(part))))
    common = int(np.gcd(rate, _RATE))
    return np.asarray(resample_poly(part, _RATE // common, rate // common), np.float32)


def _measure(sound: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """Level in dB and pitch in octaves (NaN where there is none) of n windows."""
    size, hop = round(_WINDOW * _RATE), round(HOP * _RATE)
    sound = np.pad(sound, (0, max(0, size + (n - 1) * hop - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop][:n]
    frames = (frames - frames.mean(1, keepdims=True)) * np.hanning(size).astype(np.float32)
    db = 10 * np.log10(np.square(frames).mean(1) + 1e-12)
    spectrum = np.abs(np.fft.rfft(frames, 2 * size)) ** 2
    same = np.fft.irfft(spectrum)[:, :size]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(size), 2 * size)) ** 2)[:size]
    low, high = int(_RATE / _HIGHEST), int(_RATE / _LOWEST)
    alike = same[:, low:high] / (same[:, :1] + 1e-9) / (window[low:high] / window[0])
    # of equally good periods the shortest is the voice's, its multiples fit as well
    best = alike.max(1)
    lag = (alike > 0.92 * best[:, None]).argmax(1)
    lag = _uphill(alike, lag) + low
    tone = np.where(best > _VOICED, np.log2(_RATE / lag), np.nan)
    return np.asarray(db), np.asarray(tone)


def _uphill(alike: FloatArray, lag: _Ints) -> _Ints:
    """The top of the hill whose side is at ``lag``, at most 6 samples on."""
    ahead = np.minimum(lag[:, None] + np.arange(7), alike.shape[1] - 1)
    here = np.take_along_axis(alike, ahead, 1)
    return np.asarray(lag + here.argmax(1))


def _speaking(db: FloatArray) -> tuple[_Flags, FloatArray]:
    """Where there is speech, short gaps filled; and the level, 0-1."""
    smooth = gaussian_filter1d(db, 0.025 / HOP)
    top, floor = float(np.percentile(smooth, 95)), float(np.percentile(smooth, 5))
    if top < -70:
        return np.zeros(len(db), np.bool_), np.zeros(len(db), np.float32)
    # in a recording without pauses the floor is speech too
    threshold = max(top - _RANGE_DB, min(floor + 8, top - 18))
    speaking = smooth > threshold
    for start, end in _runs(~speaking):
        inside = start > 0 and end < len(speaking)
        if inside and (end - start) * HOP < PAUSE:
            speaking[start:end] = True
    for start, end in _runs(speaking):  # a click is no word
        if (end - start) * HOP < 0.06:
            speaking[start:end] = False
    level = np.clip((smooth - (top - _RANGE_DB)) / _RANGE_DB, 0, 1) * speaking
    return speaking, np.asarray(level, np.float32)


def _runs(flags: _Flags) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _contour(tone: FloatArray) -> FloatArray:
    """Pitch in standard deviations from the middle, bridged between voiced windows, without jumps of an octave."""
    voiced = np.isfinite(tone)
    if voiced.sum() < 10:
        return np.zeros(len(tone), np.float32)
    middle = float(np.median(tone[voiced]))
    away = tone - middle
    voiced &= np.abs(np.nan_to_num(away, nan=9.0)) < 0.75
    spread = max(float(np.std(away[voiced])), 0.06)
    at = np.flatnonzero(voiced)
    bridged = np.interp(np.arange(len(tone)), at, away[at] / spread)
    near = gaussian_filter1d(maximum_filter1d(voiced.astype(np.float64), round(0.3 / HOP)), 0.1 / HOP)
    return np.asarray(gaussian_filter1d(bridged, 0.06 / HOP).clip(-2.5, 2.5) * near, np.float32)


def _stresses(level: FloatArray, tone: FloatArray, speaking: _Flags) -> tuple[Stress, ...]:
    """Syllables that are louder and higher than those around."""
    if not speaking.any():
        return ()
    loud = gaussian_filter1d(level.astype(np.float64), 0.06 / HOP)
    around = gaussian_filter1d(level.astype(np.float64), 0.6 / HOP)
    strength = 3.0 * (loud - 0.8 * around) + 0.5 * tone
    strength = np.where(speaking, strength, strength.min())
    peaks, facts = find_peaks(strength, distance=round(_STRESS_GAP / HOP), prominence=_PROMINENCE)
    weights = np.clip(facts["prominences"] / 2.0, 0.15, 1.0)
    return tuple(Stress(float((p + 0.5) * HOP), float(w)) for p, w in zip(peaks, weights, strict=True) if speaking[p])
