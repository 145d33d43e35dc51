"""Mel spectrogram of 16 kHz speech as SadTalker and Wav2Lip were trained on.

The two differ at the ends only: SadTalker's centred transform pads with zeros, Wav2Lip's by reflection (and keeps
the spectrum in single precision). That changes the first and last two columns, by up to 2.6 on the [-4, 4] scale.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
N_FFT = 800  # 50 ms window
HOP = 200  # 12.5 ms, 80 columns a second
COLUMNS_PER_SECOND = SAMPLE_RATE / HOP
N_MELS = 80
MEL_LOW, MEL_HIGH = 55.0, 7600.0  # Hz
PREEMPHASIS = 0.97
FLOOR = 1e-5  # magnitude, -100 dB
REFERENCE_DB = 20.0
MIN_DB = -100.0
MAX_ABS = 4.0
WINDOW = 16  # columns a network sees at once, 200 ms

Padding = Literal["zeros", "reflect"]

# Slaney's scale: linear below 1 kHz (200/3 Hz per mel), then 27 steps to the factor 6.4.
_LINEAR_STEP = 200.0 / 3.0
_LOG_START = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _LOG_START:
        return hz / _LINEAR_STEP
    return float(_LOG_START / _LINEAR_STEP + np.log(hz / _LOG_START) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _LOG_START / _LINEAR_STEP
    return np.where(mel < knee, mel * _LINEAR_STEP, _LOG_START * np.exp(_LOG_STEP * (mel - knee)))


@lru_cache(maxsize=1)
def mel_basis() -> NDArray[np.float32]:
    """Triangular filters of equal area, (80, 401): one row per mel band over the bins 0..8000 Hz."""
    bins = np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(MEL_LOW), _hz_to_mel(MEL_HIGH), N_MELS + 2))
    ramps = edges[:, None] - bins[None, :]
    widths = np.diff(edges)
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    area = 2.0 / (edges[2:] - edges[:-2])
    basis: NDArray[np.float32] = (triangles * area[:, None]).astype(np.float32)
    basis.setflags(write=False)
    return basis


def preemphasis(wave: NDArray[np.float32]) -> NDArray[np.float64]:
    """First difference y[n] = x[n] - 0.97 x[n-1] with x[-1] = 0, in double precision."""
    signal = np.asarray(wave, dtype=np.float64)
    out = signal.copy()
    out[1:] -= PREEMPHASIS * signal[:-1]
    return out


def magnitudes(signal: NDArray[np.float64], padding: Padding) -> NDArray[np.float32] | NDArray[np.float64]:
    """Short-time spectrum magnitudes (401, 1 + n // 200), frames centred on every 200th sample."""
    half = N_FFT // 2
    if padding == "reflect" and len(signal) <= half:
        raise ValueError(f"{len(signal)} samples are too few: reflection needs more than {half}")
    padded = np.pad(signal, half, mode="constant" if padding == "zeros" else "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(N_FFT) / N_FFT)
    spectrum = np.fft.rfft(frames * hann, axis=1).T
    return np.abs(spectrum.astype(np.complex64) if padding == "reflect" else spectrum)


def melspectrogram(wave: NDArray[np.float32], padding: Padding) -> NDArray[np.float32]:
    """Normalised mel spectrogram.

    Args:
        wave: mono speech at 16 kHz in [-1, 1], (n,).
        padding: "zeros" for SadTalker, "reflect" for Wav2Lip.

    Returns:
        Mel levels in [-4, 4], (80, 1 + n // 200).
    """
    if np.ndim(wave) != 1 or not len(wave):
        raise ValueError(f"expected mono samples (n,), got shape {np.shape(wave)}")
    mel = mel_basis() @ magnitudes(preemphasis(wave), padding)
    decibels = 20.0 * np.log10(np.maximum(FLOOR, mel)) - REFERENCE_DB
    scaled = 2 * MAX_ABS * (decibels - MIN_DB) / -MIN_DB - MAX_ABS
    levels: NDArray[np.float32] = np.clip(scaled, -MAX_ABS, MAX_ABS).astype(np.float32)
    return levels
