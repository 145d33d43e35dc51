"""Silences in recorded or generated sound, by a level in dBFS."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np

from visema.speech.types import Span
from visema.types import Samples

#: Shorter silences are closures of stops, not pauses: under 120 ms the mouth holds.
SHORTEST: Final = 0.12
#: A silence is so many decibels below the sound's own level, as long as that is above the floor.
BELOW: Final = 20.0
#: The threshold is never outside these, whatever the sound's level, in dBFS.
THRESHOLDS: Final = (-60.0, -30.0)
_STEP_MS: Final = 10


def pauses(samples: Samples, rate: int, threshold: float | None = None, shortest: float = SHORTEST) -> list[Span]:
    """Silent stretches of ``samples``, in order, with empty labels.

    Args:
        samples: (n,) mono float32.
        rate: Samples a second.
        threshold: dBFS below which it is silent; by default `BELOW` under the sound's own level.
        shortest: Seconds; shorter silences are left out.
    """
    if not len(samples) or rate <= 0:
        return []
    with warnings.catch_warnings():
        # pydub asks for ffmpeg, which silence detection does not need, and Python 3.11 warns of audioop.
        warnings.simplefilter("ignore")
        from pydub import AudioSegment, silence

    pcm = (np.clip(np.nan_to_num(samples - np.mean(samples)), -1, 1) * 32767).astype("<i2")
    sound = AudioSegment(pcm.tobytes(), frame_rate=rate, sample_width=2, channels=1)
    if threshold is None:
        threshold = float(np.clip(sound.dBFS - BELOW, *THRESHOLDS)) if sound.max else 0.0
    found = silence.detect_silence(
        sound, min_silence_len=max(1, round(shortest * 1000)), silence_thresh=threshold, seek_step=_STEP_MS
    )
    duration = len(samples) / rate
    return [Span(start / 1000, min(end / 1000, duration), "") for start, end in found]
