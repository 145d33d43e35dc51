"""The report on a face: each fault that a picture is given shows in its own measure, and in no other's advice."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from visema.face.landmarks import MediaPipeLandmarker
from visema.face.quality import Measure, measure_quality, report_json
from visema.face.track import FaceTrack
from visema.media.image import read_image
from visema.paths import ASSETS
from visema.types import Image


@pytest.fixture(scope="module")
def presenter() -> Image:
    return read_image(ASSETS / "presenter.png")


def judged(picture: Image) -> dict[str, Measure]:
    with MediaPipeLandmarker() as mesh:
        found = mesh.find(picture)
    assert found
    return measure_quality({0: picture}, FaceTrack(found[0][None], np.ones(1, np.bool_)))


def blurred(picture: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8)


def dark(picture: Image) -> Image:
    return np.asarray(picture * 0.2, np.uint8)


def small(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, (192, 192), interpolation=cv2.INTER_AREA), np.uint8)


def covered(picture: Image) -> Image:
    with MediaPipeLandmarker() as mesh:
        x, y = mesh.find(picture)[0][200, :2]
    out = picture.copy()
    cv2.ellipse(out, (int(x), int(y) + 20), (150, 70), 0, 0, 360, (60, 140, 60), -1)
    return out


def test_a_good_picture_needs_no_advice(presenter: Image) -> None:
    found = judged(presenter)
    assert set(found) == {"size", "sharpness", "light", "pose", "occlusion", "mouth"}
    assert [name for name, measure in found.items() if measure.advice] == []
    report = report_json(found)
    assert report["score"] == min(m.score for m in found.values()) > 0.7


@pytest.mark.parametrize(
    ("worse", "name"), [(blurred, "sharpness"), (dark, "light"), (small, "size"), (covered, "occlusion")]
)
def test_a_fault_shows_in_its_own_measure(presenter: Image, worse: Callable[[Image], Image], name: str) -> None:
    found = judged(worse(presenter))
    assert [other for other, measure in found.items() if measure.advice] == [name]
    assert found[name].score < 0.3


def test_a_real_turned_face_is_told(real_media: Callable[[str], object]) -> None:
    found = judged(read_image(real_media("face_turned.jpg")))  # type: ignore[arg-type]
    assert found["pose"].advice and 18 < found["pose"].value < 30
