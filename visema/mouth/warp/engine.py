"""`WarpEngine`: the frame's own pixels, moved as the mouth moves, around a painted inside of the mouth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from visema.face.track import FaceTrack
from visema.mouth.engine import Rig
from visema.mouth.warp.bases import BaseFrame, BaseFrames
from visema.mouth.warp.displacement import (
    JAW,
    NARROW,
    ROLLS,
    SIDES,
    AlongLips,
    Motion,
    along_lips,
    closing_share,
    displacement_fields,
    motion_of,
    pitch_slope,
    sealing_share,
)
from visema.mouth.warp.field import CoarseMaps
from visema.mouth.warp.interior import Interior
from visema.mouth.warp.lips import N_COLUMNS
from visema.mouth.warp.material import build_material, choose_vertices
from visema.mouth.warp.points import Floats, step
from visema.mouth.warp.raster import blur, combine, fill_between, mix, transform, unit_share
from visema.mouth.warp.rig import learn_face, pack, unpack
from visema.mouth.warp.sampling import around, warp_region
from visema.mouth.warp.source import Source, draw_contact
from visema.types import Box, FloatArray, Image
from visema.visemes.articulation import LIP_MARGIN

#: The inside appears between these openings, U.
APPEARS = (0.003, 0.018)
#: Lips rolled in by this much (the lesser of the two, U) press their line thin; it is drawn anew.
LIPS_PRESS = (0.004, 0.018)
#: The drawn contact line of a shut mouth goes between these openings, U.
CONTACT_GOES = (0.004, 0.020)
#: Lips cut out of an open base mouth have come together already: only a hair is hidden at their edges.
OPEN_MARGIN = 0.003
_BORDERS = (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1])
#: Share of the lip margin along the lip line: none at the corners.
_ALONG = np.clip(1 - np.abs(np.linspace(-1, 1, N_COLUMNS)) ** 6, 0, 1).astype(np.float32)


class _Mesh(NamedTuple):
    """What moves the mesh's vertices: `Material`, for them instead of the grid; of each side what has two."""

    x: Floats
    along: AlongLips
    lower: NDArray[np.bool_]
    fields: tuple[Floats, ...]
    closing: tuple[Floats, ...]
    sealing: tuple[Floats, ...]


