"""SadTalker's released files: one flat safetensors file with five prefixes, a mapping file, and the older release.

The mapping file depends on the mode: full-picture modes read three more coefficients per frame.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from torch import nn

from facenets.checkpoint import build, read_checkpoint, reject_surplus, section, select
from sadtalker.expression import ExpressionNet
from sadtalker.generator import FaceGenerator
from sadtalker.keypoints import KeyPointDetector
from sadtalker.mapping import MappingNet
from sadtalker.model import Networks
from sadtalker.pose import PoseNet
from sadtalker.reconstruction import FaceReconstruction
from sadtalker.semantics import FULL_COLUMNS, SPEECH_COLUMNS, is_full

Network = TypeVar("Network", bound=nn.Module)

#: Prefixes of the safetensors file.
PREFIXES = ("kp_extractor.", "generator.", "audio2exp.", "audio2pose.", "face_3drecon.")
#: Mapping files by mode: full-picture modes, and the others.
FULL_MAPPING = "mapping_00109-model.pth.tar"
CROP_MAPPING = "mapping_00229-model.pth.tar"


def mapping_file(preprocess: str) -> str:
    """Name of the mapping file that a preprocess mode needs."""
    return FULL_MAPPING if is_full(preprocess) else CROP_MAPPING


def load_mapping(path: Path, preprocess: str) -> MappingNet:
    """The mapping net for a preprocess mode, from its ``mapping_*-model.pth.tar``."""
    columns = FULL_COLUMNS if is_full(preprocess) else SPEECH_COLUMNS
    weights = section(read_checkpoint(path), "mapping", path)
    return build(partial(MappingNet, columns), weights, path, f"mapping ({columns} coefficients)")


def load_networks(path: Path, mapping: Path, preprocess: str = "crop") -> Networks:
    """All networks from ``SadTalker_V0.0.2_256.safetensors`` (or ``_512``) and a mapping file."""
    content = read_checkpoint(path)
    reject_surplus(content, PREFIXES, path)

    def network(builder: Callable[[], Network], prefix: str) -> Network:
        return build(builder, select(content, prefix), path, prefix.rstrip("."))

    return Networks(
        expression=network(ExpressionNet, "audio2exp."),
        pose=network(PoseNet, "audio2pose."),
        reconstruction=network(FaceReconstruction, "face_3drecon."),
        detector=network(KeyPointDetector, "kp_extractor."),
        generator=network(FaceGenerator, "generator."),
        mapping=load_mapping(mapping, preprocess),
    )


def load_legacy(folder: Path, preprocess: str = "crop") -> Networks:
    """All networks from the five files of the first release, by their released names in one folder."""

    def network(builder: Callable[[], Network], file: str, part: str) -> Network:
        path = folder / file
        return build(builder, section(read_checkpoint(path), part, path), path, part)

    return Networks(
        expression=network(ExpressionNet, "auido2exp_00300-model.pth", "model"),
        pose=network(PoseNet, "auido2pose_00140-model.pth", "model"),
        reconstruction=network(FaceReconstruction, "epoch_20.pth", "net_recon"),
        detector=network(KeyPointDetector, "facevid2vid_00189-model.pth.tar", "kp_detector"),
        generator=network(FaceGenerator, "facevid2vid_00189-model.pth.tar", "generator"),
        mapping=load_mapping(folder / mapping_file(preprocess), preprocess),
    )
