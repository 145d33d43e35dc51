"""The renderer: a source picture and two sets of key points to a new picture."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from facenets.appearance import AppearanceLayers
from facenets.motion import DenseMotion, Fuse, Motion
from facenets.spade import SpadeDecoder
from sadtalker.keypoints import KEY_POINTS

#: Shares of a motion below this are dropped.
MASK_THRESHOLD = 1e-3


class Rendered(NamedTuple):
    """A picture (n, 3, h, w) in [0, 1] with the motion it was made by."""

    picture: Tensor
    motion: Motion


class FaceGenerator(AppearanceLayers, Fuse):
    """Encoder, dense motion and decoder under the names of the release."""

    def __init__(self) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotion(KEY_POINTS, MASK_THRESHOLD)
        self.add_encoder()
        self.add_fuse()
        self.decoder = SpadeDecoder()

    def render(self, volume: Tensor, source: Tensor, driving: Tensor) -> Rendered:
        """Render from an encoded source, which one needs to encode only once.

        Args:
            volume: ``encode`` of the source picture, (n, 32, 16, h/4, w/4).
            source: its key points, (n, 15, 3).
            driving: key points to reach, (n, 15, 3).
        """
        motion = self.dense_motion_network(volume, driving, source)
        return Rendered(self.decoder(self.fuse(volume, motion)), motion)

    def forward(self, picture: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Render from a picture (n, 3, h, w), sides multiples of 128: (n, 3, h, w)."""
        return self.render(self.encode(picture), source, driving).picture
