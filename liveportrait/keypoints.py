"""Key points of a face: posed from what the extractor reads, moved by a driver, rigid or expression by expression."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from facenets.angles import axis_rotations, expected_degrees

KEY_POINTS = 21
#: Degrees of bin 0, negated.
DEGREE_OFFSET = 97.5

Region = Literal["all", "exp", "pose", "lip", "eyes"]

#: Points that lips and eyes move.
LIP_POINTS = (6, 12, 14, 17, 19, 20)
EYE_POINTS = (11, 13, 15, 16, 18)
#: What an absolute motion copies from the driver: points wholly, and single axes (x 0, y 1, z 2) of others.
ABSOLUTE_POINTS = (1, 2, 6, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
ABSOLUTE_AXES = ((3, 1), (4, 1), (5, 2), (8, 2), (9, 1), (9, 2))

#: Expression at rest, (21, 3), a constant of the release (MIT).
RESTING_EXPRESSION = (
    (-9.4524e-05, 0.00024222, -4.00974e-05),
    (0.000208596, 0.000468054, 1.27464e-05),
    (-0.000124602, 0.000324972, 4.425e-06),
    (0.000119652, -0.000456624, 5.40852e-05),
    (-0.000265254, -7.4598e-05, -1.5528e-05),
    (-3.34884e-05, -0.000183036, -3.49404e-06),
    (-4.75428e-07, -4.52466e-07, 1.59498e-06),
    (-0.000541296, 0.0026328, 7.2486e-06),
    (-1.1694e-05, 5.00502e-06, 9.9888e-06),
    (8.0286e-07, 5.19132e-06, -0.000409344),
    (0.000166878, -1.9815e-05, -8.8548e-05),
    (-1.51536e-05, 8.2506e-05, 5.94012e-06),
    (-2.61054e-07, 2.7591e-06, 2.21028e-06),
    (-6.6282e-05, -6.8286e-05, -3.45318e-06),
    (-0.00083262, -0.00179592, -2.59176e-06),
    (6.9714e-06, 3.65514e-05, -1.8978e-06),
    (-4.80876e-06, 7.1148e-06, -1.03236e-05),
    (-0.00063684, -0.0011661, 5.62314e-05),
    (0.00028329, -1.45656e-05, 1.09746e-05),
    (-4.16022e-06, -0.0150906, -0.0025494),
    (0.000222474, 0.00562788, 0.00272646),
)


@dataclass(frozen=True)
class Face:
    """One or more faces in the model's terms.

    Attributes:
        canonical: points at rest, (n, 21, 3).
        rotation: head pose, for row vectors, (n, 3, 3).
        expression: shift of every point, (n, 21, 3).
        translation: (n, 3); depth is kept but not applied.
        scale: (n, 1).
    """

    canonical: Tensor
    rotation: Tensor
    expression: Tensor
    translation: Tensor
    scale: Tensor

    def points(self) -> Tensor:
        """Posed points, (n, 21, 3)."""
        flat = self.translation * self.translation.new_tensor([1.0, 1.0, 0.0])
        turned = self.canonical @ self.rotation + self.expression
        return self.scale[:, None] * turned + flat[:, None]

    def __getitem__(self, rows: slice) -> Face:
        """Some of the faces."""
        return Face(
            self.canonical[rows],
            self.rotation[rows],
            self.expression[rows],
            self.translation[rows],
            self.scale[rows],
        )


def degrees(bins: Tensor) -> Tensor:
    """Angle of a head's bins: (n, 66) to (n, 1)."""
    return expected_degrees(bins, DEGREE_OFFSET)[:, None]


def head_rotation(pitch: Tensor, yaw: Tensor, roll: Tensor) -> Tensor:
    """Rotation for row vectors from degrees (n, 1) each: (n, 3, 3)."""
    x, y, z = (angle.reshape(-1) / 180.0 * math.pi for angle in (pitch, yaw, roll))
    about_x, about_y, about_z = axis_rotations(x, y, z)
    return (about_z @ about_y @ about_x).transpose(1, 2)


def face_of(heads: tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]) -> Face:
    """Read the extractor's heads: pitch, yaw, roll, translation, expression, scale, canonical points."""
    pitch, yaw, roll, translation, expression, scale, canonical = heads
    return Face(
        canonical=torch.unflatten(canonical, 1, (KEY_POINTS, 3)),
        rotation=head_rotation(degrees(pitch), degrees(yaw), degrees(roll)),
        expression=torch.unflatten(expression, 1, (KEY_POINTS, 3)),
        translation=translation,
        scale=scale,
    )


def relative_motion(source: Face, driver: Face, first: Face, region: Region = "all") -> Face:
    """The source moved as the driver has moved since its first frame.

    Args:
        source: the face to move, one.
        driver: the driver's current frame, one.
        first: the driver's first frame, one; for a single driving picture its expression is a constant at rest.
        region: what may move.
    """
    change = driver.expression - first.expression
    moved = replace(source, expression=_in_region(source.expression, source.expression + change, region))
    if region in ("all", "pose"):
        turn = driver.rotation @ first.rotation.transpose(1, 2) @ source.rotation
        moved = replace(moved, rotation=turn, translation=source.translation + driver.translation - first.translation)
    if region == "all":
        moved = replace(moved, scale=source.scale * (driver.scale / first.scale))
    return moved


def absolute_motion(source: Face, driver: Face, region: Region = "all") -> Face:
    """The source in the driver's own pose and expression; points that carry identity stay the source's."""
    expression = source.expression.clone()
    if region in ("all", "exp"):
        expression[:, ABSOLUTE_POINTS] = driver.expression[:, ABSOLUTE_POINTS]
        for point, axis in ABSOLUTE_AXES:
            expression[:, point, axis] = driver.expression[:, point, axis]
    else:
        expression = _in_region(expression, driver.expression, region)
    moved = replace(source, expression=expression)
    if region in ("all", "pose"):
        moved = replace(moved, rotation=driver.rotation, translation=driver.translation)
    return moved


def _in_region(still: Tensor, moved: Tensor, region: Region) -> Tensor:
    """Expression that moves in a region only."""
    if region in ("all", "exp"):
        return moved
    if region == "pose":
        return still
    points = LIP_POINTS if region == "lip" else EYE_POINTS
    out = still.clone()
    out[:, points] = moved[:, points]
    return out


def hull_volume(points: Tensor) -> float:
    """Volume of the convex hull of (1, 21, 3) or (21, 3)."""
    return float(ConvexHull(points.detach().double().cpu().reshape(-1, 3).numpy()).volume)


def motion_multiplier(source: Tensor, first: Tensor) -> float:
    """Factor that fits the driver's range of motion to the source's size: root of the ratio of hull volumes."""
    return math.sqrt(hull_volume(source) / hull_volume(first))


def at_rest(driver: Face) -> Face:
    """A single driving picture's reference: its own pose, and the expression of closed, resting lips."""
    rest = torch.tensor(RESTING_EXPRESSION).to(driver.expression)
    return replace(driver, expression=rest[None].expand_as(driver.expression))
