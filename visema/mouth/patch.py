"""`PatchEngine`: a library of mouth pictures put onto the moving face, for avatars that are nothing but pictures.

Pictures are laid on through a soft ellipse over the mouth, follow the head by a similarity transform from the frame
they were made of, and are morphed by their lips' points on the way from one viseme to the next.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np

from visema.errors import AvatarError
from visema.face.track import FaceTrack
from visema.mouth.engine import Rig
from visema.mouth.library import Library, draw_library
from visema.mouth.points68 import STILL, to_68
from visema.types import Box, FloatArray, Image
from visema.visemes.articulation import FIELDS, TARGETS
from visema.visemes.classes import VISEMES

#: Opacity of the mouth.
STRENGTH: Final = 0.85
#: Share of the ellipse's radius over which it fades.
SOFTNESS: Final = 0.40
#: Pictures between two visemes.
VISEME_SMOOTH_FRAMES: Final = 1
#: In the order of `FIELDS`: the change that is as plain to see as any other's. Poses are compared in these units.
_PLAIN: Final = np.array((0.10, 0.12, 0.40, 0.04, 0.04, 0.03, 0.03, 0.60, 1.5, 1.5), np.float32)
#: Grid of a morph, pixels between nodes, and how stiff its thin plates are.
_MORPH_STEP, _MORPH_SMOOTHING = 8, 1e-3
_MORPHS_KEPT = 128
_VERSION = 1


def smoothstep(t: float) -> float:
    """0 to 1 with level ends."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def ellipse_mask(width: int, height: int, softness: float = SOFTNESS) -> FloatArray:
    """An ellipse that fills its box: 1 inside, fading by a smoothstep over the outer ``softness`` of its radius.

    Returns:
        (height, width) float32.
    """
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = (np.arange(height) + 0.5) / height * 2 - 1
    t = np.clip((1 - np.hypot(x[None], y[:, None])) / softness, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def blend_patch(base: Image, patch: Image, mask: FloatArray, strength: float = STRENGTH) -> Image:
    """``base`` under ``patch`` where ``mask`` lets it show, at most ``strength``."""
    alpha = mask * np.float32(strength)
    blended: Any = cv2.blendLinear(patch, base, alpha, 1 - alpha)
    return np.asarray(blended, np.uint8)


def nearest_visemes(pose: FloatArray) -> tuple[str, str, float]:
    """The two visemes that a pose lies between, and the share of the second.

    Between two visemes there are `VISEME_SMOOTH_FRAMES` pictures, so the share takes as many values between 0 and 1;
    it is never over one half, as the first is the nearer.
    """
    distances = np.linalg.norm((_TARGET_POSES - pose) / _PLAIN, axis=1)
    first, second = (int(i) for i in np.argsort(distances, kind="stable")[:2])
    near, far = float(distances[first]), float(distances[second])
    steps = VISEME_SMOOTH_FRAMES + 1
    share = round(near / max(near + far, 1e-9) * steps) / steps
    return VISEMES[first], VISEMES[second], smoothstep(share)


_TARGET_POSES: Final = np.stack([TARGETS[v] for v in VISEMES])
assert _TARGET_POSES.shape[1] == len(FIELDS) == len(_PLAIN)


class PatchEngine:
    """Puts a library of pictures on; see `MouthEngine`."""

    name = "patch"

    def __init__(self, rig: Rig, track: FaceTrack, size: tuple[int, int]) -> None:
        library = unpack(rig)
        self._pictures, self._mouths, self._box = library.pictures, library.mouths, library.box
        width, height = library.frame
        left, top, right, bottom = library.mouth
        self._mask = np.zeros((self._box.height, self._box.width), np.float32)
        mouth = Box(
            max(round(left * width), self._box.x0),
            max(round(top * height), self._box.y0),
            min(round(right * width), self._box.x1),
            min(round(bottom * height), self._box.y1),
        )
        y, x = mouth.y0 - self._box.y0, mouth.x0 - self._box.x0
        self._mask[y : y + mouth.height, x : x + mouth.width] = ellipse_mask(mouth.width, mouth.height)
        still = np.stack([to_68(mesh) for mesh in track.landmarks])[:, STILL]
        self._transforms = similarities(library.points[STILL], still)
        self._boxes = _regions(self._transforms, mouth, size)
        self._found = track.found
        self._morphs: OrderedDict[tuple[str, str, float], Image] = OrderedDict()

    @staticmethod
    def prepare(frames: Mapping[int, Image], track: FaceTrack) -> Rig:
        """Draw a library with the warp engine on the frame whose mouth is most closed.

        Raises:
            FaceError: None of the frames shows the face.
        """
        from visema.mouth.warp import WarpEngine

        some = next(iter(frames.values()))
        engine = WarpEngine(WarpEngine.prepare(frames, track), track, (some.shape[1], some.shape[0]))
        shown = [i for i in sorted(frames) if engine.region(i) is not None]
        gaps = [float(track.landmarks[i, 14, 1] - track.landmarks[i, 13, 1]) for i in shown]
        index = shown[int(np.argmin(gaps))] if shown else next(iter(frames))
        return pack(draw_library(engine, frames[index], index, track.landmarks[index]))

    def region(self, index: int) -> Box | None:
        """See `MouthEngine.region`."""
        box = self._boxes[index]
        return box if self._found[index] and box.width >= 16 and box.height >= 16 else None

    def draw(self, base: Image, index: int, pose: FloatArray) -> Image:
        """See `MouthEngine.draw`."""
        box = self._boxes[index]
        picture = self._picture(*nearest_visemes(pose))
        matrix = self._transforms[index].astype(np.float64)
        matrix[:, 2] += matrix[:, :2] @ (self._box.x0, self._box.y0) - (box.x0, box.y0)
        size = (box.width, box.height)
        patch: Any = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        mask: Any = cv2.warpAffine(self._mask, matrix, size, flags=cv2.INTER_LINEAR)
        # A mouth cut by the picture's edge would show its cut; the contract is that the border stays.
        mask[[0, -1]] = 0
        mask[:, [0, -1]] = 0
        return blend_patch(base, patch, mask)

    def _picture(self, first: str, second: str, share: float) -> Image:
        if share == 0:
            return self._pictures[first]
        key = (first, second, share)
        if key not in self._morphs:
            self._morphs[key] = self._morph(first, second, share)
            if len(self._morphs) > _MORPHS_KEPT:
                self._morphs.popitem(last=False)
        return self._morphs[key]

    def _morph(self, first: str, second: str, share: float) -> Image:
        """Both pictures with their lips moved to where they meet, mixed."""
        target = (1 - share) * self._mouths[first] + share * self._mouths[second]
        corner = np.array((self._box.x0, self._box.y0), np.float32)
        moved = [_move_points(self._pictures[v], self._mouths[v] - corner, target - corner) for v in (first, second)]
        mixed: Any = cv2.addWeighted(moved[0], 1 - share, moved[1], share, 0)
        return np.asarray(mixed, np.uint8)


def similarities(source: FloatArray, targets: FloatArray) -> FloatArray:
    """Least-squares rotation, scale and shift from (k, 2) points to each of (n, k, 2): (n, 2, 3)."""
    centre = source.mean(0)
    z = (source - centre) @ np.array((1, 1j))
    centres = targets.mean(1)
    w = (targets - centres[:, None]) @ np.array((1, 1j))
    turn = (w * z.conj()).sum(1) / (abs(z) ** 2).sum()
    a, b = turn.real, turn.imag
    linear = np.stack([np.stack([a, -b], -1), np.stack([b, a], -1)], 1)
    shift = centres - linear @ centre
    return np.asarray(np.concatenate([linear, shift[..., None]], 2), np.float32)


def _regions(transforms: FloatArray, mouth: Box, size: tuple[int, int]) -> list[Box]:
    """Even boxes around the mouth's box in each frame, inside the picture."""
    corners = np.array([(x, y, 1) for x in (mouth.x0, mouth.x1) for y in (mouth.y0, mouth.y1)], np.float32)
    limit = (size[0] - size[0] % 2, size[1] - size[1] % 2)
    boxes = []
    for placed in corners @ transforms.transpose(0, 2, 1):
        low = np.clip(np.floor(placed.min(0) / 2 - 1) * 2, 0, limit).astype(int)
        high = np.clip(np.ceil(placed.max(0) / 2 + 1) * 2, 0, limit).astype(int)
        boxes.append(Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])))
    return boxes


