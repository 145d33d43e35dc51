"""One face in a photo that moves as its speech wants it, and whose mouth can be drawn.

Nothing is tracked: the face is measured once, and where it is in every picture follows from the warp that made it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visema.face.track import FaceTrack
from visema.mouth.engine import MouthEngine
from visema.portrait.loop import PortraitLoop
from visema.portrait.motion import IdleMotion
from visema.types import FloatArray, Image


@dataclass(frozen=True)
class LivingPortrait:
    """A face that moves, for a `Compositor` to draw its mouth. Made by `bring_to_life`.

    Attributes:
        loop: The moved photo, one picture for each of the film's.
        engine: Draws on them.
    """

    loop: PortraitLoop
    engine: MouthEngine

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, even."""
        return self.loop.size

    def mouth(self) -> MouthEngine:
        """The engine that draws its mouth."""
        return self.engine


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
