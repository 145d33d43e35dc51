"""What may be wrong with a face, in words that a user can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np

from visema.errors import FaceError
from visema.face.track import FaceTrack
from visema.face.tracking import lip_gap, talks
from visema.message import Message
from visema.types import FloatArray, Image

# U is the distance between the pupils in pixels. Sizes, angles and residuals as measured on 52 stills and 8 clips.
#: Below, no mouth can be drawn; below the second, it looks soft.
MIN_U, GOOD_U = 25.0, 40.0
#: Degrees of yaw above which lips are drawn lopsided.
MAX_YAW = 30.0
#: Degrees of roll above which the whole picture must have been turned: heads tilt by less.
MAX_ROLL = 40.0
#: Fit residual (in U) from which the mesh is doubtful, and from which it is no human face.
ODD_RESIDUAL, MAX_RESIDUAL = 0.045, 0.07
#: Opening (in U) of a mouth that is not shut.
OPEN_GAP = 0.05
#: A photo's opening from which closing it stretches the chin visibly.
WIDE_GAP = 0.2
#: Skin above the lip, brightness over the darker cheek's: bare faces have 1.0-1.3. Below the first factor it is dense
#: hair; below the second it is sparse hair where it is rough too (bare skin .01-.12 of its brightness, hair .25-.8).
DENSE_MOUSTACHE, SPARSE_MOUSTACHE, ROUGH = 0.72, 0.92, 0.18
#: Along the upper lip's edge and, above each of its points, the base of the nose.
_LIP_EDGE, _NOSE_BASE = (40, 39, 37, 0, 267, 269, 270), (98, 98, 97, 2, 326, 327, 327)
#: Around a patch of each cheek.
_CHEEKS = ((117, 118, 101, 36, 205, 187, 123), (346, 347, 330, 266, 425, 411, 352))

Kind = Literal["photo", "video"]


def diagnose(
    track: FaceTrack, size: tuple[int, int], kind: Kind, faces: int = 1, frames: Mapping[int, Image] | None = None
) -> tuple[str, ...]:
    """Look for what makes a face hard to animate.

    Args:
        track: The face, before or after smoothing.
        size: (width, height) of the frames.
        kind: What the frames come from.
        faces: How many faces were seen.
        frames: Some frames (BGR) by index, for what only pixels show.

    Returns:
        One sentence or two for each oddity; empty for a good face.

    Raises:
        FaceError: It cannot be animated at all.
    """
    seen = track.found
    if not seen.any():
        raise FaceError(
            "No face was found.",
            "Use a photo or video that shows one whole human face from the front, upright and well lit.",
        )
    poses = track.poses
    unit = float(np.median(poses.scale[seen]))
    residual = float(np.median(poses.residual[seen]))
    refuse_unusable(unit, residual, kind)
    notes: list[Message] = []
    if faces > 1:
        notes.append(
            Message(
                "{count} faces were found; the largest is used. Crop the {kind} if you want another.",
                count=faces,
                kind=kind,
            )
        )
    if unit < GOOD_U:
        notes.append(
            Message(
                "The face is small ({unit} pixels between the pupils); the mouth will look soft. "
                "Move closer or use a larger picture: 50 pixels or more are good.",
                unit=f"{unit:.0f}",
            )
        )
    if residual > ODD_RESIDUAL:
        notes.append(
            Message(
                "The face is measured badly; it may be turned, covered, drawn, or not human. "
                "Look at the contact sheet, and use a frontal picture in even light if the mouth sits wrong."
            )
        )
    yaw = float(np.percentile(np.abs(poses.yaw[seen]), 90))
    if yaw > MAX_YAW:
        notes.append(
            Message(
                "The head is turned by {yaw} degrees; rounded lips will look lopsided. "
                "Use one that looks at the camera, within 25 degrees.",
                yaw=f"{yaw:.0f}",
            )
        )
    roll = float(np.median(np.abs(poses.roll[seen])))
    if roll > MAX_ROLL:
        notes.append(
            Message(
                "The face is turned by {roll} degrees in the picture, and so is the avatar. "
                "Turn the picture upright and make the avatar anew.",
                roll=f"{roll:.0f}",
            )
        )
    notes += _lost(track)
    notes += _mouth(track, kind)
    if _cut_off(track, size):
        notes.append(Message("The mouth or chin is cut off by the picture's border. Leave some room around the face."))
    if frames and _moustache(track, frames):
        notes.append(
            Message(
                "There seems to be a moustache or a shadow over the upper lip; hair does not move with the lip, "
                "so teeth may show under it. A shaved face in even light looks best."
            )
        )
    return tuple(notes)


def refuse_unusable(unit: float, residual: float, kind: Kind) -> None:
    """Refuse a face too small or not human.

    Args:
        unit: Pixels between the pupils.
        residual: Of the pose fit, in that unit.
        kind: What it is seen in.

    Raises:
        FaceError: With what to do.
    """
    if unit < MIN_U:
        raise FaceError(
            "The face is too small: {unit} pixels between the pupils, and at least {least} are needed.",
            "Move closer, crop the {kind}'s original, or use a larger one; 50 pixels or more are good.",
            unit=f"{unit:.0f}",
            least=f"{MIN_U:.0f}",
            kind=kind,
        )
    if residual > MAX_RESIDUAL:
        raise FaceError(
            "What was found does not measure like a human face (misfit {residual}, at most {most}).",
            "Use a {kind} of one person, from the front, with nothing before the face; if it lies on its "
            "side or is upside down, turn it upright first.",
            residual=f"{residual:.3f}",
            most=MAX_RESIDUAL,
            kind=kind,
        )


def best_neutral(landmarks: FloatArray, candidates: list[int], track: FaceTrack) -> int:
    """The frame to draw a library on: mouth shut, eyes open, looking at the camera.

    Args:
        landmarks: (n, 478, 3), unsmoothed, so that blinks show.
        candidates: Frame indices to choose from.
        track: Their track.
    """
    good = [i for i in candidates if track.found[i]] or list(candidates)
    poses = track.poses
    gap = lip_gap(landmarks[good])
    lids = np.linalg.norm(landmarks[good][:, [159, 386]] - landmarks[good][:, [145, 374]], axis=2).mean(1)
    lids /= poses.scale[good]
    turned = np.hypot(poses.yaw[good] / 30, poses.pitch[good] / 30)
    # An opening of .05 U, eyes a fifth less open than usual, and 9 degrees away weigh the same.
    score = gap / 0.05 + np.clip(1 - lids / np.median(lids), 0, 1) / 0.2 + turned / 0.3
    return good[int(np.argmin(score))]


def _lost(track: FaceTrack) -> list[Message]:
    """A sentence when the face is not in every frame."""
    share = 1 - float(track.found.mean())
    if share == 0:
        return []
    percent = Message("less than 1") if share < 0.01 else f"{100 * share:.0f}"
    told = "The face is lost in {percent} % of the frames; there the mouth stays where it was seen last."
    return [Message(told, percent=percent)]


def _mouth(track: FaceTrack, kind: Kind) -> list[Message]:
    gap = lip_gap(track.landmarks[track.found])
    if kind == "video" and talks(track.landmarks[track.found]):
        return [
            Message(
                "The person talks in this video; lips and cheeks of that speech will show through. "
                "A video of somebody who listens with closed mouth looks best."
            )
        ]
    opening = float(np.median(gap))
    if opening > WIDE_GAP:
        return [
            Message("The mouth is wide open; closing it stretches the chin. A picture with closed lips looks best.")
        ]
    if opening > OPEN_GAP:
        return [Message("The mouth is open; it is closed by drawing. A picture with closed lips looks best.")]
    return []


def _cut_off(track: FaceTrack, size: tuple[int, int]) -> bool:
    """Whether mouth or chin leave the picture in more than a tenth of the frames."""
    lower = track.landmarks[:, [61, 291, 0, 17, 152, 148, 377], :2]
    outside = (lower < 0).any(axis=(1, 2)) | (lower > np.array(size, np.float32)).any(axis=(1, 2))
    return bool(outside.mean() > 0.1)


def _moustache(track: FaceTrack, frames: Mapping[int, Image]) -> bool:
    """Skin above the lip that is much darker and rougher than the cheeks, in most of a few frames."""
    chosen = [i for i in frames if track.found[i]]
    chosen = chosen[:: max(1, len(chosen) // 5)][:5]
    votes = [_moustache_in(frames[i], track.landmarks[i], float(track.poses.scale[i])) for i in chosen]
    return bool(votes) and sum(votes) * 2 > len(votes)


def _moustache_in(frame: Image, landmarks: FloatArray, unit: float) -> bool:
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32)
    edge, nose = landmarks[list(_LIP_EDGE), :2], landmarks[list(_NOSE_BASE), :2]
    # Away from the lip's own edge, and from the shadow of the nose.
    lip = _patch(grey, np.concatenate([edge + 0.3 * (nose - edge), edge + 0.75 * (nose - edge)]), unit)
    cheeks = [p for p in (_patch(grey, landmarks[list(ring), :2], unit) for ring in _CHEEKS) if p]
    if lip is None or len(cheeks) < 2:
        return False
    level, rough = lip[0] / min(c[0] for c in cheeks), lip[1] / max(lip[0], 1.0)
    return level < DENSE_MOUSTACHE or (level < SPARSE_MOUSTACHE and rough > ROUGH)


def _patch(grey: FloatArray, outline: FloatArray, unit: float) -> tuple[float, float] | None:
    """Mean brightness, and roughness (mean difference from a blur of U / 12), inside the hull of some points."""
    hull = np.asarray(cv2.convexHull(np.round(outline).astype(np.int32)), np.int32)
    x, y, w, h = cv2.boundingRect(hull)
    if x < 0 or y < 0 or x + w > grey.shape[1] or y + h > grey.shape[0] or w < 4 or h < 4:
        return None
    part = grey[y : y + h, x : x + w]
    mask = np.zeros((h, w), np.uint8)
    cv2.fillConvexPoly(mask, hull - np.array([x, y], np.int32), (255,))
    inside = mask > 0
    if inside.sum() < 16:
        return None
    smooth = cv2.GaussianBlur(part, (0, 0), max(unit / 12, 0.8))
    return float(part[inside].mean()), float(np.abs(part - smooth)[inside].mean())
