"""Finds the frame of spectacles, so that no lid is painted over it and none of it gets into the lid's skin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.portrait.eye import EYES, EyeShape, eye_frame
from visema.types import FloatArray, Image

#: A frame is darker than the skin around it by this part, and thinner than this many eye widths.
_DARKER, _THICK = 0.22, 0.38
#: The bridge of the nose, where a frame crosses from eye to eye, from above to below the inner corners (eye widths).
_BRIDGE_ABOVE, _BRIDGE_BELOW = 0.45, 0.35


def find_frame(image: Image, landmarks: FloatArray) -> NDArray[np.uint8] | None:
    """The frame of a pair of spectacles.

    Args:
        image: (h, w, 3) BGR.
        landmarks: (478, 3) pixels of the face in it.

    Returns:
        (h, w) uint8, 1 on the frame; None if there are no spectacles, or only rimless ones.
    """
    left, right = (landmarks[ids.upper[4], :2] for ids in EYES)
    width = max(eye_frame(ids, landmarks)[3] for ids in EYES)
    h, w = image.shape[:2]
    x0, y0 = np.maximum(np.minimum(left, right) - 1.2 * width, 0).astype(int)
    x1, y1 = np.minimum(np.maximum(left, right) + 1.2 * width, (w, h)).astype(int)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return None
    grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY)
    reach = max(3, int(_THICK * width) | 1)
    around = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    dark = (around.astype(np.float32) - grey) > np.maximum(_DARKER * around, 10)
    _, labels = cv2.connectedComponents(dark.astype(np.uint8), connectivity=8)
    inner = np.array([landmarks[133, :2], landmarks[362, :2]]) - (x0, y0)
    middle = inner.mean(0)
    column = labels[
        max(0, int(middle[1] - _BRIDGE_ABOVE * width)) : max(0, int(middle[1] + _BRIDGE_BELOW * width)),
        max(0, int(middle[0])),
    ]
    for label in np.unique(column[column > 0]):
        columns = np.flatnonzero((labels == label).any(0))
        if columns[0] < left[0] - x0 and columns[-1] > right[0] - x0:  # from one eye to the other
            frame = np.zeros((h, w), np.uint8)
            frame[y0:y1, x0:x1] = labels == label
            return np.asarray(cv2.dilate(frame, np.ones((3, 3), np.uint8)), np.uint8)
    return None


def frame_beside_lids(eye: EyeShape, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of a frame within an eye's box that is not its lashes or the eye itself, (h, w) uint8."""
    part = frame[eye.box.y0 : eye.box.y1, eye.box.x0 : eye.box.x1].copy()
    part[(eye.y > eye.upper - 0.14) & (eye.y < eye.lower + 0.07) & (eye.along > 0) & (eye.along < 1)] = 0
    return part


def without_frame(image: FloatArray, frame: NDArray[np.uint8]) -> FloatArray:
    """``image`` (h, w, 3) with what is under the frame guessed from beside it."""
    plain = np.clip(image, 0, 255).astype(np.uint8)
    return np.asarray(cv2.inpaint(plain, frame, 3, cv2.INPAINT_TELEA), np.float32)
