"""How every point near the mouth moves: a 3-D displacement, linear in a few weights, for each of the two lips' sides.

The face is two sheets that meet at the lip line. Each sheet's field is defined everywhere (it is carried on past the
lip line), so that a picture can be warped by either and cut along the moved line. Lengths are in U.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from visema.mouth.warp.lips import Lips
from visema.mouth.warp.points import Floats, smoothstep, step
from visema.types import FloatArray

Side = Literal["upper", "lower"]
SIDES: Final[tuple[Side, Side]] = ("upper", "lower")

#: What the fields are of. `spread` and `narrow` are the two directions of the pose's `wide`.
FIELDS_OF: Final = ("jaw", "spread", "narrow", "protrude", "upper", "lower", "roll_upper", "roll_lower")
N_WEIGHTS: Final = len(FIELDS_OF)
JAW, SPREAD, NARROW = 0, 1, 2
#: The rolls move the lips' skin under their edges, which stay.
ROLLS: Final = slice(6, 8)

#: Share of the jaw that the corners follow, and that the middle of the upper lip does (it lifts a little).
CORNER_FOLLOWS, UPPER_FOLLOWS = 0.34, -0.03
#: How far the corners draw in as the jaw drops.
CORNER_DRAWS_IN = 0.12
#: A mouth is narrowed at most so far, times its width in the frame (a grin has more to give): more folds the outline.
MOST_NARROW = -0.56
#: How far fully protruded lips come forward.
FORWARD = 0.11
#: Of the opening that raising the upper and lowering the lower lip make, what shows in the middle.
UPPER_SHOWS, LOWER_SHOWS = 0.88, 1.0
#: Rounded lips leave a hole: its half-width, as a share of the mouth's, falls from the first to the second number as
#: `protrude` rises to `PURSED`; from `ROUNDED` on the hole is fully round.
WIDEST_HOLE, NARROWEST_HOLE = 1.0, 0.52
PURSED, ROUNDED = 1.10, 0.45


@dataclass(frozen=True)
class Motion:
    """A pose as this face makes it.

    Attributes:
        weights: (N_WEIGHTS,) of the fields.
        seal: By how much (U) the ends of the opening are pressed together, where they would have opened as the middle.
        hole: Half-width of what stays open, as a share of the mouth's.
    """

    weights: FloatArray
    seal: float
    hole: float

    def sealing(self, at: AlongLips) -> FloatArray:
        """By how much to narrow the opening at places along the lips, U."""
        if self.seal == 0:
            return np.zeros_like(at.s)
        round_hole = np.sqrt(np.maximum(1 - (at.s / self.hole) ** 2, 0))
        # Past the hole the lips stay pressed together: a little more than shut, so that no slit is left.
        pressed = 0.06 * smoothstep(self.hole * 0.95, self.hole * 1.1, at.s) * at.between
        return np.asarray(self.seal * (at.opens - round_hole + pressed) * at.fade, np.float32)


@dataclass(frozen=True)
class AlongLips:
    """Places along the lips, and what `Motion.sealing` needs of them.

    Attributes:
        s: 0 in the middle, 1 at the inner corners, more beyond.
        opens: Share of the middle's opening by which they open of themselves.
        between: 1 between the corners, else 0.
        fade: 1 between the corners, fading beyond.
    """

    s: FloatArray
    opens: FloatArray
    between: FloatArray
    fade: FloatArray

    @classmethod
    def of(cls, s: Floats) -> AlongLips:
        """For places ``s``."""
        upper, lower = _opening_profile(s)
        between = s < 1
        parts = (s, between * (lower - upper) / (1 - UPPER_FOLLOWS), between, 1 - smoothstep(1.0, 1.25, s))
        return cls(*(np.asarray(part, np.float32) for part in parts))


def motion_of(pose: FloatArray, jaw_gain: float, width: float = 1.0, narrowed: float = 0.0) -> Motion:
    """From an articulation to a face's motion.

    Args:
        pose: (N_FIELDS,) articulation.
        jaw_gain: The face's own scale of the jaw, see `jaw_gain_of`.
        width: Mouth width of this frame over that at rest.
        narrowed: By how much a smile in the frame is narrowed already (negative).
    """
    jaw, wide, protrude, upper, lower, roll_upper, roll_lower = (float(v) for v in pose[:7])
    jaw *= jaw_gain
    opening = max(jaw * (1 - UPPER_FOLLOWS) + upper * UPPER_SHOWS + lower * LOWER_SHOWS, 0.0)
    narrow = min(max(min(wide, 0) * width, MOST_NARROW * max(width, 1.0) - narrowed), 0)
    weights = (jaw, max(wide, 0) * width, narrow, protrude, upper, lower, roll_upper, roll_lower)
    pursed = min(max(protrude / PURSED, 0.0), 1.1)
    hole = WIDEST_HOLE - (WIDEST_HOLE - NARROWEST_HOLE) * pursed
    return Motion(np.array(weights, np.float32), opening * step(0, ROUNDED, protrude), hole)


@dataclass(frozen=True)
class _Place:
    """A set of points seen from the lips: the terms that several fields share."""

    x: Floats  # from the mouth's centre
    y: Floats
    s: Floats  # 0 in the middle, 1 at the inner corners, and on
    v: Floats  # below the lip's edge, folded back on the other lip's side
    away: Floats  # |v|
    bell: Floats  # 1 - s^2 between the corners
    beyond: Floats  # 1 between the corners, else 0


def _opening_profile(s: Floats) -> tuple[Floats, Floats]:
    """Share of the jaw that the upper and the lower lip's edge follow, inside the corners."""
    t = np.minimum(s, 1)
    upper = UPPER_FOLLOWS + (CORNER_FOLLOWS - UPPER_FOLLOWS) * t**2.5
    lower = 1 - (1 - CORNER_FOLLOWS) * t**3.0
    return upper, lower


