"""How the features of a source face move so that its key points come to lie on the driving ones."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facenets.appearance import CHANNELS, DEPTH, PICTURE_PER_VOXEL
from facenets.volume import DownBlock3d, SameBlock2d, UpBlock3d, coordinate_grid

#: Variance of the Gaussian bump drawn for a key point, in grid units squared (a sigma of a tenth).
HEATMAP_VARIANCE = 0.01
#: Channels the volume is squeezed to before it is moved once per key point.
SQUEEZED = 4
#: The grids run edge to edge, yet both networks were trained with samples taken as if they ran between pixel edges.
ALIGN_CORNERS = False
#: The hourglass halves five times.
HALVINGS = 2**5
#: Slope of the leaky ReLU after warping.
FUSE_SLOPE = 0.01


class Motion(NamedTuple):
    """Result of the dense motion network.

    Attributes:
        mask: how much of each candidate motion every voxel takes, before any threshold, (n, k + 1, d, h, w).
        deformation: where every voxel takes its features from, (n, d, h, w, 3) in grid units.
        occlusion: how far the warped features can be trusted, (n, 1, h, w) in [0, 1].
    """

    mask: Tensor
    deformation: Tensor
    occlusion: Tensor


class HourglassEncoder(nn.Module):
    """Five halvings; keeps every scale."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        pairs = itertools.pairwise(channels)
        self.down_blocks = nn.ModuleList([DownBlock3d(cin, cout) for cin, cout in pairs])

    def forward(self, x: Tensor) -> list[Tensor]:
        """The input and each scale below it, largest first."""
        scales = [x]
        for block in self.down_blocks:
            scales.append(block(scales[-1]))
        return scales


class HourglassDecoder(nn.Module):
    """Five doublings, each joined with the encoder's picture of that scale, and one convolution at the end."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        ups = [UpBlock3d(channels[-1], channels[-1] // 2)]
        for skip in reversed(channels[1:-1]):
            ups.append(UpBlock3d(2 * skip, skip // 2))
        self.up_blocks = nn.ModuleList(ups)
        self.out_filters = channels[0] + channels[1] // 2
        self.conv = nn.Conv3d(self.out_filters, self.out_filters, 3, padding=1)
        self.norm = nn.BatchNorm3d(self.out_filters)

    def forward(self, scales: list[Tensor]) -> Tensor:
        """Consume the encoder's list, smallest first."""
        x = scales.pop()
        for block in self.up_blocks:
            x = torch.cat([block(x), scales.pop()], dim=1)
        return torch.relu(self.norm(self.conv(x)))


class Hourglass(nn.Module):
    """Encoder and decoder with skip connections: cin to cin + 32 channels at the same size."""

    def __init__(self, cin: int) -> None:
        super().__init__()
        channels = [cin, 64, 128, 256, 512, 1024]
        self.encoder = HourglassEncoder(channels)
        self.decoder = HourglassDecoder(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, d, h, w) to (n, cin + 32, d, h, w); h and w must be multiples of 32."""
        out: Tensor = self.decoder(self.encoder(x))
        return out


class DenseMotion(nn.Module):
    """Mixes one motion per key point and "stay" into one deformation per voxel.

    Args:
        key_points: how many there are (15 or 21).
        threshold: shares of a motion below this are dropped, without rescaling the rest; 0 keeps all.
    """

    def __init__(self, key_points: int, threshold: float = 0.0) -> None:
        super().__init__()
        motions = key_points + 1
        self.threshold = threshold
        self.hourglass = Hourglass(motions * (SQUEEZED + 1))
        filters = self.hourglass.decoder.out_filters
        self.mask = nn.Conv3d(filters, motions, 7, padding=3)
        self.compress = nn.Conv3d(CHANNELS, SQUEEZED, 1)
        self.norm = nn.BatchNorm3d(SQUEEZED)
        self.occlusion = nn.Conv2d(filters * DEPTH, 1, 7, padding=3)

    def forward(self, volume: Tensor, driving: Tensor, source: Tensor) -> Motion:
        """Find the motion.

        Args:
            volume: source features, (n, 32, 16, h, w) with h and w multiples of 32.
            driving: key points to reach, (n, k, 3).
            source: key points of the source, (n, k, 3).
        """
        _, _, depth, height, width = volume.shape
        if height % HALVINGS or width % HALVINGS:
            side = HALVINGS * PICTURE_PER_VOXEL
            raise ValueError(f"picture sides must be multiples of {side}: features are {height} x {width}")
        grid = coordinate_grid((depth, height, width), like=volume)
        candidates = candidate_motions(grid, driving, source)
        squeezed = torch.relu(self.norm(self.compress(volume)))
        moved = sample_each(squeezed, candidates)
        heat = heatmaps(grid, driving) - heatmaps(grid, source)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], dim=1)
        features = self.hourglass(torch.cat([heat.unsqueeze(2), moved], dim=2).flatten(1, 2))
        mask = torch.softmax(self.mask(features), dim=1)
        kept = torch.where(mask < self.threshold, 0.0, mask) if self.threshold else mask
        deformation = (candidates.movedim(-1, 2) * kept.unsqueeze(2)).sum(dim=1).movedim(1, -1)
        occlusion = torch.sigmoid(self.occlusion(features.flatten(1, 2)))
        return Motion(mask, deformation, occlusion)


def candidate_motions(grid: Tensor, driving: Tensor, source: Tensor) -> Tensor:
    """Where voxels come from if all stay, then if all follow one key point: (n, k + 1, d, h, w, 3).

    The order of the two steps is the released one: a share that lies at the threshold can flip on the last bit.
    """
    followed = grid - driving[:, :, None, None, None, :] + source[:, :, None, None, None, :]
    stay = grid.expand(len(driving), 1, *grid.shape)
    return torch.cat([stay, followed], dim=1)


def heatmaps(grid: Tensor, points: Tensor) -> Tensor:
    """A Gaussian bump around every key point: points (n, k, 3) to (n, k, d, h, w)."""
    distance = (grid - points[:, :, None, None, None, :]).square().sum(-1)
    return torch.exp(-0.5 * distance / HEATMAP_VARIANCE)


def sample_each(volume: Tensor, motions: Tensor) -> Tensor:
    """The volume (n, c, d, h, w) under each of k motions (n, k, d, h, w, 3): (n, k, c, d, h, w)."""
    count = motions.shape[1]
    repeated = volume.repeat_interleave(count, dim=0)
    return torch.unflatten(warp(repeated, motions.flatten(0, 1)), 0, (-1, count))


def warp(volume: Tensor, deformation: Tensor) -> Tensor:
    """Take features from where the deformation points, zero outside: (n, c, d, h, w)."""
    return F.grid_sample(volume, deformation, mode="bilinear", padding_mode="zeros", align_corners=ALIGN_CORNERS)


class Fuse(nn.Module):
    """Base of networks that warp a volume and flatten it to 256 feature maps, dimmed where occluded."""

    def add_fuse(self) -> None:
        """Create the layers; apart from the constructor so that a subclass can place them among its own."""
        self.third = SameBlock2d(CHANNELS * DEPTH, 256, slope=FUSE_SLOPE)
        self.fourth = nn.Conv2d(256, 256, 1)

    def fuse(self, volume: Tensor, motion: Motion) -> Tensor:
        """Warped features (n, 256, h, w) of a volume (n, 32, 16, h, w)."""
        warped = warp(volume, motion.deformation).flatten(1, 2)
        out: Tensor = self.fourth(self.third(warped))
        return out * motion.occlusion
