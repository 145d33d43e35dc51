"""The default avatar, as everybody first sees it: drawn where it should be, and in the file as it was drawn."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from visema.avatar import Avatar
from visema.face.landmarks import MediaPipeLandmarker
from visema.media.colour import i420_to_bgr, region_planes
from visema.paths import ASSETS
from visema.setup import prepare_avatar
from visema.speech.speak import speak
from visema.stage.compositor import Compositor
from visema.stage.framing import choose_framing
from visema.stage.render import render_file, speaking_frames, with_tail
from visema.types import I420
from visema.visemes.articulation import TARGETS
from visema.visemes.plan import Plan, plan

TEXT = "Mama, my father may buy five big blue boats."


@pytest.fixture(scope="module")
def presenter(tmp_path_factory: pytest.TempPathFactory) -> Avatar:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISEMA_CACHE", str(tmp_path_factory.mktemp("presenter")))
        return prepare_avatar(ASSETS / "Video04.mp4")


@pytest.fixture(scope="module")
def film(presenter: Avatar, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, list[I420]]:
    speech = with_tail(speak(TEXT, "espeak:en-us", offline=True, cache=False))
    planned = plan(speech, presenter.fps)
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    render_file(presenter, speech, planned, path)
    with av.open(str(path)) as box:
        return planned, [frame.to_ndarray() for frame in box.decode(video=0)]


def test_only_the_mouth_differs_from_the_base(presenter: Avatar) -> None:
    compositor = Compositor(presenter)
    with presenter.open_loop() as loop:
        for index in range(0, 60, 7):
            loop.seek(index)
            base = next(loop)
            drawn = base.copy()
            box = compositor.compose(drawn, index, TARGETS["Aa"])
            assert box is not None
            changed = region_planes(drawn, box, *presenter.size)[0] != region_planes(base, box, *presenter.size)[0]
            assert changed.mean() > 0.05
            for plane, old in zip(
                region_planes(drawn, box, *presenter.size), region_planes(base, box, *presenter.size), strict=True
            ):
                # The drawing meets the base without an edge, and the rest of the picture is the base's own bytes.
                assert np.array_equal(plane[[0, -1]], old[[0, -1]]) and np.array_equal(
                    plane[:, [0, -1]], old[:, [0, -1]]
                )
                plane[...] = old
            assert np.array_equal(drawn, base)


def test_the_file_shows_the_scheduled_pose_in_every_frame(presenter: Avatar, film: tuple[Plan, list[I420]]) -> None:
    """Of the poses that are scheduled around it, each decoded mouth looks most like its own."""
    planned, decoded = film
    poses = planned.curve.poses
    compositor = Compositor(presenter)
    right = []
    with presenter.open_loop() as loop:
        for number, shown in enumerate(decoded):
            base = next(loop)
            distances = {}
            for other in range(max(0, number - 3), min(len(poses), number + 4)):
                drawn = base.copy()
                box = compositor.compose(drawn, number % len(presenter.track), poses[other])
                assert box is not None
                a, b = (region_planes(f, box, *presenter.size)[0].astype(np.float32) for f in (shown, drawn))
                distances[other] = float(((a - b) ** 2).mean())
            # Poses that look the same, such as those of a tongue behind closed lips, need not be told apart.
            right.append(distances[number] <= 1.1 * min(distances.values()))
    assert len(right) > 60
    assert np.mean(right) >= 0.99


def test_a_face_tracker_sees_the_scheduled_openings(film: tuple[Plan, list[I420]]) -> None:
    planned, decoded = film
    openings, scheduled = [], []
    with MediaPipeLandmarker() as landmarker:
        for frame, pose in zip(decoded[::2], planned.curve.poses[::2], strict=False):
            face = landmarker.find(i420_to_bgr(frame))[0]
            pupils = np.linalg.norm(face[468, :2] - face[473, :2])
            openings.append(np.linalg.norm(face[13, :2] - face[14, :2]) / pupils)
            scheduled.append(float(pose[0] + pose[3] + pose[4]))
    assert np.corrcoef(openings, scheduled)[0, 1] > 0.9


@pytest.mark.parametrize("crop", ["16:9", "9:16", "1:1"])
def test_crops_of_the_presenter_have_her_eyes_in_place(presenter: Avatar, crop: str, tmp_path: Path) -> None:
    framing = choose_framing(presenter.size, presenter.track, crop=crop)
    frame = next(
        speaking_frames(presenter, plan(speak("Hi.", "espeak:en-us", offline=True, cache=False), 25).curve, 25, 1)
    )
    picture = cv2.resize(i420_to_bgr(framing.apply(frame)), None, fx=1.5, fy=1.5)
    with MediaPipeLandmarker() as landmarker:
        face = landmarker.find(picture)[0]
    eyes = face[[468, 473], :2].mean(0) / picture.shape[1::-1]
    assert eyes[0] == pytest.approx(0.5, abs=0.06)
    assert 0.36 <= eyes[1] <= 0.44


def test_it_has_a_name_that_people_read(presenter: Avatar) -> None:
    assert presenter.name == "Presenter" and presenter.source.name == "Video04.mp4"
