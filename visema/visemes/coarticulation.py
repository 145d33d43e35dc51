"""Timed visemes to a continuous mouth: neighbouring sounds pull at each part of the mouth with their own strength.

After Cohen and Massaro (1993): every sound dominates each parameter of the articulation by a weight that is full in
its core and falls off with time, so that lips round before an "oo" and a "t" hardly moves the corners. Blending
happens here, in articulation space, never between pictures. Two exceptions are exact: lips that must meet do meet,
on a frame that is shown, whatever the frame rate; and the speech begins and ends at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from visema.speech.types import Span
from visema.types import FloatArray
from visema.visemes.articulation import FIELDS, N_FIELDS, RELAXED, TARGETS
from visema.visemes.classes import CLOSURES, SILENCE

#: The mouth leads the sound by this much where the times are a synthesiser's own; 30 ms looked early ...
LEAD: Final = 0.015
#: ... and where they were found in a recording, whose boundaries fall a little early: 0-5 ms agreed best.
LEAD_RECORDED: Final = 0.005
#: A silence shorter than this holds the mouth, a longer one relaxes it ...
HOLD_PAUSE: Final = 0.120
#: ... and one longer than this closes it.
CLOSE_PAUSE: Final = 0.500
#: Full closure around the middle of an M or F, and the time to reach and to leave it.
CLOSURE_HOLD: Final = 0.026
CLOSURE_RAMP: Final = 0.050
#: The speech eases out of rest and back into it over this long.
EASE: Final = 0.080
#: The plateau of full dominance: this share of a sound, and all but so many seconds at each end of a long one.
_CORE: Final = 0.35
_FLANK: Final = 0.080
#: Dominance falls as exp(-(d / tau) ** 1.5) with d seconds outside the core; lips move faster than the jaw rounds.
_TAU: Final = np.array([0.046, 0.060, 0.068, 0.040, 0.040, 0.034, 0.034, 0.038, 0.05, 0.05], np.float32)
#: Neighbours looked at on each side: eight phones of 30 ms end where the slowest dominance is below .002.
_REACH: Final = 8
#: Frames computed at once, which bounds memory: a 30-minute speech takes what a short one does.
_BLOCK: Final = 1024
#: What a closure takes over: jaw, both lips, both rolls. Rounding and tongue go on underneath.
_CLOSING: Final = tuple(FIELDS.index(n) for n in ("jaw", "upper", "lower", "roll_upper", "roll_lower"))

_RELAX, _NONE = "relax", "hold"
_ORDER: Final = (*TARGETS, _RELAX, _NONE)
_INDEX: Final = {name: i for i, name in enumerate(_ORDER)}
_POSES: Final[FloatArray] = np.stack([*TARGETS.values(), RELAXED, TARGETS[SILENCE]]).astype(np.float32)


def _dominance() -> FloatArray:
    # jaw, wide, protrude, upper, lower, roll_upper, roll_lower, tongue, teeth_upper, teeth_lower
    rows: dict[str, tuple[float, ...]] = {
        "H": (0.45, 0.15, 0.15, 0.4, 0.4, 1, 1, 0.6, 0.6, 0.6),
        "K": (0.45, 0.15, 0.15, 0.4, 0.4, 1, 1, 0.6, 0.6, 0.6),
        "T": (0.8, 0.2, 0.2, 0.6, 0.6, 1, 1, 1.6, 0.8, 0.8),
        "L": (0.8, 0.2, 0.2, 0.6, 0.6, 1, 1, 1.6, 0.8, 0.8),
        "Th": (0.8, 0.2, 0.2, 0.6, 0.6, 1, 1, 1.6, 0.8, 0.8),
        "S": (1.6, 0.6, 0.4, 1.2, 1.2, 1, 1, 1, 1, 1),
        "Sh": (1.6, 1.4, 1.6, 1.2, 1.2, 1, 1, 1, 1, 1),
        "W": (1.3, 1.8, 1.8, 1, 1, 1, 1, 0.6, 1, 1),
        "Oh": (1.1, 1.5, 1.5, 1, 1, 1, 1, 0.5, 1, 1),
        "Ao": (1.1, 1.5, 1.5, 1, 1, 1, 1, 0.5, 1, 1),
        "Oy": (1.1, 1.5, 1.5, 1, 1, 1, 1, 0.5, 1, 1),
        "R": (1, 1.2, 1.2, 0.9, 0.9, 1, 1, 0.8, 1, 1),
        "Er": (1, 1.2, 1.2, 0.9, 0.9, 1, 1, 0.8, 1, 1),
        "M": (1.2, 0.3, 0.3, 2, 2, 2.5, 2.5, 0.2, 0.4, 0.4),
        "F": (1.3, 0.4, 0.3, 2, 2, 2, 2.5, 0.3, 1, 0.6),
        SILENCE: (0.55, 0.5, 0.6, 0.7, 0.7, 0.5, 0.5, 0.3, 0.3, 0.3),
    }
    rows[_RELAX] = rows[SILENCE]
    # Held, not left undefined: far from any sound the weight must not vanish.
    rows[_NONE] = (0.0,) * N_FIELDS
    return np.array([rows.get(v, (1.0,) * N_FIELDS) for v in _ORDER], np.float32)


_DOMINANCE: Final[FloatArray] = _dominance()


def poses_at(times: FloatArray, spans: Sequence[Span]) -> FloatArray:
    """The mouth at any times, blended from the sounds around; before closures are made exact.

    Args:
        times: (n,) seconds, ascending.
        spans: Ordered viseme spans without gap, as of a `VisemeTrack`.

    Returns:
        (n, N_FIELDS) float32.
    """
    # Rest before and after, so that the first sound starts from somewhere.
    first, last = spans[0].start, spans[-1].end
    padded = [Span(first - 1.0, first, SILENCE), *spans, Span(last, last + 1.0, SILENCE)]
    kinds = np.array([_INDEX[_role(s, 1 < i < len(padded) - 2)] for i, s in enumerate(padded)])
    starts = np.array([s.start for s in padded], np.float64)
    ends = np.array([s.end for s in padded], np.float64)
    out = np.empty((len(times), N_FIELDS), np.float32)
    for at in range(0, len(times), _BLOCK):
        out[at : at + _BLOCK] = _blend(np.asarray(times[at : at + _BLOCK], np.float64), starts, ends, kinds)
    return out


def _role(span: Span, inside: bool) -> str:
    """Which target a span has; a pause inside speech does not close the mouth unless it is long."""
    length = span.end - span.start
    if span.label != SILENCE or not inside or length > CLOSE_PAUSE:
        return span.label
    return _RELAX if length >= HOLD_PAUSE else _NONE


def _blend(
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
    starts: np.ndarray[tuple[int], np.dtype[np.float64]],
    ends: np.ndarray[tuple[int], np.dtype[np.float64]],
    kinds: np.ndarray[tuple[int], np.dtype[np.int_]],
) -> FloatArray:
    here = np.searchsorted(starts, times, side="right") - 1
    near = here[:, None] + np.arange(-_REACH, _REACH + 1)
    known = (near >= 0) & (near < len(starts))
    near = near.clip(0, len(starts) - 1)
    half = (ends - starts) / 2
    core = np.maximum(_CORE * half, half - _FLANK)
    away = np.abs(times[:, None] - ((starts + ends) / 2)[near]) - core[near]
    falloff = (away.clip(0).astype(np.float32)[..., None] / _TAU) ** 1.5
    # A long sound reaches its target, a short one undershoots.
    strength = np.minimum(1.4, 0.7 + 2 * half / 0.15 * 0.4).astype(np.float32)
    weight = _DOMINANCE[kinds][near] * (strength[near] * known)[..., None] * np.exp(-falloff)
    # A floor: between two far sounds the nearer one's mouth holds.
    total = weight.sum(1).clip(1e-12)
    blended: FloatArray = np.einsum("nkp,nkp->np", weight, _POSES[kinds][near]) / total
    return blended


def close_lips(poses: FloatArray, times: FloatArray, spans: Sequence[Span], step: float) -> None:
    """Force every M and F shut, in place, on at least one of the frames.

    A closure lasts as long as the sound's core, at least long enough that a frame falls into it. Where two different
    closures are nearer than a frame, the earlier takes the nearest frame and the later the next.

    Args:
        poses: (n, N_FIELDS), changed.
        times: (n,) seconds of the poses, ``step`` apart.
        spans: The visemes.
        step: Seconds between frames.
    """
    if not len(times):
        return
    hold = max(CLOSURE_HOLD, step / 2)
    envelope = np.zeros((len(CLOSURES), len(times)), np.float32)
    taken: dict[int, int] = {}
    for start, end, label in spans:
        if label not in CLOSURES:
            continue
        kind, middle = CLOSURES.index(label), (start + end) / 2
        reach = hold + CLOSURE_RAMP
        i0 = max(0, int(np.ceil((middle - reach - times[0]) / step)))
        i1 = min(len(times), int((middle + reach - times[0]) / step) + 1)
        x = (1 - (np.abs(times[i0:i1] - middle) - hold) / CLOSURE_RAMP).clip(0, 1)
        envelope[kind, i0:i1] = np.maximum(envelope[kind, i0:i1], x * x * (3 - 2 * x))
        frame = min(max(round(float((middle - times[0]) / step)), 0), len(times) - 1)
        while taken.get(frame, kind) != kind and frame + 1 < len(times):
            frame += 1
        taken[frame] = kind
    for frame, kind in taken.items():
        envelope[:, frame] = 0
        envelope[kind, frame] = 1
    for kind, viseme in enumerate(CLOSURES):
        k = envelope[kind][:, None]
        columns = list(_CLOSING)
        poses[:, columns] += (TARGETS[viseme][columns] - poses[:, columns]) * k


def articulate(
    spans: Sequence[Span],
    duration: float,
    fps: float,
    openness: Callable[[FloatArray], FloatArray] | None = None,
    lead: float = LEAD,
) -> FloatArray:
    """The pose of every frame.

    Args:
        spans: Ordered viseme spans that cover the speech.
        duration: Seconds; frames cover it entirely.
        fps: Frames a second.
        openness: Factor on the opening at given times, from the sound.
        lead: Seconds by which the mouth is before the sound.

    Returns:
        (ceil(duration * fps), N_FIELDS) float32.
    """
    n = int(np.ceil(duration * fps - 1e-6))
    if n <= 0 or not spans:
        return np.tile(TARGETS[SILENCE], (max(n, 0), 1))
    shown = np.arange(n, dtype=np.float64) / fps
    poses = poses_at(shown + lead, spans)
    if openness is not None:
        poses[:, [0, 3, 4]] *= openness(shown.astype(np.float32))[:, None]
    rest = TARGETS[SILENCE]
    edge = (np.minimum(shown, (n - 1) / fps - shown) / EASE).clip(0, 1)
    ease = (edge * edge * (3 - 2 * edge)).astype(np.float32)[:, None]
    poses = np.asarray(rest + (poses - rest) * ease, np.float32)
    close_lips(poses, shown + lead, spans, 1 / fps)
    return poses
