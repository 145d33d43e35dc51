"""The second landmarker: 68 points by the ``face-alignment`` network, as a full mesh."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from visema.errors import EngineError
from visema.face.points68 import to_mesh
from visema.types import FloatArray, Image


class Landmarker68:
    """Finds faces with ``face-alignment`` (the extra ``neural``; it downloads its weights at the first use).

    Slower than the embedded landmarker, and better on drawn or half-covered faces. See `visema.face.landmarks`.

    Raises:
        EngineError: The package is not installed, or its weights could not be fetched.
    """

    def __init__(self) -> None:
        try:
            from face_alignment import FaceAlignment, LandmarksType
        except ImportError as e:
            raise EngineError(
                f"The 68-point landmarks need a package that is not installed ({e.name}).",
                "Install it with: pip install 'visema[neural]'.",
            ) from e
        # The name was `_2D` before version 1.4.
        kind = getattr(LandmarksType, "TWO_D", None) or LandmarksType._2D
        try:
            self._network: Any = FaceAlignment(kind, device="cpu", flip_input=False)
        except OSError as e:
            raise EngineError(
                f"The weights of the 68-point landmarks could not be fetched ({e}).",
                "Connect to the network once, or use the embedded landmarks.",
            ) from e

    def find(self, image: Image) -> list[FloatArray]:
        """See `visema.face.landmarks.Landmarker.find`."""
        found = self._network.get_landmarks_from_image(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) or []
        faces = [to_mesh(np.asarray(points, np.float32)[:, :2]) for points in found]
        return sorted(faces, key=lambda f: -float(np.prod(np.ptp(f[:, :2], axis=0))))

    def close(self) -> None:
        """See `visema.face.landmarks.Landmarker.close`."""
        self._network = None

    def __enter__(self) -> Landmarker68:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
