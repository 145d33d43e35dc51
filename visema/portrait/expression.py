"""A lasting expression: a smile or a serious look, by degrees, given to the still before it moves and speaks.

Muscles draw on the skin at a few places; what is around follows. So each expression is a handful of pulls in the
head's own directions, each with a reach, and both the picture and the mesh move by their smooth sum.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from visema.errors import InputError
from visema.face.pose import fit_poses
from visema.portrait.still import SCALE, FineStill
from visema.types import FloatArray, Image

NEUTRAL: Final = "neutral"
#: Neutral leaves the photo's own expression as it is.
EXPRESSIONS: Final = (NEUTRAL, "smile", "serious")


class _Pull(NamedTuple):
    """A pull at mesh vertices on both sides of the face, in U: away from the middle, down, and its reach."""

    left: int
    right: int
    out: float
    down: float
    reach: tuple[float, float]


# A full smile widens a mouth by 5 mm and lifts its corners by 5 of 63 mm, which is U; cheeks rise and the lower lids
# with them. A serious look draws the brows together and down, and the corners a little down and in.
_PULLS: Final = {
    "smile": (
        _Pull(61, 291, 0.040, -0.085, (0.17, 0.15)),
        _Pull(50, 280, 0.015, -0.045, (0.24, 0.22)),
        _Pull(145, 374, 0.0, -0.016, (0.16, 0.07)),
    ),
    "serious": (
        _Pull(61, 291, -0.012, 0.034, (0.17, 0.16)),
        _Pull(55, 285, -0.022, 0.048, (0.20, 0.13)),
        _Pull(65, 295, -0.008, 0.030, (0.20, 0.12)),
        _Pull(159, 386, 0.0, 0.012, (0.18, 0.06)),
    ),
}
#: Times the place that a pixel came from is looked up anew; the third changes it by less than .02 pixels.
_LOOKS: Final = 4


@dataclass(frozen=True)
class Expression:
    """An expression and how much of it.

    Attributes:
        name: One of `EXPRESSIONS`.
        degree: 0 (as in the photo) to 1 (as much as looks natural).
    """

    name: str = NEUTRAL
    degree: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in EXPRESSIONS:
            raise InputError(
                "'{name}' is not an expression.",
                "Choose {choices}; a degree may follow, as in smile:0.5.",
                name=self.name,
                choices=", ".join(EXPRESSIONS),
            )
        if not 0 <= self.degree <= 1:
            raise InputError(
                "An expression of degree {degree} cannot be made.",
                "Give a degree from 0 to 1.",
                degree=f"{self.degree:g}",
            )


def parse_expression(text: str) -> Expression:
    """``smile``, ``smile:0.4`` or ``smile:40%``.

    Raises:
        InputError: It cannot be understood, or its degree is out of bounds.
    """
    found = re.fullmatch(r"\s*(\w+)\s*(?:[:=\s]\s*(\d*\.?\d+)\s*(%?))?\s*", text)
    if not found:
        raise InputError("'{name}' is not an expression.", "Write it like smile, smile:0.5 or serious:30%.", name=text)
    degree = float(found[2]) if found[2] else 1.0
    return Expression(found[1].lower(), degree / 100 if found[3] else degree)


def wear(photo: Image, landmarks: FloatArray, expression: Expression) -> tuple[Image, FloatArray]:
    """The photo and its mesh with an expression on the face.

    Args:
        photo: (h, w, 3) BGR; not changed.
        landmarks: (478, 3) pixels of the face in it.
        expression: What to add to the look that the photo has.

    Returns:
        A picture of the same size, the same to the bit away from the face, and the moved landmarks.
    """
    if expression.name == NEUTRAL or expression.degree == 0:
        return photo, landmarks
    pulls = _PULLS[expression.name]
    pose = fit_poses(landmarks[None])
    axes = pose.rotation[0][:2, :2] * pose.scale[0]  # columns: the head's right and down, pixels of the picture in U
    moved = landmarks.copy()
    moved[:, :2] += _shift(landmarks[:, :2], landmarks, axes, pulls) * expression.degree
    h, w = photo.shape[:2]
    reach = 3.2 * max(max(p.reach) for p in pulls) * float(pose.scale[0])
    centers = landmarks[[i for p in pulls for i in (p.left, p.right)], :2]
    x0, y0 = np.maximum(np.floor(centers.min(0) - reach), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(centers.max(0) + reach), (w, h)).astype(int)
    gx, gy = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    here = np.stack([gx, gy], axis=-1)
    source = here
    for _ in range(_LOOKS):
        source = here - _shift(source, landmarks, axes, pulls) * np.float32(expression.degree)
    out = photo.copy()
    still = np.abs(source - here).max(-1, keepdims=True) < 0.02
    pixels = FineStill(photo).sample(np.asarray(source * SCALE, np.float32))
    out[y0:y1, x0:x1] = np.where(still, photo[y0:y1, x0:x1], pixels)
    return out, moved


def _shift(at: FloatArray, landmarks: FloatArray, axes: FloatArray, pulls: tuple[_Pull, ...]) -> FloatArray:
    """How far places ``at`` (..., 2) pixels are pulled, (..., 2) pixels."""
    inverse = np.linalg.inv(axes)
    total = np.zeros_like(at)
    for pull in pulls:
        for vertex, side in ((pull.left, -1.0), (pull.right, 1.0)):
            away = (at - landmarks[vertex, :2]) @ inverse.T / np.array(pull.reach)
            weight = np.exp(-0.5 * np.square(away).sum(-1))
            # to nothing at three reaches, so that what is beyond stays as it is to the bit
            weight = np.maximum(weight - np.float32(0.0111), 0)
            total += weight[..., None] * (axes @ np.array([side * pull.out, pull.down]))
    return np.asarray(total, np.float32)
