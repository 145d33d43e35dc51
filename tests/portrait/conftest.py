"""The presenter, small, with landmarks found once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from visema.face.landmarks import MediaPipeLandmarker
from visema.media.colour import i420_to_bgr
from visema.portrait.loop import PortraitLoop, make_loop
from visema.types import FloatArray, Image

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Photo:
    image: Image
    landmarks: FloatArray

    @property
    def unit(self) -> float:
        return float(np.linalg.norm(self.landmarks[468, :2] - self.landmarks[473, :2]))


@pytest.fixture(scope="session")
def find() -> Iterator[Callable[[Image], list[FloatArray]]]:
    with MediaPipeLandmarker() as landmarker:
        yield landmarker.find


@pytest.fixture(scope="session")
def presenter(find: Callable[[Image], list[FloatArray]]) -> Photo:
    image = cv2.imread(str(ROOT / "assets" / "presenter.png"))
    image = cv2.resize(image, (512, 512), interpolation=cv2.INTER_AREA)
    return Photo(image, find(image)[0])


@pytest.fixture(scope="session")
def loop(presenter: Photo) -> PortraitLoop:
    return make_loop(presenter.image, presenter.landmarks)


@pytest.fixture(scope="session")
def frames(loop: PortraitLoop) -> list[Image]:
    return [i420_to_bgr(frame) for frame in loop.frames()]


def eye_openness(landmarks: FloatArray) -> float:
    """Eye aspect ratio, the mean of both eyes."""
    ratios = []
    for up, low, left, right in ((159, 145, 33, 133), (386, 374, 362, 263)):
        height = np.linalg.norm(landmarks[up, :2] - landmarks[low, :2])
        ratios.append(height / np.linalg.norm(landmarks[left, :2] - landmarks[right, :2]))
    return float(np.mean(ratios))
