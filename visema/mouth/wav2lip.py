"""`Wav2LipEngine`: the mouth drawn from the sound itself; by the pose where there is no sound to draw from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from visema.errors import EngineError
from visema.face.track import FaceTrack
from visema.mouth.engine import Rig
from visema.mouth.heard import Heard
from visema.mouth.warp import WarpEngine
from visema.types import Box, FloatArray, Image

if TYPE_CHECKING:
    from visema.neural.lips import LipPainter

log = logging.getLogger(__name__)

#: Pixels added below the chin, whatever the picture's size, and frames over which boxes are averaged: as released.
CHIN_PAD: Final = 10
SMOOTHING: Final = 5
#: What the network reads and draws.
FACE_SIZE: Final = 96
#: Of the face's box: the drawn face shows from the first share of its height on, wholly from the second, and fades
#: over the third share of the box at its sides and at the chin.
SHOWS_FROM: Final = (0.42, 0.56)
FADES: Final = 0.10


class Wav2LipEngine:
    """Draws from sound; see `MouthEngine` and `Hears`.

    Its rig is the embedded engine's, which draws whatever no sound belongs to, and everything if the weights cannot be
    used any more.
    """

    name = "wav2lip"

    def __init__(self, rig: Rig, track: FaceTrack, size: tuple[int, int]) -> None:
        self._warp = WarpEngine(rig, track, size)
        self._boxes = face_boxes(track, size)
        limit = (size[0] // 2 * 2, size[1] // 2 * 2)
        self._regions = [_region(self._warp.region(i), box, limit) for i, box in enumerate(self._boxes)]
        self._track = track
        self._painter = _painter_or_none()

    @staticmethod
    def ready(size: int) -> None:
        """See `NeedsWeights.ready`."""
        from visema.neural.lips import open_painter

        open_painter()

    @staticmethod
    def prepare(frames: Mapping[int, Image], track: FaceTrack) -> Rig:
        """See `MouthEngine.prepare`."""
        return WarpEngine.prepare(frames, track)

    def region(self, index: int) -> Box | None:
        """See `MouthEngine.region`."""
        return self._regions[index]

    def draw(self, base: Image, index: int, pose: FloatArray) -> Image:
        """See `MouthEngine.draw`."""
        region, inner = self._regions[index], self._warp.region(index)
        out = base.copy()
        if region is not None and inner is not None:
            x0, y0 = inner.x0 - region.x0, inner.y0 - region.y0
            part = out[y0 : y0 + inner.height, x0 : x0 + inner.width]
            part[:] = self._warp.draw(np.ascontiguousarray(part), index, pose)
        return out

    def draw_heard(self, base: Image, index: int, pose: FloatArray, heard: Heard) -> Image:
        """See `Hears.draw_heard`."""
        region = self._regions[index]
        if self._painter is None or region is None:
            return self.draw(base, index, pose)
        top, bottom, left, right = self._boxes[index]
        box = (top - region.y0, bottom - region.y0, left - region.x0, right - region.x0)
        crop = cv2.resize(base[box[0] : box[1], box[2] : box[3]], (FACE_SIZE, FACE_SIZE))
        face = self._painter.paint(np.asarray(crop, np.uint8), heard, self._track)
        return paste(base, face, box)

    def moved_points(self, index: int, pose: FloatArray) -> FloatArray:
        """See `MovesPoints`."""
        return self._warp.moved_points(index, pose)


def _painter_or_none() -> LipPainter | None:
    """None, with a warning, where an avatar that is ready cannot have its network (any more)."""
    try:
        from visema.neural.lips import open_painter

        return open_painter()
    except EngineError as e:
        log.warning("%s The embedded engine draws this avatar's mouth.", e)
        return None


def face_boxes(track: FaceTrack, size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Box of the face in every frame as (top, bottom, left, right): padded at the chin, averaged over frames."""
    width, height = size
    mesh = track.landmarks[:, :, :2]
    rects = np.concatenate([mesh.min(1), mesh.max(1)], axis=1)
    rects = np.clip(rects, 0, (width, height, width, height)).astype(np.int64)
    boxes = np.stack([rects[:, 1], np.minimum(rects[:, 3] + CHIN_PAD, height), rects[:, 0], rects[:, 2]], axis=1)
    return [(int(t), int(b), int(left), int(right)) for t, b, left, right in _smoothed(boxes)]


def _smoothed(boxes: Any) -> Any:
    """As the released pipeline does it: in place, with what follows."""
    window, count = SMOOTHING, len(boxes)
    out = np.array(boxes, np.int64)
    for i in range(count):
        rows = out[i : i + window] if i + window <= count else out[count - window :]
        out[i] = np.trunc(rows.mean(axis=0)).astype(np.int64)
    return out


def _region(inner: Box | None, box: tuple[int, int, int, int], limit: tuple[int, int]) -> Box | None:
    """Even edges around both engines' pixels; None where the embedded one draws no face either."""
    top, bottom, left, right = box
    if inner is None or right - left < 16 or bottom - top < 16:
        return None
    x0, y0 = min(inner.x0, left) // 2 * 2, min(inner.y0, top) // 2 * 2
    x1, y1 = -(-max(inner.x1, right) // 2) * 2, -(-max(inner.y1, bottom) // 2) * 2
    return Box(max(0, x0), max(0, y0), min(limit[0], x1), min(limit[1], y1))


def paste(base: Image, face: Image, box: tuple[int, int, int, int]) -> Image:
    """The lower part of a drawn face (96, 96, 3) on its box (top, bottom, left, right), fading at its edges."""
    top, bottom, left, right = box
    size = (right - left, bottom - top)
    large = np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    weight = _weight(*size)
    out = base.copy()
    part = np.ascontiguousarray(out[top:bottom, left:right])
    blended: Any = cv2.blendLinear(large, part, weight, 1 - weight)
    out[top:bottom, left:right] = blended
    return out


def _weight(width: int, height: int) -> FloatArray:
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    across = np.clip(np.minimum(x, 1 - x) / FADES, 0, 1)
    down = np.clip((y - SHOWS_FROM[0]) / (SHOWS_FROM[1] - SHOWS_FROM[0]), 0, 1) * np.clip((1 - y) / FADES, 0, 1)
    ramp = down[:, None] * across
    weight = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    weight[[0, -1]] = 0
    weight[:, [0, -1]] = 0
    return np.asarray(weight, np.float32)