def displacement_fields(x: Floats, y: Floats, side: Side, lips: Lips, pitch_slope: float) -> Floats:
    """The displacement for each weight being one.

    Args:
        x: Points across, any shape.
        y: Points down, the same shape.
        side: Which lip the points belong to.
        lips: The mouth at rest.
        pitch_slope: dz/dy of the viewer's line of sight: what pushing a lip forward must not do to its height.

    Returns:
        (N_WEIGHTS, ..., 3) in U.
    """
    p = _place(x, y, side, lips)
    zero = np.zeros_like(p.x)
    up = side == "upper"
    spread, narrow = _wide(p, up, lips)
    upper, lower = zero, zero
    philtrum = 1 - (1 - UPPER_SHOWS) * np.exp(-((p.x / 0.045) ** 2))
    if up:
        upper = -(p.bell**0.65) * philtrum * (1 - smoothstep(0.05, 0.40, p.away))
    else:
        lower = p.bell**0.55 * (1 - smoothstep(0.06, 0.42, p.away))
    root = np.sqrt(p.bell)
    tucked = root * (1 - smoothstep(0.0, 0.30 if up else 0.34, p.away)) * (1 if up else -1)
    return np.stack(
        [
            _jaw(p, up, lips),
            spread,
            narrow,
            _protrude(p, up, lips, pitch_slope),
            np.stack([zero, upper, zero], -1),
            np.stack([zero, lower, zero], -1),
            np.stack([zero, tucked if up else zero, zero], -1),
            np.stack([zero, zero if up else tucked, zero], -1),
        ]
    )


def closing_share(x: Floats, y: Floats, side: Side, lips: Lips) -> Floats:
    """Share of a gap that the jaw leaves open by which each point moves down to shut it."""
    edge = np.interp(x, lips.x, lips.upper if side == "upper" else lips.lower)
    if side == "upper":
        return np.asarray(0.5 * (1 - smoothstep(0, 0.36, np.maximum(edge - y, 0))))
    return np.asarray(-0.5 * (1 - smoothstep(0, 0.45, np.maximum(y - edge, 0))))


def sealing_share(x: Floats, y: Floats, side: Side, lips: Lips) -> Floats:
    """Share of `Motion.sealing` by which each point moves down."""
    edge = np.interp(x, lips.x, lips.upper if side == "upper" else lips.lower)
    away = np.maximum(edge - y if side == "upper" else y - edge, 0)
    return np.asarray((0.5 if side == "upper" else -0.5) * (1 - smoothstep(0.03, 0.26, away)))


def along_lips(x: Floats, lips: Lips) -> Floats:
    """Place along the lips: 0 in the middle, 1 at the inner corners, more beyond."""
    return np.asarray(np.abs(x - lips.inner_centre) / lips.inner_half_width)


def pitch_slope(rotations: Floats) -> float:
    """See `displacement_fields`; the usual one of (n, 3, 3) turns."""
    return float(np.median(rotations[:, 1, 2] / rotations[:, 1, 1]))


def _place(x: Floats, y: Floats, side: Side, lips: Lips) -> _Place:
    s = along_lips(x, lips)
    v = y - np.interp(x, lips.x, lips.upper if side == "upper" else lips.lower)
    # Past the lip's edge the field is carried on as it is there; beyond the corners both sides use one field.
    far = smoothstep(1, 1.35, s)
    above, below = (1, far) if side == "upper" else (far, 1)
    v = np.minimum(v, 0) * above + np.maximum(v, 0) * below
    return _Place(x - lips.centre, y, s, v, np.abs(v), np.clip(1 - s**2, 0, 1), np.where(s < 1, 1.0, 0.0))


