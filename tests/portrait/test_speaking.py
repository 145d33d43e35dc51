"""What moves when, in a speech whose stresses and pauses are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from visema.portrait.motion import BOB, BREATH, PITCH, ROLL, YAW, IdleMotion
from visema.portrait.prosody import Prosody, measure_prosody
from visema.portrait.speaking import STYLES, seed_of, speaking_motion
from visema.types import FloatArray, Samples

RATE, FPS = 16000, 25.0
#: Syllables of .16 s; the stressed ones are louder and higher. Two phrases and a pause of 1.2 s.
SYLLABLES = [0.30 + 0.25 * k for k in range(8)] + [3.5 + 0.25 * k for k in range(10)]
STRESSED = (SYLLABLES[2], SYLLABLES[6], SYLLABLES[10], SYLLABLES[15])
PAUSE = (2.21, 3.5)
SECONDS = 6.5


@cache
def spoken() -> Samples:
    """A buzz with the rhythm of speech, on a little noise."""
    t = np.arange(round(SECONDS * RATE)) / RATE
    sound = np.random.default_rng(0).normal(0, 1e-3, len(t))
    for start in SYLLABLES:
        strong = start in STRESSED
        inside = (t >= start) & (t < start + 0.16)
        shape = np.sin(np.pi * (t[inside] - start) / 0.16) ** 0.5
        pitch = 160.0 if strong else 120.0
        buzz = sum(np.sin(2 * np.pi * pitch * k * t[inside]) / k for k in range(1, 8))
        sound[inside] += (0.35 if strong else 0.12) * shape * buzz
    return (sound / np.abs(sound).max() * 0.8).astype(np.float32)


@cache
def prosody() -> Prosody:
    return measure_prosody(spoken(), RATE)


def motion(style: str = "calm", seed: int = 0, measured: Prosody | None = None) -> IdleMotion:
    measured = measured or prosody()
    return speaking_motion(measured, round(measured.duration * FPS), FPS, style, seed)


def at(values: FloatArray, seconds: float) -> float:
    return float(values[round(seconds * FPS)])


def test_stresses_and_pauses_are_found() -> None:
    found = prosody()
    inner = [p for p in found.pauses if p[0] > 1 and p[1] < 6]
    assert len(inner) == 1 and inner[0] == pytest.approx(PAUSE, abs=0.08)
    strongest = sorted(found.stresses, key=lambda s: -s.weight)[:4]
    assert sorted(s.at for s in strongest) == pytest.approx([s + 0.08 for s in STRESSED], abs=0.08)
    assert found.onsets == pytest.approx([0.30, 3.5], abs=0.08)


def test_rates_and_levels_do_not_matter() -> None:
    quiet = measure_prosody(spoken() * np.float32(0.05), RATE)
    slow = measure_prosody(spoken()[::2], RATE // 2)
    for other in (quiet, slow):
        assert [s.at for s in other.stresses] == pytest.approx([s.at for s in prosody().stresses], abs=0.05)


@pytest.mark.parametrize("samples", [np.zeros(16000, np.float32), np.zeros(3, np.float32), np.ones(8000, np.float32)])
def test_silence_moves_nobody_to_nod(samples: Samples) -> None:
    found = measure_prosody(samples, RATE)
    assert found.stresses == () and not found.activity.any()
    still = speaking_motion(found, max(1, len(samples) // 640), FPS, "lively")
    assert np.isfinite(still.head).all()


def test_the_head_dips_on_stresses() -> None:
    heads = np.stack([motion(seed=seed).head for seed in range(12)]).mean(0)
    for stress in STRESSED:
        for column in (PITCH, BOB):
            dip = at(heads[:, column], stress + 0.12)
            around = (at(heads[:, column], stress - 0.12) + at(heads[:, column], stress + 0.56)) / 2
            assert dip > around, (stress, column)


def test_the_head_rests_in_pauses() -> None:
    speeds = [np.linalg.norm(np.diff(motion(seed=s).head[:, [YAW, PITCH, ROLL]], axis=0), axis=1) for s in range(12)]
    speed = np.mean(speeds, axis=0)
    pause = speed[round(2.75 * FPS) : round(3.35 * FPS)].mean()
    assert pause < 0.35 * speed[round(0.4 * FPS) : round(2.0 * FPS)].mean()


def test_styles_differ_by_degrees_and_stay_slight() -> None:
    reach = {style: float(np.ptp(motion(style).head[:, [YAW, PITCH, ROLL]], axis=0).max()) for style in STYLES}
    assert reach["still"] < 0.35 * reach["calm"] < 0.35 * reach["lively"]
    worst = np.degrees(np.abs([motion("lively", seed).head[:, :3] for seed in range(12)]).max())
    assert worst < 7


def test_no_step_is_a_jerk() -> None:
    for style in STYLES:
        for seed in range(6):
            steps = np.abs(np.diff(motion(style, seed).head[:, :3], axis=0)).max()
            assert np.degrees(steps) < 1.3


def test_breath_is_drawn_in_the_pause() -> None:
    breath = motion().head[:, BREATH]
    assert at(breath, 3.4) < at(breath, 2.2) and breath.min() >= -1e-6 and breath.max() <= 1 + 1e-6


@pytest.mark.parametrize("style", STYLES)
def test_blinks_come_in_time_and_not_on_onsets(style: str) -> None:
    long = measure_prosody(np.tile(spoken(), 6), RATE)
    for seed in range(20):
        blinks = motion(style, seed, long).blinks
        starts = np.array([0.0, *(b.start for b in blinks), long.duration])
        assert np.diff(starts).max() <= 6.0
        assert all(0.1 <= b.length <= 0.4 for b in blinks)
        for blink in blinks:
            for onset in long.onsets:
                assert not blink.start < onset < blink.start + blink.length, (seed, blink, onset)
    assert len(motion(style).blinks) >= 1


def test_equal_speech_gives_equal_motion_another_another() -> None:
    assert seed_of(spoken()) == seed_of(spoken().copy()) != seed_of(spoken()[:-800])
    assert np.array_equal(motion(seed=3).head, motion(seed=3).head)
    assert not np.array_equal(motion(seed=3).head, motion(seed=4).head)
