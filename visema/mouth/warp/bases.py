"""What drawing needs to know of each frame of the loop: where the skin lies, and how to shut the mouth it shows.

Everything comes from the landmarks, for a block of frames at once (about 0.1 ms a frame); no pixel is read.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visema.face.track import FaceTrack
from visema.mouth.warp.displacement import JAW, N_WEIGHTS, NARROW, SPREAD
from visema.mouth.warp.lips import MIDDLE, N_COLUMNS, Lips
from visema.mouth.warp.material import Material
from visema.mouth.warp.points import LIP_MIDDLES, OUTER_CORNERS, Floats, smoothstep
from visema.mouth.warp.raster import to_single
from visema.types import Box, FloatArray

#: The region that may change, in U: its centre below the mouth, its reach to the sides, up and down.
CENTRE_DOWN, SIDEWAYS, UP, DOWN = 0.28, 1.12, 0.88, 1.14
#: A face is drawn when its lips and at least this share of the region, across and down, lie in the picture.
MIN_SHARE = 0.45
#: Frames prepared together, and blocks kept (about 20 KB a frame).
BLOCK, BLOCKS_KEPT = 32, 32
#: The cut into each lip of an open base mouth (U), so that no sliver of a tooth survives, and how much it grows with
#: the opening, at most.
CUT, CUT_GROWS, CUT_MOST = 0.013, 7.0, 0.12
#: The jaw takes this share of closing an open base mouth; the lips share the rest.
JAW_CLOSES = 0.55
#: Half-width of a relaxed mouth, U, towards which a held smile is narrowed by at most the second number.
RELAXED_HALF_WIDTH, MOST_NARROWING = 0.37, 0.12


@dataclass(frozen=True)
class BaseFrame:
    """One frame of the loop, N nodes and C columns of the lip line.

    Attributes:
        box: The region, even edges.
        scale: Pixels in one U.
        matrix: (2, 3) from head coordinates to pixels.
        origin: (2,) pixels of the head's origin, at the lips' depth.
        residual: (2, N, 2) where the nodes lie beyond what matrix and origin say, pixels.
        edges: (2, C, 2) the lips' edges with the mouth shut, pixels; both the same line where they meet.
        opening: (2, C, 2) the lips' edges as the frame shows them, cut included; None where it is shut.
        rest_weights: Weights that shut the mouth and bring it to its usual width.
        left_open: (grid columns,) gap that those leave, in U, to be shared by both lips.
        width: Mouth width over that at rest.
    """

    box: Box
    scale: float
    matrix: FloatArray
    origin: FloatArray
    residual: FloatArray
    edges: FloatArray
    opening: FloatArray | None
    rest_weights: FloatArray
    left_open: FloatArray | None
    width: float

    @property
    def corner(self) -> FloatArray:
        """The region's left top, (2,) pixels."""
        return np.array((self.box.x0, self.box.y0), np.float32)

    @property
    def middle(self) -> FloatArray:
        """Middle of the lip line with the mouth shut, (2,) pixels."""
        return np.asarray((self.edges[0, MIDDLE] + self.edges[1, MIDDLE]) * np.float32(0.5), np.float32)


@dataclass(frozen=True)
class _Block:
    matrix: FloatArray
    origin: FloatArray
    residual: NDArray[np.float16]
    edges: FloatArray
    opening: FloatArray
    rest_weights: FloatArray
    left_open: FloatArray
    width: FloatArray
    gap: FloatArray


