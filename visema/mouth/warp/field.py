"""From a pose to maps: which pixel of the base frame each pixel of the region comes from, for either lip's side."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from visema.mouth.warp.bases import BaseFrame
from visema.mouth.warp.displacement import Motion
from visema.mouth.warp.material import Material
from visema.mouth.warp.points import smoothstep
from visema.mouth.warp.raster import combine, enlarge, sample, transform
from visema.types import Box, FloatArray

#: Image nodes beyond each border, so that cubic upsampling is exact inside.
PAD = 1
#: Image nodes in one U, and their least distance in pixels.
NODES_PER_U, MIN_STEP = 18.0, 3
#: Fixed-point steps; after four, 99 % of the nodes are within .3 pixels even at the widest opening.
STEPS = 4
#: Displacement fades to nothing over this share of the region's smaller side.
FADE = 0.10


class CoarseMaps:
    """Inverse displacement of both sides at coarse image nodes, and the means to enlarge them to pixels.

    Attributes:
        step: Pixels between nodes.
        sides: Two (rows, columns, 2) arrays of absolute source positions in the region.
    """

    def __init__(self, frame: BaseFrame, material: Material, motion: Motion) -> None:
        box, matrix = frame.box, frame.matrix
        rows, columns = material.shape
        self.step = max(MIN_STEP, round(frame.scale / NODES_PER_U))
        nodes = _grid(box.width, box.height, self.step)
        grid_step = float(material.x[1] - material.x[0])
        inverse = _inverse(matrix[:, :2]) / np.float32(grid_step)
        corner = np.array([material.x[0], material.y[0]], np.float32) / np.float32(grid_step)
        across = np.multiply.outer(nodes.x + np.float32(box.x0 - frame.origin[0]), inverse[:, 0])
        down = np.multiply.outer(nodes.y + np.float32(box.y0 - frame.origin[1]), inverse[:, 1]) - corner
        unmoved = across[None] + down[:, None]
        weights = motion.weights + frame.rest_weights
        moved = combine(weights, material.fields).reshape(-1, 3)
        down_by = moved.reshape(2, rows, columns, 3)[..., 1]
        if motion.seal > 0:
            down_by += material.sealing.reshape(2, rows, columns) * motion.sealing(material.along)
        if frame.left_open is not None:
            down_by += material.closing.reshape(2, rows, columns) * frame.left_open
        pixels = transform(moved, matrix)
        offset = transform(pixels + frame.residual.reshape(-1, 2), inverse).reshape(2, rows, columns, 2)
        self.sides: list[FloatArray] = []
        for offset_of_side, pixels_of_side in zip(offset, pixels.reshape(2, rows, columns, 2), strict=True):
            place = unmoved
            for _ in range(STEPS):
                place = unmoved - sample(offset_of_side, place)
            self.sides.append(nodes.position - sample(pixels_of_side, place) * nodes.fade)

    def pixels(self, side: int, part: Box) -> FloatArray:
        """Source positions of the pixels of a part of the region, (height, width, 2), a view."""
        rows, columns = (
            slice(low // self.step, -(-high // self.step) + 2 * PAD)
            for low, high in ((part.y0, part.y1), (part.x0, part.x1))
        )
        large = enlarge(self.sides[side][rows, columns], self.step)
        top, left = (part.y0 - (rows.start - PAD) * self.step, part.x0 - (columns.start - PAD) * self.step)
        return large[top : top + part.height, left : left + part.width]


def _inverse(m: FloatArray) -> FloatArray:
    """Of a (2, 2) matrix."""
    (a, b), (c, d) = m.tolist()
    return np.array(((d, -b), (-c, a)), np.float32) / np.float32(a * d - b * c)


class _Grid(NamedTuple):
    """Image nodes of a region of one size: columns (n,), rows (m,), both (m, n, 2), and the fade for x and y alike."""

    x: FloatArray
    y: FloatArray
    position: FloatArray
    fade: FloatArray


@lru_cache(maxsize=32)
def _grid(width: int, height: int, step: int) -> _Grid:
    """The regions of a loop's frames have few sizes."""
    x, y = _nodes(width, step), _nodes(height, step)
    fade = np.outer(_fade(y, height, step), _fade(x, width, step))
    grid = _Grid(x, y, np.dstack(np.meshgrid(x, y)), np.repeat(fade[..., None], 2, 2))
    for shared in grid:
        shared.flags.writeable = False
    return grid


def _nodes(length: int, step: int) -> FloatArray:
    n = -(-length // step) + 2 * PAD
    return ((np.arange(n, dtype=np.float32) - PAD + np.float32(0.5)) * step - np.float32(0.5)).astype(np.float32)


def _fade(nodes: FloatArray, length: int, step: int) -> FloatArray:
    """0 at the nodes that the border's pixels are interpolated from, 1 inside."""
    start = 0.6 * step
    inside = np.minimum(nodes, length - 1 - nodes)
    return smoothstep(start, max(FADE * length, start + step), inside).astype(np.float32)
