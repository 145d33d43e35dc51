"""The few OpenCV calls that drawing lives on, with types that keep an image's own."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from visema.types import Box

# OpenCV's stubs widen every result to any integer or float, and do not know that a second map may be left out.
_cv: Any = cv2

Pixels = TypeVar("Pixels", bound=NDArray[Any])
Bytes = NDArray[np.uint8]

LINEAR: Final = cv2.INTER_LINEAR
CUBIC: Final = cv2.INTER_CUBIC
#: Outside of a picture lies its border's colour, or nothing.
EXTEND: Final = cv2.BORDER_REPLICATE
NOTHING: Final = cv2.BORDER_CONSTANT


def sample(source: Pixels, at: NDArray[np.float32], interpolation: int = LINEAR) -> Pixels:
    """Values of ``source`` at positions (h, w, 2)."""
    result: Pixels = _cv.remap(source, at, None, interpolation, borderMode=EXTEND)
    return result


def sample_into(target: Pixels, source: Pixels, at: NDArray[np.float32], interpolation: int = LINEAR) -> None:
    """`sample` into an existing array, which may be empty."""
    if target.size:
        _cv.remap(source, at, None, interpolation, dst=target, borderMode=EXTEND)


def blur(picture: Pixels, sigma: float) -> Pixels:
    """Gaussian blur."""
    # As many taps as OpenCV's own has, whose fixed-point arithmetic takes bytes three times as long.
    kernel = _cv.getGaussianKernel(round(sigma * (6 if picture.dtype == np.uint8 else 8) + 1) | 1, sigma, cv2.CV_32F)
    result: Pixels = _cv.sepFilter2D(picture, -1, kernel, kernel)
    return result


def affine(
    picture: Pixels, matrix: ArrayLike, size: tuple[int, int], *, outside: int = NOTHING, interpolation: int = LINEAR
) -> Pixels:
    """``picture`` moved by a (2, 3) matrix into a new one of ``size`` (width, height)."""
    result: Pixels = _cv.warpAffine(picture, np.asarray(matrix, np.float64), size, None, interpolation, outside)
    return result


def affine_back(
    picture: Pixels, matrix: ArrayLike, size: tuple[int, int], *, outside: int = NOTHING, interpolation: int = LINEAR
) -> Pixels:
    """The reverse of `affine`: ``matrix`` leads from the result to ``picture``."""
    flags = interpolation | cv2.WARP_INVERSE_MAP
    result: Pixels = _cv.warpAffine(picture, np.asarray(matrix, np.float64), size, None, flags, outside)
    return result


def mix(first: Pixels, second: Pixels, share: NDArray[np.float32]) -> Pixels:
    """``share`` (h, w) of ``first`` and the rest of ``second``."""
    result: Pixels = _cv.blendLinear(first, second, share, 1 - share)
    return result


def enlarge(nodes: Pixels, factor: int) -> Pixels:
    """Bilinear enlargement; OpenCV's cubic one does not keep straight lines straight."""
    size = (nodes.shape[1] * factor, nodes.shape[0] * factor)
    result: Pixels = _cv.resize(nodes, size, interpolation=LINEAR)
    return result


def triple(plane: Pixels) -> Pixels:
    """One channel three times."""
    result: Pixels = _cv.merge((plane, plane, plane))
    return result


def combine(weights: NDArray[np.float32], fields: NDArray[np.float32]) -> NDArray[np.float32]:
    """``weights @ fields`` for (k,) and (k, n); without BLAS, whose threads cost more than so little work."""
    total = np.zeros(fields.shape[1], np.float32)
    for weight, field in zip(weights.tolist(), fields, strict=True):
        if weight:
            _cv.scaleAdd(field, weight, total, total)
    return total


def transform(vectors: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """``vectors @ matrix.T`` for (n, k) and (m, k) with k and m up to 3, again without BLAS."""
    result: NDArray[np.float32] = _cv.transform(vectors[:, None], matrix)[:, 0]
    return result


def to_single(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    """The same numbers; seven times as fast as `astype`."""
    result: NDArray[np.float32] = _cv.convertFp16(halves.view(np.int16).reshape(1, -1)).reshape(halves.shape)
    return result


def colour_and_alpha(picture: Bytes) -> tuple[Bytes, Bytes]:
    """(h, w, 3) and (h, w) of a picture with coverage."""
    colour = np.empty((*picture.shape[:2], 3), np.uint8)
    alpha = np.empty(picture.shape[:2], np.uint8)
    _cv.mixChannels([picture], [colour, alpha], [0, 0, 1, 1, 2, 2, 3, 3])
    return colour, alpha


def lay_over(below: Bytes, above: Bytes, alpha: Bytes) -> Bytes:
    """A premultiplied picture over another one."""
    left = triple(_cv.bitwise_not(alpha))
    result: Bytes = _cv.add(_cv.multiply(below, left, scale=1 / 255), above)
    return result


def multiply(picture: Bytes, light: Bytes, strength: float = 1.0) -> Bytes:
    """``picture`` under a light of 0-255, times ``strength``."""
    result: Bytes = _cv.multiply(picture, light, scale=strength / 255)
    return result


def light(part: Bytes, shade: NDArray[np.float32], channels: NDArray[np.float32]) -> None:
    """Make ``part`` (h, w, 3) brighter, in place, by ``shade`` (h, w), of which each channel takes its share."""
    factors = _cv.merge([1 + share * shade for share in channels])
    _cv.multiply(part, factors, dst=part, dtype=cv2.CV_8U)


def add_to(part: Bytes, change: NDArray[np.float32]) -> None:
    """Add ``change`` to ``part``, both (h, w, 3), in place."""
    _cv.add(part, change, dst=part, dtype=cv2.CV_8U)


def look_up(levels: Bytes, table: Pixels) -> Pixels:
    """What a table has at each level: of (256,) a plane (h, w), of (256, 3) a picture (h, w, 3)."""
    result: Pixels = _cv.LUT(levels if table.ndim == 1 else triple(levels), table[None])
    return result


def polygon(outline: NDArray[np.floating[Any]], width: int, height: int) -> Bytes:
    """Coverage of a picture by a polygon (n, 2), 0-255, antialiased to 1/256 of a pixel."""
    mask = np.zeros((height, width), np.uint8)
    _cv.fillPoly(mask, [np.round(outline * 256).astype(np.int32)], (255,), cv2.LINE_AA, 8)
    return mask


def fill_between(upper: NDArray[np.floating[Any]], lower: NDArray[np.floating[Any]], box: Box) -> Bytes:
    """Coverage of a box by the opening between two edges (n, 2)."""
    outline = np.concatenate((upper, lower[::-1])) - np.array((box.x0, box.y0), np.float32)
    return polygon(outline, box.width, box.height)


def unit_share(coverage: Bytes, strength: float = 1.0) -> NDArray[np.float32]:
    """0-255 as 0 to ``strength``."""
    return np.multiply(coverage, np.float32(strength / 255), dtype=np.float32)
