"""One face in a photo that speaks: its expression, its movements by the prosody, its mouth by the plan.

Nothing is tracked: the face is measured once, and where it is in every picture follows from the warp that made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from visema.face.track import FaceTrack
from visema.mouth.engine import MouthEngine, draw_mouth
from visema.mouth.heard import Heard
from visema.portrait.loop import PortraitLoop
from visema.portrait.motion import IdleMotion
from visema.types import FloatArray, Image, Samples


@dataclass(frozen=True)
class LivingPortrait:
    """Pictures of a face that moves and speaks. Made by `bring_to_life`.

    Attributes:
        loop: The moved photo, one picture for each of the film's.
        mouth: Draws on them.
    """

    loop: PortraitLoop
    mouth: MouthEngine

    def __len__(self) -> int:
        return len(self.loop)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, even."""
        return self.loop.size

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be done, in words for the user."""
        return self.loop.notes

    def frames(self, poses: FloatArray, samples: Samples, rate: int) -> Iterator[Image]:
        """Every picture, (h, w, 3) BGR.

        Args:
            poses: (n, N_FIELDS) articulation of each picture.
            samples: The sound, for engines that draw from it.
            rate: Its samples a second.
        """
        for number, (picture, pose) in enumerate(zip(self.loop.frames(), poses, strict=True)):
            box = self.mouth.region(number)
            if box is not None:
                rows, columns = slice(box.y0, box.y1), slice(box.x0, box.x1)
                base = np.ascontiguousarray(picture[rows, columns])
                heard = Heard(samples, rate, number, self.loop.fps)
                picture[rows, columns] = draw_mouth(self.mouth, base, number, pose, heard)
            yield picture


def bring_to_life(
    photo: Image, landmarks: FloatArray, motion: IdleMotion, fps: float, engine: type[MouthEngine]
) -> LivingPortrait:
    """Make a face move and its mouth drawable.

    Args:
        photo: (h, w, 3) BGR, even sides.
        landmarks: (478, 3) pixels of the face in it.
        motion: Of the film's every picture.
        fps: Pictures a second.
        engine: Draws the mouth; learns the face from the photo.
    """
    loop = PortraitLoop(photo, landmarks, motion, fps)
    still = FaceTrack(landmarks[None].astype(np.float32), np.ones(1, np.bool_))
    rig = engine.prepare({0: photo}, still)
    return LivingPortrait(loop, engine(rig, loop.track, loop.size))