def _move_points(picture: Image, source: FloatArray, target: FloatArray) -> Image:
    """Warp a picture so that ``source`` points come to lie on ``target``; its border stays."""
    from visema.mouth.warp.material import thin_plate

    height, width = picture.shape[:2]
    unit = float(np.ptp(source[:, 0]))
    rim = np.array([(x, y) for x in np.linspace(0, width, 5) for y in np.linspace(0, height, 5)])
    rim = rim[(np.abs(rim / (width, height) - 0.5).max(1) > 0.49)]
    centres = np.concatenate([target, rim]) / unit
    shifts = np.concatenate([source - target, np.zeros_like(rim)])
    columns, rows = -(-width // _MORPH_STEP) + 1, -(-height // _MORPH_STEP) + 1
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    nodes = np.stack([x.ravel(), y.ravel()], 1) * _MORPH_STEP - 0.5
    moved = thin_plate(nodes / unit, centres, _MORPH_SMOOTHING) @ shifts
    coarse = moved.reshape(rows, columns, 2).astype(np.float32)
    fine = cv2.resize(coarse, (columns * _MORPH_STEP, rows * _MORPH_STEP), interpolation=cv2.INTER_LINEAR)
    here = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    at = (here + fine[:height, :width]).astype(np.float32)
    warped = cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def pack(library: Library) -> Rig:
    """A library as arrays for an NPZ file."""
    return {
        "version": np.array(_VERSION),
        "frame": np.array(library.frame),
        "box": np.array(library.box),
        "mouth": np.array(library.mouth, np.float32),
        "points": library.points,
        "pictures": np.stack([library.pictures[v] for v in VISEMES]),
        "mouths": np.stack([library.mouths[v] for v in VISEMES]),
    }


def unpack(rig: Rig) -> Library:
    """A library from its arrays, without its blink.

    Raises:
        AvatarError: They are damaged or of another version.
    """
    try:
        if int(rig["version"]) != _VERSION:
            raise AvatarError("The avatar's mouth pictures are of another version.", "Prepare the avatar again.")
        width, height = (int(v) for v in rig["frame"])
        box = Box(*(int(v) for v in rig["box"]))
        left, top, right, bottom = (float(v) for v in rig["mouth"])
        pictures = np.asarray(rig["pictures"], np.uint8).reshape(len(VISEMES), box.height, box.width, 3)
        mouths = np.asarray(rig["mouths"], np.float32).reshape(len(VISEMES), 20, 2)
        points = np.asarray(rig["points"], np.float32).reshape(68, 2)
    except (KeyError, ValueError, TypeError) as e:
        raise AvatarError(
            "The avatar's mouth pictures are damaged ({reason}).", "Prepare the avatar again.", reason=e
        ) from e
    return Library(
        frame=(width, height),
        box=box,
        mouth=(left, top, right, bottom),
        points=points,
        pictures=dict(zip(VISEMES, pictures, strict=True)),
        mouths=dict(zip(VISEMES, mouths, strict=True)),
        blink=None,
    )
