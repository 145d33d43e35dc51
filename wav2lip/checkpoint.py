"""Wav2Lip's released files: ``torch.save`` with the weights under "state_dict", some with "module." before keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from torch import nn

from facenets.checkpoint import bare, build, read_checkpoint, section
from wav2lip.discriminator import QualityDiscriminator
from wav2lip.model import Wav2Lip
from wav2lip.syncnet import SyncNet

Network = TypeVar("Network", bound=nn.Module)


def _load(path: Path, builder: Callable[[], Network], name: str) -> Network:
    weights = bare(section(read_checkpoint(path), "state_dict", path))
    return build(builder, weights, path, name)


def load_generator(path: Path) -> Wav2Lip:
    """The generator, from ``wav2lip.pth`` or ``wav2lip_gan.pth``."""
    return _load(path, Wav2Lip, "Wav2Lip")


def load_syncnet(path: Path) -> SyncNet:
    """The sync expert, from ``lipsync_expert.pth``."""
    return _load(path, SyncNet, "SyncNet")


def load_discriminator(path: Path) -> QualityDiscriminator:
    """The quality discriminator, from ``visual_quality_disc.pth``."""
    return _load(path, QualityDiscriminator, "quality discriminator")
