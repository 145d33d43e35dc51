"""The warping module: source features moved from the source's key points to the driving ones."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from facenets.motion import DenseMotion, Fuse, Motion
from liveportrait.keypoints import KEY_POINTS

#: Unlike SadTalker's, every share of a motion counts, however small.
MASK_THRESHOLD = 0.0


class Warped(NamedTuple):
    """Features (n, 256, h, w) with the motion they were made by."""

    features: Tensor
    motion: Motion


class WarpingModule(Fuse):
    """Dense motion, warp, and flattening to feature maps."""

    def __init__(self) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotion(KEY_POINTS, MASK_THRESHOLD)
        self.add_fuse()

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> Warped:
        """Warp.

        Args:
            volume: source features, (n, 32, 16, h, w), h and w multiples of 32.
            source: key points of the source, (n, 21, 3).
            driving: key points to reach, (n, 21, 3).
        """
        motion = self.dense_motion_network(volume, driving, source)
        return Warped(self.fuse(volume, motion), motion)
