"""From a pose to maps: which pixel of the base frame each pixel of the region comes from, for either lip's side."""

from __future__ import annotations

import numpy as np

from visema.mouth.warp.bases import BaseFrame
from visema.mouth.warp.material import Material
from visema.mouth.warp.points import smoothstep
from visema.mouth.warp.raster import enlarge, sample
from visema.types import FloatArray

#: Image nodes beyond each border, so that cubic upsampling is exact inside.
PAD = 2
#: Image nodes in one U, and their least distance in pixels.
NODES_PER_U, MIN_STEP = 14.0, 4
#: Fixed-point steps: the strongest field (a purse) contracts by about .4 a step.
STEPS = 5
#: Displacement fades to nothing over this share of the region's smaller side.
FADE = 0.10


class CoarseMaps:
    """Inverse displacement of both sides at coarse image nodes, and the means to enlarge them to pixels.

    Attributes:
        step: Pixels between nodes.
        sides: Two (rows, columns, 2) arrays of absolute source positions in the region.
        places: Two (rows, columns, 2) arrays: where in the material grid (column, row) each node lies.
    """

    def __init__(self, frame: BaseFrame, material: Material, weights: FloatArray) -> None:
        box, matrix = frame.box, frame.matrix
        rows, columns = material.shape
        self.width, self.height = box.width, box.height
        self.step = max(MIN_STEP, round(frame.scale / NODES_PER_U))
        px, py = (_nodes(n, self.step) for n in (box.width, box.height))
        grid_step = float(material.x[1] - material.x[0])
        inverse = (np.linalg.inv(matrix[:, :2]) / grid_step).astype(np.float32)
        corner = np.array([material.x[0], material.y[0]], np.float32) / np.float32(grid_step)
        across = np.multiply.outer(px + np.float32(box.x0 - frame.origin[0]), inverse[:, 0])
        down = np.multiply.outer(py + np.float32(box.y0 - frame.origin[1]), inverse[:, 1]) - corner
        unmoved = across[None] + down[:, None]
        fade = np.outer(_fade(py, box.height, self.step), _fade(px, box.width, self.step))
        fade2 = np.repeat(fade[..., None], 2, 2)
        position = np.empty((len(py), len(px), 2), np.float32)
        position[..., 0] = px
        position[..., 1] = py[:, None]
        self.sides: list[FloatArray] = []
        self.places: list[FloatArray] = []
        for side in (0, 1):
            moved = (weights @ material.fields[side]).reshape(-1, 3)
            if frame.left_open is not None:
                shared = material.closing[side].reshape(rows, columns) * frame.left_open
                moved[:, 1] += shared.reshape(-1)
            pixels = moved @ matrix.T
            offset = ((pixels + frame.residual[side]) @ inverse.T).reshape(rows, columns, 2)
            place = unmoved
            for _ in range(STEPS):
                place = unmoved - sample(offset, place)
            displacement = sample(pixels.reshape(rows, columns, 2), place)
            displacement *= fade2
            self.sides.append(position - displacement)
            self.places.append(place)

    def pixels(self, side: int, y0: int, y1: int) -> FloatArray:
        """Source positions of the region's rows ``y0`` to ``y1``, (y1 - y0, width, 2), a view."""
        nodes = self.sides[side]
        first = max(y0 // self.step, 0)
        last = min(-(-y1 // self.step) + 2 * PAD, len(nodes))
        part = nodes[first:last]
        large = enlarge(part, self.step)
        top = (first - PAD) * self.step
        left = PAD * self.step
        return large[y0 - top : y1 - top, left : left + self.width]


def _nodes(length: int, step: int) -> FloatArray:
    n = -(-length // step) + 2 * PAD
    return ((np.arange(n, dtype=np.float32) - PAD + np.float32(0.5)) * step - np.float32(0.5)).astype(np.float32)


def _fade(nodes: FloatArray, length: int, step: int) -> FloatArray:
    """0 at the nodes that the border's pixels are interpolated from, 1 inside."""
    start = 1.6 * step
    inside = np.minimum(nodes, length - 1 - nodes)
    return smoothstep(start, max(FADE * length, start + step), inside).astype(np.float32)
