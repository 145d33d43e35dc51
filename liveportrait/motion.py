"""The motion extractor: one face to its canonical key points, pose, expression, translation and scale."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from facenets.angles import BINS
from liveportrait.convnext import WIDTHS, ConvNeXt
from liveportrait.keypoints import KEY_POINTS


class RawMotion(NamedTuple):
    """Raw heads of n pictures: 66 bins per angle, (n, 3), (n, 63), (n, 1), (n, 63)."""

    pitch: Tensor
    yaw: Tensor
    roll: Tensor
    translation: Tensor
    expression: Tensor
    scale: Tensor
    canonical: Tensor


class MotionDetector(ConvNeXt):
    """Trunk and seven linear heads."""

    def __init__(self) -> None:
        super().__init__()
        width = WIDTHS[-1]
        self.fc_kp = nn.Linear(width, 3 * KEY_POINTS)
        self.fc_scale = nn.Linear(width, 1)
        self.fc_pitch = nn.Linear(width, BINS)
        self.fc_yaw = nn.Linear(width, BINS)
        self.fc_roll = nn.Linear(width, BINS)
        self.fc_t = nn.Linear(width, 3)
        self.fc_exp = nn.Linear(width, 3 * KEY_POINTS)

    def forward(self, picture: Tensor) -> RawMotion:
        """Read RGB pictures in [0, 1], (n, 3, 256, 256)."""
        x = self.features(picture)
        return RawMotion(
            self.fc_pitch(x),
            self.fc_yaw(x),
            self.fc_roll(x),
            self.fc_t(x),
            self.fc_exp(x),
            self.fc_scale(x),
            self.fc_kp(x),
        )


class MotionExtractor(nn.Module):
    """The detector under the name of the release."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = MotionDetector()

    def forward(self, picture: Tensor) -> RawMotion:
        """Read RGB pictures in [0, 1], (n, 3, 256, 256)."""
        out: RawMotion = self.detector(picture)
        return out
