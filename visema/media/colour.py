"""Any decoder's frame to I420 in the one colour space that we keep: BT.601, limited range."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.media.image import flatten_alpha
from visema.types import I420, Box, FloatArray, Image

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

#: H.264's numbers of the matrices that have the same Kr and Kb as BT.601.
_BT601 = (5, 6)
_BT709, _UNSAID = 1, 2
# Luma weights (red, blue) of each matrix, by its number in H.264.
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)}
_WEIGHTS |= {9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_FULL = 2


def to_i420(frame: VideoFrame, size: tuple[int, int]) -> I420:
    """Convert a decoded frame.

    Args:
        frame: Any pixel format; transparency is laid on white.
        size: (width, height) of the result, both even; cropped where one pixel too large, else scaled.

    Returns:
        (height * 3 // 2, width) uint8.
    """
    width, height = size
    if frame.format.name.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya", "pal8")):
        bgra = cast(Image, frame.reformat(format="bgra").to_ndarray())
        return bgr_to_i420(_fit(flatten_alpha(bgra), size))
    plain = frame.format.name in ("yuv420p", "yuvj420p")
    if plain and 0 <= frame.width - width <= 1 and 0 <= frame.height - height <= 1:
        planes = _planes(frame, size)
    elif frame.format.name.startswith(("yuv", "nv", "p010", "p016")):
        # Bits, subsampling and size by swscale, which leaves the matrix alone when source and target agree.
        if 0 <= frame.width - width <= 1 and 0 <= frame.height - height <= 1:
            scaled = frame.reformat(format="yuv420p", interpolation="BICUBIC")
        else:
            scaled = frame.reformat(width, height, "yuv420p", interpolation="AREA")
        planes = _planes(scaled, size)
    else:
        return bgr_to_i420(_fit(cast(Image, frame.to_ndarray(format="bgr24")), size))
    return _to_bt601(planes, size, _matrix(frame), _is_full(frame))


def bgr_to_i420(image: Image) -> I420:
    """(h, w, 3) BGR, even sizes, to (h * 3 // 2, w)."""
    return cast(I420, cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420))


def i420_to_bgr(i420: I420) -> Image:
    """(h * 3 // 2, w) to (h, w, 3) BGR."""
    return cast(Image, cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420))


def frame_planes(frame: I420, width: int, height: int) -> tuple[NDArray[np.uint8], ...]:
    """Views of a frame's Y (h, w), U and V (h / 2, w / 2) planes."""
    flat = frame.reshape(-1)
    luma = width * height
    half = (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + luma // 4].reshape(half),
        flat[luma + luma // 4 : luma + luma // 2].reshape(half),
    )


def region_planes(frame: I420, box: Box, width: int, height: int) -> tuple[NDArray[np.uint8], ...]:
    """Views of the three planes inside ``box``, whose edges must be even."""
    y, u, v = frame_planes(frame, width, height)
    x0, y0, x1, y1 = box
    half = (slice(y0 // 2, y1 // 2), slice(x0 // 2, x1 // 2))
    return y[y0:y1, x0:x1], u[half], v[half]


def rotate_i420(i420: I420, quarter_turns: int) -> I420:
    """Turn counter-clockwise by quarter turns."""
    if quarter_turns % 4 == 0:
        return i420
    rows, width = i420.shape
    height = rows * 2 // 3
    parts = [np.rot90(plane, quarter_turns).ravel() for plane in frame_planes(i420, width, height)]
    turned = np.concatenate(parts).reshape(-1, width if quarter_turns % 2 == 0 else height)
    return np.asarray(turned, np.uint8)


def _fit(image: Image, size: tuple[int, int]) -> Image:
    width, height = size
    h, w = image.shape[:2]
    if 0 <= w - width <= 1 and 0 <= h - height <= 1:
        return np.ascontiguousarray(image[:height, :width])
    return cast(Image, cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _planes(frame: VideoFrame, size: tuple[int, int]) -> I420:
    """The pixels of a 4:2:0 frame, row padding and an odd last row or column left out."""
    width, height = size
    out = np.empty((height * 3 // 2, width), np.uint8)
    for plane, target in zip(frame.planes, frame_planes(out, width, height), strict=True):
        h, w = target.shape
        source = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        target[:] = source[:h, :w]
    return out


def _matrix(frame: VideoFrame) -> int:
    """The frame's matrix; untagged HD is BT.709 and untagged SD is BT.601, as players have it."""
    matrix = int(frame.colorspace)
    if matrix in _WEIGHTS:
        return matrix
    return _BT709 if matrix == _UNSAID and min(frame.width, frame.height) >= 720 else _BT601[0]


def _is_full(frame: VideoFrame) -> bool:
    return frame.format.name.startswith("yuvj") or int(frame.color_range) == _FULL


@cache
def _conversion(matrix: int, full: bool) -> FloatArray:
    """(3, 4) affine map of YUV of a matrix and range to YUV of BT.601, limited."""
    scale_y, scale_c, black = (255.0, 255.0, 0.0) if full else (219.0, 224.0, 16.0)
    source = np.linalg.inv(_rgb_to_yuv(matrix)) @ np.diag([1 / scale_y, 1 / scale_c, 1 / scale_c])
    linear = np.diag([219.0, 224.0, 224.0]) @ _rgb_to_yuv(_BT601[0]) @ source
    offset = np.array([16.0, 128.0, 128.0]) - linear @ np.array([black, 128.0, 128.0])
    columns: FloatArray = np.column_stack([linear, offset]).astype(np.float32)
    return columns


def _rgb_to_yuv(matrix: int) -> FloatArray:
    red, blue = _WEIGHTS[matrix]
    y = np.array([red, 1 - red - blue, blue], np.float32)
    u, v = (np.array([0, 0, 1]) - y) / (2 - 2 * blue), (np.array([1, 0, 0]) - y) / (2 - 2 * red)
    return np.array([y, u, v], np.float32)


def _to_bt601(i420: I420, size: tuple[int, int], matrix: int, full: bool) -> I420:
    """Change matrix and range, in place.

    Luma is scaled and shifted by a mix of the two chroma planes; on 720p this takes a quarter of swscale's time.
    """
    if matrix in _BT601 and not full:
        return i420
    width, height = size
    m = _conversion(matrix, full)
    luma, u, v = frame_planes(i420, width, height)
    # What chroma adds to luma is within +-40; 128 stands for none.
    shift = _mix(u, v, m[0, 1], m[0, 2], 128 * (1 - m[0, 1] - m[0, 2]))
    new_u = _mix(u, v, m[1, 1], m[1, 2], m[1, 3])
    v[:] = _mix(u, v, m[2, 1], m[2, 2], m[2, 3])
    u[:] = new_u
    shift = cast(Image, cv2.resize(shift, (width, height), interpolation=cv2.INTER_LINEAR))
    # With offset m03 + 128 (m01 + m02) the chroma's own zero is taken back out of the shift.
    base = float(m[0, 3] + 128 * (m[0, 1] + m[0, 2]) - 128)
    cv2.addWeighted(luma, float(m[0, 0]), shift, 1.0, base, dst=luma)
    return i420


def _mix(u: Image, v: Image, a: float, b: float, offset: float) -> Image:
    return cast(Image, cv2.addWeighted(u, float(a), v, float(b), float(offset)))
