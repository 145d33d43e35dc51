"""Faces to draw on: the project's own presenter, and real ones where they are at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from visema.face.landmarks import MediaPipeLandmarker
from visema.face.track import FaceTrack
from visema.mouth.warp import WarpEngine
from visema.types import Box, FloatArray, Image

ASSETS = Path(__file__).resolve().parents[2] / "assets"

Detect = Callable[[Image], FloatArray]


@dataclass
class Face:
    """A clip, its track and an engine prepared from it."""

    frames: list[Image]
    track: FaceTrack
    engine: WarpEngine

    @property
    def size(self) -> tuple[int, int]:
        return self.frames[0].shape[1], self.frames[0].shape[0]

    def box(self, index: int = 0) -> Box:
        box = self.engine.region(index)
        assert box is not None
        return box

    def base(self, index: int = 0) -> Image:
        box = self.box(index)
        return np.ascontiguousarray(self.frames[index][box.y0 : box.y1, box.x0 : box.x1])

    def draw(self, pose: FloatArray, index: int = 0) -> Image:
        return self.engine.draw(self.base(index), index, pose)

    def picture(self, pose: FloatArray, index: int = 0) -> Image:
        """The whole frame with the mouth drawn."""
        box = self.box(index)
        out = self.frames[index].copy()
        out[box.y0 : box.y1, box.x0 : box.x1] = self.draw(pose, index)
        return out


def make_face(frames: list[Image], landmarks: FloatArray) -> Face:
    track = FaceTrack(landmarks.astype(np.float32), np.ones(len(landmarks), bool))
    rig = WarpEngine.prepare(dict(enumerate(frames)), track)
    return Face(frames, track, WarpEngine(rig, track, (frames[0].shape[1], frames[0].shape[0])))


@pytest.fixture(scope="session")
def detect() -> Iterator[Detect]:
    with MediaPipeLandmarker() as landmarker:

        def find(image: Image) -> FloatArray:
            faces = landmarker.find(image)
            assert faces, "no face found"
            return faces[0]

        yield find


@pytest.fixture(scope="session")
def presenter_photo() -> Image:
    photo = cv2.imread(str(ASSETS / "presenter.png"))
    return np.asarray(cv2.resize(photo, (512, 512), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="session")
def presenter(presenter_photo: Image, detect: Detect) -> Face:
    return make_face([presenter_photo], detect(presenter_photo)[None])


@pytest.fixture
def photo(real_media: Callable[[str], Path], detect: Detect) -> Callable[[str], Face]:
    """A real photo by name."""

    def load(name: str) -> Face:
        image = np.asarray(cv2.imread(str(real_media(name))), np.uint8)
        return make_face([image], detect(image)[None])

    return load


@pytest.fixture
def clip(real_media: Callable[[str], Path]) -> Callable[[str, int, int], Face]:
    """Some frames of a real clip."""

    def load(name: str, every: int, count: int) -> Face:
        reader = cv2.VideoCapture(str(real_media(name)))
        frames: list[Image] = []
        meshes: list[FloatArray] = []
        with MediaPipeLandmarker() as landmarker:
            for _ in range(count):
                for _ in range(every):
                    ok, image = reader.read()
                    assert ok
                frames.append(np.asarray(image, np.uint8))
                meshes.append(landmarker.find(frames[-1])[0])
        return make_face(frames, np.stack(meshes))

    return load
