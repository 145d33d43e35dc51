"""The visual quality discriminator: how real the lower half of a face looks."""

from __future__ import annotations

from torch import Tensor, nn

from facenets.convblock import PlainConvBlock
from wav2lip.model import time_major


def _stage(cin: int, cout: int, kernel: int) -> nn.Sequential:
    """Halve the picture, then one block at the new size."""
    pad = kernel // 2
    return nn.Sequential(PlainConvBlock(cin, cout, kernel, 2, pad), PlainConvBlock(cout, cout, kernel, 1, pad))


class QualityDiscriminator(nn.Module):
    """Seven stages over the lower half of a crop, (48, 96) down to one number."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(PlainConvBlock(3, 32, 7, padding=3)),  # 48 x 96
                nn.Sequential(
                    PlainConvBlock(32, 64, 5, stride=(1, 2), padding=2), PlainConvBlock(64, 64, 5, padding=2)
                ),  # 48 x 48
                _stage(64, 128, 5),  # 24
                _stage(128, 256, 5),  # 12
                _stage(256, 512, 3),  # 6
                _stage(512, 512, 3),  # 3
                nn.Sequential(PlainConvBlock(512, 512, 3), PlainConvBlock(512, 512, 1)),  # 1
            ]
        )
        self.binary_pred = nn.Sequential(nn.Conv2d(512, 1, 1), nn.Sigmoid())

    def forward(self, face: Tensor) -> Tensor:
        """Probability of being real: crops (n, 3, t, 96, 96) to (t n, 1), all first frames first."""
        x = time_major(face, 2)
        x = x[:, :, x.shape[2] // 2 :]
        for block in self.face_encoder_blocks:
            x = block(x)
        probability: Tensor = self.binary_pred(x)
        return probability.flatten(1)
