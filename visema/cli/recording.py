"""Does a recording hold speech at all? A doubt is a question to the user, never a refusal."""

from __future__ import annotations

import numpy as np

from visema.types import FloatArray, Samples

#: Frames in which pitch is looked for: two periods of the lowest voice (70 Hz) fit.
FRAME_S, STEP_S = 0.040, 0.020
PITCH_HZ = (70.0, 400.0)
#: The loudest frames of a quiet recording of speech stay above this.
SILENCE_DBFS = -50.0
#: A frame whose waveform repeats itself this well is voiced. White noise reaches .35 in 640 samples, vowels .7-.99.
VOICED = 0.55
#: Share of voiced frames among the loud ones: speech has 35-75 %, noise under 2 %.
LEAST_VOICED = 0.08
#: Speech comes and goes; between loud and soft frames lie 20 dB and more. A hum or tone stays within 2.
LEAST_DYNAMICS_DB = 5.0
#: Enough to judge by, so that a recording of an hour is not gone through.
LOOKED_AT_S = 120.0


def doubt(samples: Samples, rate: int) -> str:
    """What the recording seems to hold instead of speech: ``"only silence"``, ``"only noise"`` or nothing.

    Args:
        samples: (n,) mono.
        rate: Samples a second.
    """
    from visema.media.audio import resample

    samples = resample(samples[: round(LOOKED_AT_S * rate)], rate, 16_000)
    samples = samples - samples.mean()
    frames = _frames(samples, round(FRAME_S * 16_000), round(STEP_S * 16_000))
    power = (frames.astype(np.float64) ** 2).mean(1)
    level = 10 * np.log10(power + 1e-12)
    if level.max() < SILENCE_DBFS:
        return "only silence"
    loud = level > level.max() - 25
    if len(level) >= 10 and np.percentile(level, 95) - np.percentile(level, 5) < LEAST_DYNAMICS_DB:
        return "only noise"
    if (_repetition(frames[loud], 16_000) > VOICED).mean() < LEAST_VOICED:
        return "only noise"
    return ""


def _frames(samples: Samples, length: int, step: int) -> FloatArray:
    if len(samples) < length:
        samples = np.pad(samples, (0, length - len(samples)))
    windows: FloatArray = np.lib.stride_tricks.sliding_window_view(samples, length)[::step]
    return windows


def _repetition(frames: FloatArray, rate: int) -> FloatArray:
    """The highest normalised autocorrelation of each frame at a lag that a voice's pitch can have, (n,)."""
    n = frames.shape[1]
    frames = frames - frames.mean(1, keepdims=True)
    spectrum = np.fft.rfft(frames, 2 * n, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n]
    lags = slice(round(rate / PITCH_HZ[1]), round(rate / PITCH_HZ[0]))
    # The overlap shrinks with the lag; without this correction low voices would seem less periodic.
    overlap = (n - np.arange(n)[lags]) / n
    best: FloatArray = (correlation[:, lags] / overlap).max(1) / np.maximum(correlation[:, 0], 1e-12)
    return best
