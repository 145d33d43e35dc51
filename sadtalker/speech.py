"""Speech as the networks read it: frames at 25 per second, a mel window for each, and when the eyes blink."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facenets.mel import COLUMNS_PER_SECOND, SAMPLE_RATE, WINDOW, melspectrogram

FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
#: A window starts two frames before its own.
LOOK_BACK = 2
#: The lid over five frames, 0 open to 1 shut.
BLINK = (0.5, 0.9, 1.0, 0.9, 0.5)
#: Frames between blinks at least, and at most less one; a speech of so many frames gets none.
BLINK_GAPS = (10, 70)
LONGEST_WITHOUT_BLINK = 20


class SpeechWindows(NamedTuple):
    """Mel windows of a speech.

    Attributes:
        windows: (1, t, 1, 80, 16).
        starts: first mel column of each before clamping, (t,).
    """

    windows: NDArray[np.float32]
    starts: NDArray[np.int64]


def frame_count(samples: int) -> int:
    """Video frames of a speech of so many samples at 16 kHz, the last, broken one dropped."""
    return samples // SAMPLES_PER_FRAME


def window_start(frame: int) -> int:
    """First mel column of a frame, truncated toward zero: -6, -3, 0, 3, 6, 9, 12, 16 ..."""
    return int(COLUMNS_PER_SECOND * ((frame - LOOK_BACK) / FPS))


def speech_windows(wave: NDArray[np.float32]) -> SpeechWindows:
    """Cut 16 kHz speech (n,) into one window per frame; columns beyond either end repeat the last one there."""
    frames = frame_count(len(wave))
    if frames < 1:
        raise ValueError(f"{len(wave)} samples are too few: one frame needs {SAMPLES_PER_FRAME}")
    mel = melspectrogram(wave[: frames * SAMPLES_PER_FRAME], "zeros").T
    starts = np.array([window_start(i) for i in range(frames)], dtype=np.int64)
    columns = np.clip(starts[:, None] + np.arange(WINDOW), 0, len(mel) - 1)
    return SpeechWindows(np.ascontiguousarray(mel[columns].transpose(0, 2, 1))[None, :, None], starts)


def blink_track(frames: int, rng: random.Random) -> NDArray[np.float32]:
    """How far the eyes are shut in every frame, (frames, 1): blinks at random gaps, none in a very short speech."""
    track = np.zeros((frames, 1), dtype=np.float32)
    shortest, longest = BLINK_GAPS[0], min(frames // 2, BLINK_GAPS[1])
    if frames <= LONGEST_WITHOUT_BLINK or longest <= shortest:
        return track
    position = 0
    while position + (gap := rng.randrange(shortest, longest)) + len(BLINK) <= frames - 1:
        start = position + gap
        track[start : start + len(BLINK), 0] = BLINK
        position = start + len(BLINK)
    return track
