"""One photo to a seamless loop of a person who listens: slight head motion, breath, glances, blinks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import cv2
import numpy as np

from visema.errors import FaceError
from visema.face.pose import N_POINTS
from visema.face.track import FaceTrack
from visema.portrait.blink import OPEN, Blink
from visema.portrait.field import calmed, head_field
from visema.portrait.motion import IdleMotion, idle_motion
from visema.portrait.planes import FinePlanes
from visema.portrait.still import SCALE
from visema.types import I420, FloatArray, Image

#: Default length of a loop, as long as one can be watched without seeing it repeat and still be sent at once.
SECONDS = 8.0
#: Longer side of a loop, at most: more costs encoding and drawing time and adds nothing to a talking face on a page.
MAX_SIDE = 1280


class PortraitLoop:
    """Frames of a loop and the face in them. Made by `make_loop`.

    Args:
        photo: (h, w, 3), even sides.
        landmarks: (478, 3) of the face in ``photo``.
        motion: What moves; the head's part is made smaller where the face is too near the border for it.
        fps: Frames per second.

    Attributes:
        size: (width, height).
        notes: What could not be done, in words for the user.
    """

    def __init__(self, photo: Image, landmarks: FloatArray, motion: IdleMotion, fps: float) -> None:
        self.photo = photo
        self.landmarks = landmarks
        self.motion = motion
        self.fps = fps
        h, w = photo.shape[:2]
        self.size = (w, h)
        self._field = head_field(self.size, landmarks)
        self._head = calmed(self._field, motion.head)
        self._blink = Blink(photo, landmarks)
        self.notes = (self._blink.note,) if self._blink.note else ()

    def __len__(self) -> int:
        return len(self.motion)

    @cached_property
    def track(self) -> FaceTrack:
        """The face in every frame, from the warp itself. Lids and irises stay as in the photo: they move no head."""
        moved = self._field.landmarks(self.landmarks, self._head)
        return FaceTrack(moved, np.ones(len(moved), np.bool_))

    def frames(self) -> Iterator[I420]:
        """Every frame once, (h * 3 // 2, w); after the last comes the first again."""
        still, state = FinePlanes(self.photo), OPEN
        gaze = self.motion.gaze * self._field.unit
        boxes = self._field.moving_boxes(self._field.reach(self._head), self._blink.boxes)
        moving = [(box, self._field.source_map(box, SCALE, 2)) for box in boxes]
        for grid, closure, aim in zip(self._field.grids(self._head), self.motion.closure, gaze, strict=True):
            if (wanted := self._blink.state(float(closure), aim)) != state:
                state = wanted
                for eye_box, pixels in self._blink.draw(state):
                    still.put(pixels, eye_box)
            frame = still.resting.copy()
            for box, source_map in moving:
                still.draw(frame, box, source_map(grid))
            yield frame


def make_loop(
    photo: Image,
    landmarks: FloatArray,
    *,
    fps: float = 25.0,
    seconds: float = SECONDS,
    seed: int = 0,
    max_side: int = MAX_SIDE,
) -> PortraitLoop:
    """A living loop of the face in a photo.

    Args:
        photo: (h, w, 3) BGR.
        landmarks: (478, 3) pixels of the face, as a `Landmarker` gives them for ``photo``.
        fps: Frames per second of the loop.
        seconds: Its length, rounded to whole frames.
        seed: Chooses the movements; the same photo and seed give the same frames.
        max_side: The longer side of the loop in pixels, at most; a larger photo is made smaller.

    Raises:
        FaceError: The landmarks are no face mesh.
    """
    if landmarks.shape != (N_POINTS, 3) or not np.isfinite(landmarks).all():
        raise FaceError("The face in the photo could not be measured.", "Try a photo that shows the whole face.")
    photo, landmarks = bounded(photo, np.asarray(landmarks, np.float32), max_side)
    n = max(1, round(seconds * fps))
    return PortraitLoop(photo, landmarks, idle_motion(n, fps, seed), fps)


def bounded(photo: Image, landmarks: FloatArray, max_side: int) -> tuple[Image, FloatArray]:
    """Photo and landmarks at no more than ``max_side``, with even sides (a last odd row or column is cut)."""
    h, w = photo.shape[:2]
    if max(h, w) > max_side:
        k = max_side / max(h, w)
        size = (max(2, round(w * k)), max(2, round(h * k)))
        photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
        sx, sy = size[0] / w, size[1] / h
        landmarks = landmarks * np.array([sx, sy, sx], np.float32)
        h, w = photo.shape[:2]
    return np.ascontiguousarray(photo[: h - h % 2, : w - w % 2]), landmarks
