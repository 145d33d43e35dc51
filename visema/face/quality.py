"""How good a face is to animate, in numbers: sharpness, light, pose, what covers it, the mouth.

`diagnose` refuses what cannot be animated and warns of what is odd; this measures the rest, so that whoever makes
avatars of other people's material can say what would make it better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from visema.face.track import FaceTrack
from visema.face.tracking import lip_gap
from visema.message import Message
from visema.types import FloatArray, Image

#: Frames that are looked at.
SAMPLES: Final = 12
#: Where each measure is as good as it matters, and where it is as bad as can be used; measured on the 52 stills and
#: 8 clips that `diagnose` was made with, and on copies of them made worse.
SIZE: Final = (110.0, 30.0)  # pixels between the pupils
SHARPNESS: Final = (1.25, 1.03)  # by how much a blur of one pixel lowers the steepest edges
BRIGHTNESS: Final = ((90.0, 25.0), (215.0, 250.0))  # luma of the skin: too dark below, too bright above
EVENNESS: Final = (0.15, 0.7)  # difference of the cheeks over their mean
YAW: Final = (10.0, 35.0)  # degrees
PITCH: Final = (10.0, 30.0)
COVERED: Final = (0.08, 0.5)  # share of the lower face that has another colour than its skin
MOUTH: Final = (0.02, 0.25)  # opening of the lips at rest, over the distance of the pupils
#: Below this score there is advice.
_GOOD: Final = 0.6
_LEFT_CHEEK, _RIGHT_CHEEK = (50, 101, 118, 205, 187), (280, 330, 347, 425, 411)
#: Skin that hands, microphones, masks and beards cover: around the mouth, on the chin and along the jaw.
_LOWER: Final = (
    165, 92, 186, 57, 43, 106, 182, 83, 18, 313, 406, 335, 273, 287, 410, 322, 391, 164, 167, 393, 32, 194, 201, 200,
    421, 418, 262, 208, 428, 199, 175, 171, 396, 140, 369, 170, 395, 136, 365, 150, 379, 214, 434, 212, 432,
)  # fmt: skip
#: Distance from the skin's own colour, in CIELAB, that other lighting does not explain.
_OTHER_COLOUR: Final = 22.0


@dataclass(frozen=True)
class Measure:
    """One measured quality.

    Attributes:
        score: 0 (as bad as can be used) to 1.
        value: What was measured.
        unit: Of the value.
        advice: What would make it better; None where it is good.
    """

    score: float
    value: float
    unit: str
    advice: Message | None = None


def measure_quality(frames: Mapping[int, Image], track: FaceTrack) -> dict[str, Measure]:
    """Measure a face.

    Args:
        frames: Some frames (BGR) by index; those that show no face are left out.
        track: The face in all frames.

    Returns:
        By name: size, sharpness, light, pose, occlusion, mouth.
    """
    seen = [i for i in sorted(frames) if track.found[i]]
    seen = seen[:: max(1, -(-len(seen) // SAMPLES))]
    poses = track.poses
    units = poses.scale[seen]
    sharp = [_sharpness(frames[i], track.landmarks[i], float(u)) for i, u in zip(seen, units, strict=True)]
    skins = [_skin(frames[i], track.landmarks[i], float(u)) for i, u in zip(seen, units, strict=True)]
    luma = float(np.median([luma for luma, _ in skins]))
    uneven = float(np.median([uneven for _, uneven in skins]))
    covered = float(np.median([_covered(frames[i], track.landmarks[i], float(u)) for i, u in zip(seen, units)]))  # noqa: B905
    yaw, pitch = (float(np.median(np.abs(angle[track.found]))) for angle in (poses.yaw, poses.pitch))
    gap = max(0.0, float(np.percentile(lip_gap(track.landmarks[track.found]), 25)))
    size = float(np.median(units))
    bright = min(_scored(luma, *BRIGHTNESS[0]), _scored(luma, *BRIGHTNESS[1]))
    found = {
        "size": (_scored(size, *SIZE), size, "pixels between the pupils", _NEARER),
        "sharpness": (_scored(float(np.median(sharp)), *SHARPNESS), float(np.median(sharp)), "ratio", _SHARPER),
        "light": (min(bright, _scored(uneven, *EVENNESS)), luma, "luma of 255", _LIT if bright < _GOOD else _EVENLY),
        "pose": (min(_scored(yaw, *YAW), _scored(pitch, *PITCH)), max(yaw, pitch), "degrees", _FACING),
        "occlusion": (_scored(covered, *COVERED), covered, "share of the lower face", _BARE),
        "mouth": (_scored(gap, *MOUTH), gap, "opening over the pupils' distance", _SHUT),
    }
    return {
        name: Measure(round(score, 3), round(value, 3), unit, advice if score < _GOOD else None)
        for name, (score, value, unit, advice) in found.items()
    }


def report_json(measures: Mapping[str, Measure]) -> dict[str, Any]:
    """A report as it is stored: every measure, and the least of the scores for all of them."""
    told: dict[str, Any] = {
        name: {"score": m.score, "value": m.value, "unit": m.unit, "advice": str(m.advice) if m.advice else None}
        for name, m in measures.items()
    }
    return {"score": min(m.score for m in measures.values()), **told}


_NEARER: Final = Message("The face is small. Film it nearer, or with more pixels.")
_SHARPER: Final = Message("The picture is soft. Hold the camera still, focus on the face, compress less.")
_LIT: Final = Message("The face is too dark or too bright. Light it from the front.")
_EVENLY: Final = Message("One side of the face is much darker. Turn it to the light, or add light from the other.")
_FACING: Final = Message("The face looks away. Film it from the front, at the height of the eyes.")
_BARE: Final = Message(
    "Something covers the lower face, or a beard does. Keep hands, microphone and hair away from it."
)
_SHUT: Final = Message("The mouth is open. Film a part in which the lips are closed.")


def _scored(value: float, good: float, bad: float) -> float:
    return float(np.clip((value - bad) / (good - bad), 0, 1))


def _sharpness(frame: Image, landmarks: FloatArray, unit: float) -> float:
    """By how much a blur of one pixel lowers the steepest edges of eyes and mouth."""
    points = landmarks[[33, 263, 61, 291, 17, 10], :2]
    low = np.clip(points.min(0) - 0.2 * unit, 0, None).astype(int)
    high = np.ceil(points.max(0) + 0.2 * unit).astype(int)
    grey = cv2.cvtColor(frame[low[1] : high[1], low[0] : high[0]], cv2.COLOR_BGR2GRAY).astype(np.float32)
    edges = np.abs(cv2.Sobel(grey, -1, 1, 0, ksize=1))
    softened = np.abs(cv2.Sobel(cv2.GaussianBlur(grey, (0, 0), 1.0), -1, 1, 0, ksize=1))
    return float(np.percentile(edges, 99) / max(float(np.percentile(softened, 99)), 1e-3))


def _skin(frame: Image, landmarks: FloatArray, unit: float) -> tuple[float, float]:
    """Luma of the cheeks, and how much they differ, over their mean."""
    left, right = (
        float(np.median(_around(frame, landmarks, cheek, 0.06 * unit) @ (0.114, 0.587, 0.299)))
        for cheek in (_LEFT_CHEEK, _RIGHT_CHEEK)
    )
    mean = (left + right) / 2
    return mean, abs(left - right) / max(mean, 1.0)


def _covered(frame: Image, landmarks: FloatArray, unit: float) -> float:
    """Share of the lower face's skin that has another colour than the cheeks'."""
    radius = 0.04 * unit
    cheeks = _lab(np.array([_mean(frame, landmarks, i, radius) for i in (*_LEFT_CHEEK, *_RIGHT_CHEEK)]))
    lower = _lab(np.array([_mean(frame, landmarks, i, radius) for i in _LOWER]))
    away = lower - np.median(cheeks, 0)
    away[:, 0] *= 0.5  # shade under the jaw is no cover
    return float((np.linalg.norm(away, axis=1) > _OTHER_COLOUR).mean())


def _lab(bgr: FloatArray) -> FloatArray:
    unit = np.asarray(bgr, np.float32)[None] / 255
    return np.asarray(cv2.cvtColor(unit, cv2.COLOR_BGR2LAB)[0], np.float32)


def _mean(frame: Image, landmarks: FloatArray, vertex: int, radius: float) -> FloatArray:
    return np.asarray(_around(frame, landmarks, (vertex,), radius).mean(0), np.float32)


def _around(frame: Image, landmarks: FloatArray, vertices: tuple[int, ...], radius: float) -> FloatArray:
    """The pixels around some vertices, (n, 3)."""
    h, w = frame.shape[:2]
    r = max(1, round(radius))
    parts = []
    for i in vertices:
        x, y = int(np.clip(landmarks[i, 0], r, w - r - 1)), int(np.clip(landmarks[i, 1], r, h - r - 1))
        parts.append(frame[y - r : y + r + 1, x - r : x + r + 1].reshape(-1, 3))
    return np.asarray(np.concatenate(parts), np.float32)
