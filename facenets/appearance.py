"""The look of a face as a volume of features, from one picture."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from facenets.volume import DownBlock2d, ResBlock3d, SameBlock2d

#: A volume has 32 channels at 16 depths, at a quarter of the picture's size.
CHANNELS, DEPTH = 32, 16
PICTURE_PER_VOXEL = 4


class AppearanceLayers(nn.Module):
    """Base of networks that encode pictures: two halvings, 512 channels as 32 x 16 depths, six residual blocks."""

    def add_encoder(self) -> None:
        """Create the layers; apart from the constructor so that a subclass can place them among its own."""
        self.first = SameBlock2d(3, 64)
        self.down_blocks = nn.ModuleList([DownBlock2d(64, 128), DownBlock2d(128, 256)])
        self.second = nn.Conv2d(256, CHANNELS * DEPTH, 1)
        self.resblocks_3d = nn.Sequential(OrderedDict((f"3dr{i}", ResBlock3d(CHANNELS)) for i in range(6)))

    def encode(self, picture: Tensor) -> Tensor:
        """Feature volume of pictures.

        Args:
            picture: RGB in [0, 1], (n, 3, h, w).

        Returns:
            (n, 32, 16, h/4, w/4).
        """
        x = self.first(picture)
        for block in self.down_blocks:
            x = block(x)
        volume = self.second(x).unflatten(1, (CHANNELS, DEPTH))
        out: Tensor = self.resblocks_3d(volume)
        return out


class AppearanceEncoder(AppearanceLayers):
    """The encoder as a network of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.add_encoder()

    def forward(self, picture: Tensor) -> Tensor:
        """Feature volume (n, 32, 16, h/4, w/4) of RGB pictures in [0, 1], (n, 3, h, w)."""
        return self.encode(picture)
