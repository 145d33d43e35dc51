"""The warp of a still: where each pixel of a moved head comes from.

The field is linear in the motion's six columns, so each column's field is computed once per photo, on a coarse grid,
and the landmarks of every frame follow from it without looking at a picture again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from visema.face.pose import fit_poses
from visema.portrait.motion import BOB, BREATH, N_HEAD, PITCH, ROLL, SWAY, YAW
from visema.portrait.still import resample
from visema.types import Box, FloatArray

#: Outline of the face in the mesh, from the top clockwise.
FACE_OVAL = [
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
]
_CHIN = 152
#: The head moves as one inside the outline widened by this, and the motion has faded at this distance (in U).
_RIGID, _FADED = 0.25, 1.7
#: At the top and the sides motion fades within this part of the shorter side.
_BORDER = 0.16
#: Breathing out: the shoulders sink by so much of U, and draw in by so much of their distance from the middle.
_SINK, _NARROW = 0.030, 0.006
#: Neighbouring pixels are stretched or squeezed by no more than this; a head near the border moves less instead.
_MAX_STRAIN = 0.10
#: Less than this (pixels) counts as not moving; what moves is looked for in bands of so many rows of cells.
_STILL_PX, _BAND = 0.03, 6
#: Grids computed together, which bounds the memory of a long film.
_AT_ONCE = 64


@dataclass(frozen=True)
class SourceMap:
    """Where the pixels of one box come from; see `HeadField.source_map`.

    Attributes:
        cells: Those that the box needs.
        unmoved: (rows, columns, 2) where their middles lie.
        factor: From pixels of the photo to those of the map.
        size: (width, height) of the enlarged cells.
        part: The box in them.
    """

    cells: tuple[slice, slice]
    unmoved: FloatArray
    factor: float
    size: tuple[int, int]
    part: tuple[slice, slice]

    def __call__(self, displacement: FloatArray) -> FloatArray:
        """(height, width, 2), for one frame's grid."""
        came_from = cv2.scaleAdd(displacement[self.cells], -self.factor, self.unmoved)
        return np.asarray(cv2.resize(came_from, self.size, interpolation=cv2.INTER_LINEAR)[self.part])


