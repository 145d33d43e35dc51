"""How a person sits still: small head moves, breath, glances and blinks, all of them periodic in the loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visema.types import FloatArray

#: Columns of `IdleMotion.head`. Angles are radians, shifts are in U, breath is 0 (as in the photo) to 1 (out).
YAW, PITCH, ROLL, SWAY, BOB, BREATH = range(6)
N_HEAD = 6

#: Peak of a held pose: yaw 2, pitch 1, roll 0.6 degrees; sideways and vertical shift of the head in U.
_PEAK = np.array([*np.radians([2.0, 1.0, 0.6]), 0.014, 0.010])
#: Part of the peak that held poses take; slow drift takes the rest, so that the head is never frozen.
_HELD = 0.78
#: A pose is held for 0.8-2 s; going to the next takes 0.8-1.5 s (minimum-jerk, as people move).
_HOLD_S = (0.8, 2.0)
_MOVE_S = (0.8, 1.5)
#: 15 breaths a minute at rest; breathing in takes 40 % of one.
_BREATH_S = 4.0
_INHALE = 0.4

#: Seconds between blinks; seconds without one after the loop's start and before its end (where a loop may be cut) and
#: around its middle (the usual reference frame).
BLINK_GAP_S = (2.0, 6.0)
_QUIET_ENDS_S, _QUIET_MIDDLE_S = 0.5, 0.3
_TRIES = 32
_MEAN_GAP_S = 3.4
#: A lid closes in about 90 ms, stays for 40 and opens in about 180.
_CLOSE_S, _SHUT_S, _OPEN_S = 0.1, 0.04, 0.2

#: Radius of the eyeball in U (12 of 63 mm): turning the eye by one radian moves the iris so far.
_EYE_RADIUS = 0.19
#: Glances: degrees to the sides and up or down; each lasts 0.8-2.4 s.
_GLANCE_DEG = (2.2, 0.9)
_GLANCE_S = (0.8, 2.4)
_SACCADE_S = 0.05


@dataclass(frozen=True)
class BlinkTiming:
    """One blink, in seconds: when the lid starts, and how long it closes, stays shut and opens."""

    start: float
    close: float = _CLOSE_S
    shut: float = _SHUT_S
    open: float = _OPEN_S

    @property
    def length(self) -> float:
        """Seconds from the first movement to the last."""
        return self.close + self.shut + self.open

    def closure(self, t: FloatArray) -> FloatArray:
        """How closed the eye is at times ``t``: 0 open, 1 shut. Closing is faster than opening."""
        down = np.clip((t - self.start) / self.close, 0, 1)
        up = np.clip((t - self.start - self.close - self.shut) / self.open, 0, 1)
        return np.asarray(_smooth(down) * (1 - _smooth(up**0.75)), np.float32)


@dataclass(frozen=True)
class IdleMotion:
    """What moves in each of n frames.

    Attributes:
        head: (n, 6) yaw, pitch, roll (radians, as `HeadPoses` has them), sway, bob (U), breath (0-1).
        gaze: (n, 2) shift of the irises within the head, in U, x right and y down.
        closure: (n,) 0 eyes open, 1 shut.
        blinks: The blinks, in order.
    """

    head: FloatArray
    gaze: FloatArray
    closure: FloatArray
    blinks: tuple[BlinkTiming, ...]

    def __len__(self) -> int:
        return len(self.head)


def idle_motion(n: int, fps: float, seed: int = 0) -> IdleMotion:
    """Motion for a loop of ``n`` frames; frame n would equal frame 0, and equal seeds give equal motion."""
    rng = np.random.default_rng(seed)
    seconds = n / fps
    t = np.arange(n) / fps
    poses = _held_poses(t, seconds, rng) * _HELD + _drift(t, seconds, rng) * (1 - _HELD)
    breath = _breath(t, seconds)
    poses *= _PEAK
    poses[:, BOB] += 0.006 * breath
    poses[:, PITCH] += np.radians(0.25) * (breath - 0.5)
    blinks = blink_times(seconds, fps, rng)
    closure = np.max([b.closure(t) for b in blinks], axis=0) if blinks else np.zeros(n)
    head = np.concatenate([poses, breath[:, None]], axis=1)
    gaze = gaze_of(t, seconds, poses, blinks, rng)
    f32 = np.float32
    return IdleMotion(head.astype(f32), gaze.astype(f32), closure.astype(f32), blinks)


def blink_times(seconds: float, fps: float, rng: np.random.Generator) -> tuple[BlinkTiming, ...]:
    """Blinks of a loop: 2-6 s apart, over the loop's seam too, irregular.

    None is within 0.5 s of its ends nor, unless it is very short, at its middle; a loop under 1.5 s has none at all.
    """
    if seconds < 2 * _QUIET_ENDS_S + 0.5:
        return ()
    blinks: tuple[BlinkTiming, ...] = ()
    for _ in range(_TRIES):
        # on a frame, so that all blinks share the same few painted stages
        blinks = tuple(BlinkTiming(float(np.round(s * fps) / fps)) for s in _blink_starts(seconds, rng))
        middle = [b for b in blinks if abs(b.start + b.length / 2 - seconds / 2) < b.length / 2 + _QUIET_MIDDLE_S]
        if not middle:
            break
    return blinks


def _blink_starts(seconds: float, rng: np.random.Generator) -> FloatArray:
    low, high = BLINK_GAP_S
    count = max(1, round(seconds / _MEAN_GAP_S))
    spare = max(seconds - count * low, 0.0)
    gaps = (seconds - spare) / count + spare * rng.dirichlet(np.full(count, 2.0))
    for _ in range(count):  # what is over the longest gap goes to the others
        over = np.maximum(gaps - high, 0)
        gaps = np.minimum(gaps, high) + over.sum() / count
    first = _QUIET_ENDS_S + 0.1
    last = seconds - _QUIET_ENDS_S - _CLOSE_S - _SHUT_S - _OPEN_S - 0.1
    room = max(last - first - float(gaps[1:].sum()), 0.0)
    start = first + room * rng.uniform(0.15, 0.85)
    starts = start + np.concatenate([[0.0], np.cumsum(gaps[1:])])
    return np.asarray(np.minimum(starts, max(last, first)))


def _smooth(x: FloatArray) -> FloatArray:
    return np.asarray(x * x * (3 - 2 * x))


def min_jerk(x: FloatArray) -> FloatArray:
    """0 up to 0, 1 from 1 on, between them as limbs and heads move."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * x * (10 - 15 * x + 6 * x * x))