class BaseFrames:
    """The frames of one loop, prepared in blocks when first asked for.

    Args:
        track: Of the loop.
        size: Its (width, height) in pixels.
        lips, material: Of the face.
        usual_half_width: Half-width of the mouth to keep to when it talks in the loop, U; None to leave it.
    """

    def __init__(
        self, track: FaceTrack, size: tuple[int, int], lips: Lips, material: Material, usual_half_width: float | None
    ) -> None:
        self._track = track
        self._lips = lips
        self._material = material
        self._usual = usual_half_width
        self._boxes, self._drawn = _regions(track, size)
        self._blocks: OrderedDict[int, _Block] = OrderedDict()

    def box(self, index: int) -> Box | None:
        """See `MouthEngine.region`."""
        return Box(*(int(v) for v in self._boxes[index])) if self._drawn[index] else None

    def landmarks(self, index: int) -> FloatArray:
        """(478, 3) pixels."""
        return np.asarray(self._track.landmarks[index], np.float32)

    def frame(self, index: int) -> BaseFrame:
        """What is known of a frame."""
        number, i = divmod(index, BLOCK)
        block = self._blocks.get(number)
        if block is None:
            part = slice(number * BLOCK, (number + 1) * BLOCK)
            block = self._prepare(self._track.landmarks[part], part)
            self._blocks[number] = block
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        open_mouth = not self._lips.closed
        return BaseFrame(
            box=Box(*(int(v) for v in self._boxes[index])),
            scale=float(self._track.poses.scale[index]),
            matrix=block.matrix[i],
            origin=block.origin[i],
            residual=to_single(block.residual[i]),
            edges=block.edges[i],
            opening=block.opening[i] if open_mouth and block.gap[i] > 0.012 else None,
            rest_weights=block.rest_weights[i],
            left_open=block.left_open[i] if open_mouth else None,
            width=float(block.width[i]),
        )

    def _prepare(self, landmarks: FloatArray, part: slice) -> _Block:
        lips, material, poses = self._lips, self._material, self._track.poses
        n = len(landmarks)
        scale, rotation = poses.scale[part], poses.rotation[part]
        head_origin = landmarks[:, list(OUTER_CORNERS)].mean(1)
        matrix = (scale[:, None, None] * rotation[:, :2]).astype(np.float32)
        down = matrix[:, None, :, 1]
        width = self._half_widths(landmarks, head_origin, scale, rotation) / lips.half_width
        upper = np.matmul(lips.upper_weights, landmarks[:, list(lips.upper_order), :2])
        lower = np.matmul(lips.lower_weights, landmarks[:, list(lips.lower_order), :2])
        to_depth = matrix[:, :, 2] * lips.depth
        rest_weights = np.zeros((n, N_WEIGHTS), np.float32)
        left_open = np.zeros((n, len(material.x)), np.float32)
        gap = np.zeros(n, np.float32)
        if lips.closed:
            shape = lips.points[list(lips.upper_order), 1], lips.points[list(lips.lower_order), 1]
            contact = lips.line - (lips.upper_weights @ shape[0] + lips.lower_weights @ shape[1]) / 2
            line = (upper + lower) / 2 + contact[:, None] * down
            opening = edges = np.stack([line, line], 1)
        else:
            across = down[:, 0] / (down[:, 0] ** 2).sum(1, keepdims=True)
            gaps = np.maximum(np.einsum("fkc,fc->fk", lower - upper, across), 0)
            gap = gaps.max(1).astype(np.float32)
            cut = _cut(gap)[..., None] * down
            upper, lower = upper - cut, lower + cut
            opening = np.stack([upper, lower], 1)
            rest_weights[:, JAW] = -JAW_CLOSES * (gaps + 2 * _cut(gap)).max(1)
            usual = self._normalise_width(width * lips.half_width, gap) * width
            rest_weights[:, SPREAD] = np.maximum(usual, 0)
            rest_weights[:, NARROW] = np.minimum(usual, 0)
            moved = np.matmul(rest_weights, material.edge_fields).reshape(n, 2, N_COLUMNS, 3)
            edges = opening + np.matmul(moved, matrix[:, None].transpose(0, 1, 3, 2))
            rest = np.einsum("fkc,fc->fk", edges[:, 1] - edges[:, 0], across)
            edges[:, 0] += 0.5 * rest[..., None] * down
            edges[:, 1] -= 0.5 * rest[..., None] * down
            left_open = (rest @ material.columns.T).astype(np.float32)
        return _Block(
            matrix=matrix,
            origin=(head_origin[:, :2] + to_depth).astype(np.float32),
            residual=self._residuals(landmarks, head_origin, matrix, to_depth).astype(np.float16),
            edges=edges.astype(np.float32),
            opening=opening.astype(np.float32),
            rest_weights=rest_weights,
            left_open=left_open,
            width=width.astype(np.float32),
            gap=gap,
        )

    def _half_widths(
        self, landmarks: FloatArray, origin: FloatArray, scale: FloatArray, rotation: FloatArray
    ) -> Floats:
        corners = np.matmul(landmarks[:, list(OUTER_CORNERS)] - origin[:, None], rotation) / scale[:, None, None]
        return np.asarray(np.abs(corners[:, 1, 0] - corners[:, 0, 0]) / 2)

    def _normalise_width(self, half_width: Floats, gap: Floats) -> Floats:
        if self._usual is not None:
            return np.asarray(np.clip(self._usual / half_width - 1, -0.28, 0.28))
        relaxed = np.clip(RELAXED_HALF_WIDTH / half_width - 1, -MOST_NARROWING, 0)
        return np.asarray(relaxed * smoothstep(0.0, 0.05, gap))

    def _residuals(self, landmarks: FloatArray, origin: FloatArray, matrix: FloatArray, to_depth: Floats) -> Floats:
        """Nodes are linear in the landmarks; the head's own motion is taken out, so that little is left to keep."""
        material = self._material
        n, (rows, columns) = len(landmarks), material.shape
        points = landmarks[:, material.vertices, :2] - origin[:, None, :2]
        flat = np.ascontiguousarray(points.transpose(1, 0, 2), np.float32).reshape(len(material.vertices), n * 2)
        nodes = (material.operators @ flat).reshape(2, rows, columns, n, 2).transpose(3, 0, 1, 2, 4)
        affine = (
            material.x[None, None, :, None] * matrix[:, None, None, :, 0]
            + material.y[None, :, None, None] * matrix[:, None, None, :, 1]
            + to_depth[:, None, None]
        )
        return np.asarray((nodes - affine[:, None]).reshape(n, 2, rows * columns, 2))


