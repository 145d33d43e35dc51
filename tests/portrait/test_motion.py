"""What moves in a loop, and when."""

from __future__ import annotations

import numpy as np
import pytest

from visema.portrait.motion import BOB, BREATH, PITCH, ROLL, SWAY, YAW, BlinkTiming, blink_times, idle_motion

SEEDS = range(60)


def test_the_seam_is_a_step_like_any_other() -> None:
    for seed in SEEDS:
        motion = idle_motion(200, 25.0, seed)
        for values in (motion.head, motion.gaze, motion.closure[:, None]):
            steps = np.abs(np.diff(values, axis=0))
            seam = np.abs(values[0] - values[-1])
            assert (seam <= steps.max(0) + 1e-6).all()


def test_motion_is_slight_but_there() -> None:
    heads = np.stack([idle_motion(200, 25.0, seed).head for seed in SEEDS])
    degrees = np.degrees(heads[..., [YAW, PITCH, ROLL]])
    assert (np.abs(degrees).max((0, 1)) <= [2.0, 1.2, 0.6]).all()
    assert (np.ptp(degrees, axis=1).mean(0) > [1.5, 0.7, 0.4]).all()
    assert np.abs(heads[..., [SWAY, BOB]]).max() < 0.025
    assert np.ptp(heads[..., BREATH], axis=1).min() > 0.9


def test_the_head_holds_still_between_moves() -> None:
    speed = np.stack([np.abs(np.gradient(idle_motion(200, 25.0, seed).head[:, YAW])) for seed in SEEDS])
    fastest = speed.max(1, keepdims=True)
    assert (speed < 0.2 * fastest).mean() > 0.4  # a sine would be that slow 13 % of the time


def test_two_breaths_in_eight_seconds() -> None:
    breath = idle_motion(200, 25.0, 0).head[:, BREATH]
    emptied = (breath[1:-1] > 0.99) & (breath[1:-1] >= breath[:-2]) & (breath[1:-1] > breath[2:])
    wrapped = breath[0] > 0.99
    assert emptied.sum() + wrapped == 2


def test_seeds_choose_the_movements() -> None:
    a, b, c = (idle_motion(200, 25.0, seed) for seed in (5, 5, 6))
    assert np.array_equal(a.head, b.head) and np.array_equal(a.gaze, b.gaze) and a.blinks == b.blinks
    assert not np.array_equal(a.head, c.head)


@pytest.mark.parametrize("seconds", [4, 8, 12, 20])
def test_blinks_come_every_two_to_six_seconds_over_the_seam_too(seconds: float) -> None:
    gaps = []
    for seed in SEEDS:
        blinks = blink_times(seconds, 25.0, np.random.default_rng(seed))
        starts = np.array([b.start for b in blinks])
        gaps.append(np.diff(np.append(starts, starts[0] + seconds)))
        assert gaps[-1].min() >= 2 - 0.05 and gaps[-1].max() <= 6 + 0.05
        assert starts[0] >= 0.5 and starts[-1] + blinks[-1].length <= seconds - 0.5
        for blink in blinks:
            assert not blink.start - 0.1 < seconds / 2 < blink.start + blink.length + 0.1
    if seconds >= 8:
        assert np.concatenate(gaps).std() > 0.3  # no metronome


@pytest.mark.parametrize("fps", [12.0, 25.0, 30.0, 60.0])
def test_a_blink_lasts_100_to_400_ms_and_closes_faster_than_it_opens(fps: float) -> None:
    blink = BlinkTiming(1.0)
    t = np.arange(0, 3, 1 / 1000)
    closure = blink.closure(t)
    assert 0.1 <= np.count_nonzero(closure > 0.02) / 1000 <= 0.4
    half = np.flatnonzero(closure > 0.5)
    shut = np.flatnonzero(closure > 0.999)
    assert shut[0] - half[0] < half[-1] - shut[-1]
    assert 0.03 <= len(shut) / 1000 <= 0.12
    motion = idle_motion(round(8 * fps), fps, 1)
    assert motion.closure.max() > 0.9  # no blink falls between frames
    assert motion.closure[0] == motion.closure[-1] == 0


def test_very_short_loops_do_not_blink() -> None:
    assert blink_times(1.0, 25.0, np.random.default_rng(0)) == ()
    assert len(idle_motion(1, 25.0)) == 1


def test_eyes_stay_with_the_viewer_while_the_head_turns() -> None:
    for seed in SEEDS:
        motion = idle_motion(200, 25.0, seed)
        # the head's turn to the left of the picture (positive yaw) is answered by the irises to the right
        assert np.corrcoef(motion.gaze[:, 0], motion.head[:, YAW])[0, 1] > 0 or np.ptp(motion.head[:, YAW]) < 0.02