def _held_poses(t: FloatArray, seconds: float, rng: np.random.Generator) -> FloatArray:
    """Poses held and left at irregular times, (n, 5) in [-1, 1]; the last goes back to the first over the seam."""
    dwell: list[float] = []
    while not dwell or sum(dwell) < seconds:
        dwell.append(float(rng.uniform(*_HOLD_S) + rng.uniform(*_MOVE_S)))
    times = np.cumsum(dwell) * seconds / sum(dwell)
    targets = rng.uniform(-1, 1, (len(times), 5))
    targets -= targets.mean(0)
    targets /= np.maximum(np.abs(targets).max(0), 1e-6)
    out = np.tile(targets[-1], (len(t), 1))
    before = np.roll(targets, 1, axis=0)
    for end, there, here in zip(times, targets, before, strict=True):
        move = min(float(rng.uniform(*_MOVE_S)), 0.9 * seconds / len(times))
        out += min_jerk((t - (end - move)) / move)[:, None] * (there - here)
    return out


def _drift(t: FloatArray, seconds: float, rng: np.random.Generator) -> FloatArray:
    """Slow wander, (n, 5) within [-1, 1]: harmonics of the loop with falling strength and free phases."""
    order = np.arange(1, 6)
    strength = rng.uniform(0.5, 1, (5, 5)) / order
    strength /= strength.sum(1, keepdims=True)
    phase = rng.uniform(0, 2 * np.pi, (5, 5))
    angle = 2 * np.pi * order * t[:, None, None] / seconds + phase
    return np.asarray((np.sin(angle) * strength).sum(-1))


def _breath(t: FloatArray, seconds: float) -> FloatArray:
    """0 lungs full, 1 empty; breathing in is quicker than out, and every other breath a little shallower."""
    count = max(1, round(seconds / _BREATH_S))
    u = (t / seconds * count) % 1.0
    wave = np.where(u < _INHALE, 1 - _smooth(u / _INHALE), _smooth((u - _INHALE) / (1 - _INHALE)))
    depth = np.where((t / seconds * count).astype(int) % 2 == 1, 0.82, 1.0)
    return np.asarray(1 - depth * (1 - wave))


def gaze_of(
    t: FloatArray,
    seconds: float,
    poses: FloatArray,
    blinks: tuple[BlinkTiming, ...],
    rng: np.random.Generator,
    wander: float = 1.0,
) -> FloatArray:
    """Eyes that stay with the viewer while the head turns, and glance a little aside now and then.

    Args:
        t: (n,) seconds.
        seconds: How long it lasts.
        poses: (n, 5 or more) of the head, as `IdleMotion.head` has it.
        blinks: During which the gaze likes to change.
        rng: Where to and when.
        wander: Factor on how far.

    Returns:
        (n, 2) as `IdleMotion.gaze`.
    """
    glance = np.zeros((len(t), 2))
    changes = [b.start + b.close for b in blinks]  # people shift their gaze while they blink
    at = float(rng.uniform(*_GLANCE_S))
    while at < seconds - 0.3:
        if all(abs(at - c) > 0.5 for c in changes):
            changes.append(at)
        at += float(rng.uniform(*_GLANCE_S))
    changes.sort()
    aims = np.radians(rng.uniform(-1, 1, (len(changes), 2)) * _GLANCE_DEG) * wander
    if len(aims):
        aims[-1] = 0  # the loop begins and ends with the eyes on the viewer
        here = np.concatenate([np.zeros((1, 2)), aims[:-1]])
        for when, there, old in zip(changes, aims, here, strict=True):
            glance += _smooth(np.clip((t - when) / _SACCADE_S, 0, 1))[:, None] * (there - old)
    counter = np.stack([poses[:, YAW], -poses[:, PITCH]], axis=1)
    return np.asarray(_EYE_RADIUS * (counter + glance))