@dataclass(frozen=True)
class HeadField:
    """Displacement basis of one photo, on a grid of square cells.

    The displacement at a place says how far the pixel that is *now there* has moved.

    Attributes:
        size: (width, height) of the photo.
        unit: U, pixels.
        step: Pixels along a cell's side, even. Values belong to the middle of cells.
        origin: Pixel at the outer edge of the first cell, the same across and down; outside the picture.
        basis: (6, rows, columns, 2) pixels of displacement for one unit of each column of `IdleMotion.head`.
        center: (3,) pixels, what yaw and pitch turn about.
    """

    size: tuple[int, int]
    unit: float
    step: int
    origin: int
    basis: FloatArray
    center: FloatArray

    def displacement(self, head: FloatArray) -> FloatArray:
        """Grids of displacements, (n, rows, columns, 2) pixels, for motions ``head`` (n, 6)."""
        flat = self.basis.reshape(N_HEAD, -1)
        return np.asarray(head @ flat, np.float32).reshape(len(head), *self.basis.shape[1:])

    def grids(self, head: FloatArray) -> Iterator[FloatArray]:
        """`displacement` of each motion in turn, (rows, columns, 2), in little memory."""
        for first in range(0, len(head), _AT_ONCE):
            yield from self.displacement(head[first : first + _AT_ONCE])

    def reach(self, head: FloatArray) -> FloatArray:
        """How far each cell moves at most, (rows, columns, 2) pixels, in any of the motions ``head`` (n, 6)."""
        parts = (self.displacement(head[i : i + _AT_ONCE]) for i in range(0, len(head), _AT_ONCE))
        return np.asarray(np.max([np.abs(part).max(0) for part in parts], axis=0))

    def strain(self, displacement: FloatArray) -> float:
        """Largest relative stretch between neighbouring cells, over all frames."""
        across, down = np.diff(displacement, axis=2), np.diff(displacement, axis=1)
        return float(max(np.abs(across).max(), np.abs(down).max())) / self.step

    def moving_boxes(self, reach: FloatArray, also: Sequence[Box] = ()) -> list[Box]:
        """Rectangles with even edges, one above the other, outside which nothing moves.

        Args:
            reach: As `reach` gives it.
            also: What must lie within them too.
        """
        w, h = self.size
        moving = np.abs(reach).max(axis=2) > _STILL_PX
        for x0, y0, x1, y1 in (np.array(b) - self.origin for b in also):
            moving[y0 // self.step : -(-y1 // self.step), x0 // self.step : -(-x1 // self.step)] = True
        boxes = []
        for row in range(0, len(moving), _BAND):
            columns = np.flatnonzero(moving[max(0, row - 1) : row + _BAND + 1].any(0))
            y0, y1 = row * self.step + self.origin, (row + _BAND) * self.step + self.origin
            if not len(columns) or y1 <= 0 or y0 >= h:
                continue
            x0, x1 = int(columns[0] - 1) * self.step + self.origin, int(columns[-1] + 2) * self.step + self.origin
            boxes.append(Box(max(0, x0), max(0, y0), min(w, x1), min(h, y1)))
        return boxes

    def source_map(self, box: Box, scale: int = 1, coarser: int = 1) -> SourceMap:
        """Finds where each pixel of ``box`` comes from, in pixels of the photo times ``scale``.

        Args:
            box: Of the photo; with ``coarser`` 2 its edges are even.
            scale: See above.
            coarser: 2 for a picture of half the photo's size (chroma): the map is of its pixels, (height / 2,
                width / 2, 2), and in its pixels times ``scale``.
        """
        st, origin = self.step, self.origin
        # one cell more on every side: the outer half cell of a resized grid is flat
        c0, c1 = (box.x0 - origin) // st - 1, (box.x1 - origin - 1) // st + 2
        r0, r1 = (box.y0 - origin) // st - 1, (box.y1 - origin - 1) // st + 2
        # a coarser pixel lies in the middle of those that it stands for
        first, factor = self._middle - (coarser - 1) / 2, scale / coarser
        x, y = np.arange(c0, c1) * st + first, np.arange(r0, r1) * st + first
        left, top = (box.x0 - origin - c0 * st) // coarser, (box.y0 - origin - r0 * st) // coarser
        return SourceMap(
            cells=np.s_[r0:r1, c0:c1],
            unmoved=np.dstack(np.meshgrid(x, y)).astype(np.float32) * np.float32(factor),
            factor=factor,
            size=((c1 - c0) * st // coarser, (r1 - r0) * st // coarser),
            part=np.s_[top : top + box.height // coarser, left : left + box.width // coarser],
        )

    def landmarks(self, still: FloatArray, head: FloatArray) -> FloatArray:
        """Landmarks of every frame, (n, 478, 3), from those of the photo (478, 3) and the motions (n, 6)."""
        out = np.repeat(still[None], len(head), axis=0)
        for frame, grid in zip(out, self.grids(head), strict=True):
            moved = still[:, :2]
            for _ in range(3):  # the field is known at the new place, which is what is looked for
                shift = resample(grid, (moved[None] - self._middle) / self.step)[0]
                moved = still[:, :2] + shift
            frame[:, :2] = moved
        away = still - self.center
        out[..., 2] += head[:, PITCH, None] * away[:, 1] - head[:, YAW, None] * away[:, 0]
        return out

    @property
    def _middle(self) -> float:
        """Pixel in the middle of the first cell."""
        return self.origin + (self.step - 1) / 2


def head_field(size: tuple[int, int], landmarks: FloatArray) -> HeadField:
    """Displacement basis for a photo of ``size`` (width, height) with one face's ``landmarks`` (478, 3)."""
    w, h = size
    unit = float(fit_poses(landmarks[None]).scale[0])
    step = int(np.clip(2 * round(unit / 20), 4, 16))
    origin = -2 * step
    x = origin + step * np.arange(-(-w // step) + 4, dtype=np.float32) + (step - 1) / 2
    y = origin + step * np.arange(-(-h // step) + 4, dtype=np.float32) + (step - 1) / 2
    gx, gy = np.meshgrid(x, y)
    oval = landmarks[FACE_OVAL]
    center = np.array([*oval[:, :2].mean(0), np.median(oval[:, 2])], np.float32)
    chin = float(landmarks[_CHIN, 1])
    pivot = np.array([center[0], chin + 0.5 * unit], np.float32)

    outline = cv2.convexHull(oval[:, :2].astype(np.float32))
    outside = np.array([-cv2.pointPolygonTest(outline, (float(a), float(b)), True) for a, b in _points(gx, gy)])
    weight = 1 - smoothstep(_RIGID * unit, _FADED * unit, outside.reshape(gx.shape))
    sides = smoothstep(step, _BORDER * min(w, h), np.minimum(gx, w - 1 - gx))
    weight *= sides * smoothstep(step, _BORDER * min(w, h), gy)
    depth = _depth(gx, gy, landmarks, float(center[2]), unit)

    basis = np.zeros((N_HEAD, *gx.shape, 2), np.float32)
    basis[YAW, ..., 0] = depth * weight
    basis[PITCH, ..., 1] = -depth * weight
    basis[ROLL, ..., 0] = -(gy - pivot[1]) * weight
    basis[ROLL, ..., 1] = (gx - pivot[0]) * weight
    basis[SWAY, ..., 0] = unit * weight
    basis[BOB, ..., 1] = unit * weight
    chest = smoothstep(chin + 0.2 * unit, chin + 1.3 * unit, gy) * sides
    # breathing out lowers what is in the photo, so nothing from below its lower edge comes into view
    basis[BREATH, ..., 1] = _SINK * unit * chest
    basis[BREATH, ..., 0] = -_NARROW * (gx - center[0]) * chest
    return HeadField(size, unit, step, origin, basis, center)


def calmed(field: HeadField, head: FloatArray) -> FloatArray:
    """``head`` (n, 6) made smaller where it would stretch the picture visibly (a face cut by the border)."""
    strain = max(field.strain(field.displacement(head[i : i + _AT_ONCE])) for i in range(0, len(head), _AT_ONCE))
    if strain <= _MAX_STRAIN:
        return head
    return np.asarray(head * np.float32(_MAX_STRAIN / strain))


def smoothstep(start: float, end: float, x: FloatArray) -> FloatArray:
    """0 up to ``start``, 1 from ``end`` on, smooth between."""
    t = np.clip((x - start) / max(end - start, 1e-6), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _points(gx: FloatArray, gy: FloatArray) -> FloatArray:
    return np.stack([gx.ravel(), gy.ravel()], axis=1)


def _depth(gx: FloatArray, gy: FloatArray, landmarks: FloatArray, rim: float, unit: float) -> FloatArray:
    """Depth of the face over the grid, relative to its ``rim``; a smooth dome that ends at the outline."""
    sigma = 0.16 * unit
    px, py, pz = landmarks[:468].T
    ex = np.exp(-(((gx[0][:, None] - px) / sigma) ** 2) / 2)  # (columns, points)
    ey = np.exp(-(((gy[:, 0][:, None] - py) / sigma) ** 2) / 2)  # (rows, points)
    total = ey @ ex.T
    mean = (ey * (pz - rim)) @ ex.T
    sure = 0.5  # about the density of points at the outline
    return np.asarray(mean / (total + sure), np.float32)
