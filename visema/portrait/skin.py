"""The skin of a lid that the photo does not show: filled in from around the eye, with its crease and grain."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.portrait.eye import INNER_DROP, INNER_REACH, EyeShape, smoothstep
from visema.portrait.still import resample
from visema.types import FloatArray

_LUMA = np.array([0.114, 0.587, 0.299], np.float32)
_FILL_SCALES = (0.03, 0.06, 0.11, 0.2, 0.38, 0.8)
#: How much of the colour above the lashes the lid takes over; the rest of it is taken to be lashes and shade.
_MAKE_UP = 0.6


@dataclass(frozen=True)
class LidSkin:
    """What a lid is painted with; arrays cover the eye's box.

    Attributes:
        fill: (h, w, 3) skin colour, smooth, over eye, lashes and crease.
        crease: (h, w, 3) what the crease adds to it.
        crease_here: (h, w) 0-1, where the crease is.
        grain: (h, w, 3) fine structure, from the cheek.
        lash: (h, w) 0-1, how much of a pixel lashes cover.
        hairs: (h, w) 0-1, single hairs and shadows of lashes around the corners.
        sound: (h, w) bool, plain skin around the eye.
    """

    fill: FloatArray
    crease: FloatArray
    crease_here: FloatArray
    grain: FloatArray
    lash: FloatArray
    hairs: FloatArray
    sound: NDArray[np.bool_]


def luma(image: FloatArray) -> FloatArray:
    """Brightness of BGR colours."""
    return np.asarray(image @ _LUMA, np.float32)


def fill_skin(eye: EyeShape, image: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Smooth skin over the eye from the skin around it, and where that skin is.

    Dark places (hair, brow, lashes) count little; the fill takes the finest scale that has enough to go by.
    """
    painted = (eye.y > eye.upper - 0.19) & (eye.y < eye.lower + 0.085)
    painted &= (eye.past_outer < 0.34) & (eye.past_inner < 0.13)
    near = (eye.y > eye.upper - eye.brow) & (eye.y < eye.lower + 0.45)
    near &= (eye.past_outer < 0.5) & (eye.past_inner < 0.3)
    sound = near & ~painted
    bright = luma(image)
    reference = max(float(np.percentile(bright[sound], 60)) if sound.sum() > 20 else float(bright.mean()), 1.0)
    aside = eye.past_outer > 0.30  # the side of the face may lie in shade: darker skin counts there
    weight = np.where(
        painted, 0, smoothstep(np.where(aside, 0.25, 0.42), np.where(aside, 0.55, 0.72), bright / reference)
    )
    far = (eye.y < eye.upper - eye.brow) | (eye.past_outer > 0.55) | (eye.past_inner > 0.38)
    weight = np.where(far, 0.02 * weight, weight).astype(np.float32)
    fill, covered = np.zeros_like(image), np.zeros_like(weight)
    for sigma in _FILL_SCALES:
        amount = eye.blurred(weight, sigma)
        colour = eye.blurred(image * weight[..., None], sigma) / np.maximum(amount, 1e-4)[..., None]
        trust = np.clip(amount * 5 - 0.6, 0, 1) if sigma < _FILL_SCALES[-1] else np.ones_like(amount)
        trust = trust * (1 - covered)
        fill += colour * trust[..., None]
        covered += trust
    return eye.blurred(fill, 0.035), sound


def find_inner_corner(eye: EyeShape, image: FloatArray, fill: FloatArray) -> tuple[float, float]:
    """Where the inner corner really is: how far beyond the mesh's, and how far below it, in eye widths.

    It is the middle of what is not skin in the columns around the mesh's corner.
    """
    near = (eye.past_inner > -0.04) & (eye.past_inner < 0.13) & (np.abs(eye.y + 0.03) < 0.17)
    difference = np.sqrt(((image - fill) ** 2).mean(-1))[near]
    weight = np.clip(difference / max(float(luma(fill).mean()) * 0.16, 4) - 0.6, 0, 1.5)
    area = eye.width * eye.height
    if weight.sum() <= 0.006 * area:
        return INNER_REACH, INNER_DROP
    drop = float((weight * eye.y[near]).sum() / weight.sum())
    drop = float(np.clip(drop, -0.13, 0.06)) if abs(drop - INNER_DROP) > 0.035 else INNER_DROP
    reach = 0.03
    for at in (0.02, 0.04, 0.06, 0.08, 0.10, 0.12):
        if weight[np.abs(eye.past_inner[near] - at) < 0.012].sum() > 0.0006 * area:
            reach = at
    return float(np.clip(reach + 0.015, 0.045, 0.11)), drop


