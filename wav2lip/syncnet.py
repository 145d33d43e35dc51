"""The lip-sync expert: how well five mouths and 200 ms of sound belong together."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from facenets.convblock import ConvBlock, residual_block


class SyncNet(nn.Module):
    """Two encoders into one space of 512 numbers.

    Both end in a ReLU, so embeddings have no negative entry and cosines lie in [0, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder = nn.Sequential(
            ConvBlock(15, 32, 7, padding=3),
            ConvBlock(32, 64, 5, stride=(1, 2), padding=1),
            residual_block(64),
            residual_block(64),
            ConvBlock(64, 128, 3, stride=2, padding=1),
            residual_block(128),
            residual_block(128),
            residual_block(128),
            ConvBlock(128, 256, 3, stride=2, padding=1),
            residual_block(256),
            residual_block(256),
            ConvBlock(256, 512, 3, stride=2, padding=1),
            residual_block(512),
            residual_block(512),
            ConvBlock(512, 512, 3, stride=2, padding=1),
            ConvBlock(512, 512, 3),
            ConvBlock(512, 512, 1),
        )
        self.audio_encoder = nn.Sequential(
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
            residual_block(256),
            ConvBlock(256, 512, 3),
            ConvBlock(512, 512, 1),
        )

    def forward(self, mel: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        """Embed sound and mouths.

        Args:
            mel: (n, 1, 80, 16).
            face: lower halves of five consecutive crops stacked as channels, (n, 15, 48, 96).

        Returns:
            Audio and face embeddings of length 1, (n, 512) each.
        """
        audio = self.audio_encoder(mel).flatten(1)
        mouth = self.face_encoder(face).flatten(1)
        return F.normalize(audio, dim=1), F.normalize(mouth, dim=1)
