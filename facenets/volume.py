"""2-D and 3-D blocks of the face renderers, and the grids they work on.

Volumes are (n, channels, depth, height, width); grid coordinates run from -1 to 1 edge to edge, ordered (x, y, z).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def coordinate_grid(shape: tuple[int, int, int], like: Tensor) -> Tensor:
    """Where every voxel lies: (d, h, w, 3) with 2 i / (n - 1) - 1 along each axis.

    Args:
        shape: voxels along z, y and x.
        like: gives device and dtype.
    """
    z, y, x = (2.0 * torch.arange(n, device=like.device, dtype=like.dtype) / (n - 1) - 1.0 for n in shape)
    return torch.stack(
        [x.view(1, 1, -1).expand(shape), y.view(1, -1, 1).expand(shape), z.view(-1, 1, 1).expand(shape)], dim=-1
    )


class SameBlock2d(nn.Module):
    """Convolution 3 x 3, batch norm, and ReLU or a leaky ReLU of the given slope."""

    def __init__(self, cin: int, cout: int, slope: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1)
        self.norm = nn.BatchNorm2d(cout)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, h, w) to (n, cout, h, w)."""
        return F.leaky_relu(self.norm(self.conv(x)), self.slope)


class DownBlock2d(nn.Module):
    """Convolution 3 x 3, batch norm, ReLU, then the mean of every 2 x 2 pixels."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1)
        self.norm = nn.BatchNorm2d(cout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, h, w) to (n, cout, h/2, w/2)."""
        return F.avg_pool2d(torch.relu(self.norm(self.conv(x))), 2)


class DownBlock3d(nn.Module):
    """Convolution 3 x 3 x 3, batch norm, ReLU, then halving height and width; the depth stays."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(cin, cout, 3, padding=1)
        self.norm = nn.BatchNorm3d(cout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, d, h, w) to (n, cout, d, h/2, w/2)."""
        full = torch.relu(self.norm(self.conv(x)))
        # As pictures, because 3-D pooling knows no 16 bits on CPUs.
        halved = F.avg_pool2d(full.flatten(1, 2), 2)
        return torch.unflatten(halved, 1, full.shape[1:3])


class UpBlock3d(nn.Module):
    """Doubling height and width by repetition, then convolution 3 x 3 x 3, batch norm, ReLU."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(cin, cout, 3, padding=1)
        self.norm = nn.BatchNorm3d(cout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, d, h, w) to (n, cout, d, 2h, 2w)."""
        doubled = F.interpolate(x, scale_factor=(1.0, 2.0, 2.0))
        return torch.relu(self.norm(self.conv(doubled)))


class ResBlock3d(nn.Module):
    """Two rounds of batch norm, ReLU and convolution, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(channels)
        self.norm2 = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (n, channels, d, h, w)."""
        out = self.conv1(torch.relu(self.norm1(x)))
        out = self.conv2(torch.relu(self.norm2(out)))
        total: Tensor = x + out
        return total
