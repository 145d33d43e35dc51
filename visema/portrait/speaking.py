"""How a person moves while speaking: the head follows the prosody, the lids and the eyes keep their own time.

Heads of speakers dip on stressed syllables, rise and fall with the pitch, go to another pose from phrase to phrase and
rest in pauses; breath is drawn in pauses; blinks fall into pauses and phrase ends rather than on their beginnings.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d

from visema.portrait.motion import (
    BOB,
    BREATH,
    N_HEAD,
    PITCH,
    ROLL,
    SWAY,
    YAW,
    BlinkTiming,
    IdleMotion,
    gaze_of,
    min_jerk,
)
from visema.portrait.prosody import Prosody, Stress
from visema.types import FloatArray, Samples


@dataclass(frozen=True)
class Style:
    """How much of each there is; 1 is a calm speaker.

    Attributes:
        poses: Slow turns and tilts of the head.
        nods: Dips on stressed syllables.
        glances: How far the eyes wander.
        blink_gap: Seconds between blinks, on average.
    """

    poses: float
    nods: float
    glances: float
    blink_gap: float


STYLES: Final = {
    "calm": Style(poses=1.0, nods=1.0, glances=1.0, blink_gap=3.4),
    "lively": Style(poses=1.7, nods=1.9, glances=1.4, blink_gap=2.8),
    "still": Style(poses=0.15, nods=0.0, glances=0.5, blink_gap=3.8),
}
DEFAULT_STYLE: Final = "calm"

#: Peaks of the slow poses in the style `calm`: yaw 2.0, pitch 0.8, roll 0.9 degrees; shifts in U.
_POSE: Final = np.array([*np.radians([2.0, 0.8, 0.9]), 0.014, 0.006])
#: A pose lasts 1.2-2.8 s of speech; in pauses its clock goes at a tenth, so that the head rests where it is.
_POSE_S, _POSE_MOVE_S, _PAUSE_PACE = (1.2, 2.8), (0.6, 1.1), 0.1
#: A full nod: degrees down and shift in U. It begins .16 s before the stress, is lowest .07 s after (a quick nod goes
#: at 30 degrees a second), back at .48 s.
_NOD_DEG, _NOD_SHIFT = 1.9, 0.030
_NOD_DOWN, _NOD_LOWEST, _NOD_BACK = 0.16, 0.07, 0.48
#: Raised pitch lifts the chin by so many degrees for a standard deviation, over phrases rather than syllables.
_TONE_DEG, _TONE_S = 0.35, 0.22
#: Seconds of a breath drawn in: in a pause of this length or longer; at rest one every so many seconds.
_INHALE_S, _BREATH_PAUSE_S, _BREATH_S, _LONGEST_EXHALE_S = 0.7, 0.3, (3.2, 4.4), 7.0

#: Blinks are at least and at most so far apart (seconds, start to start).
_BLINK_LEAST, _BLINK_MOST = 1.3, 5.0
#: None may be going on from so long before to so long after speech begins: the eyes are open when a phrase starts.
_ONSET_BEFORE, _ONSET_AFTER = 0.10, 0.15
#: The three parts of a blink vary by this factor at most; 0.26-0.36 s in all.
_BLINK_VARIES: Final = (0.80, 1.06)


def speaking_motion(prosody: Prosody, n: int, fps: float, style: str = DEFAULT_STYLE, seed: int = 0) -> IdleMotion:
    """What moves in each of n frames of a speech; equal arguments give equal motion.

    Args:
        prosody: Of the speech.
        n: Frames.
        fps: Frames a second.
        style: A key of `STYLES`.
        seed: Chooses the movements that the speech leaves open.
    """
    manner = STYLES[style]
    rng = np.random.default_rng(seed)
    t = np.arange(n) / fps
    head = np.zeros((n, N_HEAD))
    head[:, :BREATH] = _poses(prosody, t, rng) * _POSE * manner.poses
    breath = _breath(prosody, t, rng)
    head[:, BREATH] = breath
    head[:, BOB] += 0.004 * breath
    head[:, PITCH] += np.radians(0.2) * (breath - 0.5) * min(1.0, manner.poses)
    nods = _nods(prosody.stresses, t) * manner.nods
    head[:, PITCH] += np.radians(_NOD_DEG) * nods
    head[:, BOB] += _NOD_SHIFT * nods
    lift = gaussian_filter1d(prosody.at(prosody.tone, t).astype(np.float64), _TONE_S * fps)
    head[:, PITCH] -= np.radians(_TONE_DEG) * manner.poses * lift
    blinks = speaking_blinks(prosody, fps, manner.blink_gap, rng)
    closure = np.max([b.closure(t) for b in blinks], axis=0) if blinks else np.zeros(n)
    gaze = gaze_of(t, n / fps, np.asarray(head, np.float32), blinks, rng, manner.glances)
    f32 = np.float32
    return IdleMotion(head.astype(f32), gaze.astype(f32), closure.astype(f32), blinks)


def seed_of(samples: Samples) -> int:
    """A seed that differs between speeches and is the same for the same one."""
    return zlib.crc32(np.ascontiguousarray(samples[:: max(1, len(samples) // 4096)]).tobytes())


def _poses(prosody: Prosody, t: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Poses held and left in turn, (n, 5) in about [-1, 1], on a clock that nearly stops in pauses."""
    fine = np.arange(len(prosody.activity))
    pace = _PAUSE_PACE + (1 - _PAUSE_PACE) * prosody.activity.astype(np.float64)
    spent = np.interp(t, (fine + 0.5) * (prosody.duration / len(fine)), np.cumsum(pace) * prosody.duration / len(fine))
    out = np.zeros((len(t), 5))
    here, at = np.zeros(5), float(rng.uniform(0, 0.5))
    total = float(spent[-1]) if len(spent) else 0.0
    side = float(rng.choice([-1.0, 1.0]))
    while at < total:
        # mostly to the other side than before, which keeps the head about the middle
        side = -side if rng.uniform() < 0.7 else side
        there = rng.uniform(-1, 1, 5)
        there[YAW] = side * rng.uniform(0.25, 1)
        there[ROLL] = 0.5 * there[ROLL] + 0.4 * there[YAW]
        there[SWAY] = 0.4 * there[SWAY] + 0.5 * there[YAW]
        move = float(rng.uniform(*_POSE_MOVE_S))
        out += min_jerk((spent - at) / move)[:, None] * (there - here)
        here, at = there, at + move + float(rng.uniform(*_POSE_S))
    phase = rng.uniform(0, 2 * np.pi, (3, 5))
    rate = np.array([0.31, 0.53, 0.83])[:, None, None]
    drift = np.sin(2 * np.pi * rate * spent[None, :, None] + phase[:, None]) / np.array([1, 1.6, 2.4])[:, None, None]
    return np.asarray(0.85 * out + 0.12 * (drift.sum(0) - drift[:, :1].sum(0)))


