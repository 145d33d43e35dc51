"""Key points of a face: found in a picture without pose or expression, then posed."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facenets.angles import BINS, axis_rotations, expected_degrees
from facenets.formula import gaussian_kernel
from facenets.volume import DownBlock2d, UpBlock3d, coordinate_grid

KEY_POINTS = 15
DEPTH = 16
#: Degrees of bin 0, negated.
DEGREE_OFFSET = 99.0
#: Radians of half a turn as the network was trained with, not pi.
HALF_TURN = 3.14
#: The picture is blurred and every fourth pixel taken.
SHRINK = 4
TEMPERATURE = 0.1

__all__ = ["BINS", "KEY_POINTS", "KeyPointDetector", "Posed", "pose_key_points"]


class AntiAliasShrink(nn.Module):
    """Gaussian blur with a stored kernel, then every fourth pixel."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.from_numpy(gaussian_kernel(3, 1.0 / SHRINK)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, 3, h, w) to (n, 3, h/4, w/4)."""
        blurred = F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2, groups=3)
        return blurred[:, :, ::SHRINK, ::SHRINK]


class VolumePredictor(nn.Module):
    """Picture to a volume of features: five halvings, a depth axis unfolded, five doublings."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 64, 128, 256, 512, 1024)
        pairs = enumerate(itertools.pairwise(widths))
        self.down_blocks = nn.Sequential(OrderedDict((f"down{i}", DownBlock2d(a, b)) for i, (a, b) in pairs))
        self.conv = nn.Conv2d(1024, 1024 * DEPTH, 1)
        ups = enumerate((1024, 512, 256, 128, 64))
        self.up_blocks = nn.Sequential(OrderedDict((f"up{i}", UpBlock3d(a, a // 2)) for i, a in ups))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, 3, h, w) to (n, 32, 16, h, w)."""
        folded = self.conv(self.down_blocks(x))
        out: Tensor = self.up_blocks(folded.unflatten(1, (1024, DEPTH)))
        return out


class KeyPointDetector(nn.Module):
    """Fifteen points that rest on the face whatever its pose."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor = VolumePredictor()
        self.kp = nn.Conv3d(32, KEY_POINTS, 3, padding=1)
        self.down = AntiAliasShrink()

    def forward(self, picture: Tensor) -> Tensor:
        """Points (n, 15, 3) in [-1, 1] of RGB pictures in [0, 1], (n, 3, h, w), sides multiples of 128."""
        scores = self.kp(self.predictor(self.down(picture)))
        heat = torch.softmax(scores.flatten(2) / TEMPERATURE, dim=2)
        _, _, depth, height, width = scores.shape
        grid = coordinate_grid((depth, height, width), like=heat)
        return heat @ grid.flatten(0, 2)


class Posed(NamedTuple):
    """Posed points, and the degrees read from the heads.

    Attributes:
        points: with expression, (n, 15, 3).
        rigid: without expression, (n, 15, 3).
        yaw: degrees of the head, (n,), whatever replaced it.
        pitch: the same for pitch.
        roll: the same for roll.
    """

    points: Tensor
    rigid: Tensor
    yaw: Tensor
    pitch: Tensor
    roll: Tensor


def pose_key_points(
    canonical: Tensor,
    heads: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    yaw: Tensor | None = None,
    pitch: Tensor | None = None,
    roll: Tensor | None = None,
) -> Posed:
    """Turn, shift and deform canonical points.

    Only the vertical translation is applied: the renderer was trained without the others.

    Args:
        canonical: (n, 15, 3).
        heads: bins of yaw, pitch and roll (n, 66), translation (n, 3), deformation (n, 45).
        yaw: degrees to use instead of the head's, (n,).
        pitch: the same for pitch.
        roll: the same for roll.
    """
    yaw_bins, pitch_bins, roll_bins, translation, deformation = heads
    degrees = [expected_degrees(bins, DEGREE_OFFSET) for bins in (yaw_bins, pitch_bins, roll_bins)]
    chosen = [own if given is None else given for own, given in zip(degrees, (yaw, pitch, roll), strict=True)]
    turn_y, turn_x, turn_z = (angle.reshape(-1) / 180.0 * HALF_TURN for angle in chosen)
    about_x, about_y, about_z = axis_rotations(turn_x, turn_y, turn_z)
    rotation = about_x @ about_y @ about_z
    vertical = translation * translation.new_tensor([0.0, 1.0, 0.0])
    rigid = canonical @ rotation.transpose(1, 2) + vertical[:, None]
    return Posed(rigid + torch.unflatten(deformation, 1, (-1, 3)), rigid, *degrees)
