"""What is learnt of a face at setup, and its form on disk: named arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visema.errors import AvatarError, FaceError
from visema.face.pose import N_POINTS, HeadPoses
from visema.face.track import FaceTrack
from visema.mouth.engine import Rig
from visema.mouth.warp.cavity import Layers, density_of, layer_size, paint_layers
from visema.mouth.warp.colours import measure_palette
from visema.mouth.warp.contact import contact_line
from visema.mouth.warp.lips import (
    CLOSED_GAP,
    HELD_GAP_SD,
    Lips,
    lips_at_rest,
    openings,
    rest_points,
    to_head,
)
from visema.mouth.warp.material import jaw_gain_of
from visema.mouth.warp.ownteeth import find_teeth
from visema.mouth.warp.parting import contact_fade
from visema.mouth.warp.points import Floats, luma
from visema.types import FloatArray, Image
from visema.visemes.articulation import LIP_MARGIN, TARGETS

#: Raised whenever drawing reads other arrays, or reads them otherwise.
VERSION = 1
_HINT = "Prepare the avatar again."
#: At most so many frames are looked at for shape, and for the line where lips touch.
MOST_FRAMES, MOST_CONTACT_FRAMES = 60, 12
#: Teeth are looked for in mouths more open than this, U, in about so many frames.
LEAST_SHOWN, MOST_TEETH_FRAMES = 0.05, 14
#: Opening of `Aa` between the inner lips, U, by which the jaw is scaled to the face.
AA_OPENING = 0.27
#: Stands on disk for a width that was not measured; packages hold no NaN.
UNKNOWN = -1.0


@dataclass(frozen=True)
class FaceRig:
    """Everything that drawing needs of a face besides its track.

    Attributes:
        lips: The mouth at rest.
        rotations: (n, 3, 3) turns of the head in the frames looked at.
        jaw_gain: See `jaw_gain_of`.
        usual_half_width: Of the mouth where it talks in the loop, U; None where it does not.
        layers: The inside of the mouth.
        rim: (3,) BGR of the lips' inner edge.
        blur: Softness of the picture, pixels.
        fade: (h, w, 3) what to add to a closed mouth's picture, in the layers' plane, so that the dark line of contact
            goes as the lips part; empty for open mouths.
    """

    lips: Lips
    rotations: Floats
    jaw_gain: float
    usual_half_width: float | None
    layers: Layers
    rim: FloatArray
    blur: float
    fade: NDArray[np.int8]


def learn_face(frames: Mapping[int, Image], track: FaceTrack) -> FaceRig:
    """Learn a face from some of its frames.

    Raises:
        FaceError: None of the frames shows the face.
    """
    shown = [i for i in sorted(frames) if track.found[i]]
    shown = shown[:: max(1, -(-len(shown) // MOST_FRAMES))]
    if not shown:
        raise FaceError("None of the frames looked at shows the face.", "Use a video in which the face is in view.")
    landmarks = track.landmarks[shown]
    poses = _take(track.poses, shown)
    gaps = openings(to_head(landmarks, poses))
    closed = bool(np.percentile(gaps, 90) < CLOSED_GAP)
    points = rest_points(landmarks, poses)
    lips = lips_at_rest(points, closed)
    if closed:
        some = slice(None, None, max(1, len(shown) // MOST_CONTACT_FRAMES))
        pictures = [frames[i] for i in shown[some]]
        lips = lips_at_rest(points, True, contact_line(pictures, landmarks[some], _some(poses, some), lips))
    # The frame to take colours from: shut, and facing the viewer.
    best = int(np.argmin(3 * np.maximum(gaps, 0) + np.abs(poses.rotation[:, 0, 2])))
    image, mesh, scale = frames[shown[best]], landmarks[best], float(poses.scale[best])
    held = float(gaps.std()) < HELD_GAP_SD
    density = density_of(float(np.median(poses.scale)))
    teeth, own = None, None
    if not closed:
        teeth, own = _teeth_seen(frames, shown, landmarks, poses, gaps, lips, density, held)
    palette = measure_palette(image, mesh, scale, teeth)
    rotation = _mean_rotation(poses)
    seed = int.from_bytes(np.round(lips.points[:, 0] * 100).astype(np.int8).tobytes()[:4], "little")
    widths = np.abs(np.diff(to_head(landmarks, poses)[:, [61, 291], 0])[:, 0]) / 2
    talks = not closed and float(gaps.std()) >= HELD_GAP_SD
    rim = palette.rim * np.array([0.42, 0.44, 0.60])
    return FaceRig(
        lips=lips,
        rotations=poses.rotation,
        jaw_gain=jaw_gain_of(lips, TARGETS["Aa"], AA_OPENING - 2 * LIP_MARGIN * lips.closed, rotation),
        usual_half_width=float(np.median(widths[gaps <= np.percentile(gaps, 40)])) if talks else None,
        layers=paint_layers(palette, lips, rotation, density, seed, own),
        rim=rim.astype(np.float32),
        blur=palette.blur,
        fade=contact_fade(image, mesh, _take(poses, [best]), lips, density),
    )


def _teeth_seen(
    frames: Mapping[int, Image],
    shown: Sequence[int],
    landmarks: FloatArray,
    poses: HeadPoses,
    gaps: Floats,
    lips: Lips,
    density: float,
    held: bool,
) -> tuple[Floats | None, tuple[FloatArray, FloatArray] | None]:
    """Colour of the teeth that the loop shows, and their picture where the expression is held."""
    apart = np.flatnonzero(gaps > LEAST_SHOWN)
    found = []
    for i in apart[:: max(1, len(apart) // MOST_TEETH_FRAMES)]:
        seen = find_teeth(frames[shown[i]], landmarks[i], _take(poses, [int(i)]), lips, density)
        if seen is not None:
            found.append(seen)
    if not found:
        return None, None
    # What is brightest and least coloured are teeth; in wide-open mouths it may have been the tongue.
    found.sort(key=lambda s: -float(luma(s.colour)) * (1 - float(np.ptp(s.colour) / s.colour.max())))
    if held:
        return found[0].colour, (found[0].picture, found[0].mask)
    return np.median([s.colour for s in found[: -(-len(found) // 3)]], 0) * 0.96, None


def _take(poses: HeadPoses, which: Sequence[int]) -> HeadPoses:
    index = list(which)
    return HeadPoses(poses.scale[index], poses.rotation[index], poses.offset[index], poses.residual[index])


def _some(poses: HeadPoses, part: slice) -> HeadPoses:
    return HeadPoses(poses.scale[part], poses.rotation[part], poses.offset[part], poses.residual[part])


def _mean_rotation(poses: HeadPoses) -> Floats:
    u, _, vt = np.linalg.svd(poses.rotation.mean(0))
    return np.asarray(u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt)


def pack(face: FaceRig) -> Rig:
    """As arrays for an NPZ file."""
    lips, layers = face.lips, face.layers
    usual = UNKNOWN if face.usual_half_width is None else face.usual_half_width
    return {
        "version": np.array(VERSION),
        "points": lips.points.astype(np.float32),
        "closed": np.array(lips.closed),
        "lip_upper": lips.upper.astype(np.float32),
        "lip_lower": lips.lower.astype(np.float32),
        "rotations": face.rotations.astype(np.float32),
        "scalars": np.array([face.jaw_gain, usual, layers.density, layers.longer, face.blur], np.float32),
        "rim": face.rim,
        "upper": layers.upper,
        "jaw": layers.jaw,
        "tongue": layers.tongue,
        "shadow": layers.shadow,
        "fade": face.fade,
    }


def unpack(rig: Rig) -> FaceRig:
    """Read `pack`'s arrays back.

    Raises:
        AvatarError: They are of another version, or not such arrays.
    """
    try:
        version = int(rig["version"])
        if version != VERSION:
            raise AvatarError(
                "The avatar's mouth is of version {version}; this program draws version {current}.",
                _HINT,
                version=version,
                current=VERSION,
            )
        closed = bool(rig["closed"])
        jaw_gain, usual, density, longer, blur = (float(v) for v in np.asarray(rig["scalars"], np.float32))
        points = np.asarray(rig["points"], np.float64).reshape(N_POINTS, 3)
        lips = lips_at_rest(points, closed)
        if closed:
            lips = lips_at_rest(points, closed, np.asarray(rig["lip_upper"], np.float64) - lips.upper)
        width, height = layer_size(density)
        upper, jaw, tongue, shadow = (np.asarray(rig[k], np.uint8) for k in ("upper", "jaw", "tongue", "shadow"))
        for picture, channels in ((upper, 4), (jaw, 4), (tongue, 4), (shadow, 3)):
            if picture.shape != (height, width, channels):
                raise ValueError(f"a layer is {picture.shape}")
        fade = np.asarray(rig["fade"], np.int8).reshape((height, width, 3) if closed else (0, 0, 3))
        rotations = np.asarray(rig["rotations"], np.float64).reshape(-1, 3, 3)
        rim = np.asarray(rig["rim"], np.float32).reshape(3)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as e:
        raise AvatarError("The avatar's mouth is damaged ({reason}).", _HINT, reason=e) from e
    return FaceRig(
        lips=lips,
        rotations=rotations,
        jaw_gain=jaw_gain,
        usual_half_width=None if usual == UNKNOWN else usual,
        layers=Layers(upper, jaw, tongue, shadow, density, longer),
        rim=rim,
        blur=blur,
        fade=fade,
    )
