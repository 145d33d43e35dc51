"""Head angles from classifier bins, and rotations about the three axes."""

from __future__ import annotations

import torch
from torch import Tensor

#: Classes of an angle head, three degrees apart.
BINS = 66
DEGREES_PER_BIN = 3.0


def expected_degrees(logits: Tensor, offset: float) -> Tensor:
    """Mean angle under the softmax of the bins: (n, 66) to (n,), in degrees, bin 0 standing for ``-offset``."""
    index = torch.arange(BINS, device=logits.device, dtype=logits.dtype)
    return DEGREES_PER_BIN * (torch.softmax(logits, dim=1) * index).sum(dim=1) - offset


def axis_rotations(pitch: Tensor, yaw: Tensor, roll: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rotations about x (pitch), y (yaw) and z (roll) of angles in radians (n,), each (n, 3, 3)."""
    one, zero = torch.ones_like(pitch), torch.zeros_like(pitch)

    def matrix(*rows: Tensor) -> Tensor:
        return torch.unflatten(torch.stack(rows, dim=1), 1, (3, 3))

    cx, sx = pitch.cos(), pitch.sin()
    cy, sy = yaw.cos(), yaw.sin()
    cz, sz = roll.cos(), roll.sin()
    return (
        matrix(one, zero, zero, zero, cx, -sx, zero, sx, cx),
        matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy),
        matrix(cz, -sz, zero, sz, cz, zero, zero, zero, one),
    )
