"""Speech to expression: 64 numbers of a 3-D face model per video frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facenets.convblock import mel_encoder

EXPRESSIONS = 64
#: Frames per run of the network; it was trained on stretches of this length.
CHUNK = 10


class ExpressionNet(nn.Module):
    """Reads 200 ms of mel, the source's own expression and how far the eyes are shut."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = mel_encoder()
        self.mapping1 = nn.Linear(512 + EXPRESSIONS + 1, EXPRESSIONS)

    def forward(self, mel: Tensor, reference: Tensor, blink: Tensor) -> Tensor:
        """Expression of every frame, absolute (not relative to the reference).

        Args:
            mel: windows, (n t, 1, 80, 16).
            reference: expression of the source, (n, t, 64).
            blink: 0 open to 1 shut, (n, t, 1).

        Returns:
            (n, t, 64).
        """
        audio = self.audio_encoder(mel).flatten(1).unflatten(0, reference.shape[:2])
        out: Tensor = self.mapping1(torch.cat([audio, reference, blink], dim=2))
        return out


def expressions(network: ExpressionNet, mels: Tensor, reference: Tensor, blink: Tensor) -> Tensor:
    """Expression of a whole speech, ten frames at a time.

    Args:
        network: the network.
        mels: (n, t, 1, 80, 16).
        reference: rows of the face model, of which the first 64 columns are read, (n, t, >= 64).
        blink: (n, t, 1).

    Returns:
        (n, t, 64).
    """
    parts = []
    for start in range(0, mels.shape[1], CHUNK):
        rows = slice(start, start + CHUNK)
        parts.append(network(mels[:, rows].flatten(0, 1), reference[:, rows, :EXPRESSIONS], blink[:, rows]))
    return torch.cat(parts, dim=1)