def lid_skin(eye: EyeShape, image: FloatArray) -> LidSkin:
    """Everything a lid of this eye is painted with."""
    fill, sound = fill_skin(eye, image)
    above = eye.y - eye.upper  # negative above the lid's edge
    clean = _without_lashes(eye, image, above)
    base = np.where((above < -0.03)[..., None], np.minimum(clean, fill * 1.1), fill)
    bright = luma(image)
    lash = np.clip((luma(base) - bright) / np.maximum(luma(base), 8), 0, 1)
    band = (above > -0.30) & (above < 0.03) & (eye.past_outer < 0.30) & (eye.past_inner < 0)
    lash = np.where(band, smoothstep(0.08, 0.55, lash), 0).astype(np.float32)
    hairs = _hairs(eye, image, bright, above)

    erase = np.clip(eye.blurred(_dilated(lash), 0.02) * 2.2, 0, 1)
    root = smoothstep(-0.30, -0.20, above) * (0.75 + 0.25 * smoothstep(0.02, 0.2, eye.blurred(lash, 0.05)))
    erase = np.maximum(np.maximum(erase, hairs), root)[..., None]
    crease = np.clip(image * (1 - erase) + clean * erase - fill, -60, 40)
    low = smoothstep(-0.26, -0.14, above)  # the crease lives above the lashes, and between the corners
    here = 1 - smoothstep(-0.15, -0.06, above)
    here *= 1 - smoothstep(-0.20, 0.04, eye.past_outer) * low
    here *= 1 - 0.9 * smoothstep(-0.14, 0.02, eye.past_inner) * low
    here *= 1 - smoothstep(0.0, 0.14, eye.past_outer)
    f32 = np.float32
    return LidSkin(
        fill=_with_make_up(eye, fill, image, clean, above).astype(f32),
        crease=(crease * here[..., None]).astype(f32),
        crease_here=here.astype(f32),
        grain=_grain(eye, image, sound),
        lash=lash,
        hairs=hairs,
        sound=sound,
    )


def _without_lashes(eye: EyeShape, image: FloatArray, above: FloatArray) -> FloatArray:
    """The skin above the lid with the lashes closed over, along the lid's curve."""
    x = np.arange(-0.5, 1.5, 1 / eye.width, dtype=np.float32)
    n = np.arange(-0.5, 0.12, 1 / eye.height, dtype=np.float32)
    sx, sn = np.meshgrid(x, n)
    origin = np.array(eye.box[:2], np.float32)
    strip = resample(image, eye.pixels(sx, sn + eye.edge(sx, 0.0)) - origin)
    reach = max(3, int(0.12 * eye.width) | 1)
    strip = np.asarray(cv2.morphologyEx(strip, cv2.MORPH_CLOSE, np.ones((1, reach), np.uint8)), np.float32)
    strip = np.asarray(
        cv2.GaussianBlur(strip, (0, 0), sigmaX=0.055 * eye.width, sigmaY=max(0.4, 0.012 * eye.height)), np.float32
    )
    back = np.stack([(eye.x + 0.5) * eye.width, (above + 0.5) * eye.height], axis=-1)
    return resample(strip, back)


def _hairs(eye: EyeShape, image: FloatArray, bright: FloatArray, above: FloatArray) -> FloatArray:
    """Thin dark structure above the lid and beside its outer corner."""
    reach = max(3, int(0.13 * eye.height) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    closed = luma(eye.blurred(np.asarray(cv2.morphologyEx(image, cv2.MORPH_CLOSE, disc), np.float32), 0.03))
    thin = smoothstep(0.08, 0.28, (closed - bright) / np.maximum(closed, 8))
    thin *= (above > -0.34) & (above < 0.10)
    thin *= (eye.past_outer > -0.35) & (eye.past_outer < 0.36) & ((eye.past_outer > 0) | (above < 0))
    return np.clip(eye.blurred(_dilated(thin), 0.025) * 2.2, 0, 1)


def _dilated(mask: FloatArray) -> FloatArray:
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)), np.float32)


def _with_make_up(
    eye: EyeShape, fill: FloatArray, image: FloatArray, clean: FloatArray, above: FloatArray
) -> FloatArray:
    """The fill, coloured as the strip between lashes and crease is: make-up, or the shade of a deep-set eye."""
    strip = (above > -0.15) & (above < -0.05) & (eye.x > 0.2) & (eye.x < 0.8)
    if strip.sum() < 12:
        return fill
    ratio = np.median(clean[strip], axis=0) / np.maximum(np.median(fill[strip], axis=0), 8)
    ratio = np.clip(1 + _MAKE_UP * (ratio - 1), 0.6, 1.05)
    bell = np.clip(1 - np.abs(2 * eye.along - 1) ** 2.4, 0, 1) * smoothstep(-0.36, -0.08, above)
    bell *= 0.55 + 0.45 * smoothstep(0, 1, above / np.maximum(eye.closing - eye.upper, 0.05))  # strongest at the edge
    bell *= 1 - smoothstep(-0.02, 0.06, eye.y - eye.closing)
    return np.asarray(fill * (1 + bell[..., None] * (ratio - 1)), np.float32)


def _grain(eye: EyeShape, image: FloatArray, sound: NDArray[np.bool_]) -> FloatArray:
    """Fine structure of the cheek below the eye, mirrored over the lid, without outliers."""
    fine = image - eye.blurred(image, 0.035)
    spread = 1.4826 * float(np.median(np.abs(luma(fine)[sound]))) + 0.3 if sound.sum() > 20 else 1.0
    fine = np.clip(fine, -2.6 * spread, 2.6 * spread)
    middle = eye.lower + 0.16
    from_y = middle + np.abs((eye.y - middle + 0.26) % 0.52 - 0.26)
    origin = np.array(eye.box[:2], np.float32)
    return resample(fine, eye.pixels(eye.x, from_y) - origin) * np.float32(1.05)
