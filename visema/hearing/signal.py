"""What is done to a recording before anything listens to it, and whether there is speech in it at all."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from visema.message import Message
from visema.types import FloatArray, Samples

#: The acoustic model's rate.
RATE: Final = 16000
#: Speech is brought to this level (RMS of its loud parts), so that the noise below is the same for everybody.
LEVEL: Final = 0.1
#: Faint noise under everything: digital silence, as synthesisers and editors make it, is minus infinity to the
#: recogniser and made it lose half of the sentences.
DITHER: Final = 0.001
#: Rumble and a constant offset end below this, in Hz.
HIGH_PASS: Final = 60.0
#: Spectrum frames.
HOP: Final = 0.010
_FFT: Final = 512
#: A recording whose loudest moments are below this is silent (dBFS).
SILENT_DB: Final = -75.0
#: The shape of the spectrum of speech moves by 5 dB and more, of noise, hum and tones by less than 2.
STILL_DB: Final = 2.5
_BANDS: Final = (100, 300, 600, 1000, 1600, 2500, 4000, 7000)


def condition(samples: Samples, rate: int) -> Samples:
    """Mono at `RATE`, without offset and rumble, at `LEVEL`, on a floor of faint noise (always the same).

    Args:
        samples: (n,) at any rate; values that are no numbers count as silence.
        rate: Samples a second.

    Returns:
        (n * RATE / rate,) float32.
    """
    from math import gcd

    from scipy.signal import butter, resample_poly, sosfilt

    x = _finite(samples)
    if not len(x):
        return x
    x = x - np.float32(np.mean(x, dtype=np.float64))
    if rate != RATE:
        common = gcd(RATE, rate)
        x = resample_poly(x, RATE // common, rate // common).astype(np.float32)
    x = sosfilt(butter(2, HIGH_PASS, "high", fs=RATE, output="sos"), x).astype(np.float32)
    loud = np.abs(x) > 0.02 * np.abs(x).max()
    level = float(np.sqrt(np.mean(np.square(x[loud], dtype=np.float64)))) if loud.any() else 0.0
    if level > 0:
        x *= np.float32(LEVEL / level)
    noise = np.random.default_rng(0).standard_normal(len(x), np.float32) * np.float32(DITHER)
    return np.asarray((x + noise).clip(-1, 1), np.float32)


def _finite(samples: Samples) -> Samples:
    return np.nan_to_num(np.asarray(samples, np.float32), nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)


def spectra(samples: Samples) -> FloatArray:
    """Power spectra every `HOP` seconds, frame i centred at (i + .5) * HOP.

    Args:
        samples: (n,) at `RATE`.

    Returns:
        (ceil(n / hop), 257) float32; bins are 31.25 Hz apart.
    """
    hop = round(HOP * RATE)
    n = -(-len(samples) // hop)
    side = (_FFT - hop) // 2
    padded = np.pad(samples, (side, n * hop - len(samples) + _FFT - hop - side))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::hop][:n]
    window = np.hanning(_FFT).astype(np.float32)
    out = np.empty((n, _FFT // 2 + 1), np.float32)
    for i in range(0, n, 4096):  # bounded memory
        out[i : i + 4096] = np.square(np.abs(np.fft.rfft(frames[i : i + 4096] * window)))
    return out


def band_levels(samples: Samples) -> FloatArray:
    """(frames, bands) dB of seven bands from 100 Hz to 7 kHz, smoothed over 50 ms."""
    edges = [round(f * _FFT / RATE) for f in _BANDS]
    # A minute at a time: half an hour of spectra would be 200 MB.
    minute = 60 * RATE
    pieces = (spectra(samples[i : i + minute]) for i in range(0, len(samples), minute))
    bands = np.concatenate([np.stack([p[:, a:b].sum(1) for a, b in pairwise(edges)], 1) for p in pieces])
    kernel = np.hanning(7)[1:-1] / np.hanning(7).sum()
    smooth = np.stack([np.convolve(np.pad(b, 2, mode="edge"), kernel, "valid") for b in bands.T], 1)
    return np.asarray(10 * np.log10(smooth + 1e-9), np.float32)


def why_no_speech(samples: Samples, rate: int) -> Message:
    """Why nobody can be heard in a recording, in words, or an empty string.

    Args:
        samples: As read, before `condition`.
        rate: Samples a second.
    """
    if not len(samples):
        return Message("the recording has no length")
    x = _finite(samples)
    block = max(1, round(rate * 0.03))
    usable = x[: len(x) // block * block] if len(x) >= block else x
    power = np.square(usable - np.mean(x, dtype=np.float64)).reshape(-1, min(block, len(usable))).mean(1)
    if 10 * np.log10(np.percentile(power, 95) + 1e-12) < SILENT_DB:
        return Message("the recording is silent")
    levels = band_levels(condition(samples, rate))
    total = levels.max(1)
    heard = levels[total > np.percentile(total, 95) - 25]
    shape = heard - heard.mean(1, keepdims=True)
    if float(shape.std(0).mean()) < STILL_DB:
        return Message("there is only a steady noise in the recording")
    return Message("")


def chunks(samples: Samples, longest: float, shortest: float) -> list[tuple[int, int]]:
    """Cut a recording at its quietest moments into pieces of bounded length.

    Args:
        samples: (n,) at `RATE`.
        longest: Seconds; a recording no longer stays whole.
        shortest: Seconds; the cut lies between the two.

    Returns:
        Ranges of samples that follow each other.
    """
    hop = round(HOP * RATE)
    frames = len(samples) // hop
    power = np.square(samples[: frames * hop].reshape(frames, hop)).mean(1, dtype=np.float64)
    kernel: NDArray[np.float64] = np.hanning(42)[1:-1]
    quiet = np.convolve(power, kernel / kernel.sum(), "same") if frames else power
    out: list[tuple[int, int]] = []
    start = 0
    while (frames - start) * HOP > longest:
        low, high = start + round(shortest / HOP), start + round(longest / HOP)
        cut = low + int(np.argmin(quiet[low:high]))
        out.append((start * hop, cut * hop))
        start = cut
    out.append((start * hop, len(samples)))
    return out
