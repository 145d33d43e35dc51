"""``python -m liveportrait.verify DIR``: reproduce the reference vectors of LivePortrait."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facenets.vectors import MATHS, Case
from facenets.verification import Array, Kind, Outputs, Suite, main
from liveportrait.crop import crop_face, face_square
from liveportrait.inference import Options, drive, prepare_source, read_faces, render
from liveportrait.keypoints import degrees, face_of, motion_multiplier
from liveportrait.model import BUILDERS, Networks
from liveportrait.retargeting import eye_ratios, lip_ratio

Inputs = Mapping[str, Array]
Get = Callable[[str], Any]
HEADS = ("pitch", "yaw", "roll", "t", "exp", "scale", "kp")


def _tensors(inputs: Inputs) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in inputs.items()}


def _appearance(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    return {"feature_3d": get("F")(torch.from_numpy(inputs["image"]))}


def _motion(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    return dict(zip(HEADS, get("M")(torch.from_numpy(inputs["image"])), strict=True))


def _warping(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    t = _tensors(inputs)
    warped = get("W")(t["feature_3d"], t["kp_source"], t["kp_driving"])
    return {
        "mask": warped.motion.mask,
        "deformation": warped.motion.deformation,
        "occlusion_map": warped.motion.occlusion,
        "out": warped.features,
    }


def _generator(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    return {"image": get("G")(torch.from_numpy(inputs["feature"]))}


def _mlp(case: Case, inputs: Inputs, get: Get) -> Outputs:
    return {"y": get(case.nets[0])(torch.from_numpy(inputs["x"]))}


def _transform(_case: Case, inputs: Inputs, get: Get) -> Outputs:
    t = _tensors(inputs)
    pitch, yaw, roll, translation, expression, scale, canonical = (t[name] for name in HEADS)
    face = face_of((pitch, yaw, roll, translation, expression, scale, canonical))
    points = face.points()
    return {
        "deg_pitch": degrees(pitch),
        "deg_yaw": degrees(yaw),
        "deg_roll": degrees(roll),
        "R": face.rotation,
        "x": points,
        "stitched": get("stitching").stitch(points, t["kp_driving"]),
        "eye_delta": get("eye").delta(points, t["eye_ratio"]),
        "lip_delta": get("lip").delta(points, t["lip_ratio"]),
    }


def _ratio(_case: Case, inputs: Inputs, _get: Get) -> Outputs:
    return {"eye": eye_ratios(inputs["lmk"]), "lip": lip_ratio(inputs["lmk"])}


def _crop(case: Case, inputs: Inputs, _get: Get) -> Outputs:
    p = case.params
    crop = crop_face(inputs["lmk"], p["dsize"], p["scale"], p["vy_ratio"], p["flag_do_rot"])
    # A shift across the face (vx_ratio) moves the square that is reported, but never the crop.
    square = face_square(inputs["lmk"], p["scale"], p["vy_ratio"], p["vx_ratio"])
    return {
        "center": square.center,
        "size": np.array([square.side] * 2),
        "angle": np.array([square.angle]),
        "M_o2c": crop.to_crop,
        "M_c2o": crop.to_picture,
        "pt_crop": crop.points(inputs["lmk"]),
        "bbox": square.box(),
    }


def _multiplier(_case: Case, inputs: Inputs, _get: Get) -> Outputs:
    t = _tensors(inputs)
    return {"multiplier": np.array([motion_multiplier(t["kp_source"], t["kp_driving"])])}


def _chain(case: Case, inputs: Inputs, get: Get) -> Outputs:
    t = _tensors(inputs)
    networks = Networks(get("F"), get("M"), get("W"), get("G"), get("stitching"))
    source = prepare_source(networks, t["source"])
    options = Options(relative=case.params["relative"], driving=case.params["driving_option"])
    points = drive(networks, source, read_faces(networks, t["driving"]), options)
    frames = [render(networks, source, points[i : i + 1]) for i in range(len(points))]
    return {"x_s": source.points, "x_d_new": points, "frames": torch.cat(frames)}


SUITE = Suite(
    project="liveportrait",
    builders=BUILDERS,
    kinds={
        ("liveportrait", "F"): Kind(_appearance),
        ("liveportrait", "M"): Kind(_motion),
        ("liveportrait", "W"): Kind(_warping),
        ("liveportrait", "G"): Kind(_generator),
        ("liveportrait", "mlp"): Kind(_mlp),
        ("liveportrait", "transform"): Kind(_transform, MATHS),
        ("liveportrait", "ratio"): Kind(_ratio, MATHS),
        ("liveportrait", "crop"): Kind(_crop, MATHS),
        ("liveportrait", "multiplier"): Kind(_multiplier, MATHS),
        ("liveportrait", "chain"): Kind(_chain),
    },
)

if __name__ == "__main__":
    sys.exit(main(SUITE))
