"""Face landmarks behind one small interface."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol

import cv2
import numpy as np

from visema.types import FloatArray, Image


class Landmarker(Protocol):
    """Finds faces in pictures."""

    def find(self, image: Image) -> list[FloatArray]:
        """Every face in ``image`` as (478, 3) float32 pixels, the largest first."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def load_model() -> None:
    """Import what `MediaPipeLandmarker` needs, so that the first one is made at once; takes about a second."""
    import mediapipe.python.solutions.face_mesh  # noqa: F401


class MediaPipeLandmarker:
    """The face mesh of the ``mediapipe`` wheel, with irises.

    Args:
        video: Follow one face from frame to frame (faster and steadier) instead of searching each picture anew.
        faces: At most so many faces. Following more than one searches every frame anew, at twice the time.
    """

    def __init__(self, video: bool = False, faces: int | None = None, confidence: float = 0.4) -> None:
        from mediapipe.python.solutions.face_mesh import FaceMesh

        self._mesh: Any = FaceMesh(
            static_image_mode=not video,
            max_num_faces=faces or (1 if video else 4),
            refine_landmarks=True,
            min_detection_confidence=confidence,
            min_tracking_confidence=0.5,
        )

    def find(self, image: Image) -> list[FloatArray]:
        """See `Landmarker.find`."""
        return self.find_rgb(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))

    def find_rgb(self, image: Image) -> list[FloatArray]:
        """Like `find`, for a picture in the model's own order of colours."""
        result = self._mesh.process(image)
        h, w = image.shape[:2]
        faces = [
            np.array([(p.x * w, p.y * h, p.z * w) for p in face.landmark], np.float32)
            for face in result.multi_face_landmarks or ()
        ]
        return sorted(faces, key=lambda f: -float(np.prod(np.ptp(f[:, :2], axis=0))))

    def close(self) -> None:
        """See `Landmarker.close`."""
        self._mesh.close()

    def __enter__(self) -> MediaPipeLandmarker:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
