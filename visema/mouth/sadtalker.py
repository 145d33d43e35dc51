"""`SadTalkerEngine`: the library of mouths drawn by SadTalker, once; after that nothing but its pictures is needed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import numpy as np

from visema.face.track import FaceTrack
from visema.mouth.engine import Rig, Wishes
from visema.mouth.library import Library, eye_box
from visema.mouth.patch import PatchEngine, pack, unpack
from visema.mouth.points68 import MOUTH, mouth_fractions, to_68
from visema.types import Box, FloatArray, Image
from visema.visemes.classes import BLINK, VISEMES

log = logging.getLogger(__name__)

#: The pictures reach so far around the mouth's box, share of its size: room for the morph.
MARGIN: Final = 0.25
#: A face found further than this from the one that was drawn on (of the pupils' distance) is another.
SAME_FACE: Final = 0.5


class SadTalkerEngine(PatchEngine):
    """Puts SadTalker's pictures on; see `MouthEngine`. Needs its weights at setup only."""

    name = "sadtalker"

    def __init__(self, rig: Rig, track: FaceTrack, size: tuple[int, int]) -> None:
        super().__init__(rig, track, size)
        self.library: Library = _with_blink(unpack(rig), rig)

    @staticmethod
    def ready(size: int) -> None:
        """See `NeedsWeights.ready`."""
        from visema.neural.sadtalker_studio import Studio

        Studio.open(size)

    @staticmethod
    def prepare(frames: Mapping[int, Image], track: FaceTrack) -> Rig:
        """See `MouthEngine.prepare`; on the first frame that shows the face."""
        reference = next((i for i in sorted(frames) if track.found[i]), next(iter(frames)))
        return SadTalkerEngine.learn(frames, track, Wishes(reference, 256, lambda done, total: None))

    @staticmethod
    def learn(frames: Mapping[int, Image], track: FaceTrack, wishes: Wishes) -> Rig:
        """See `LearnsByDrawing.learn`.

        Raises:
            EngineError: torch or the weights are missing.
            WeightsError: The weights cannot be used.
        """
        from visema.neural.sadtalker_studio import Studio

        frame, mesh = frames[wishes.reference], track.landmarks[wishes.reference]
        points = to_68(mesh)
        size = (frame.shape[1], frame.shape[0])
        fractions = mouth_fractions(points, size)
        box = _around(fractions, size)
        pictures: dict[str, Image] = {}
        mouths: dict[str, FloatArray] = {}
        blink = frame
        unseen = 0
        from visema.face.landmarks import MediaPipeLandmarker

        with MediaPipeLandmarker() as landmarker:
            drawn = Studio.open(wishes.size).draw(frame, points, (*VISEMES, BLINK), wishes.progress)
            for name, picture in drawn:
                if name == BLINK:
                    blink = picture
                    continue
                pictures[name] = np.ascontiguousarray(picture[box.y0 : box.y1, box.x0 : box.x1])
                found = _same_face(landmarker.find(picture), points)
                unseen += found is None
                mouths[name] = points[MOUTH] if found is None else found[MOUTH]
        if unseen:
            log.warning("In %d of %d drawn pictures no mouth could be measured; they are not morphed.", unseen, 22)
        eyes = eye_box(points, frame)
        library = Library(size, box, fractions, points, pictures, mouths, None)
        return {
            **pack(library),
            "blink": np.ascontiguousarray(blink[eyes.y0 : eyes.y1, eyes.x0 : eyes.x1]),
            "blink_box": np.array(eyes),
        }


def _around(fractions: tuple[float, float, float, float], size: tuple[int, int]) -> Box:
    """The mouth's box and a margin, edges even, within the picture."""
    left, top, right, bottom = np.array(fractions) * np.array((*size, *size))
    x, y = MARGIN * (right - left), MARGIN * (bottom - top)
    low = np.maximum(np.array((left - x, top - y)) // 2 * 2, 0)
    high = np.minimum(np.ceil(np.array((right + x, bottom + y)) / 2) * 2, np.array(size) // 2 * 2)
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _same_face(meshes: list[FloatArray], points: FloatArray) -> FloatArray | None:
    """The 68 points of the face that lies where the one lies that was drawn on."""
    unit = float(np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0)))
    for mesh in meshes:
        found = to_68(mesh)
        if np.linalg.norm(found[27:48] - points[27:48], axis=1).mean() < SAME_FACE * unit:
            return found
    return None


def _with_blink(library: Library, rig: Rig) -> Library:
    from dataclasses import replace

    from visema.errors import AvatarError

    try:
        box = Box(*(int(v) for v in rig["blink_box"]))
        picture = np.asarray(rig["blink"], np.uint8).reshape(box.height, box.width, 3)
    except (KeyError, ValueError, TypeError) as e:
        raise AvatarError(f"The avatar's blink is damaged ({e}).", "Prepare the avatar again.") from e
    return replace(library, blink=(picture, box))
