"""The face's own teeth, where a picture shows them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from visema.face.pose import HeadPoses
from visema.mouth.warp.cavity import UPPER_DEPTH, layer_origin, layer_size
from visema.mouth.warp.lips import Lips
from visema.mouth.warp.points import Floats, luma, smoothstep
from visema.mouth.warp.raster import CUBIC, affine_back, blur
from visema.types import FloatArray, Image

#: Teeth are at least this bright beside the skin, at most so saturated, and fill at least this share of the opening.
LEAST_BRIGHT, MOST_SATURATED, LEAST_SHARE = 0.75, 0.42, 0.35

#: The line between the rows: how much it rises to the sides (U x^2), where it may lie below the rest line, U, and how
#: dark it is beside the teeth.
CURVE, BETWEEN_ROWS, LINE_DARK = 0.30, (0.02, 0.15), 0.94
#: Where shut lips meet, between the upper edge of the opening (0) and the lower (1): what `BaseFrames` makes of it.
UPPER_LIP_CLOSES = 0.23


@dataclass(frozen=True)
class SeenTeeth:
    """Teeth of one picture.

    Attributes:
        colour: (3,) BGR of the bright ones.
        picture: (h, w, 3) the picture in the layers' plane.
        mask: (h, w) 0-1 where it shows teeth.
    """

    colour: Floats
    picture: FloatArray
    mask: FloatArray


def find_teeth(image: Image, landmarks: FloatArray, pose: HeadPoses, lips: Lips, density: float) -> SeenTeeth | None:
    """Look between the lips of one picture; None where no teeth can be told there."""
    upper = lips.upper_weights @ landmarks[list(lips.upper_order), :2]
    lower = lips.lower_weights @ landmarks[list(lips.lower_order), :2]
    opening = np.r_[upper, lower[::-1]]
    scale = float(pose.scale[0])
    low = np.maximum(np.floor(opening.min(0) - 3), 0).astype(int)
    high = np.ceil(opening.max(0) + 4).astype(int)
    crop = image[low[1] : high[1], low[0] : high[0]]
    if crop.size == 0:
        return None
    inside = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(opening - low).astype(np.int32)], (255,))
    brightness = luma(crop)
    pixels, bright = crop[inside > 0].astype(np.float32), brightness[inside > 0]
    if len(pixels) <= 20:
        return None
    colour = pixels[bright >= np.percentile(bright, 70)].mean(0)
    skin = float(luma(np.median(image[tuple(_skin_pixels(image, landmarks))].astype(np.float32), 0)))
    saturation = float(np.ptp(colour) / max(float(colour.max()), 1))
    level = float(luma(colour))
    if (
        level < LEAST_BRIGHT * skin
        or saturation > MOST_SATURATED
        or float(np.mean(bright > 0.6 * level)) < LEAST_SHARE
    ):
        return None
    shrink = max(1, int(0.012 * scale))
    core = cv2.erode(inside, np.ones((3, 3), np.uint8), iterations=shrink)
    teeth = ((brightness > 0.55 * level) & (core > 0)).astype(np.uint8)
    radius = max(1, int(0.02 * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    closed = cv2.morphologyEx(teeth, cv2.MORPH_CLOSE, disc)
    mask = blur(np.asarray(closed, np.float32), max(0.6, 0.008 * scale))
    # From the picture into the layers' plane, as `Interior` goes the other way.
    matrix = scale * pose.rotation[0, :2]
    linear = matrix[:, :2] / density
    middle = len(upper) // 2
    shut = upper[middle] + UPPER_LIP_CLOSES * (lower - upper)[middle]
    anchor = shut + matrix[:, 2] * UPPER_DEPTH - low
    to_picture = np.c_[linear, anchor - linear @ np.array(layer_origin(density))]
    size = layer_size(density)

    def flat(picture: FloatArray) -> FloatArray:
        return np.clip(affine_back(picture, to_picture, size, interpolation=CUBIC), 0, 255).astype(np.float32)

    picture = flat(crop.astype(np.float32))
    return SeenTeeth(colour, picture, np.minimum(flat(mask), 1) * _upper_row(luma(picture), density))


def _upper_row(brightness: Floats, density: float) -> FloatArray:
    """1 on the upper row, 0 below the dark line between the rows, (h, w); 1 everywhere where there is no such line."""
    height, width = brightness.shape
    left, top = layer_origin(density)
    x = (np.arange(width) - left) / density
    y = np.arange(height)[:, None] + CURVE * density * x[None] ** 2
    centre = np.flatnonzero(np.abs(x) < 0.16)
    # Brightness along curves that run as the teeth's edges do.
    profile = np.mean([np.interp(np.arange(height), y[:, i], brightness[:, i]) for i in centre], 0)
    first, last = (int(top + v * density) for v in BETWEEN_ROWS)
    line = first + int(profile[first:last].argmin())
    teeth = min(
        profile[max(line - round(0.05 * density), 0) : line].max(), profile[line : line + round(0.05 * density)].max()
    )
    if profile[line] > LINE_DARK * teeth:
        return np.ones_like(brightness, np.float32)
    return (1 - smoothstep(line - 0.008 * density, line, y)).astype(np.float32)


def _skin_pixels(image: Image, landmarks: FloatArray) -> Floats:
    h, w = image.shape[:2]
    points = landmarks[[207, 427, 199, 200, 50, 280], :2]
    return np.clip(points[:, ::-1], 0, (h - 1, w - 1)).astype(int).T
