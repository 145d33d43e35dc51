"""Lashes: measured on the photo, drawn as they swing down with the lid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from visema.portrait.eye import EyeShape, smoothstep, smoothstep1
from visema.portrait.skin import LidSkin, luma
from visema.types import FloatArray

#: Drawn at this multiple of the picture's resolution, with this many fraction bits.
_SUPERSAMPLE, _BITS = 4, 4
#: Lashes drawn per pixel of eye width, and at least and at most.
_PER_PIXEL, _FEWEST, _MOST = 0.62, 12, 44
#: Of an upper lash's length, how much points down (negative: up) with the eye open, and how much that turns.
_UP, _TURN = -1.0, 1.78
#: Area of lashes per eye width of lid from which on a lash line is drawn in full; the part of it that is drawn.
_FULL_MASS, _DRAWN_MASS = 0.08, 0.55


@dataclass(frozen=True)
class Lashes:
    """Lashes of one upper lid.

    Attributes:
        colour: (3,) BGR.
        strength: 0-1, how dark the lash line is against the skin: low on a face without visible lashes.
        line: Half thickness of the lash line, in eye widths.
        hair: Thickness of a lash at its root, in eye widths.
        count: Lashes drawn.
        length_x: Places along the eye, in eye widths.
        length: Length of lashes there, in eye widths.
    """

    colour: FloatArray
    strength: float
    line: float
    hair: float
    count: int
    length_x: FloatArray
    length: FloatArray


def measure_lashes(eye: EyeShape, image: FloatArray, skin: LidSkin) -> Lashes:
    """Colour, strength and length of an eye's lashes."""
    above = eye.y - eye.upper
    root = (np.abs(above) < 0.035) & (eye.x > 0.2) & (eye.x < 0.8)
    colour, strength = skin.fill.mean((0, 1)) * 0.3, 0.5
    if root.sum() > 4:
        bright = luma(image[root])
        colour = image[root][bright <= np.percentile(bright, 18)].mean(0)
        around = float(np.median(luma(skin.fill)[root]))
        contrast = (around - float(luma(colour))) / max(around, 8)
        strength = float(np.clip(contrast / 0.62, 0.3, 1))
    places = np.linspace(0, 1, 13)
    length = np.full(13, 0.03)
    for i, x in enumerate(places):
        column = (np.abs(eye.x - x) < 0.06) & (above < -0.01) & (above > -0.20)
        weight = skin.lash[column]
        if weight.sum() > 0.5:
            length[i] = 1.55 * np.sqrt((weight * above[column] ** 2).sum() / weight.sum())
    kernel = np.exp(-((np.arange(-3, 4) / 1.2) ** 2) / 2)
    length = np.convolve(np.pad(length, 3, "edge"), kernel / kernel.sum(), "valid")
    length = np.clip(1.2 * length, 0.06, 0.15)
    lid = (eye.x > 0.2) & (eye.x < 0.9) & (above > -0.2) & (above < 0.03)
    mass = float(skin.lash[lid].sum()) / (0.7 * eye.width * eye.height)  # area of lashes per eye width of lid
    line = 0.011 + 0.30 / eye.height
    count = int(np.clip(_PER_PIXEL * eye.width, _FEWEST, _MOST))
    # hairs too thin for the pixels would vanish: the drawn ones cover together what the photo's do
    left_over = _DRAWN_MASS * mass - 1.35 * line
    hair = float(np.clip(left_over / (0.5 * count * float(length.mean())), 0.010, 0.026))
    strength *= float(np.clip(mass / _FULL_MASS, 0.4, 1))
    f32 = np.float32
    return Lashes((colour * 0.9).astype(f32), strength, line, hair, count, places.astype(f32), length.astype(f32))


def draw_lashes(eye: EyeShape, lashes: Lashes, closure: float) -> FloatArray:
    """Coverage (h, w) 0-1 of the lashes on a lid closed by ``closure``."""
    rng = np.random.default_rng(3)
    h, w = eye.x.shape
    mask = np.zeros((h * _SUPERSAMPLE, w * _SUPERSAMPLE), np.uint8)
    count = lashes.count
    place = (np.arange(count) + 0.5 + rng.uniform(-0.35, 0.35, count)) / count
    place = 0.10 + 0.90 * np.clip(place, 0, 1) ** 0.85  # 0 at the inner end, 1 at the outer
    left, right = eye.ends
    x = left + (right - left) * (place if eye.outer > 0 else 1 - place)
    length = np.interp(np.clip(x, 0, 1), lashes.length_x, lashes.length) * rng.uniform(0.62, 1.12, count)
    length *= smoothstep(0.0, 0.38, place) * (1 - 0.35 * smoothstep(0.93, 1.0, place))
    fan = eye.outer * (-0.22 + 1.15 * place**1.5) + rng.uniform(-0.16, 0.16, count)
    swing = _UP + _TURN * smoothstep1(0.0, 1.0, closure)
    tip = np.stack([length * fan, length * swing * (1 - 0.25 * place)], axis=1)
    bend = np.stack([tip[:, 0] * 0.38, tip[:, 1] * 0.5 + length * 0.22 * (0.2 + closure)], axis=1)
    p = np.linspace(0, 1, 6)[:, None, None]
    stroke = 2 * p * (1 - p) * bend + p * p * tip  # (6, count, 2), quadratic curves from the root
    root = np.stack([x, eye.edge(x, closure)], axis=1)
    points = eye.pixels(root[:, 0] + stroke[..., 0], root[:, 1] + stroke[..., 1]) - np.array(eye.box[:2])
    points = ((points + 0.5) * _SUPERSAMPLE * 2**_BITS).astype(np.int32)
    thick = max(1.0, lashes.hair * eye.width * _SUPERSAMPLE)
    for j in range(5):
        width, grey = max(1, round(thick * (1 - 0.19 * j))), 255 * (1 - 0.13 * j)
        for start, end in zip(points[j].tolist(), points[j + 1].tolist(), strict=True):
            cv2.line(mask, start, end, (grey,), width, cv2.LINE_AA, _BITS)
    small = cv2.resize(mask, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.45), np.float32)
