"""The picture generator: normalisation steered by the features themselves, spectrally normalised kernels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2
HIDDEN = 128
FEATURES = 256


class SpectralConv2d(nn.Module):
    """Convolution whose kernel is divided by its largest singular value, estimated by stored vectors.

    The stored u and v are used as they are; nothing is iterated, so a loaded network gives the released numbers.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, cin: int, cout: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None
        self.weight_orig = nn.Parameter(torch.empty(cout, cin, kernel, kernel))
        self.register_buffer("weight_u", torch.empty(cout))
        self.register_buffer("weight_v", torch.empty(cin * kernel * kernel))
        self.padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, h, w) to (n, cout, h, w)."""
        sigma = torch.dot(self.weight_u, self.weight_orig.flatten(1) @ self.weight_v)
        return F.conv2d(x, self.weight_orig / sigma, self.bias, padding=self.padding)


class Spade(nn.Module):
    """Instance norm (per picture, also in evaluation) with scale and shift maps computed from the features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(FEATURES, HIDDEN, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(HIDDEN, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(HIDDEN, channels, 3, padding=1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Normalise (n, c, h, w); features (n, 256, h', w') are brought to its size by repetition."""
        hidden = self.mlp_shared(F.interpolate(features, size=x.shape[2:], mode="nearest"))
        out: Tensor = F.instance_norm(x, eps=1e-5) * (1.0 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)
        return out


class SpadeBlock(nn.Module):
    """Two steered convolutions with a shortcut, itself steered (but not activated) when the width changes."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.widens = cin != cout
        middle = min(cin, cout)
        self.conv_0 = SpectralConv2d(cin, middle, 3)
        self.conv_1 = SpectralConv2d(middle, cout, 3)
        if self.widens:
            self.conv_s = SpectralConv2d(cin, cout, 1, bias=False)
        self.norm_0 = Spade(cin)
        self.norm_1 = Spade(middle)
        if self.widens:
            self.norm_s = Spade(cin)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Map (n, cin, h, w) to (n, cout, h, w)."""
        shortcut = self.conv_s(self.norm_s(x, features)) if self.widens else x
        out = self.conv_0(F.leaky_relu(self.norm_0(x, features), LEAK))
        out = self.conv_1(F.leaky_relu(self.norm_1(out, features), LEAK))
        total: Tensor = shortcut + out
        return total


class SpadeDecoder(nn.Module):
    """Warped features to a picture four times their size, or eight times with ``doubled``."""

    def __init__(self, doubled: bool = False) -> None:
        super().__init__()
        self.fc = nn.Conv2d(FEATURES, 512, 3, padding=1)
        for i in range(6):
            self.add_module(f"G_middle_{i}", SpadeBlock(512, 512))
        self.up_0 = SpadeBlock(512, 256)
        self.up_1 = SpadeBlock(256, 64)
        # Doubling trades channels for pixels: twelve maps become three of twice the size.
        self.conv_img: nn.Module = (
            nn.Sequential(nn.Conv2d(64, 12, 3, padding=1), nn.PixelShuffle(2))
            if doubled
            else nn.Conv2d(64, 3, 3, padding=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Picture of features.

        Args:
            features: (n, 256, h, w).

        Returns:
            RGB in [0, 1], (n, 3, 4h, 4w), or (n, 3, 8h, 8w) when doubled.
        """
        x = self.fc(features)
        for i in range(6):
            x = self.get_submodule(f"G_middle_{i}")(x, features)
        x = self.up_0(F.interpolate(x, scale_factor=2.0), features)
        x = self.up_1(F.interpolate(x, scale_factor=2.0), features)
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, LEAK)))
