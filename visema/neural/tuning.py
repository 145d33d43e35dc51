"""The same networks, made to run faster: arithmetic that never changes done once, memory laid out for the machine."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facenets.convblock import ConvBlock, TransposedBlock
from facenets.spade import SpectralConv2d
from facenets.volume import DownBlock2d, DownBlock3d, SameBlock2d, UpBlock3d

_CONVOLUTION_THEN_NORM = (DownBlock2d, DownBlock3d, SameBlock2d, UpBlock3d)
_MATRICES = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


def fold(network: nn.Module) -> None:
    """Put every batch norm that follows a convolution into its kernel, and divide spectral kernels once, in place.

    The network draws what it drew before, up to rounding; its weights can no longer be saved under the released names.
    """
    network.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ConvBlock | TransposedBlock):
            layers: Any = module.conv_block
            layers[0] = fuse_conv_bn_eval(layers[0], layers[1], transpose=isinstance(module, TransposedBlock))
            layers[1] = nn.Identity()
        elif isinstance(module, _CONVOLUTION_THEN_NORM):
            block: Any = module
            block.conv = fuse_conv_bn_eval(block.conv, block.norm)
            block.norm = nn.Identity()
        for name, child in list(module.named_children()):
            if isinstance(child, SpectralConv2d):
                setattr(module, name, _divided(child))


def _divided(spectral: SpectralConv2d) -> nn.Conv2d:
    kernel = spectral.weight_orig
    sigma = torch.dot(spectral.weight_u, kernel.flatten(1) @ spectral.weight_v)
    out, into, size, _ = kernel.shape
    with torch.device("meta"):
        plain = nn.Conv2d(into, out, size, padding=spectral.padding, bias=spectral.bias is not None)
    plain.weight = nn.Parameter(kernel / sigma, requires_grad=False)
    if spectral.bias is not None:
        plain.bias = nn.Parameter(spectral.bias.detach(), requires_grad=False)
    return plain.eval()


def channels_last(network: nn.Module) -> None:
    """Lay out kernels of two dimensions as the machines' fast paths want them, in place; 3-D ones stay."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            kernel = module.weight.detach().contiguous(memory_format=torch.channels_last)
            module.weight = nn.Parameter(kernel, requires_grad=False)


def halve(network: nn.Module) -> None:
    """Keep kernels and matrices in 16 bits, in place.

    The network is to be run under autocast: coordinates, normalisations and soft maxima stay in 32 bits.
    """
    for module in network.modules():
        if isinstance(module, _MATRICES):
            module.half()
