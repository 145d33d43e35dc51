"""A small residual U-net over motion "pictures" of 32 frames by 6 numbers; only the time axis is halved."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualConv(nn.Module):
    """Two rounds of batch norm, ReLU and convolution beside a convolution and norm, added."""

    def __init__(self, cin: int, cout: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.BatchNorm2d(cin),
            nn.ReLU(),
            nn.Conv2d(cin, cout, 3, stride, 1),
            nn.BatchNorm2d(cout),
            nn.ReLU(),
            nn.Conv2d(cout, cout, 3, padding=1),
        )
        self.conv_skip = nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1), nn.BatchNorm2d(cout))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, t, 6) to (n, cout, t / stride, 6)."""
        out: Tensor = self.conv_block(x) + self.conv_skip(x)
        return out


class TimeDoubling(nn.Module):
    """Transposed convolution that doubles the time axis."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(channels, channels, (2, 1), (2, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c, t, 6) to (n, c, 2t, 6)."""
        out: Tensor = self.upsample(x)
        return out


class ResUnet(nn.Module):
    """Three halvings in time, three doublings with skip connections; the output lies in (0, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1)
        )
        self.input_skip = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1))
        self.residual_conv_1 = ResidualConv(32, 64, (2, 1))
        self.residual_conv_2 = ResidualConv(64, 128, (2, 1))
        self.bridge = ResidualConv(128, 256, (2, 1))
        self.upsample_1 = TimeDoubling(256)
        self.up_residual_conv1 = ResidualConv(256 + 128, 128, (1, 1))
        self.upsample_2 = TimeDoubling(128)
        self.up_residual_conv2 = ResidualConv(128 + 64, 64, (1, 1))
        self.upsample_3 = TimeDoubling(64)
        self.up_residual_conv3 = ResidualConv(64 + 32, 32, (1, 1))
        self.output_layer = nn.Sequential(nn.Conv2d(32, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, 1, 32, 6) to (n, 1, 32, 6)."""
        full = self.input_layer(x) + self.input_skip(x)
        half = self.residual_conv_1(full)
        quarter = self.residual_conv_2(half)
        eighth = self.bridge(quarter)
        up = self.up_residual_conv1(torch.cat([self.upsample_1(eighth), quarter], dim=1))
        up = self.up_residual_conv2(torch.cat([self.upsample_2(up), half], dim=1))
        up = self.up_residual_conv3(torch.cat([self.upsample_3(up), full], dim=1))
        out: Tensor = self.output_layer(up)
        return out