def _jaw(p: _Place, up: bool, lips: Lips) -> Floats:
    upper, lower = _opening_profile(p.s)
    along = np.where(p.s < 1, upper if up else lower, CORNER_FOLLOWS * (1 - smoothstep(1, 2.5, p.s)))
    to_chin = smoothstep(0, 0.55, p.away)
    above = along * (1 - smoothstep(0, 0.45, p.away))
    below = along * (1 - to_chin) + (1 - smoothstep(0.42, 1.08, np.abs(p.x))) * to_chin
    neck = 1 - smoothstep(lips.chin - 0.02, lips.chin + 0.54, p.y)
    drop = np.where(p.v < 0, above, below) * neck * _on_face(p.x + lips.centre, p.y, lips)
    back = 0.5 * drop * np.clip((p.y + 0.45) / 1.1, 0, 1.2)
    so = np.minimum(np.abs(p.x) / lips.half_width, 1)
    inward = -CORNER_DRAWS_IN * np.sign(p.x) * so * _corner_window(p, lips)
    return np.stack([inward, drop, back], -1)


def _on_face(x: Floats, y: Floats, lips: Lips) -> Floats:
    """1 on the face, fading past its sides: hair and background stay where they are."""
    rows, left, right = lips.outline()
    outside = np.maximum(np.interp(y, rows, left) - x, x - np.interp(y, rows, right))
    return 1 - smoothstep(0.02, 0.42, outside)


def _corner_window(p: _Place, lips: Lips) -> Floats:
    """Where the corners' sideways motion is felt: fading into the cheeks, the nose and the chin."""
    middle = np.interp(p.x + lips.centre, lips.x, lips.line)
    height = np.where(p.y < middle, 0.42, 0.58)
    sideways = np.where(p.s < 1, 1, 1 - smoothstep(1, 2.4, p.s))
    return np.asarray(sideways * (1 - smoothstep(0.13, height, np.abs(p.y - middle))))


def _lip_depth(p: _Place) -> Floats:
    """Distance into the lip, signed as `v`; the dark line of contact is left out, so that it is not stretched."""
    return np.asarray(np.sign(p.v) * np.clip(p.away - 0.014, 0, np.where(p.v < 0, 0.116, 0.146)))


def _wide(p: _Place, up: bool, lips: Lips) -> tuple[Floats, Floats]:
    """Spreading and (for negative weights) narrowing."""
    a = lips.half_width
    window = _corner_window(p, lips)
    so = np.minimum(np.abs(p.x) / a, 1)
    s2 = np.minimum(p.s, 1) ** 2
    across = np.sign(p.x) * a * so * window
    # Lips keep their volume: thinner when spread, fuller when narrowed.
    thin = _lip_depth(p) * np.sqrt(p.bell) * (1 - smoothstep(0.16, 0.5, p.away))
    # A small mouth moves less.
    size = float(np.clip((a - 0.18) / 0.19, 0.6, 1.0))
    lift = -0.16 * a * s2 * window
    back = 0.5 * a * s2 * window
    spread = np.stack([across, 1.5 * lift - (0.45 if up else 0.25) * thin, back], -1) * size
    narrow = np.stack([across, lift - (0.45 if up else 0.25) * thin, back], -1) * size
    return spread, narrow


def _protrude(p: _Place, up: bool, lips: Lips, pitch_slope: float) -> Floats:
    v = _lip_depth(p)
    fade = 1 - smoothstep(0.16, 0.5, p.away)
    thicken = (0.20 if up else 0.12) * v * np.sqrt(p.bell) * fade
    lip = np.where(p.s < 1, 1 - 0.3 * p.s**2, 0.7 * (1 - smoothstep(1, 1.7, p.s))) * (
        1 - smoothstep(0.12, 0.42, p.away)
    )
    middle = np.interp(p.x + lips.centre, lips.x, lips.line)
    corner = np.where(p.s < 1, np.minimum(p.s, 1) ** 2.2, 1 - smoothstep(1, 2.1, p.s))
    flatten = lips.smile * corner * (1 - smoothstep(0.10, 0.50, np.abs(p.y - middle)))
    # Fuller towards the corners: a rounder outline.
    fuller = (
        0.016
        * np.sign(p.v)
        * np.exp(-(((p.s - 0.80) / 0.17) ** 2))
        * smoothstep(0.02, 0.07, p.away)
        * (1 - smoothstep(0.05, 0.28, p.away))
        * np.where(p.s < 1, 1, 1 - smoothstep(1, 1.25, p.s))
    )
    down = thicken + flatten + fuller + 0.8 * FORWARD * lip * pitch_slope
    return np.stack([np.zeros_like(p.x), down, -FORWARD * lip], -1)
