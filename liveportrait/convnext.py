"""The backbone of the motion extractor: depth-wise convolutions with global response normalisation."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Added to the variance of every layer norm; too small to be seen in the vectors, so checked by reading.
LAYER_NORM_EPS = 1e-6
RESPONSE_EPS = 1e-6
#: The exact activation; the tanh approximation moves the heads by 5e-4.
GELU_APPROXIMATION = "none"
DEPTHS = (3, 3, 9, 3)
WIDTHS = (96, 192, 384, 768)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (n, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (n, c, h, w)."""
        mean = x.mean(dim=1, keepdim=True)
        centred = x - mean
        variance = centred.square().mean(dim=1, keepdim=True)
        unit = centred / torch.sqrt(variance + self.eps)
        return self.weight[:, None, None] * unit + self.bias[:, None, None]


class ResponseNorm(nn.Module):
    """Scales every channel by its share of the picture's total response, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (n, h, w, c)."""
        response = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        share = response / (response.mean(dim=-1, keepdim=True) + RESPONSE_EPS)
        total: Tensor = self.gamma * (x * share) + self.beta + x
        return total


class Block(nn.Module):
    """Depth-wise 7 x 7, layer norm, widening by four, response norm, narrowing, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = ResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (n, c, h, w)."""
        out = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        out = F.gelu(self.pwconv1(out), approximate=GELU_APPROXIMATION)
        out = self.pwconv2(self.grn(out))
        total: Tensor = x + out.permute(0, 3, 1, 2)
        return total


class ConvNeXt(nn.Module):
    """The trunk: a quarter, then three halvings."""

    def __init__(self) -> None:
        super().__init__()
        self.downsample_layers = nn.ModuleList([nn.Sequential(nn.Conv2d(3, WIDTHS[0], 4, 4), ChannelNorm(WIDTHS[0]))])
        for cin, cout in itertools.pairwise(WIDTHS):
            self.downsample_layers.append(nn.Sequential(ChannelNorm(cin), nn.Conv2d(cin, cout, 2, 2)))
        self.stages = nn.ModuleList(
            [nn.Sequential(*(Block(w) for _ in range(d))) for w, d in zip(WIDTHS, DEPTHS, strict=True)]
        )
        self.norm = nn.LayerNorm(WIDTHS[-1], eps=LAYER_NORM_EPS)

    def features(self, picture: Tensor) -> Tensor:
        """Mean feature of pictures (n, 3, h, w): (n, 768)."""
        x = picture
        for shrink, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(shrink(x))
        out: Tensor = self.norm(x.mean(dim=(2, 3)))
        return out
