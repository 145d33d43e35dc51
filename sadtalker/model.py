"""SadTalker's networks under the names of its release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from sadtalker.expression import ExpressionNet
from sadtalker.generator import FaceGenerator
from sadtalker.keypoints import KeyPointDetector
from sadtalker.mapping import MappingNet
from sadtalker.pose import PoseNet
from sadtalker.reconstruction import FaceReconstruction
from sadtalker.semantics import FULL_COLUMNS, SPEECH_COLUMNS

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "audio2exp": ExpressionNet,
    "audio2pose": PoseNet,
    "face_3drecon": FaceReconstruction,
    "mapping_70": partial(MappingNet, SPEECH_COLUMNS),
    "mapping_73": partial(MappingNet, FULL_COLUMNS),
    "kp_extractor": KeyPointDetector,
    "generator": FaceGenerator,
}


@dataclass(frozen=True)
class Networks:
    """All networks of one performance, on one device."""

    expression: ExpressionNet
    pose: PoseNet
    reconstruction: FaceReconstruction
    detector: KeyPointDetector
    generator: FaceGenerator
    mapping: MappingNet
