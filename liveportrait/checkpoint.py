"""LivePortrait's released files: four flat state dicts, and one file with the three small networks.

The animals' release has the same names and shapes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from facenets.appearance import AppearanceEncoder
from facenets.checkpoint import bare, build, read_checkpoint, section
from facenets.spade import SpadeDecoder
from liveportrait.model import Networks
from liveportrait.motion import MotionExtractor
from liveportrait.retargeting import EyeNet, LipNet, StitchingNet
from liveportrait.warping import WarpingModule

#: Where the release keeps its files under its own folder.
BASE = "base_models"
RETARGETING = Path("retargeting_models") / "stitching_retargeting_module.pth"


def load_appearance(path: Path) -> AppearanceEncoder:
    """The encoder, from ``appearance_feature_extractor.pth``."""
    return build(AppearanceEncoder, bare(read_checkpoint(path)), path, "appearance")


def load_motion(path: Path) -> MotionExtractor:
    """The motion extractor, from ``motion_extractor.pth``."""
    return build(MotionExtractor, bare(read_checkpoint(path)), path, "motion")


def load_warping(path: Path) -> WarpingModule:
    """The warping module, from ``warping_module.pth``."""
    return build(WarpingModule, bare(read_checkpoint(path)), path, "warping")


def load_generator(path: Path) -> SpadeDecoder:
    """The generator, from ``spade_generator.pth``."""
    return build(partial(SpadeDecoder, doubled=True), bare(read_checkpoint(path)), path, "generator")


def load_retargeting(path: Path) -> tuple[StitchingNet, LipNet, EyeNet]:
    """The small networks, from ``stitching_retargeting_module.pth``; its other entries are not read."""
    content = read_checkpoint(path)
    return (
        build(StitchingNet, bare(section(content, "retarget_shoulder", path)), path, "stitching"),
        build(LipNet, bare(section(content, "retarget_mouth", path)), path, "lip"),
        build(EyeNet, bare(section(content, "retarget_eye", path)), path, "eye"),
    )


def load_networks(folder: Path) -> Networks:
    """The five networks of a performance, from the release's folder."""
    base = folder / BASE
    stitching, _, _ = load_retargeting(folder / RETARGETING)
    return Networks(
        appearance=load_appearance(base / "appearance_feature_extractor.pth"),
        motion=load_motion(base / "motion_extractor.pth"),
        warping=load_warping(base / "warping_module.pth"),
        generator=load_generator(base / "spade_generator.pth"),
        stitching=stitching,
    )
