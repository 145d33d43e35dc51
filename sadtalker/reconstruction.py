"""One aligned picture to the 257 coefficients of a 3-D face model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Heads in order: identity, expression, texture, angles, illumination, translation in the plane, and in depth.
HEADS = (80, 64, 80, 3, 27, 2, 1)
IMAGE_SIZE = 224


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (which carries the stride), 1 x 1, each with batch norm, added to the input."""

    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        cout = 4 * width
        self.conv1 = nn.Conv2d(cin, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, cout, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(cout)
        self.downsample: nn.Module | None = None
        if cin != cout or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, cin, h, w) to (n, 4 width, h / stride, w / stride)."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(out + shortcut)


def _stage(cin: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    rest = [Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Bottleneck(cin, width, stride), *rest)


class ResNet50(nn.Module):
    """The 50-layer residual trunk without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)
        self.layer4 = _stage(1024, 512, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features (n, 2048, 1, 1) of pictures (n, 3, h, w)."""
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return F.adaptive_avg_pool2d(x, 1)


class FaceReconstruction(nn.Module):
    """Trunk and seven linear heads."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet50()
        self.final_layers = nn.ModuleList([nn.Conv2d(2048, size, 1) for size in HEADS])

    def forward(self, picture: Tensor) -> Tensor:
        """Coefficients (n, 257) of aligned RGB pictures in [0, 1], (n, 3, 224, 224)."""
        features = self.backbone(picture)
        return torch.cat([head(features) for head in self.final_layers], dim=1).flatten(1)


@dataclass(frozen=True)
class FaceCoefficients:
    """The 257 numbers by meaning, each (n, size)."""

    identity: Tensor
    expression: Tensor
    texture: Tensor
    angle: Tensor
    illumination: Tensor
    translation: Tensor

    @classmethod
    def split(cls, coefficients: Tensor) -> FaceCoefficients:
        """Take the network's output apart."""
        identity, expression, texture, angle, light, plane, depth = torch.split(coefficients, list(HEADS), dim=1)
        return cls(identity, expression, texture, angle, light, torch.cat([plane, depth], dim=1))

    def row(self, alignment: Tensor) -> Tensor:
        """What the renderer reads: expression 64, angles 3, translation 3, alignment 3, (n, 73).

        Args:
            alignment: scale and translation (x, y) of the crop's alignment, (n, 3).
        """
        return torch.cat([self.expression, self.angle, self.translation, alignment], dim=1)