def _nods(stresses: tuple[Stress, ...], t: FloatArray) -> FloatArray:
    """How deep in a nod the head is, (n,) 0-1: every clear stress, the strong ones much more than the weak."""
    out = np.zeros(len(t))
    for stress in stresses:
        near = slice(*np.searchsorted(t, [stress.at - _NOD_DOWN, stress.at + _NOD_BACK]))
        since = t[near] - stress.at
        down = min_jerk((since + _NOD_DOWN) / (_NOD_DOWN + _NOD_LOWEST))
        up = min_jerk((since - _NOD_LOWEST) / (_NOD_BACK - _NOD_LOWEST))
        out[near] += stress.weight**1.7 * down * (1 - up)
    return np.asarray(np.minimum(out, 1.0))


def _breath(prosody: Prosody, t: FloatArray, rng: np.random.Generator) -> FloatArray:
    """0 lungs full, 1 empty, (n,): air is drawn in pauses, and let out until the next one."""
    starts = [-float(rng.uniform(0.5, 2.0))]
    for begin, end in (p for p in prosody.pauses if p[1] - p[0] >= _BREATH_PAUSE_S):
        at = max(begin, min(end - _INHALE_S, begin + 0.15))
        while at - starts[-1] > _LONGEST_EXHALE_S:  # a long speech without a pause: shallow breaths all the same
            starts.append(starts[-1] + float(rng.uniform(*_BREATH_S)))
        while at < end and at - starts[-1] >= 2.0:
            starts.append(at)
            at += float(rng.uniform(*_BREATH_S))
    while prosody.duration - starts[-1] > _LONGEST_EXHALE_S:
        starts.append(starts[-1] + float(rng.uniform(*_BREATH_S)))
    starts.append(starts[-1] + _LONGEST_EXHALE_S)
    out = np.zeros(len(t))
    full = 1.0  # how empty they were when the breath began
    for start, following in pairwise(starts):
        here = slice(*np.searchsorted(t, [start, following]))
        since = t[here] - start
        spent = float(np.clip((following - start - _INHALE_S) / 4.0, 0.4, 1.0))
        drawn = full * (1 - min_jerk(since / _INHALE_S))
        let_out = spent * min_jerk((since - _INHALE_S) / max(following - start - _INHALE_S, 0.5))
        out[here] = np.maximum(drawn, 0) + let_out * (since > _INHALE_S)
        full = spent
    return np.asarray(out)


def speaking_blinks(
    prosody: Prosody, fps: float, mean_gap: float, rng: np.random.Generator
) -> tuple[BlinkTiming, ...]:
    """Blinks of a speech: never more than `_BLINK_MOST` apart, in pauses where there are any, never on an onset."""
    blinks: list[BlinkTiming] = []
    before = -float(rng.uniform(0.5, 0.8)) * mean_gap
    while True:
        scale = float(rng.uniform(*_BLINK_VARIES))
        blink = BlinkTiming(0.0, 0.1 * scale, 0.04, 0.2 * scale)
        # on a frame, so that all blinks share the same few painted stages
        first, last = before + _BLINK_LEAST, min(before + _BLINK_MOST, prosody.duration - blink.length)
        frames = np.arange(np.ceil(max(first, 0.2) * fps), np.floor(last * fps) + 1)
        if not len(frames):
            break
        starts = frames / fps
        wanted = before + mean_gap * float(rng.uniform(0.75, 1.25))
        cost = ((starts - wanted) / mean_gap) ** 2 + 0.05 * rng.uniform(size=len(starts))
        cost -= 0.22 * (1 - prosody.at(prosody.activity, starts + 0.1))
        for onset in prosody.onsets:
            cost += 4.0 * ((starts < onset + _ONSET_AFTER) & (starts + blink.length > onset - _ONSET_BEFORE))
        best = int(cost.argmin())
        if cost[best] > 1.0 and last < before + _BLINK_MOST and before + _BLINK_MOST > prosody.duration:
            break  # only the last stretch before the end is left, and there is no good place in it
        before = float(starts[best])
        blinks.append(BlinkTiming(before, blink.close, blink.shut, blink.open))
    return tuple(blinks)
