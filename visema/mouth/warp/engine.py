"""`WarpEngine`: the frame's own pixels, moved as the mouth moves, around a painted inside of the mouth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from visema.face.track import FaceTrack
from visema.mouth.engine import Rig
from visema.mouth.warp.bases import BaseFrame, BaseFrames
from visema.mouth.warp.cavity import layer_origin
from visema.mouth.warp.displacement import JAW, SIDES, closing_share, displacement_fields, pitch_slope, pose_weights
from visema.mouth.warp.field import CoarseMaps
from visema.mouth.warp.interior import Interior
from visema.mouth.warp.lips import MIDDLE, N_COLUMNS
from visema.mouth.warp.material import build_material, choose_vertices
from visema.mouth.warp.points import step
from visema.mouth.warp.raster import Bytes, affine, blur, mix, polygon, unit_share
from visema.mouth.warp.rig import learn_face, pack, unpack
from visema.mouth.warp.sampling import around, warp_region
from visema.types import Box, FloatArray, Image
from visema.visemes.articulation import LIP_MARGIN

#: The inside appears between these openings, U.
APPEARS = (0.003, 0.018)
#: The contact line fades between these openings, U.
LINE_FADES = (0.008, 0.035)
#: Lips cut out of an open base mouth have come together already: only a hair is hidden at their edges.
OPEN_MARGIN = 0.003
#: Share of the lip margin along the lip line: none at the corners.
_ALONG = np.clip(1 - np.abs(np.linspace(-1, 1, N_COLUMNS)) ** 6, 0, 1).astype(np.float32)


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
        self._origin = np.array(layer_origin(face.layers.density), np.float32)
        self._fade = face.fade.astype(np.int16)

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
        weights = pose_weights(pose, self._face.jaw_gain, frame.width)
        if frame.opening is None and not weights.any() and not frame.rest_weights.any():
            return base.copy()
        maps = CoarseMaps(frame, self._material, weights + frame.rest_weights)
        upper, lower = self._edges(frame, weights)
        gap = float(((lower - upper) @ _unit(frame.matrix[:, 1])).max()) / frame.scale
        source = self._source(base, frame, gap)
        out = warp_region(source, maps, frame, (upper, lower), self._face.blur)
        shows = step(*APPEARS, gap)
        if shows > 0:
            self._put_inside(out, frame, pose, float(weights[JAW]), upper, lower, shows)
        return out

    def moved_points(self, index: int, pose: FloatArray) -> FloatArray:
        """Where the mesh's vertices lie in a drawn frame.

        Args:
            index: Loop frame index.
            pose: (N_FIELDS,) articulation.

        Returns:
            (478, 2) pixels of the loop's frame.
        """
        frame, lips = self._frames.frame(index), self._face.lips
        weights = pose_weights(pose, self._face.jaw_gain, frame.width) + frame.rest_weights
        x, y = lips.points[:, 0], lips.points[:, 1]
        left = 0.0 if frame.left_open is None else np.interp(x, self._material.x, frame.left_open)
        slope = pitch_slope(self._face.rotations)
        moved = []
        for side in SIDES:
            field = np.tensordot(weights, displacement_fields(x, y, side, lips, slope), 1)
            field[:, 1] += left * closing_share(x, y, side, lips)
            moved.append(field)
        lower = choose_vertices(lips, self._face.rotations)[1]
        lower = np.r_[lower, np.zeros(len(x) - len(lower), bool)]
        shift = np.where(lower[:, None], moved[1], moved[0]) @ frame.matrix.T
        return np.asarray(self._frames.landmarks(index)[:, :2] + shift, np.float32)

    def _edges(self, frame: BaseFrame, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The opening's upper and lower edge in the region, (N_COLUMNS, 2) pixels, each cut a little into its lip."""
        moved = (weights @ self._material.edge_fields).reshape(2, N_COLUMNS, 3) @ frame.matrix.T
        edges = frame.edges + moved - _corner(frame)
        normal = _unit(frame.matrix[:, 1])
        gap = (edges[1] - edges[0]) @ normal
        cut = np.clip(np.minimum(0.35 * gap, self._margin * frame.scale), 0, None)[:, None] * normal
        middle = (edges[0] + edges[1]) / 2
        crossed = (gap < 0)[:, None]
        upper = np.where(crossed, middle, edges[0] - cut)
        lower = np.where(crossed, middle, edges[1] + cut)
        return upper.astype(np.float32), lower.astype(np.float32)

    def _source(self, base: Image, frame: BaseFrame, gap: float) -> Image:
        """The base frame without what must not show: the contact line of parting lips, the inside of an open mouth."""
        if frame.opening is not None:
            return self._without_inside(base, frame, frame.opening)
        strength = step(*LINE_FADES, gap)
        if strength <= 0 or not self._fade.size:
            return base
        box = around(frame.edges.reshape(-1, 2) - _corner(frame), 0.14 * frame.scale, 0.14 * frame.scale, frame.box)
        linear = frame.matrix[:, :2] / np.float32(self._face.layers.density)
        anchor = frame.edges[:, MIDDLE].mean(0) - _corner(frame) - (box.x0, box.y0)
        to_box = np.c_[linear, anchor - linear @ self._origin]
        fade = affine(self._fade, to_box, (box.width, box.height))
        source = base.copy()
        part = source[box.y0 : box.y1, box.x0 : box.x1]
        part[:] = np.clip(part + fade * np.float32(strength), 0, 255)
        return source

    def _without_inside(self, base: Image, frame: BaseFrame, opening: FloatArray) -> Image:
        """An open base mouth filled with the colour of the lips' inner edge: no tooth is drawn along with a lip."""
        edges = opening - _corner(frame)
        box = around(edges.reshape(-1, 2), 0.05 * frame.scale, 0.05 * frame.scale, frame.box)
        mask = _fill(edges[0], edges[1], box)
        inside = np.clip(unit_share(blur(mask, max(0.5, 0.008 * frame.scale)), 2) - 1, 0, 1)
        source = base.copy()
        part = source[box.y0 : box.y1, box.x0 : box.x1]
        part[:] = part + (self._face.rim * np.float32(1.15) - part) * inside[..., None]
        return source

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
        box = around(np.r_[upper, lower], margin, margin, frame.box)
        mask = _fill(upper, lower, box)
        inside = self._interior.draw(frame, pose, jaw, box, mask)
        softness = 0.35 + 0.0045 * frame.scale * (0.4 + 0.6 * self._face.blur)
        alpha = unit_share(blur(mask, softness), strength)
        part = out[box.y0 : box.y1, box.x0 : box.x1]
        part[:] = mix(inside, part.astype(np.float32), alpha)


def _corner(frame: BaseFrame) -> FloatArray:
    return np.array((frame.box.x0, frame.box.y0), np.float32)


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _fill(upper: FloatArray, lower: FloatArray, box: Box) -> Bytes:
    """Coverage of a box by the opening between two edges, antialiased."""
    return polygon(np.r_[upper, lower[::-1]] - (box.x0, box.y0), box.width, box.height)
