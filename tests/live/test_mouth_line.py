from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.stage.conftest import MAMA
from tests.stage.conftest import speech_of as toned
from visema.live.mouth_line import CLOSE_S, MouthLine
from visema.speech.types import Speech
from visema.types import FloatArray
from visema.visemes.articulation import TARGETS, lip_gap
from visema.visemes.plan import plan

FPS = 25.0


def speech_of(*phones: tuple[float, str]) -> Speech:
    """Voiced where open vowels have their energy, silent in pauses: loudness opens the mouth further."""
    made = toned(*phones)
    t = np.arange(len(made.samples)) / made.rate
    sound = np.zeros(len(t), np.float32)
    for start, end, label in made.phones:
        if label:
            own = (t >= start) & (t < end)
            sound[own] = 0.3 * np.sin(2 * np.pi * 950 * t[own])
    return replace(made, samples=sound)


REST = TARGETS["Sil"]


def poses(line: MouthLine, first: int, last: int) -> FloatArray:
    found = [line.pose(n) for n in range(first, last)]
    return np.stack([REST if p is None else p for p in found])


@pytest.mark.parametrize("start", [0.0, 2.0, 4.36])
def test_a_speech_on_the_grid_moves_as_in_a_file(start: float) -> None:
    speech = speech_of(*MAMA, (0.3, ""))
    line = MouthLine(FPS)
    first = round(start * FPS)
    line.add(speech, start, first)
    expected = plan(speech, FPS).curve.poses
    assert np.allclose(poses(line, first, first + len(expected)), expected, atol=1e-3)
    assert line.pose(first - 1) is None and line.pose(line.end) is None


@pytest.mark.parametrize("start", [0.01, 0.017, 0.039])
def test_lips_meet_wherever_the_frames_fall(start: float) -> None:
    speech = speech_of((0.1, ""), *MAMA, (0.3, ""))
    line = MouthLine(FPS)
    line.add(speech, 1 + start, 0)
    now = 0.1
    for seconds, label in MAMA:
        if label == "m":
            first, last = math.floor((1 + start + now - 0.02) * FPS), math.ceil((1 + start + now + seconds) * FPS)
            assert lip_gap(poses(line, first, last + 1)).min() < 0.01
        now += seconds


def test_sentences_that_come_one_by_one_move_as_one() -> None:
    """Two halves of a text, joined by a short pause, against the whole at once."""
    whole = speech_of(*MAMA, (0.1, ""), *MAMA, (0.3, ""))
    first, second = speech_of(*MAMA, (0.1, "")), speech_of(*MAMA, (0.3, ""))
    line = MouthLine(FPS)
    line.add(first, 0.0, 0)
    line.add(second, first.duration, 3)
    expected = plan(whole, FPS).curve.poses
    assert np.abs(poses(line, 0, len(expected)) - expected).max() < 0.03


def test_many_sentences_made_ahead_are_all_there() -> None:
    line = MouthLine(FPS)
    speech = speech_of(*MAMA, (0.3, ""))
    for k in range(8):
        line.add(speech, k * speech.duration, 1)
    gaps = lip_gap(poses(line, 0, line.end))
    for k in range(8):
        first = round(k * speech.duration * FPS)
        assert gaps[first + 4 : first + 25].max() > 0.1, f"sentence {k} is mute"


def test_a_plan_that_comes_late_is_joined_without_a_jump() -> None:
    line = MouthLine(FPS)
    first = speech_of(*MAMA, (0.35, ""))
    line.add(first, 0.0, 0)
    undrawn = 20  # in the middle of an open vowel
    before = line.pose(undrawn - 1)
    assert before is not None
    line.add(speech_of((0.3, "i"), (0.3, "")), 0.81, undrawn)
    steps = np.abs(np.diff(lip_gap(poses(line, undrawn - 1, line.end + 2))))
    natural = np.abs(np.diff(lip_gap(plan(first, FPS).curve.poses))).max()
    assert steps.max() <= natural


@pytest.mark.parametrize("frame", range(4, 24, 3))
@pytest.mark.parametrize("fps", [24.0, 25.0, 30.0])
def test_a_cut_closes_the_mouth_smoothly_in_time(frame: int, fps: float) -> None:
    line = MouthLine(fps)
    line.add(speech_of(*MAMA, (0.3, "")), 0.0, 0)
    before = line.pose(frame - 1)
    opened = lip_gap(REST if before is None else before)
    line.cut(frame)
    closed = frame + math.ceil(CLOSE_S * fps) - 1
    after = poses(line, frame, closed + 3)
    assert np.abs(after[closed - frame] - REST).max() < 1e-3
    gaps = np.r_[opened, lip_gap(after)]
    assert (np.diff(gaps) <= 1e-4).all(), "it only closes"
    assert line.end <= closed + 1


def test_new_words_right_after_a_cut_begin_from_the_closing_mouth() -> None:
    line = MouthLine(FPS)
    line.add(speech_of(*MAMA, (0.3, "")), 0.0, 0)
    line.cut(8)
    line.add(speech_of(*MAMA, (0.3, "")), 0.4, 8)
    steps = np.abs(np.diff(poses(line, 7, 30), axis=0)).max(axis=1)
    assert steps.max() < 0.25
