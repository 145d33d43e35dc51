"""Files as they are released, with weights by formula."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from facenets.appearance import AppearanceEncoder
from facenets.spade import SpadeDecoder
from facenets.synthetic import synthetic
from liveportrait.motion import MotionExtractor
from liveportrait.retargeting import EyeNet, LipNet, StitchingNet
from liveportrait.warping import WarpingModule
from sadtalker.expression import ExpressionNet
from sadtalker.generator import FaceGenerator
from sadtalker.keypoints import KeyPointDetector
from sadtalker.mapping import MappingNet
from sadtalker.pose import PoseNet
from sadtalker.reconstruction import FaceReconstruction
from sadtalker.semantics import FULL_COLUMNS
from wav2lip.model import Wav2Lip


def _state(builder: Any, name: str, prefix: str = "") -> dict[str, torch.Tensor]:
    return {f"{prefix}{key}": value for key, value in synthetic(builder, name).state_dict().items()}


def write_sadtalker(folder: Path, size: int = 256) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "kp_extractor.": KeyPointDetector,
        "generator.": FaceGenerator,
        "audio2exp.": ExpressionNet,
        "audio2pose.": PoseNet,
        "face_3drecon.": FaceReconstruction,
    }
    flat: dict[str, torch.Tensor] = {}
    for prefix, builder in parts.items():
        flat |= _state(builder, prefix.rstrip("."), prefix)
    save_file(flat, folder / f"SadTalker_V0.0.2_{size}.safetensors")
    torch.save(
        {"mapping": _state(partial(MappingNet, FULL_COLUMNS), "mapping_73")}, folder / "mapping_00109-model.pth.tar"
    )


def write_wav2lip(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": _state(Wav2Lip, "wav2lip", "module."), "global_step": 1}, folder / "wav2lip.pth")


def write_liveportrait(folder: Path) -> None:
    base, more = folder / "base_models", folder / "retargeting_models"
    base.mkdir(parents=True, exist_ok=True)
    more.mkdir(exist_ok=True)
    torch.save(_state(AppearanceEncoder, "F"), base / "appearance_feature_extractor.pth")
    torch.save(_state(MotionExtractor, "M"), base / "motion_extractor.pth")
    torch.save(_state(WarpingModule, "W"), base / "warping_module.pth")
    torch.save(_state(partial(SpadeDecoder, doubled=True), "G"), base / "spade_generator.pth")
    nets = {"retarget_shoulder": StitchingNet, "retarget_mouth": LipNet, "retarget_eye": EyeNet}
    torch.save(
        {name: _state(builder, name, "module.") for name, builder in nets.items()},
        more / "stitching_retargeting_module.pth",
    )
