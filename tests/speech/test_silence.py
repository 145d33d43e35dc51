from __future__ import annotations

import numpy as np
import pytest

from visema.speech.silence import pauses
from visema.types import Samples

RATE = 16_000


def tone(seconds: float, level: float = 0.3) -> Samples:
    t = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 180 * t)).astype(np.float32)


def quiet(seconds: float, level: float = 0.0) -> Samples:
    noise = np.random.default_rng(1).normal(0, level, round(seconds * RATE))
    return noise.astype(np.float32)


@pytest.mark.parametrize("level", [1.0, 0.1, 0.03])
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_pauses_are_found(level: float, offset: float) -> None:
    parts = [tone(1), quiet(0.6, 0.001), tone(0.5), quiet(0.08), tone(0.7), quiet(0.2, 0.001)]
    sound = (np.concatenate(parts) * level + offset).astype(np.float32)
    found = pauses(sound, RATE)
    assert [(round(a, 1), round(b, 1)) for a, b, _ in found] == [(1.0, 1.6), (2.9, 3.1)]
    assert all(label == "" for *_, label in found)


def test_shortest_and_threshold() -> None:
    sound = np.concatenate([tone(1), quiet(0.2, 0.01), tone(1)])
    assert len(pauses(sound, RATE)) == 1
    assert not pauses(sound, RATE, shortest=0.3)
    assert not pauses(sound, RATE, threshold=-60)
    assert len(pauses(sound, RATE, threshold=-30)) == 1


def test_silence_and_nothing() -> None:
    ((start, end, _),) = pauses(quiet(1.0), RATE)
    assert (start, end) == (0.0, 1.0)
    assert pauses(np.zeros(0, np.float32), RATE) == []
    assert pauses(tone(1), RATE) == []


def test_odd_samples() -> None:
    sound = np.concatenate([tone(0.5), quiet(0.5), tone(0.5)])
    sound[10] = np.nan
    sound[20] = 50.0
    assert len(pauses(sound, RATE)) == 1
