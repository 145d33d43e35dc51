"""The seven networks of LivePortrait under the names of its reference vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from facenets.appearance import AppearanceEncoder
from facenets.spade import SpadeDecoder
from liveportrait.motion import MotionExtractor
from liveportrait.retargeting import EyeNet, LipNet, StitchingNet
from liveportrait.warping import WarpingModule

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "F": AppearanceEncoder,
    "M": MotionExtractor,
    "W": WarpingModule,
    "G": partial(SpadeDecoder, doubled=True),
    "stitching": StitchingNet,
    "lip": LipNet,
    "eye": EyeNet,
}


@dataclass(frozen=True)
class Networks:
    """The networks of one performance, all on one device."""

    appearance: AppearanceEncoder
    motion: MotionExtractor
    warping: WarpingModule
    generator: SpadeDecoder
    stitching: StitchingNet
