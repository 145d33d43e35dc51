"""Draws a mouth into a decoded base frame, and touches nothing else."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.media.colour import bgr_to_i420, frame_planes, i420_to_bgr, region_planes
from visema.mouth.engine import MouthEngine, draw_mouth
from visema.mouth.heard import Heard
from visema.types import I420, Box, FloatArray, Image

#: OpenCV's conversion from I420 takes so many columns at once, and five times as long for each that is left over.
FAST_WIDTH = 64


class HasMouth(Protocol):
    """What the compositor needs of an avatar."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the loop in pixels."""
        ...

    def mouth(self) -> MouthEngine:
        """The engine that draws this avatar's mouth."""
        ...


class Compositor:
    """Puts a mouth on the frames of one avatar's loop.

    Only the engine's region leaves the video's own colour space, and what comes back is the *difference* that the
    engine made: a pixel that the engine left as it was keeps its bytes, even inside the region, so no rounding of
    the conversion shows as a rectangle.
    """

    def __init__(self, avatar: HasMouth) -> None:
        # OpenCV would share out even these small pictures among threads, which costs half as much again as drawing,
        # while the other cores have a film to encode or other viewers to serve.
        cv2.setNumThreads(1)
        self._engine = avatar.mouth()
        self._width, self._height = avatar.size

    def compose(self, frame: I420, index: int, pose: FloatArray | None, heard: Heard | None = None) -> Box | None:
        """Draw ``pose`` into ``frame``, in place.

        Args:
            frame: (h * 3 // 2, w) uint8, loop frame ``index``.
            index: Which frame of the loop it is.
            pose: (N_FIELDS,) articulation; None leaves the frame as it is.
            heard: The moment of the speech, for engines that draw from sound.

        Returns:
            The pixels that may have changed (edges even), or None when none have.
        """
        if pose is None:
            return None
        box = self._engine.region(index)
        if box is None:
            return None
        planes = region_planes(frame, box, self._width, self._height)
        base = _to_bgr(planes, box)
        drawn = draw_mouth(self._engine, base, index, pose, heard)
        before, after = bgr_to_i420(base), bgr_to_i420(drawn)
        # Of more and less one is always 0, so two saturating steps of 8 bits do as well as one of 16, at a quarter.
        more, less = (
            np.asarray(cv2.subtract(after, before), np.uint8),
            np.asarray(cv2.subtract(before, after), np.uint8),
        )
        size = (box.width, box.height)
        for plane, add, take in zip(planes, frame_planes(more, *size), frame_planes(less, *size), strict=True):
            plane[...] = cv2.subtract(cv2.add(plane, add), take)
        return box


def _to_bgr(planes: tuple[NDArray[np.uint8], ...], box: Box) -> Image:
    """The region's pixels, (h, w, 3), contiguous."""
    width = -(-box.width // FAST_WIDTH) * FAST_WIDTH
    packed = np.zeros((box.height * 3 // 2, width), np.uint8)
    for plane, target in zip(planes, frame_planes(packed, width, box.height), strict=True):
        target[:, : plane.shape[1]] = plane
    return np.ascontiguousarray(i420_to_bgr(packed)[:, : box.width])
