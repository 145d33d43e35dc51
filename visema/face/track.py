"""`FaceTrack`: where the face is in every frame of a loop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visema.face.pose import HeadPoses, fit_poses
from visema.types import FloatArray


@dataclass(frozen=True)
class FaceTrack:
    """Landmarks of one face through all frames of a loop, smoothed.

    Attributes:
        landmarks: (n, 478, 3) float32 pixels of the loop's frames (z in pixels too, away from the viewer).
        found: (n,) bool; False where the face was lost and its landmarks are carried over from a neighbour.
    """

    landmarks: FloatArray
    found: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.landmarks)

    @cached_property
    def poses(self) -> HeadPoses:
        """Head pose of every frame."""
        return fit_poses(self.landmarks)
