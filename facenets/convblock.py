"""Convolution blocks of the speech networks, and the audio encoder that several of them carry."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Pair = int | tuple[int, int]


class ConvBlock(nn.Module):
    """Convolution, batch norm, ReLU; a residual block adds its input before the ReLU.

    Args:
        cin: input channels.
        cout: output channels.
        kernel: kernel size.
        stride: stride, one number or (rows, columns).
        padding: zero padding.
        residual: whether the input is added (needs equal shapes in and out).
    """

    def __init__(
        self, cin: int, cout: int, kernel: Pair, stride: Pair = 1, padding: Pair = 0, residual: bool = False
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, padding), nn.BatchNorm2d(cout))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, h, w) to (n, cout, h', w')."""
        out: Tensor = self.conv_block(x)
        if self.residual:
            out = out + x
        return torch.relu(out)


class PlainConvBlock(nn.Module):
    """Convolution and LeakyReLU of slope 0.01, without a norm (the quality discriminator's block)."""

    SLOPE = 0.01

    def __init__(self, cin: int, cout: int, kernel: Pair, stride: Pair = 1, padding: Pair = 0) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, padding))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, h, w) to (n, cout, h', w')."""
        out: Tensor = self.conv_block(x)
        return nn.functional.leaky_relu(out, self.SLOPE)


class TransposedBlock(nn.Module):
    """Transposed convolution, batch norm, ReLU."""

    def __init__(
        self, cin: int, cout: int, kernel: Pair, stride: Pair = 1, padding: Pair = 0, output_padding: Pair = 0
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ConvTranspose2d(cin, cout, kernel, stride, padding, output_padding), nn.BatchNorm2d(cout)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, h, w) to (n, cout, h', w')."""
        return torch.relu(self.conv_block(x))


def residual_block(channels: int) -> ConvBlock:
    """A 3 x 3 block that keeps its shape and adds its input."""
    return ConvBlock(channels, channels, 3, padding=1, residual=True)


def mel_encoder() -> nn.Sequential:
    """Thirteen blocks that turn a mel window (n, 1, 80, 16) into an embedding (n, 512, 1, 1).

    The time axis is kept until the seventh block, so a window is read at its full 12.5 ms resolution first.
    """
    return nn.Sequential(
        ConvBlock(1, 32, 3, padding=1),
        residual_block(32),
        residual_block(32),
        ConvBlock(32, 64, 3, stride=(3, 1), padding=1),
        residual_block(64),
        residual_block(64),
        ConvBlock(64, 128, 3, stride=3, padding=1),
        residual_block(128),
        residual_block(128),
        ConvBlock(128, 256, 3, stride=(3, 2), padding=1),
        residual_block(256),
        ConvBlock(256, 512, 3),
        ConvBlock(512, 512, 1),
    )