def _cut(gap: Floats) -> Floats:
    """How far to cut into each lip, (n, N_COLUMNS) U; nothing at the corners, nor where the mouth is shut."""
    t = np.abs(np.linspace(-1, 1, N_COLUMNS))
    narrow = CUT * (1 - t**4) * smoothstep(0.0, 0.05, gap)[:, None]
    grown = CUT * (1 - t**8) * CUT_GROWS * np.clip(gap - 0.05, 0, CUT_MOST)[:, None]
    return np.asarray(narrow + grown)


def _regions(track: FaceTrack, size: tuple[int, int]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Boxes (n, 4) with even edges inside the picture, and which of them are to be drawn."""
    width, height = size
    scale = track.poses.scale
    down = scale[:, None] * track.poses.rotation[:, :2, 1]
    centre = track.landmarks[:, list(OUTER_CORNERS), :2].mean(1) + CENTRE_DOWN * down
    reach_up = np.stack([SIDEWAYS * scale, UP * scale], 1)
    reach_down = np.stack([SIDEWAYS * scale, DOWN * scale], 1)
    limit = np.array([width - width % 2, height - height % 2])
    low = np.clip(np.floor((centre - reach_up) / 2) * 2, 0, limit)
    high = np.clip(np.ceil((centre + reach_down) / 2) * 2, 0, limit)
    wanted = reach_up + reach_down
    seen = (high - low) / np.maximum(wanted, 1)
    lips = track.landmarks[:, [*OUTER_CORNERS, *LIP_MIDDLES], :2]
    inside = ((lips > 1) & (lips < limit - 2)).all((1, 2))
    drawn = track.found & inside & (seen > MIN_SHARE).all(1) & ((high - low) >= 16).all(1)
    return np.concatenate([low, high], 1).astype(np.int32), drawn
