"""``python -m wav2lip.verify DIR``: reproduce the reference vectors of Wav2Lip."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from facenets.frontend import MEL_KINDS
from facenets.vectors import MATHS, Case
from facenets.verification import Array, Kind, Outputs, Suite, main
from wav2lip.discriminator import QualityDiscriminator
from wav2lip.inference import chunk_starts, mask_lower_half, pad_boxes, smooth_boxes
from wav2lip.model import Wav2Lip
from wav2lip.syncnet import SyncNet

Get = Callable[[str], Any]


def _generator(case: Case, inputs: Mapping[str, Array], get: Get) -> Outputs:
    face = torch.from_numpy(inputs["face"])
    if case.params.get("masked", False):
        face = mask_lower_half(face)
    return {"frame": get("wav2lip")(torch.from_numpy(inputs["mel"]), face)}


def _syncnet(_case: Case, inputs: Mapping[str, Array], get: Get) -> Outputs:
    audio, face = get("syncnet")(torch.from_numpy(inputs["mel"]), torch.from_numpy(inputs["face"]))
    return {"audio": audio, "face": face, "cos": torch.cosine_similarity(audio, face)}


def _discriminator(_case: Case, inputs: Mapping[str, Array], get: Get) -> Outputs:
    return {"prob": get("disc")(torch.from_numpy(inputs["face"]))}


def _boxes(case: Case, inputs: Mapping[str, Array], _get: Get) -> Outputs:
    raw = pad_boxes(inputs["rects"], case.params["pads"], case.params["height"], case.params["width"])
    return {"y1y2x1x2_raw": raw, "y1y2x1x2_smoothed": smooth_boxes(raw)}


def _chunks(case: Case, _inputs: Mapping[str, Array], _get: Get) -> Outputs:
    return {"chunk_start": np.array(chunk_starts(case.params["mel_frames"], case.params["fps"]), dtype=np.int64)}


SUITE = Suite(
    project="wav2lip",
    builders={"wav2lip": Wav2Lip, "syncnet": SyncNet, "disc": QualityDiscriminator},
    kinds={
        ("wav2lip", "wav2lip"): Kind(_generator),
        ("wav2lip", "syncnet"): Kind(_syncnet),
        ("wav2lip", "disc"): Kind(_discriminator),
        ("wav2lip", "boxes"): Kind(_boxes, MATHS),
        ("wav2lip", "chunks"): Kind(_chunks, MATHS),
        **MEL_KINDS,
    },
    elsewhere={("frontend", kind): "sadtalker" for kind in ("sad_windows", "align_img", "align_face")},
)

if __name__ == "__main__":
    sys.exit(main(SUITE))
