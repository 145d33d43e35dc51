"""A second of face coefficients to the head pose, translation and deformation of one frame."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from sadtalker.keypoints import BINS, KEY_POINTS

#: Frames before and after the one that is rendered.
RADIUS = 13
WIDTH = 1024
SLOPE = 0.1


class HeadMotion(NamedTuple):
    """Raw heads: 66 bins per angle, a translation and a shift of every key point."""

    yaw: Tensor
    pitch: Tensor
    roll: Tensor
    translation: Tensor
    expression: Tensor


class MappingNet(nn.Module):
    """Temporal convolutions over 27 frames.

    Args:
        coefficients: numbers per frame: 70, or 73 with the crop's scale and translation (full-picture modes).
    """

    def __init__(self, coefficients: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(coefficients, WIDTH, 7))
        for i in range(3):
            layers = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv1d(WIDTH, WIDTH, 3, dilation=3))
            self.add_module(f"encoder{i}", layers)
        self.fc_roll = nn.Linear(WIDTH, BINS)
        self.fc_pitch = nn.Linear(WIDTH, BINS)
        self.fc_yaw = nn.Linear(WIDTH, BINS)
        self.fc_t = nn.Linear(WIDTH, 3)
        self.fc_exp = nn.Linear(WIDTH, 3 * KEY_POINTS)

    def forward(self, window: Tensor) -> HeadMotion:
        """Read windows (n, coefficients, 27)."""
        x = self.first(window)
        for i in range(3):
            x = self.get_submodule(f"encoder{i}")(x) + x[:, :, 3:-3]
        x = F.adaptive_avg_pool1d(x, 1).flatten(1)
        return HeadMotion(self.fc_yaw(x), self.fc_pitch(x), self.fc_roll(x), self.fc_t(x), self.fc_exp(x))
