"""The shape of one eye in a photo: its curves from corner to corner, and where its lids meet when it closes.

Places are in eye widths: x runs from the eye's corner at the left of the picture (0) to the one at its right (1), y
goes down from the line between them. Across, an eye width is measured in the picture; down, in space, so that the
proportions hold for a turned head.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.types import Box, FloatArray, Image


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


_Cut = TypeVar("_Cut", bound=_Dataclass)


@dataclass(frozen=True)
class EyeIds:
    """Vertices of the face mesh around one eye, from the left of the picture to its right.

    ``outer`` is -1 where the eye's outer corner is the left one, else 1.
    """

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    brow: tuple[int, ...]
    iris: int
    outer: int


EYES = (
    EyeIds(
        upper=(33, 246, 161, 160, 159, 158, 157, 173, 133),
        lower=(33, 7, 163, 144, 145, 153, 154, 155, 133),
        brow=(46, 53, 52, 65, 55),
        iris=468,
        outer=-1,
    ),
    EyeIds(
        upper=(362, 398, 384, 385, 386, 387, 388, 466, 263),
        lower=(362, 382, 381, 380, 374, 373, 390, 249, 263),
        brow=(285, 295, 282, 283, 276),
        iris=473,
        outer=1,
    ),
)

#: The real corners lie this far outside those of the mesh; the inner one also a little lower.
OUTER_REACH, INNER_REACH, INNER_DROP = 0.10, 0.055, 0.018
#: The lids meet so far down the way from the corners' line to the lowest point of the lower lid.
_MEET = 0.74
#: Curves are kept on an axis of this spacing from -1 to 2.
_AXIS = np.linspace(-1, 2, 601)
_AXIS_STEP = 3 / 600
#: Blurs are made at a resolution where their sigma is about so many pixels.
_COARSE_PX = 3.0


@dataclass(frozen=True)
class EyeShape:
    """An eye, its surroundings and its curves; arrays (h, w) cover ``box``, lengths are in eye widths.

    Attributes:
        box: The pixels of the eye and its surroundings, within the picture.
        corner: (2,) pixel of the left corner.
        right: (2,) unit vector towards the right corner.
        width: Pixels of one eye width across.
        height: Pixels of one eye width down.
        outer: As in `EyeIds`.
        x: Place across.
        y: Place down.
        upper: Edge of the upper lid in the column of each pixel.
        lower: Edge of the lower lid.
        closing: Where the lids meet.
        rise: How far the lower lid comes up to meet the upper one.
        along: 0 at the left end of the lid, 1 at its right end.
        past_outer: How far beyond the mesh's outer corner; negative inside.
        past_inner: The same for the inner corner.
        ends: Left and right end of the lid on the x axis.
        curves: ``upper`` and ``closing`` on the axis, for `edge`.
        inner_reach: How far the real inner corner lies beyond the mesh's.
        brow: How far above the upper lid the forehead's side of the lid may be looked for (up to the eyebrow).
    """

    box: Box
    corner: FloatArray
    right: FloatArray
    width: float
    height: float
    outer: int
    x: FloatArray
    y: FloatArray
    upper: FloatArray
    lower: FloatArray
    closing: FloatArray
    rise: FloatArray
    along: FloatArray
    past_outer: FloatArray
    past_inner: FloatArray
    ends: tuple[float, float]
    curves: tuple[FloatArray, FloatArray]
    inner_reach: float
    brow: float

    @property
    def down(self) -> FloatArray:
        """(2,) unit vector across the eye, towards the chin."""
        return np.array([-self.right[1], self.right[0]], np.float32)

    @property
    def to_outer(self) -> FloatArray:
        """Along the lid: 0 at its inner end, 1 at its outer end."""
        return self.along if self.outer > 0 else 1 - self.along

    def edge(self, x: FloatArray, closure: float) -> FloatArray:
        """Height of the upper lid's edge at ``x`` when the eye is closed by ``closure``."""
        upper, closing = self.curves
        return np.asarray(np.interp(x, _AXIS, upper + (closing - upper) * closure))

    def pixels(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Pixels of the picture, (..., 2), of places in eye widths."""
        x, y = np.asarray(x)[..., None], np.asarray(y)[..., None]
        return np.asarray(self.corner + x * self.width * self.right + y * self.height * self.down, np.float32)

    def blurred(self, image: FloatArray, sigma: float) -> FloatArray:
        """``image`` smoothed by ``sigma`` eye widths (at least a third of a pixel)."""
        pixels = max(0.35, sigma * self.height)
        image = np.ascontiguousarray(image, np.float32)
        coarse = int(pixels / _COARSE_PX)
        if coarse < 2:
            return np.asarray(cv2.GaussianBlur(image, (0, 0), pixels), np.float32)
        # a wide blur is the same at a fraction of the resolution, and of the time
        h, w = image.shape[:2]
        small = cv2.resize(image, (-(-w // coarse), -(-h // coarse)), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), pixels / coarse)
        return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)

    def crop(self, image: Image) -> FloatArray:
        """The part of a picture in ``box``, as float."""
        x0, y0, x1, y1 = self.box
        return image[y0:y1, x0:x1].astype(np.float32)


def eye_frame(ids: EyeIds, landmarks: FloatArray) -> tuple[FloatArray, FloatArray, float, float]:
    """Left corner, direction to the right one, eye width across and down in pixels."""
    left, right = landmarks[ids.upper[0]], landmarks[ids.upper[-1]]
    width = float(np.linalg.norm(right[:2] - left[:2]))
    height = float(np.linalg.norm(right - left))
    return left[:2], (right[:2] - left[:2]) / max(width, 1e-6), width, height


def opening(ids: EyeIds, landmarks: FloatArray) -> float:
    """How far the lids are apart in the middle of the eye, in eye widths."""
    gap = landmarks[ids.lower[4], :2] - landmarks[ids.upper[4], :2]
    _, right, _, height = eye_frame(ids, landmarks)
    return float(gap @ np.array([-right[1], right[0]])) / max(height, 1e-6)


def measure_eye(
    ids: EyeIds,
    landmarks: FloatArray,
    size: tuple[int, int],
    inner_reach: float = INNER_REACH,
    inner_drop: float = INNER_DROP,
) -> EyeShape:
    """The shape of one eye of a face mesh.

    Args:
        ids: Which eye.
        landmarks: (478, 3) pixels.
        size: (width, height) of the picture.
        inner_reach: How far the real inner corner lies beyond the mesh's, in eye widths.
        inner_drop: How far below the mesh's it lies.
    """
    corner, right, width, height = eye_frame(ids, landmarks)
    down = np.array([-right[1], right[0]])

    def places(vertices: tuple[int, ...]) -> FloatArray:
        away = landmarks[list(vertices), :2] - corner
        return np.stack([away @ right / width, away @ down / height], axis=-1)

    upper, lower, brow = places(ids.upper), places(ids.lower), places(ids.brow)
    to_brow = float(np.clip(0.72 * np.median(upper[4, 1] - brow[:, 1]), 0.24, 0.55))
    box = _surroundings(landmarks[list(ids.upper + ids.lower), :2], width, height, size)
    yy, xx = np.mgrid[box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
    x = ((xx - corner[0]) * right[0] + (yy - corner[1]) * right[1]) / width
    y = ((xx - corner[0]) * down[0] + (yy - corner[1]) * down[1]) / height

    outer_end, inner_end = (-OUTER_REACH, -0.012), (1 + inner_reach, inner_drop)
    if ids.outer > 0:
        outer_end, inner_end = (1 + OUTER_REACH, -0.012), (-inner_reach, inner_drop)
    left, end = (outer_end, inner_end) if ids.outer < 0 else (inner_end, outer_end)
    elsewhere = abs(inner_drop - INNER_DROP) > 0.03  # then the mesh points next to the inner corner are off too
    kept = slice(1 + (elsewhere and ids.outer > 0), -1 - (elsewhere and ids.outer < 0))
    top = _curve(np.vstack([left, upper[kept], end]))
    bottom = np.maximum(_curve(np.vstack([left, lower[kept], end])), top)
    closing, rise, along = _closing(top, bottom, left, end, ids.outer)

    def at_pixels(curve: FloatArray) -> FloatArray:
        return np.interp(x, _AXIS, curve).astype(np.float32)

    f32 = np.float32
    return EyeShape(
        box=box,
        corner=corner.astype(f32),
        right=right.astype(f32),
        width=width,
        height=height,
        outer=ids.outer,
        x=x.astype(f32),
        y=y.astype(f32),
        upper=at_pixels(top),
        lower=at_pixels(bottom),
        closing=at_pixels(closing),
        rise=at_pixels(rise),
        along=at_pixels(along),
        past_outer=(-x if ids.outer < 0 else x - 1).astype(f32),
        past_inner=(x - 1 if ids.outer < 0 else -x).astype(f32),
        ends=(left[0], end[0]),
        curves=(top, closing),
        inner_reach=inner_reach,
        brow=to_brow,
    )


def _closing(
    top: FloatArray, bottom: FloatArray, left: tuple[float, float], right: tuple[float, float], outer: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Where the lids meet, how far the lower one rises for it, and the way along the lid, on the axis."""
    along = np.clip((_AXIS - left[0]) / (right[0] - left[0]), 0, 1)
    base = left[1] + (right[1] - left[1]) * along
    depth = max(_MEET * float((bottom - base).max()), 0.07)
    across = np.abs(2 * along - 1)
    to_outer = np.asarray(along if outer > 0 else 1 - along, np.float32)
    closing = base + depth * (1 - across**2.1)
    closing += 0.03 * to_outer**3 * (1 - smoothstep(0.97, 1.0, to_outer))  # a shut lid droops towards its outer end
    closing = np.maximum(closing, top + 0.5 * np.maximum(bottom - top, 0))
    closing = _smoothed(closing, 0.05)
    rise = np.maximum(bottom - closing, 0) + 0.012 * (1 - across**4)
    return closing, rise, along


def _surroundings(points: FloatArray, width: float, height: float, size: tuple[int, int]) -> Box:
    margin = max(width, height)
    x0, y0 = np.floor(points.min(0) - 0.75 * margin).astype(int).tolist()
    x1, y1 = np.ceil(points.max(0) + 0.65 * margin).astype(int).tolist()
    return Box(max(0, x0), max(0, y0), min(size[0], x1), min(size[1], y1))


def _curve(points: FloatArray) -> FloatArray:
    return _smoothed(np.interp(_AXIS, points[:, 0], points[:, 1]), 0.035)


def _smoothed(curve: FloatArray, sigma: float) -> FloatArray:
    samples = sigma / _AXIS_STEP
    reach = int(3 * samples)
    kernel = np.exp(-((np.arange(-reach, reach + 1) / samples) ** 2) / 2)
    return np.convolve(np.pad(curve, reach, "edge"), kernel / kernel.sum(), "valid")


def smoothstep(start: float | FloatArray, end: float | FloatArray, x: FloatArray) -> FloatArray:
    """0 up to ``start``, 1 from ``end`` on, smooth between."""
    t = np.clip((x - start) / np.maximum(np.asarray(end) - start, 1e-6), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def smoothstep1(start: float, end: float, x: float) -> float:
    """`smoothstep` of one number."""
    return float(smoothstep(start, end, np.array(x, np.float32)))


def cut(thing: _Cut, kept: NDArray[np.bool_]) -> _Cut:
    """``thing`` with its (h, w) and (h, w, c) arrays cut to the smallest rectangle around ``kept`` (h, w)."""
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    changes: dict[str, object] = {}
    for field in fields(thing):
        value = getattr(thing, field.name)
        if isinstance(value, np.ndarray) and value.shape[:2] == kept.shape:
            changes[field.name] = np.ascontiguousarray(value[y0:y1, x0:x1])
        elif isinstance(value, Box):
            changes[field.name] = Box(value.x0 + x0, value.y0 + y0, value.x0 + x1, value.y0 + y1)
    return cast(_Cut, replace(cast(Any, thing), **changes))
