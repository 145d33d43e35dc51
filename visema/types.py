"""Shared array types. Images are BGR; audio is mono float32 in [-1, 1]; times are seconds."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: (h, w, 3) uint8, blue-green-red.
Image: TypeAlias = NDArray[np.uint8]
#: (h * 3 // 2, w) uint8, planar YUV 4:2:0 as OpenCV lays out I420; h and w even.
I420: TypeAlias = NDArray[np.uint8]
#: (n,) float32 in [-1, 1].
Samples: TypeAlias = NDArray[np.float32]
FloatArray: TypeAlias = NDArray[np.float32]


class Box(NamedTuple):
    """A pixel rectangle, right and bottom exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.y1 - self.y0
