"""Where a closed mouth's lips really touch: the darkest path near the mesh's lip line, shared by all frames."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from visema.face.pose import HeadPoses
from visema.mouth.warp.lips import N_COLUMNS, Lips
from visema.mouth.warp.points import Floats, luma
from visema.types import FloatArray, Image

#: The line is sought this far (U) above and below the mesh's, at so many heights.
REACH, N_HEIGHTS = 0.07, 33
#: Columns by which the path is smoothed (standard deviation), so that speckles do not bend it.
SMOOTH = 2.4


def contact_line(frames: Sequence[Image], landmarks: FloatArray, poses: HeadPoses, lips: Lips) -> Floats:
    """Offset of the contact line below the mesh's lip line, (N_COLUMNS,) U.

    Args:
        frames: n pictures in which the mouth is shut.
        landmarks: (n, 478, 3).
        poses: Of the n frames.
        lips: The rest shape, without the offset.
    """
    heights = np.linspace(-REACH, REACH, N_HEIGHTS)
    darkness = np.zeros((N_COLUMNS, N_HEIGHTS))
    for image, mesh, scale, rotation in zip(frames, landmarks, poses.scale, poses.rotation, strict=True):
        upper = lips.upper_weights @ mesh[list(lips.upper_order), :2]
        lower = lips.lower_weights @ mesh[list(lips.lower_order), :2]
        down = scale * rotation[:2, 1]
        at = (((upper + lower) / 2)[:, None] + heights[None, :, None] * down).astype(np.float32)
        values = _sample(image, at, scale)
        darkness += (values - values.min(1, keepdims=True)) / (np.ptp(values, axis=1).mean() + 8)
    darkness /= len(frames)
    ends = np.abs(np.linspace(-1, 1, N_COLUMNS))[:, None] ** 6
    path = _cheapest_path(darkness + (heights[None] / REACH) ** 2 * (0.22 + 2.0 * ends))
    kernel = np.exp(-((np.arange(-6, 7) / SMOOTH) ** 2) / 2)
    return np.convolve(np.pad(heights[path], 6, "edge"), kernel / kernel.sum(), "valid")


def _sample(image: Image, at: FloatArray, scale: float) -> Floats:
    h, w = image.shape[:2]
    margin = 0.1 * scale
    x0, y0 = np.clip(np.floor(at.min((0, 1)) - margin), 0, (w - 2, h - 2)).astype(int)
    x1, y1 = np.ceil(at.max((0, 1)) + margin).astype(int)
    crop = luma(image[y0 : max(y1, y0 + 2), x0 : max(x1, x0 + 2)])
    soft = cv2.GaussianBlur(crop, (0, 0), max(0.6, 0.010 * float(scale)))
    sampled = cv2.remap(soft, at[..., 0] - x0, at[..., 1] - y0, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def _cheapest_path(cost: Floats) -> list[int]:
    """Dynamic programming from column to column; a step costs its squared height."""
    n, m = cost.shape
    rise = 56 * (np.subtract.outer(np.arange(m), np.arange(m)) / m) ** 2
    total = cost.copy()
    back = np.zeros((n, m), int)
    for i in range(1, n):
        t = total[i - 1][None] + rise
        back[i] = t.argmin(1)
        total[i] = cost[i] + t.min(1)
    path = [int(total[-1].argmin())]
    for i in range(n - 1, 0, -1):
        path.append(int(back[i][path[-1]]))
    return path[::-1]
