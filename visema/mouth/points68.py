"""The mouth among the 68 points that face alignment is usually described with."""

from __future__ import annotations

from typing import Final

import numpy as np

from visema.face.points68 import MESH_68, to_68
from visema.types import FloatArray

__all__ = ["BOX_MARGIN", "EYES", "MESH_68", "MOUTH", "STILL", "mouth_fractions", "to_68"]

MOUTH: Final = slice(48, 68)
EYES: Final = slice(36, 48)
#: Points that speech does not move: the nose, the brows and the eyes' corners.
STILL: Final = np.r_[17:36, 36, 39, 42, 45]
#: The outline of the mouth in rest keeps so far from the edge of its box: share of its width, and of its height.
BOX_MARGIN: Final = (0.30, 0.75)


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
