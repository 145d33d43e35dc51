"""Bicubic resizing with anti-aliasing, in the fixed-point arithmetic of the imaging library the originals used.

OpenCV's bicubic filter has another shape and does not widen when shrinking; the face reconstruction sees the
difference. Weights are rounded to 22 bits, each pass to whole values, columns before rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PRECISION = 22
#: Sharpness of the cubic.
CUBIC_A = -0.5


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = ((CUBIC_A + 2.0) * x - (CUBIC_A + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * CUBIC_A
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _weights(size: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every output value, the input values it mixes and their fixed-point weights, (target, k) each."""
    scale = size / target
    stretch = max(scale, 1.0)
    support = 2.0 * stretch
    centre = (np.arange(target) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), size)
    index = first[:, None] + np.arange(int((last - first).max()))
    inside = index < last[:, None]
    weight = np.where(inside, _cubic((index - centre[:, None] + 0.5) / stretch), 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    fixed = np.trunc(weight * (1 << PRECISION) + np.copysign(0.5, weight)).astype(np.int64)
    return np.minimum(index, size - 1), fixed


def _pass(picture: NDArray[np.uint8], target: int) -> NDArray[np.uint8]:
    """Resize the first axis."""
    index, weight = _weights(picture.shape[0], target)
    total = np.full((target, *picture.shape[1:]), 1 << (PRECISION - 1), dtype=np.int64)
    for tap in range(index.shape[1]):
        total += picture[index[:, tap]].astype(np.int64) * weight[:, tap, None, None]
    return np.clip(total >> PRECISION, 0, 255).astype(np.uint8)


def bicubic(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize (h, w, c) to (height, width, c)."""
    if width < 1 or height < 1:
        raise ValueError(f"cannot resize to {width} x {height} pixels")
    out = picture
    if width != picture.shape[1]:
        out = _pass(out.swapaxes(0, 1), width).swapaxes(0, 1)
    if height != picture.shape[0]:
        out = _pass(out, height)
    return np.ascontiguousarray(out)
