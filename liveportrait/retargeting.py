"""Small networks on key points: stitching to the source's shoulders, opening and closing eyes and lips."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from liveportrait.keypoints import KEY_POINTS

#: Pairs of the 203 landmarks: (upper, lower) over (corner, corner).
LEFT_EYE = ((6, 18), (0, 12))
RIGHT_EYE = ((30, 42), (24, 36))
LIPS = ((90, 102), (48, 66))
RATIO_EPS = 1e-6
#: Lips open at least this far in the source are closed before driving.
LIP_OPEN = 0.03
#: A source video whose eyes start half shut is driven to an ordinary opening.
EYES_SHUT, EYES_ORDINARY = 0.18, 0.39


class PointNet(nn.Module):
    """Linear layers with ReLU between.

    Args:
        widths: of the input, the hidden layers and the output.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for cin, cout in itertools.pairwise(widths):
            layers += [nn.Linear(cin, cout), nn.ReLU()]
        self.mlp = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, widths[0]) to (n, widths[-1])."""
        out: Tensor = self.mlp(x)
        return out


class StitchingNet(PointNet):
    """Keeps a moved head on the source's shoulders."""

    def __init__(self) -> None:
        super().__init__((6 * KEY_POINTS, 128, 128, 64, 3 * KEY_POINTS + 2))

    def stitch(self, source: Tensor, driving: Tensor) -> Tensor:
        """Driving points (n, 21, 3) corrected for the source's (n, 21, 3)."""
        delta = self(torch.cat([source.flatten(1), driving.flatten(1)], dim=1))
        shape = delta[:, : 3 * KEY_POINTS].unflatten(1, (KEY_POINTS, 3))
        shift = nn.functional.pad(delta[:, 3 * KEY_POINTS :], (0, 1))
        total: Tensor = driving + shape + shift[:, None]
        return total


class LipNet(PointNet):
    """Opens and closes the lips."""

    def __init__(self) -> None:
        super().__init__((3 * KEY_POINTS + 2, 128, 128, 64, 3 * KEY_POINTS))

    def delta(self, source: Tensor, ratios: Tensor) -> Tensor:
        """Shift of points (n, 21, 3) from lip ratios now and wanted, (n, 2)."""
        return _delta(self, source, ratios)


class EyeNet(PointNet):
    """Opens and closes the eyes."""

    def __init__(self) -> None:
        super().__init__((3 * KEY_POINTS + 3, 256, 256, 128, 128, 64, 3 * KEY_POINTS))

    def delta(self, source: Tensor, ratios: Tensor) -> Tensor:
        """Shift of points (n, 21, 3) from the left and right eye's ratio now and the wanted one, (n, 3)."""
        return _delta(self, source, ratios)


def _delta(network: PointNet, source: Tensor, ratios: Tensor) -> Tensor:
    out: Tensor = network(torch.cat([source.flatten(1), ratios], dim=1))
    return torch.unflatten(out, 1, (KEY_POINTS, 3))


def _ratio(landmarks: NDArray[np.float32], pairs: tuple[tuple[int, int], tuple[int, int]]) -> NDArray[np.float32]:
    (upper, lower), (one, other) = pairs
    height = np.linalg.norm(landmarks[:, upper] - landmarks[:, lower], axis=1, keepdims=True)
    width = np.linalg.norm(landmarks[:, one] - landmarks[:, other], axis=1, keepdims=True)
    out: NDArray[np.float32] = height / (width + RATIO_EPS)
    return out


def eye_ratios(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each eye is open, height over width: landmarks (n, 203, 2) to (n, 2), left and right."""
    return np.concatenate([_ratio(landmarks, LEFT_EYE), _ratio(landmarks, RIGHT_EYE)], axis=1)


def lip_ratio(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the lips are open, height over width: landmarks (n, 203, 2) to (n, 1)."""
    return _ratio(landmarks, LIPS)


def video_eye_target(first: NDArray[np.float32]) -> float:
    """Eye opening that a source video is held to, from the two ratios of its first frame, (2,) or (1, 2)."""
    mean = float(np.mean(first))
    return EYES_ORDINARY if mean < EYES_SHUT else mean
