"""The 68 points that face alignment is usually described with, read off the 478-vertex mesh."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from visema.types import FloatArray

#: Mesh vertex of each of the 68 points: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67.
MESH_68: Final[NDArray[np.intp]] = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
        *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
        *(168, 197, 5, 4, 75, 97, 2, 326, 305),
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
    ]
)
MOUTH: Final = slice(48, 68)
EYES: Final = slice(36, 48)
#: Points that speech does not move: the nose, the brows and the eyes' corners.
STILL: Final = np.r_[17:36, 36, 39, 42, 45]
#: The outline of the mouth in rest keeps so far from the edge of its box: share of its width, and of its height.
BOX_MARGIN: Final = (0.30, 0.75)


def to_68(mesh: FloatArray) -> FloatArray:
    """(478, 2 or 3) mesh to (68, 2) points."""
    return np.asarray(mesh[MESH_68, :2], np.float32)


def mouth_fractions(points: FloatArray, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The mouth's box as fractions of the picture: left, top, right, bottom, cut at the picture's edges.

    Args:
        points: (68, 2) pixels.
        size: (width, height) of the picture.
    """
    low, high = points[MOUTH].min(0), points[MOUTH].max(0)
    across, along = high - low
    # A shut mouth is flat; its box is made as tall as an open one needs.
    along = max(along, 0.45 * across)
    middle = (low[1] + high[1]) / 2 + 0.12 * along
    left, right = low[0] - BOX_MARGIN[0] * across, high[0] + BOX_MARGIN[0] * across
    reach = along * (0.5 + BOX_MARGIN[1])
    box = np.array([left / size[0], (middle - reach) / size[1], right / size[0], (middle + reach) / size[1]])
    left, top, right, bottom = (float(v) for v in np.clip(box, 0, 1))
    return left, top, right, bottom
