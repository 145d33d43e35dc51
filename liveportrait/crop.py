"""The square around a face, turned upright, and the way back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]  # (n, 2), x and y in pixels
Picture = NDArray[np.uint8]  # (h, w, 3)

#: Side of the crop, and of what the networks read.
CROP_SIZE, INPUT_SIZE = 512, 256
#: Source: side in face sizes, and shift up the face in sides. Driver: the same without turning.
SOURCE_SCALE, SOURCE_SHIFT = 2.3, -0.125
DRIVING_SCALE, DRIVING_SHIFT = 2.2, -0.1
#: Points to average for left eye, right eye and lips, by number of landmarks.
ANCHORS: dict[int, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    5: ((0,), (1,), (3, 4)),
    68: ((36, 39), (42, 45), (48, 54)),
    106: ((33, 35, 40, 39), (87, 89, 94, 93), (52, 61)),
    203: ((0, 6, 12, 18), (24, 30, 36, 42), (48, 66)),
}


class Square(NamedTuple):
    """A turned square around a face.

    Attributes:
        center: in pixels, (2,).
        side: in pixels.
        angle: of its x axis in radians, clockwise in the picture.
    """

    center: Points
    side: float
    angle: float

    def box(self) -> Points:
        """Corners of the square before it is turned: left top and clockwise, (4, 2)."""
        half = self.side / 2
        offsets = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
        corners: Points = (self.center + offsets).astype(np.float32)
        return corners


def anchors(landmarks: Points) -> tuple[Points, Points]:
    """Centre of the eyes and centre of the lips."""
    groups = ANCHORS.get(len(landmarks))
    if groups is None:
        known = ", ".join(str(count) for count in ANCHORS)
        raise ValueError(f"{len(landmarks)} landmarks are not understood; know {known}")
    left, right, lips = (landmarks[list(group)].mean(axis=0) for group in groups)
    return (left + right) / 2, lips


def face_square(landmarks: Points, scale: float, shift: float, shift_across: float = 0.0) -> Square:
    """Frame a face.

    Args:
        landmarks: 5, 68, 106 or 203 points.
        scale: side in sizes of the landmarks' own box.
        shift: down the face, in sides (negative is up).
        shift_across: across the face, in sides; no released crop uses it.
    """
    eyes, lips = anchors(landmarks)
    down = lips - eyes
    length = float(np.linalg.norm(down))
    down = np.array([0, 1], dtype=np.float32) if length <= 1e-3 else down / length
    across = np.array([down[1], -down[0]], dtype=np.float32)
    angle = math.acos(max(-1.0, min(1.0, float(across[0]))))
    axes = np.stack([across, down])
    middle = landmarks.mean(axis=0)
    turned = (landmarks - middle) @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    side = float((high - low).max()) * scale
    center = middle + (low + high) / 2 @ axes + down * (shift * side) + across * (shift_across * side)
    return Square(center.astype(np.float32), side, -angle if across[1] < 0 else angle)


class Crop(NamedTuple):
    """How a picture was cropped.

    Attributes:
        square: what was cut out.
        to_crop: picture to crop coordinates, (3, 3).
        to_picture: crop to picture coordinates, (3, 3).
    """

    square: Square
    to_crop: NDArray[np.float32]
    to_picture: NDArray[np.float32]

    def points(self, landmarks: Points) -> Points:
        """Landmarks in the crop, (n, 2)."""
        moved: Points = (landmarks @ self.to_crop[:2, :2].T + self.to_crop[:2, 2]).astype(np.float32)
        return moved

    def cut(self, picture: Picture, size: int = CROP_SIZE) -> Picture:
        """The crop itself, (size, size, 3)."""
        return np.asarray(cv2.warpAffine(picture, self.to_crop[:2], (size, size), flags=cv2.INTER_LINEAR), np.uint8)


def crop_face(
    landmarks: Points,
    size: int = CROP_SIZE,
    scale: float = SOURCE_SCALE,
    shift: float = SOURCE_SHIFT,
    upright: bool = True,
) -> Crop:
    """Plan a crop.

    Args:
        landmarks: 5, 68, 106 or 203 points.
        size: side of the crop in pixels.
        scale: side in sizes of the landmarks' own box.
        shift: down the face, in sides.
        upright: turn the face upright; a driver's is not.
    """
    square = face_square(landmarks, scale, shift)
    return _plan(square if upright else square._replace(angle=0.0), size)


def crop_driver(landmarks: Sequence[Points], size: int = CROP_SIZE) -> Crop:
    """One crop for a whole driving video: the mean of its frames' squares, not turned."""
    squares = [face_square(frame, DRIVING_SCALE, DRIVING_SHIFT) for frame in landmarks]
    center = np.mean([square.center for square in squares], axis=0).astype(np.float32)
    return _plan(Square(center, float(np.mean([square.side for square in squares])), 0.0), size)


def _plan(square: Square, size: int) -> Crop:
    ratio = size / square.side
    cos, sin = ratio * math.cos(square.angle), ratio * math.sin(square.angle)
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    matrix[:2, 2] = size / 2 - matrix[:2, :2] @ square.center
    forward = matrix.astype(np.float32)
    return Crop(square, forward, np.linalg.inv(forward).astype(np.float32))


def shrink(crop: Picture) -> Picture:
    """A crop at the size the networks read, by area."""
    return np.asarray(cv2.resize(crop, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def soft_mask(size: int = CROP_SIZE, rim: int = 9) -> NDArray[np.float32]:
    """Weight of a pasted crop, (size, size): one inside, falling to zero over the rim."""
    edge = np.minimum(np.arange(size), np.arange(size)[::-1])
    ramp = np.clip(edge / rim, 0.0, 1.0).astype(np.float32)
    return np.minimum(ramp[:, None], ramp[None, :])


def paste_back(frame: Picture, crop: Picture, to_picture: NDArray[np.float32], mask: NDArray[np.float32]) -> Picture:
    """Blend a crop into its frame.

    Args:
        frame: the whole picture, (h, w, 3).
        crop: the animated crop, (512, 512, 3).
        to_picture: crop to picture coordinates, (3, 3).
        mask: weight of the crop, (512, 512).

    Returns:
        A new frame, values truncated.
    """
    size = (frame.shape[1], frame.shape[0])
    weight = cv2.warpAffine(mask, to_picture[:2], size, flags=cv2.INTER_LINEAR)[..., None]
    moved = cv2.warpAffine(crop, to_picture[:2], size, flags=cv2.INTER_LINEAR)
    blended = weight * moved + (1.0 - weight) * frame
    return np.clip(blended, 0, 255).astype(np.uint8)