class WarpEngine:
    """The embedded mouth: no weights, exact at rest, one or two milliseconds a frame.

    `draw` gives the same bits for the same input. One instance belongs to one thread at a time; instances share
    nothing. OpenCV's global number of threads changes its speed, not its result.
    """

    name = "warp"

    def __init__(self, rig: Rig, track: FaceTrack, size: tuple[int, int]) -> None:
        face = unpack(rig)
        self._face = face
        self._material = build_material(face.lips, face.rotations)
        self._frames = BaseFrames(track, size, face.lips, self._material, face.usual_half_width)
        self._interior = Interior(face.layers, face.rim)
        self._margin = np.float32(LIP_MARGIN if face.lips.closed else OPEN_MARGIN) * _ALONG
        self._source = Source(face)

    @staticmethod
    def prepare(frames: Mapping[int, Image], track: FaceTrack) -> Rig:
        """See `MouthEngine.prepare`.

        Raises:
            FaceError: None of the frames shows the face.
        """
        return pack(learn_face(frames, track))

    def region(self, index: int) -> Box | None:
        """See `MouthEngine.region`."""
        return self._frames.box(index)

    def draw(self, base: Image, index: int, pose: FloatArray) -> Image:
        """See `MouthEngine.draw`."""
        frame = self._frames.frame(index)
        motion = self._motion(frame, pose)
        if frame.opening is None and not motion.weights.any() and not frame.rest_weights.any():
            return base.copy()
        maps = CoarseMaps(frame, self._material, motion)
        upper, lower = self._edges(frame, motion)
        gaps = (lower - upper) @ _unit(frame.matrix[:, 1]) / np.float32(frame.scale)
        pressed = step(*LIPS_PRESS, float(motion.weights[ROLLS].min()))
        source = self._source.prepare(base, frame, gaps, float(pose[2]), pressed)
        out = warp_region(source, maps, frame, (upper, lower), self._face.blur)
        gap = float(gaps.max())
        contact = (1.0 if frame.opening is not None else pressed) * (1 - step(*CONTACT_GOES, gap))
        draw_contact(out, (upper + lower) / 2, frame, contact)
        shows = step(*APPEARS, gap)
        if shows > 0:
            self._put_inside(out, frame, pose, float(motion.weights[JAW]), upper, lower, shows)
        # Only a mouth at the picture's edge reaches the border at all.
        for border in _BORDERS:
            out[border] = base[border]
        return out

    def moved_points(self, index: int, pose: FloatArray) -> FloatArray:
        """Where the mesh's vertices lie in a drawn frame.

        Args:
            index: Loop frame index.
            pose: (N_FIELDS,) articulation.

        Returns:
            (478, 2) pixels of the loop's frame.
        """
        frame, mesh = self._frames.frame(index), self._mesh
        motion = self._motion(frame, pose)
        weights = motion.weights + frame.rest_weights
        left = 0.0 if frame.left_open is None else np.interp(mesh.x, self._material.x, frame.left_open)
        moved = []
        for fields, closing, sealing in zip(mesh.fields, mesh.closing, mesh.sealing, strict=True):
            field = np.tensordot(weights, fields, 1)
            field[:, 1] += left * closing
            field[:, 1] += motion.sealing(mesh.along) * sealing
            moved.append(field)
        shift = np.where(mesh.lower[:, None], moved[1], moved[0]) @ frame.matrix.T
        return np.asarray(self._frames.landmarks(index)[:, :2] + shift, np.float32)

    @cached_property
    def _mesh(self) -> _Mesh:
        lips = self._face.lips
        x, y = lips.points[:, 0], lips.points[:, 1]
        slope = pitch_slope(self._face.rotations)
        lower = choose_vertices(lips, self._face.rotations)[1]
        return _Mesh(
            x=x,
            along=AlongLips.of(along_lips(x, lips)),
            lower=np.r_[lower, np.zeros(len(x) - len(lower), bool)],
            fields=tuple(displacement_fields(x, y, side, lips, slope) for side in SIDES),
            closing=tuple(closing_share(x, y, side, lips) for side in SIDES),
            sealing=tuple(sealing_share(x, y, side, lips) for side in SIDES),
        )

    def _motion(self, frame: BaseFrame, pose: FloatArray) -> Motion:
        return motion_of(pose, self._face.jaw_gain, frame.width, float(frame.rest_weights[NARROW]))

    def _edges(self, frame: BaseFrame, motion: Motion) -> tuple[FloatArray, FloatArray]:
        """The opening's upper and lower edge in the region, (N_COLUMNS, 2) pixels, each cut a little into its lip."""
        seal = 0.5 * motion.sealing(self._material.edge_along)
        field = combine(motion.weights, self._material.edge_fields).reshape(2, N_COLUMNS, 3)
        field[0, :, 1] += seal
        field[1, :, 1] -= seal
        moved = transform(field.reshape(-1, 3), frame.matrix).reshape(2, N_COLUMNS, 2)
        edges = frame.edges + moved - frame.corner
        normal = _unit(frame.matrix[:, 1])
        gap = (edges[1] - edges[0]) @ normal
        cut = np.clip(np.minimum(0.35 * gap, self._margin * frame.scale), 0, None)[:, None] * normal
        middle = (edges[0] + edges[1]) / 2
        crossed = (gap < 0)[:, None]
        upper = np.where(crossed, middle, edges[0] - cut)
        lower = np.where(crossed, middle, edges[1] + cut)
        return upper.astype(np.float32), lower.astype(np.float32)

    def _put_inside(
        self,
        out: Image,
        frame: BaseFrame,
        pose: FloatArray,
        jaw: float,
        upper: FloatArray,
        lower: FloatArray,
        strength: float,
    ) -> None:
        margin = 0.07 * frame.scale + 2
        box = around(np.concatenate((upper, lower)), margin, margin, frame.box)
        mask = fill_between(upper, lower, box)
        inside = self._interior.draw(frame, pose, jaw, box, mask)
        softness = 0.35 + 0.0045 * frame.scale * (0.4 + 0.6 * self._face.blur)
        alpha = unit_share(blur(mask, softness), strength)
        part = out[box.y0 : box.y1, box.x0 : box.x1]
        part[:] = mix(inside, part, alpha)


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / math.hypot(*vector.tolist()), np.float32)
