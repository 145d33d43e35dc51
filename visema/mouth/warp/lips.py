"""The shape of a face's mouth at rest, in head coordinates: the plane in which everything else is built once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visema.face.pose import HeadPoses
from visema.mouth.warp.points import (
    CHIN,
    INNER_CORNERS,
    INNER_LOWER,
    INNER_UPPER,
    JAW_LEFT,
    JAW_RIGHT,
    LIP_MIDDLES,
    OUTER_CORNERS,
    Floats,
)
from visema.types import FloatArray

#: Columns along the lip line.
N_COLUMNS = 41
MIDDLE = N_COLUMNS // 2
#: The rest shape is the median of the frames whose mouths are most closed: this share of them.
CLOSED_SHARE = 30
#: A mouth whose opening stays under this (in U) in 90 % of frames counts as closed throughout.
CLOSED_GAP = 0.035
#: An opening that varies less than this (standard deviation, U) is a held expression, not speech.
HELD_GAP_SD = 0.02


def to_head(landmarks: FloatArray, poses: HeadPoses) -> Floats:
    """Head coordinates, (n, k, 3): origin between the mouth's corners, pupils one unit (U) apart, pose removed."""
    origin = landmarks[:, list(OUTER_CORNERS)].mean(1)
    turned = np.einsum("fkc,fcd->fkd", landmarks - origin[:, None], poses.rotation)
    return np.asarray(turned / poses.scale[:, None, None])


def openings(head: Floats) -> Floats:
    """Opening between the inner lips in U, (n,)."""
    upper, lower = LIP_MIDDLES
    return np.asarray(head[:, lower, 1] - head[:, upper, 1])


def hat_matrix(at: Floats, knots: Floats) -> Floats:
    """``w`` such that ``w @ values`` equals ``np.interp(at, knots, values)``; knots ascending."""
    w = np.zeros((len(at), len(knots)))
    left = np.clip(np.searchsorted(knots, at) - 1, 0, len(knots) - 2)
    t = np.clip((at - knots[left]) / (knots[left + 1] - knots[left]), 0, 1)
    rows = np.arange(len(at))
    w[rows, left] = 1 - t
    w[rows, left + 1] = t
    return w


@dataclass(frozen=True)
class Lips:
    """A mouth at rest, lips together. Lengths in U.

    Attributes:
        points: (478, 3) the whole mesh.
        closed: The mouth is shut in (nearly) all frames of the loop, so its own contact line can be followed.
        centre: x of the middle between the corners.
        half_width, inner_half_width: Half the distance of the outer and of the inner corners.
        x, upper, lower: (N_COLUMNS,) the edges of the lips; equal where they touch.
        depth: z of the lips' middle.
        chin: y of the chin.
        smile: How far the corners lie above the middle, which rounding flattens.
        upper_order, lower_order: The inner lips' vertices in ascending x.
        upper_weights, lower_weights: (N_COLUMNS, 11) from those vertices to the columns.
    """

    points: Floats
    closed: bool
    centre: float
    half_width: float
    inner_half_width: float
    x: Floats
    upper: Floats
    lower: Floats
    depth: float
    chin: float
    smile: float
    upper_order: tuple[int, ...]
    lower_order: tuple[int, ...]
    upper_weights: Floats
    lower_weights: Floats

    @property
    def line(self) -> Floats:
        """Middle between the lips, (N_COLUMNS,)."""
        return np.asarray((self.upper + self.lower) / 2)

    @property
    def rest(self) -> float:
        """Height of the lip line's middle."""
        return float(self.line[MIDDLE])

    @property
    def inner_centre(self) -> float:
        """Place of the middle between the inner corners."""
        return float(self.points[list(INNER_CORNERS), 0].mean())

    def outline(self) -> tuple[Floats, Floats, Floats]:
        """The face's sides as (y, left x, right x); below the jaw's bend they go straight down."""
        y = np.linspace(self.points[JAW_LEFT[0], 1], self.chin, 24)
        sides = []
        for chain in (JAW_LEFT, JAW_RIGHT):
            side = self.points[list(chain)]
            x = np.interp(y, side[:, 1], side[:, 0])
            bend = int(len(y) * 0.75)
            x[bend:] = x[bend]
            sides.append(x)
        return y, sides[0], sides[1]


def rest_points(landmarks: FloatArray, poses: HeadPoses) -> Floats:
    """The mesh at rest, (478, 3) in head coordinates: median of the most closed of n frames."""
    head = to_head(landmarks, poses)
    gaps = openings(head)
    return np.asarray(np.median(head[gaps <= np.percentile(gaps, CLOSED_SHARE)], 0))


def lips_at_rest(points: Floats, closed: bool, contact: Floats | None = None) -> Lips:
    """Measure a rest shape.

    Args:
        points: (478, 3) head coordinates.
        closed: See `Lips.closed`.
        contact: (N_COLUMNS,) how far the dark line of contact lies below the mesh's lip line; known for closed mouths.
    """
    left, right = (points[i, 0] for i in INNER_CORNERS)
    x = np.linspace(left, right, N_COLUMNS)

    def ordered(chain: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(chain, key=lambda i: float(points[i, 0])))

    upper_order, lower_order = ordered(INNER_UPPER), ordered(INNER_LOWER)
    upper_weights = hat_matrix(x, points[list(upper_order), 0])
    lower_weights = hat_matrix(x, points[list(lower_order), 0])
    upper = upper_weights @ points[list(upper_order), 1]
    lower = np.maximum(lower_weights @ points[list(lower_order), 1], upper)
    if closed:
        upper = lower = (upper + lower) / 2 + (0 if contact is None else contact)
    inner_half = abs(right - left) / 2
    near = np.abs(x - x.mean()) < 0.35 * inner_half
    smile = 0.75 * (((upper + lower) / 2)[near].mean() - points[list(INNER_CORNERS), 1].mean())
    return Lips(
        points=points,
        closed=closed,
        centre=float(points[list(OUTER_CORNERS), 0].mean()),
        half_width=abs(float(points[OUTER_CORNERS[1], 0] - points[OUTER_CORNERS[0], 0])) / 2,
        inner_half_width=float(inner_half),
        x=x,
        upper=upper,
        lower=lower,
        depth=float(points[list(LIP_MIDDLES), 2].mean()),
        chin=float(points[CHIN, 1]),
        smile=float(np.clip(smile, -0.02, 0.05)),
        upper_order=upper_order,
        lower_order=lower_order,
        upper_weights=upper_weights,
        lower_weights=lower_weights,
    )
