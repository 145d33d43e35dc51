"""``python -m sadtalker.verify DIR``: reproduce the reference vectors of SadTalker."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facenets.frontend import MEL_KINDS
from facenets.vectors import ENERGY, FRAMES, MATHS, Case
from facenets.verification import Array, Kind, Outputs, Suite, main
from sadtalker.alignment import align, crop_face
from sadtalker.expression import expressions
from sadtalker.inference import Renderer, head_track
from sadtalker.keypoints import pose_key_points
from sadtalker.model import BUILDERS
from sadtalker.semantics import head_path, semantics
from sadtalker.speech import speech_windows

Inputs = Mapping[str, Array]
Get = Callable[[str], Any]


def _tensors(inputs: Inputs) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in inputs.items()}


def _audio2exp(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    t = _tensors(inputs)
    return {"exp": get("audio2exp")(t["mel"], t["ref"], t["ratio"])}


def _audio2exp_seq(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    t = _tensors(inputs)
    return {"exp": expressions(get("audio2exp"), t["indiv_mels"], t["ref"], t["ratio_gt"])}


def _audio2pose(case: Case, inputs: Inputs, get: Get) -> Outputs:
    t = _tensors(inputs)
    latents = iter([t[f"z{i}"] for i in range(case.params["chunks"])])
    track = head_track(get("audio2pose"), t["indiv_mels"], t["ref"], case.params["pose_style"], lambda: next(latents))
    return {"pose_motion_pred": track.motion, "pose_pred": track.pose, "pose_smoothed": track.smoothed}


def _recon(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    return {"coeff": get("face_3drecon")(torch.from_numpy(inputs["image"]))}


def _mapping(case: Case, inputs: Inputs, get: Get) -> Outputs:
    heads = get(case.nets[0])(torch.from_numpy(inputs["coeff"]))
    return dict(zip(("yaw", "pitch", "roll", "t", "exp"), heads, strict=True))


def _kp(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    return {"kp": get("kp_extractor")(torch.from_numpy(inputs["image"]))}


def _kp_transform(case: Case, inputs: Inputs, _get: Get) -> Outputs:
    t = _tensors(inputs)
    given = {name.removesuffix("_in"): t[name] for name in case.params["overrides"]}
    posed = pose_key_points(t["kp"], (t["yaw"], t["pitch"], t["roll"], t["t"], t["exp"]), **given)
    return {
        "kp_out": posed.points,
        "kp_out_wo_exp": posed.rigid,
        "deg_yaw": posed.yaw,
        "deg_pitch": posed.pitch,
        "deg_roll": posed.roll,
    }


def _generator(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    t = _tensors(inputs)
    network = get("generator")
    volume = network.encode(t["image"])
    rendered = network.render(volume, t["kp_source"], t["kp_driving"])
    return {
        "feature_3d": volume,
        "deformation": rendered.motion.deformation,
        "mask": rendered.motion.mask,
        "occlusion_map": rendered.motion.occlusion,
        "prediction": rendered.picture,
    }


def _chain(case: Case, inputs: Inputs, get: Get) -> Outputs:
    t = _tensors(inputs)
    mapping = next(name for name in case.nets if name.startswith("mapping"))
    renderer = Renderer.prepare(
        get("kp_extractor"), get(mapping), get("generator"), t["source_image"], t["source_semantics"]
    )
    angles = {name.removesuffix("_c_seq"): t[name] for name in case.params["overrides"]}
    driving = renderer.driving(t["target_semantics"], angles)
    frames = [renderer.draw(driving[:, i]) for i in range(driving.shape[1])]
    return {
        "kp_canonical": renderer.canonical,
        "kp_source": renderer.source,
        "kp_driving": driving,
        "frames": torch.stack(frames, dim=1),
    }


def _semantics(case: Case, inputs: Inputs, _get: Get) -> Outputs:
    p = case.params
    made = semantics(
        inputs["source_coeff"],
        inputs["generated_coeff"],
        p["batch_size"],
        p["preprocess"],
        p["still"],
        p["expression_scale"],
    )
    outputs = {"source_semantics": made.source, "target_semantics_list": made.target}
    for axis in ("yaw", "pitch", "roll"):
        if p.get(f"{axis}_list") is not None:
            outputs[f"{axis}_c_seq"] = head_path(p[f"{axis}_list"], made.frames, p["batch_size"])
    return outputs


def _sad_windows(_case: Case, inputs: Inputs, _get: Get) -> Outputs:
    made = speech_windows(inputs["wav"])
    return {"num_frames": np.array([len(made.starts)]), "indiv_mels": made.windows, "window_start": made.starts}


def _align_img(_case: Case, inputs: Inputs, _get: Get) -> Outputs:
    made = align(inputs["image"], inputs["lm"])
    return {
        "trans_params": made.parameters,
        "image_224": made.picture,
        "lm_new": made.landmarks,
        "lm5": made.anchors,
    }


def _align_face(case: Case, inputs: Inputs, _get: Get) -> Outputs:
    made = crop_face(inputs["lm"], case.params["height"], case.params["width"])
    return {"rsize": made.size, "crop": made.crop, "quad_box": made.box}


SUITE = Suite(
    project="sadtalker",
    builders=BUILDERS,
    kinds={
        ("sadtalker", "audio2exp"): Kind(_audio2exp),
        ("sadtalker", "audio2exp_seq"): Kind(_audio2exp_seq),
        ("sadtalker", "audio2pose"): Kind(_audio2pose),
        ("sadtalker", "recon"): Kind(_recon),
        ("sadtalker", "mapping"): Kind(_mapping),
        ("sadtalker", "kp"): Kind(_kp),
        ("sadtalker", "kp_transform"): Kind(_kp_transform, MATHS),
        # A voxel whose share lies at the threshold may flip, which moves single values of what comes after.
        ("sadtalker", "generator"): Kind(_generator, rules={"deformation": ENERGY, "prediction": FRAMES}),
        ("sadtalker", "chain"): Kind(_chain, rules={"frames": FRAMES}),
        ("sadtalker", "semantics"): Kind(_semantics, MATHS),
        ("frontend", "sad_windows"): Kind(_sad_windows, MATHS),
        ("frontend", "align_img"): Kind(_align_img, MATHS),
        ("frontend", "align_face"): Kind(_align_face, MATHS),
        **MEL_KINDS,
    },
)

if __name__ == "__main__":
    sys.exit(main(SUITE))
