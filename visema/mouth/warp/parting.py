"""Closed lips show a dark line where they touch and dots at the corners, which must not stay when they part."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.face.pose import HeadPoses
from visema.mouth.warp.cavity import layer_origin, layer_size
from visema.mouth.warp.lips import MIDDLE, Lips
from visema.mouth.warp.points import INNER_CORNERS, OUTER_CORNERS, Floats, luma, smoothstep
from visema.mouth.warp.raster import EXTEND, affine_back, blur, sample
from visema.types import FloatArray, Image

#: The line is at most so wide, U, above and below.
REACH = 0.042


def contact_fade(image: Image, landmarks: FloatArray, pose: HeadPoses, lips: Lips, density: float) -> NDArray[np.int8]:
    """What has to be added to a closed mouth so that its contact line goes, (h, w, 3) in the layers' plane.

    The line is filled with what lies on the far side of each lip's edge, mirrored, a little darker.
    """
    width, height = layer_size(density)
    if not lips.closed:
        return np.zeros((0, 0, 3), np.int8)
    scale, rotation = float(pose.scale[0]), pose.rotation[0]
    upper = lips.upper_weights @ landmarks[list(lips.upper_order), :2]
    lower = lips.lower_weights @ landmarks[list(lips.lower_order), :2]
    shape = (lips.upper_weights @ lips.points[list(lips.upper_order), 1]) / 2
    shape = shape + (lips.lower_weights @ lips.points[list(lips.lower_order), 1]) / 2
    matrix = scale * rotation[:2]
    line = (upper + lower) / 2 + (lips.line - shape)[:, None] * matrix[:, 1]
    linear = matrix[:, :2] / density
    to_picture = np.c_[linear, line[MIDDLE] - linear @ np.array(layer_origin(density))]
    flat = affine_back(image, to_picture, (width, height), outside=EXTEND)
    back = np.linalg.inv(np.r_[to_picture, [[0, 0, 1]]])[:2]

    def flat_points(points: Floats) -> Floats:
        return np.asarray(points @ back[:, :2].T + back[:, 2])

    edge = flat_points(line)
    thick = [
        0.55 * abs(float(flat_points(landmarks[a : a + 1, :2])[0, 1] - flat_points(landmarks[b : b + 1, :2])[0, 1]))
        for a, b in ((0, 13), (17, 14))
    ]
    outer, inner = (flat_points(landmarks[list(c), :2]) for c in (OUTER_CORNERS, INNER_CORNERS))
    delta = _fill_line(flat, edge, thick, density) + _fill_corners(flat, outer, inner, density)
    fade: NDArray[np.int8] = np.clip(np.round(delta), -127, 127).astype(np.int8)
    return fade


def _fill_line(flat: Image, edge: Floats, thick: list[float], density: float) -> Floats:
    height, width = flat.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    below = y - np.interp(x, edge[:, 0], edge[:, 1])
    away = np.abs(below)
    reach_up, reach_down = (max(1.0, min(REACH * density, t)) for t in thick)
    reach = np.where(below >= 0, reach_down, reach_up)
    mirrored_y = np.where(away < reach, y + 2 * (reach - away) * np.sign(below + 1e-6), y).astype(np.float32)
    mirrored = sample(flat, np.dstack((x, mirrored_y))).astype(np.float32)
    mirrored = blur(mirrored, 0.012 * density) * np.array([0.86, 0.86, 0.93], np.float32)
    darker = smoothstep(0.03, 0.16, (luma(mirrored) - luma(flat)) / np.maximum(luma(mirrored), 8))
    span = edge[-1, 0] - edge[0, 0]
    ends = smoothstep(0, 0.06, (x - edge[0, 0]) / span) * smoothstep(0, 0.06, (edge[-1, 0] - x) / span)
    weight = (darker * (1 - smoothstep(0.6 * reach, reach, away)) * ends).astype(np.float32)
    weight = blur(weight, max(0.5, 0.004 * density))
    return np.asarray((mirrored - flat) * weight[..., None])


def _fill_corners(flat: Image, corners: Floats, inner: Floats, density: float) -> Floats:
    """Dark dots outside the corners are closed by the skin around them."""
    size = max(3, int(0.11 * density) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    clean = blur(cv2.morphologyEx(flat, cv2.MORPH_CLOSE, disc).astype(np.float32), 0.015 * density)
    y, x = np.mgrid[0 : flat.shape[0], 0 : flat.shape[1]].astype(np.float32)
    weight = np.zeros(flat.shape[:2])
    for corner, near in zip(corners, inner, strict=True):
        centre = corner + 0.25 * (corner - near)
        weight += 0.6 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (0.055 * density) ** 2)
    return np.asarray((clean - flat) * weight[..., None])
