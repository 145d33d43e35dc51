"""What a face's own colours say about the inside of its mouth: light, skin, lips, and from them teeth and cavity."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from visema.mouth.warp.points import EYES, INNER_UPPER, OUTER_CORNERS, OUTER_UPPER, Floats, luma
from visema.types import FloatArray, Image

_CHEEK_LEFT, _CHEEK_RIGHT = (207, 216, 212), (427, 436, 432)
_SKIN = (207, 427, 199, 200, 50, 280)
_LOWER_LIP = (15, 86, 316, 85, 315)
#: BGR of typical skin and eye-white in white light: what divides them leaves the colour of the light.
_SKIN_REFLECTS = np.array([0.64, 0.775, 1.0])
_WHITE_REFLECTS = np.array([0.93, 0.95, 1.0])
#: Enamel under white light, and the share of its colour that comes from the skin around.
_ENAMEL = np.array([0.87, 0.96, 1.04])
TEETH_TAKE_SKIN = 0.15
#: Reach of what is looked at from the mouth's middle, U: to the sides, up and down.
_FACE, _MOUTH = (1.25, 1.5, 1.6), (0.4, 0.2, 0.3)
#: Of a picture so soft that its blur cannot be measured: 2.6 pixels.
_SOFTEST = 0.15


@dataclass(frozen=True)
class Palette:
    """Colours are BGR, 0-255.

    Attributes:
        light: Colour of the light, luma 1.
        skin_luma: Brightness of the skin.
        from_right: How much brighter the right cheek is, -.5 to .5.
        lip, upper_lip: The lips.
        teeth: A fully lit tooth.
        gum, cavity, tongue, rim: Cavity is at full light, to be darkened; rim is the wet inner edge of the lips.
        black: Luma of the darkest pixels, below which nothing in the mouth falls.
        blur: Softness of the picture at the mouth, pixels.
        spread: Standard deviation of the blur that the camera and its codec have left on an edge, U.
        crisp: 0.35 (soft) to 1: how sharp the gaps between teeth may be.
        grain: Standard deviation of the picture's noise.
    """

    light: Floats
    skin_luma: float
    from_right: float
    lip: Floats
    upper_lip: Floats
    teeth: Floats
    gum: Floats
    cavity: Floats
    tongue: Floats
    rim: Floats
    black: float
    blur: float
    spread: float
    crisp: float
    grain: float


def measure_palette(image: Image, landmarks: FloatArray, scale: float, teeth: Floats | None = None) -> Palette:
    """Measure one picture.

    Args:
        image: The picture.
        landmarks: (478, 3) pixels.
        scale: Pixels in U.
        teeth: Their colour where the loop shows it; else it is derived from eyes and skin.
    """
    skin = np.median(_patches(image, landmarks, _SKIN, 0.05 * scale), 0)
    left, right = (np.median(_patches(image, landmarks, c, 0.04 * scale), 0) for c in (_CHEEK_LEFT, _CHEEK_RIGHT))
    lip = np.median(_patches(image, landmarks, _LOWER_LIP, 0.02 * scale), 0)
    whites = _eye_whites(image, landmarks)
    skin_luma = max(float(luma(skin)), 4.0)
    light = _light(skin, whites)
    if teeth is None:
        white_luma = float(np.mean(luma(whites))) if len(whites) else skin_luma
        brightness = min(1.10 * white_luma + 0.08 * skin_luma, 1.75 * skin_luma, 236)
        brightness = max(brightness, min(1.28 * skin_luma, 236.0))
        # Enamel takes some of the face's hue: beside skin in warm light a neutral white looks grey-green.
        enamel = (1 - TEETH_TAKE_SKIN) * light * _ENAMEL + TEETH_TAKE_SKIN * skin / skin_luma
        teeth = np.clip(enamel / luma(enamel) * brightness, 0, 250)
    lip_hue = lip / max(float(luma(lip)), 1)
    red = np.array([0.55, 0.60, 1.62]) * light
    soft_red = 0.4 * lip_hue + 0.6 * red / luma(red)
    soft_red = soft_red / luma(soft_red)
    upper_lip = _upper_lip(image, landmarks)
    tongue = 0.42 * soft_red + 0.45 * lip_hue + 0.30 * light
    tongue_luma = np.clip(0.80 * luma(lip) + 0.10 * skin_luma, 0.45 * skin_luma, 0.85 * skin_luma)
    crop = _crop(image, landmarks, scale, *_FACE)
    sharp, at_mouth = _sharpness(crop), _sharpness(_crop(image, landmarks, scale, *_MOUTH))
    noise = crop - cv2.GaussianBlur(crop, (0, 0), 1.2)
    return Palette(
        light=light,
        skin_luma=skin_luma,
        from_right=float(np.clip((right - left) / np.maximum(skin, 8), -0.5, 0.5).mean()),
        lip=lip,
        upper_lip=upper_lip,
        teeth=teeth,
        gum=soft_red * 0.62 * skin_luma * np.array([1.12, 1.06, 1.0]),
        cavity=_dark_red(soft_red, lip) * skin_luma,
        tongue=tongue / luma(tongue) * tongue_luma,
        rim=np.minimum(np.minimum(lip, 0.5 * (upper_lip + lip)), soft_red * luma(lip) * 1.25),
        black=min(float(np.percentile(crop, 1)), 0.14 * skin_luma),
        blur=float(np.clip(2.0 - 2.42 * (sharp - 1), 0.6, 2.0)),
        spread=1 / float(np.sqrt(max(at_mouth**2 - 1, _SOFTEST))) / scale,
        crisp=float(np.clip((sharp - 1.05) / 0.25, 0.35, 1)) * float(np.clip(scale / 90, 0.5, 1)),
        grain=float(np.median(np.abs(noise)) * 1.4),
    )


def _patches(image: Image, landmarks: FloatArray, vertices: tuple[int, ...], radius: float) -> Floats:
    h, w = image.shape[:2]
    r = max(1, int(radius))
    out = []
    for i in vertices:
        x = int(np.clip(landmarks[i, 0], r, w - r - 1))
        y = int(np.clip(landmarks[i, 1], r, h - r - 1))
        out.append(image[y - r : y + r + 1, x - r : x + r + 1].reshape(-1, 3))
    return np.asarray(np.concatenate(out), np.float32)


def _eye_whites(image: Image, landmarks: FloatArray) -> Floats:
    """Mean colour of the brightest third of each eye beside the iris, (0 to 2, 3)."""
    whites = []
    for upper, lower, iris in EYES:
        lids = np.r_[landmarks[list(upper), :2], landmarks[list(lower)[::-1], :2]]
        low = np.clip(np.floor(lids.min(0)) - 1, 0, None).astype(int)
        high = np.ceil(lids.max(0)).astype(int) + 2
        crop = image[low[1] : high[1], low[0] : high[0]]
        if crop.size == 0:
            continue
        mask = np.zeros(crop.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round((lids - low) * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        centre = landmarks[iris, :2]
        radius = float(np.linalg.norm(centre - landmarks[iris + 1, :2]))
        x, y = (int(v) for v in np.round(centre - low))
        cv2.circle(mask, (x, y), int(radius * 1.15), (0,), -1)
        pixels = crop[mask > 200].astype(np.float32)
        if len(pixels) > 6:
            brightness = luma(pixels)
            whites.append(pixels[brightness >= np.percentile(brightness, 70)].mean(0))
    return np.array(whites, np.float32).reshape(-1, 3)


def _light(skin: Floats, whites: Floats) -> Floats:
    """Colour of the light from skin and eye-whites as if of typical reflectance; damped, and kept off green."""

    def unit(colour: Floats) -> Floats:
        return np.asarray(np.maximum(colour / max(float(luma(colour)), 1e-3), 0.05))

    light = unit(skin / _SKIN_REFLECTS)
    if len(whites):
        light = np.sqrt(light * unit(whites.mean(0) / _WHITE_REFLECTS))
    light = np.clip(light**0.8, 0.76, 1.26)
    light[1] = min(light[1], 0.5 * (light[0] + light[2]) * 1.01)
    return np.asarray(light / luma(light))


def _dark_red(soft_red: Floats, lip: Floats) -> Floats:
    """Hue of the cavity: never towards yellow or teal, as a greenish lip would have it."""
    red = soft_red.copy()
    red[1] = min(red[1], 0.41 * red[2])
    pink = float(np.clip((lip[0] - lip[1]) / max(float(lip[2]), 1) * 4, 0, 1))
    red[0] = min(red[0], red[1] * (0.96 + 0.12 * pink))
    return np.asarray(red / luma(red))


def _upper_lip(image: Image, landmarks: FloatArray) -> Floats:
    h, w = image.shape[:2]
    middle = 0.5 * (landmarks[list(OUTER_UPPER[2:-2]), :2] + landmarks[list(INNER_UPPER[2:-2]), :2])
    x = np.clip(middle[:, 0], 0, w - 1).astype(int)
    y = np.clip(middle[:, 1], 0, h - 1).astype(int)
    return np.asarray(np.median(image[y, x].astype(np.float32), 0))


def _crop(image: Image, landmarks: FloatArray, scale: float, side: float, above: float, below: float) -> FloatArray:
    """Luma around the mouth's middle; reaches in U."""
    h, w = image.shape[:2]
    x, y = landmarks[list(OUTER_CORNERS), :2].mean(0)
    x0, x1 = (int(np.clip(v, 0, w)) for v in (x - side * scale, x + side * scale))
    y0, y1 = (int(np.clip(v, 0, h)) for v in (y - above * scale, y + below * scale))
    return luma(image[y0:y1, x0:x1]).astype(np.float32)


def _sharpness(crop: FloatArray) -> float:
    """By how much a blur of one pixel lowers the steepest edges: 1 is soft, above 1.3 crisp.

    An edge that was a step before a blur of sigma is 1 / sigma steep, so this is sqrt(1 + 1 / sigma^2).
    """
    edges = np.abs(cv2.Sobel(crop, -1, 1, 0, ksize=1))
    softened = np.abs(cv2.Sobel(cv2.GaussianBlur(crop, (0, 0), 1.0), -1, 1, 0, ksize=1))
    return float(np.percentile(edges, 99) / max(float(np.percentile(softened, 99)), 1e-3))
