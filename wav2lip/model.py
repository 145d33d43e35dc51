"""Wav2Lip's generator: a face with its lower half hidden, and 200 ms of mel, to the face speaking."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facenets.convblock import ConvBlock, TransposedBlock, mel_encoder, residual_block

#: Side of the square face crop in pixels; three stages of the decoder rely on it.
IMAGE_SIZE = 96


def _down(cin: int, cout: int, residuals: int) -> nn.Sequential:
    """Halve the picture, then refine it."""
    refine = [residual_block(cout) for _ in range(residuals)]
    return nn.Sequential(ConvBlock(cin, cout, 3, stride=2, padding=1), *refine)


def _up(cin: int, cout: int) -> nn.Sequential:
    """Double the picture, then refine it twice."""
    double = TransposedBlock(cin, cout, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(double, residual_block(cout), residual_block(cout))


class Wav2Lip(nn.Module):
    """Generator with skip connections from every scale of the face encoder.

    Pictures are in the channel order of OpenCV (blue first), in [0, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(ConvBlock(6, 16, 7, padding=3)),  # 96 x 96
                _down(16, 32, 2),  # 48
                _down(32, 64, 3),  # 24
                _down(64, 128, 2),  # 12
                _down(128, 256, 2),  # 6
                _down(256, 512, 1),  # 3
                nn.Sequential(ConvBlock(512, 512, 3), ConvBlock(512, 512, 1)),  # 1
            ]
        )
        self.audio_encoder = mel_encoder()
        self.face_decoder_blocks = nn.ModuleList(
            [
                nn.Sequential(ConvBlock(512, 512, 1)),  # 1
                nn.Sequential(TransposedBlock(1024, 512, 3), residual_block(512)),  # 3
                _up(1024, 512),  # 6
                _up(768, 384),  # 12
                _up(512, 256),  # 24
                _up(320, 128),  # 48
                _up(160, 64),  # 96
            ]
        )
        self.output_block = nn.Sequential(ConvBlock(80, 32, 3, padding=1), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def draw(self, mel: Tensor, face: Tensor) -> Tensor:
        """Draw single frames: mel (n, 1, 80, 16) and face (n, 6, 96, 96) to pictures (n, 3, 96, 96)."""
        skips = []
        x = face
        for block in self.face_encoder_blocks:
            x = block(x)
            skips.append(x)
        x = self.audio_encoder(mel)
        for block in self.face_decoder_blocks:
            x = torch.cat([block(x), skips.pop()], dim=1)
        picture: Tensor = self.output_block(x)
        return picture

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """Draw frames or stretches of frames.

        Args:
            mel: (n, 1, 80, 16), or (n, t, 1, 80, 16) for stretches of t frames.
            face: (n, 6, 96, 96), or (n, 6, t, 96, 96): the masked crop, then the reference crop.

        Returns:
            Pictures in [0, 1], (n, 3, 96, 96) or (n, 3, t, 96, 96).
        """
        if face.dim() == 4:
            return self.draw(mel, face)
        flat = self.draw(time_major(mel, 1), time_major(face, 2))
        return torch.stack(torch.split(flat, face.shape[0]), dim=2)


def time_major(x: Tensor, axis: int) -> Tensor:
    """Join the batch with the time axis so that all first frames come first: (n, .., t, ..) to (t n, ..)."""
    return torch.cat(x.unbind(axis), dim=0)
