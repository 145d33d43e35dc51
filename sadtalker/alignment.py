"""Where the face is: the aligned picture for reconstruction, and the square crop that is animated."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facenets.resample import bicubic

Points = NDArray[Any]  # (n, 2), x and y in pixels

#: Mean face of five points (left eye, right eye, nose, left mouth corner, right mouth corner) in face-model units.
MEAN_FACE = np.array(
    [
        [-0.3114865720272064, 0.29036077857017517, 0.13377952575683594],
        [0.30979887396097183, 0.2897203713655472, 0.1317952573299408],
        [0.003253498813137412, -0.04617932438850403, 0.5524424314498901],
        [-0.25216928124427795, -0.3813391625881195, 0.22405731678009033],
        [0.24846619367599487, -0.38128235936164856, 0.22235769033432007],
    ]
)
ALIGNED_SIZE = 224
#: Pixels per face-model unit in the aligned picture.
FACE_SCALE = 102.0
#: Size a face crop is judged against when deciding whether the picture is shrunk first.
CROP_SIZE = 512


class Alignment(NamedTuple):
    """An aligned face.

    Attributes:
        picture: RGB, (224, 224, 3).
        parameters: picture width and height, scale, translation x and y, (5,).
        landmarks: all points in the aligned picture, y upward, (68, 2); only the anchors where no face was found.
        anchors: the five points of the picture they were aligned by, y upward, (5, 2).
    """

    picture: NDArray[np.uint8]
    parameters: NDArray[np.float32]
    landmarks: NDArray[np.float64]
    anchors: Points


def five_points(landmarks: Points) -> Points:
    """Eye centres, nose and mouth corners of 68 landmarks, (5, 2)."""
    left_eye = landmarks[[36, 39]].mean(axis=0)
    right_eye = landmarks[[42, 45]].mean(axis=0)
    return np.stack([left_eye, right_eye, landmarks[30], landmarks[48], landmarks[54]])


def fit_camera(anchors: Points) -> tuple[float, NDArray[np.float64]]:
    """Scale and translation (x, y) of the weak-perspective camera that puts the mean face on five points."""
    count = len(anchors)
    system = np.zeros((2 * count, 8))
    system[0::2, :3] = system[1::2, 4:7] = MEAN_FACE
    system[0::2, 3] = system[1::2, 7] = 1.0
    solution, *_ = np.linalg.lstsq(system, np.asarray(anchors, np.float64).reshape(-1), rcond=None)
    scale = (np.linalg.norm(solution[:3]) + np.linalg.norm(solution[4:7])) / 2.0
    return float(scale), solution[[3, 7]]


def align(picture: NDArray[np.uint8], landmarks: Points) -> Alignment:
    """Scale and shift a face so that it fills the reconstruction network's input.

    Args:
        picture: RGB, (h, w, 3).
        landmarks: 68 points of it, y downward, (68, 2); all -1 where no face was found.
    """
    height, width = picture.shape[:2]
    if (np.asarray(landmarks) == -1).all():
        upward = anchors = (MEAN_FACE[:, :2] + 1.0) / 2.0 * [width, height]
    else:
        upward = np.array(landmarks)
        upward[:, 1] = height - 1 - upward[:, 1]
        anchors = five_points(upward)
    fitted, shift = fit_camera(anchors)
    scale = FACE_SCALE / fitted
    wide, high = int(width * scale), int(height * scale)
    half = ALIGNED_SIZE / 2
    left = int(wide / 2 - half + (shift[0] - width / 2) * scale)
    up = int(high / 2 - half + (height / 2 - shift[1]) * scale)
    resized = bicubic(picture, wide, high)
    moved = np.stack([upward[:, 0] - shift[0] + width / 2, upward[:, 1] - shift[1] + height / 2], axis=1) * scale
    return Alignment(
        picture=cut(resized, left, up, ALIGNED_SIZE),
        parameters=np.array([width, height, scale, *shift], dtype=np.float32),
        landmarks=moved - np.array([wide / 2 - half, high / 2 - half]),
        anchors=anchors,
    )


def cut(picture: NDArray[np.uint8], left: int, up: int, size: int) -> NDArray[np.uint8]:
    """A square of a picture, black where it lies outside."""
    out = np.zeros((size, size, picture.shape[2]), dtype=np.uint8)
    top, bottom = max(up, 0), min(up + size, picture.shape[0])
    first, last = max(left, 0), min(left + size, picture.shape[1])
    if top < bottom and first < last:
        out[top - up : bottom - up, first - left : last - left] = picture[top:bottom, first:last]
    return out


class FaceCrop(NamedTuple):
    """Where to cut the animated square.

    Attributes:
        size: width and height the whole picture is brought to first, (2,).
        crop: outer rectangle in it: left, top, right, bottom, (4,).
        box: inner rectangle within the outer one, in the same order, (4,), not yet whole pixels.
    """

    size: NDArray[np.int64]
    crop: NDArray[np.int64]
    box: NDArray[np.float64]

    def rectangle(self, extended: bool = False) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in a picture of ``size``; extended modes keep the outer rectangle."""
        left, top, right, bottom = (int(v) for v in self.crop)
        if extended:
            return left, top, right, bottom
        lx, ly, rx, ry = (int(v) for v in self.box)
        return left + lx, top + ly, min(left + rx, right), min(top + ry, bottom)


def crop_face(landmarks: Points, height: int, width: int) -> FaceCrop:
    """Frame a face by its eyes and mouth.

    Args:
        landmarks: 68 points, (68, 2).
        height: of the picture in pixels.
        width: of the picture in pixels.
    """
    left_eye, right_eye = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
    eyes = (left_eye + right_eye) / 2
    across = right_eye - left_eye
    down = (landmarks[48] + landmarks[54]) / 2 - eyes
    x = across - np.flipud(down) * [-1, 1]
    x = x / np.linalg.norm(x) * max(np.linalg.norm(across) * 2.0, np.linalg.norm(down) * 1.8)
    y = np.flipud(x) * [-1, 1]
    centre = eyes + down * 0.1
    quad = np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])
    side = float(np.linalg.norm(x)) * 2
    size = np.array([width, height], dtype=np.int64)
    shrink = int(np.floor(side / CROP_SIZE * 0.5))
    if shrink > 1:
        size = np.rint(size / shrink).astype(np.int64)
        quad, side = quad / shrink, side / shrink
    border = max(int(np.rint(side * 0.1)), 3)
    low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    crop = np.concatenate([np.maximum(low - border, 0), np.minimum(high + border, size)])
    if crop[2] - crop[0] < size[0] or crop[3] - crop[1] < size[1]:
        quad = quad - crop[:2]
    quad = quad + 0.5
    # The lower edge is bounded by the width, as in the released pipeline: the renderer saw such crops.
    box = np.array(
        [
            max(min(quad[0, 0], quad[1, 0]), 0),
            max(min(quad[0, 1], quad[3, 1]), 0),
            min(max(quad[2, 0], quad[3, 0]), size[0]),
            min(max(quad[1, 1], quad[2, 1]), size[0]),
        ]
    )
    return FaceCrop(size, crop.astype(np.int64), box)
