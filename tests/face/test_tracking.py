"""Tracking, against faces whose place is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.face.people import on_grey, posed, presenter, presenter_mesh, turned
from visema.errors import FaceError
from visema.face.landmarks import MediaPipeLandmarker
from visema.face.pose import canonical_mesh, fit_poses
from visema.face.track import FaceTrack
from visema.face.tracking import (
    LOWER_LIP,
    FaceTracker,
    distinct,
    find_faces,
    lip_gap,
    mirrored,
    smooth,
    talks,
    track_face,
)
from visema.media.video import VideoReader
from visema.types import FloatArray, Image


def nodding(n: int = 100, hertz: float = 1.0, noise: float = 0.0, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """A head that turns and moves smoothly: the truth, and as measured with noise (pixels)."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 25
    truth = np.array(
        [
            posed(100, turned(8 * np.sin(2 * np.pi * hertz * s), 4 * np.cos(2 * np.pi * hertz * s)),
                  (300 + 12 * np.sin(2 * np.pi * hertz * s), 300))
            for s in t
        ]
    )  # fmt: skip
    return truth, (truth + rng.normal(0, noise, truth.shape)).astype(np.float32)


def test_smoothing_removes_noise_and_keeps_the_nod() -> None:
    truth, measured = nodding(noise=1.0)
    calm = smooth(measured, 25)
    inner = slice(10, -10)
    before, after = (float(np.abs(x - truth)[inner, :, :2].mean()) for x in (measured, calm))
    assert after < 0.45 * before
    # The jitter of one lip point from frame to frame.
    jitter = [float(np.abs(np.diff(x[:, LOWER_LIP, :2], 2, axis=0)).mean()) for x in (measured, calm)]
    assert jitter[1] < 0.15 * jitter[0]


@pytest.mark.parametrize("hertz", [0.5, 1.0, 2.0, 3.0])
def test_smoothing_does_not_flatten_motion(hertz: float) -> None:
    truth, _ = nodding(hertz=hertz)
    calm = smooth(truth, 25)
    reach = np.ptp(truth[:, :, :2], axis=0).max()
    # One sigma for all would take 0.04 of a quick nod and 0.15 of the quickest.
    assert np.abs(calm - truth)[15:-15, :, :2].max() < {0.5: 0.001, 1.0: 0.005, 2.0: 0.01, 3.0: 0.015}[hertz] * reach


def test_talking_lips_stay_quick_and_idle_lips_are_calmed() -> None:
    truth = np.array([posed() for _ in range(100)])
    lips = np.flatnonzero(canonical_mesh()[1] == 0)
    syllables = 12 * np.sin(2 * np.pi * 5 * np.arange(100) / 25).astype(np.float32)
    truth[:, 14, 1] += 12 + syllables
    assert talks(truth)
    kept = smooth(truth, 25)[:, 14, 1]
    assert np.ptp(kept[10:-10]) > 0.75 * np.ptp(truth[:, 14, 1])
    rng = np.random.default_rng(0)
    idle = np.array([posed() for _ in range(100)])
    idle[:, lips] += rng.normal(0, 0.8, (100, len(lips), 3)).astype(np.float32)
    assert not talks(idle)
    assert smooth(idle, 25)[10:-10, 14, 1].std() < 0.45 * idle[:, 14, 1].std()


def test_a_cut_is_not_smeared() -> None:
    here, there = posed(at=(200, 200)), posed(at=(500, 300))
    frames = np.array([here] * 20 + [there] * 20)
    assert np.abs(smooth(frames, 25) - frames)[:, :, :2].max() < 0.5


def test_the_ends_of_a_loop_meet() -> None:
    """A loop that comes round is smoothed round: its first frame is treated like any other."""
    _, measured = nodding(n=100, hertz=0.25, noise=0.8)
    calm = smooth(measured, 25)
    again = smooth(np.roll(measured, 37, axis=0), 25)
    assert np.abs(np.roll(again, -37, axis=0) - calm).max() < 0.05


def test_gaps_are_bridged_and_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.array([posed(at=(300 + 2 * i, 300)) for i in range(20)])
    seen = [i not in (0, 1, 5, 6, 7, 18, 19) for i in range(20)]
    tracker = FaceTracker()
    tracker._points = [p if s else None for p, s in zip(truth, seen, strict=True)]
    with tracker:
        tracking = tracker.finish()
    assert tracking.found.tolist() == seen
    assert np.abs(tracking.landmarks[2:18] - truth[2:18]).max() < 1e-3
    assert np.array_equal(tracking.landmarks[0], truth[2]) and np.array_equal(tracking.landmarks[19], truth[17])


def test_mirrored() -> None:
    truth, _ = nodding(n=10)
    both = mirrored(FaceTrack(truth, np.arange(10) != 3))
    assert len(both.landmarks) == 18
    assert np.array_equal(both.landmarks[10], truth[8]) and np.array_equal(both.landmarks[-1], truth[1])
    assert np.flatnonzero(~both.found).tolist() == [3, 15]


def test_the_presenter_moved_is_found_where_she_was_moved_to() -> None:
    picture, mesh = presenter(360), presenter_mesh(360)
    places = [(40 + 3 * i, 20 + i) for i in range(12)]
    track = track_face([on_grey(picture, (640, 480), at) for at in places], 25, "reflect")
    assert track.found.all()
    for at, found in list(zip(places, track.landmarks, strict=True))[3:-3]:
        assert np.abs(found[:, :2] - mesh[:, :2] - at).mean() < 2.5


def test_frames_without_a_face() -> None:
    picture = on_grey(presenter(360), (480, 400), (60, 20))
    empty = np.full_like(picture, 96)
    track = track_face([empty] * 2 + [picture] * 5 + [empty] * 3 + [picture] * 3, 25)
    assert track.found.tolist() == [False] * 2 + [True] * 5 + [False] * 3 + [True] * 3
    assert np.isfinite(track.landmarks).all()
    with pytest.raises(FaceError, match="No face"):
        track_face([empty] * 3)


def two_faces() -> Image:
    large, small = presenter(400), presenter(240)
    picture = on_grey(large, (800, 420), (390, 10))
    picture[90:330, 40:280] = small
    return picture


def test_the_largest_of_several_faces_is_followed() -> None:
    rgb = np.asarray(cv2.cvtColor(two_faces(), cv2.COLOR_BGR2RGB), np.uint8)
    with FaceTracker() as tracker:
        for _ in range(6):
            tracker.add(rgb)
        tracking = tracker.finish()
    assert tracking.faces == 2
    assert (tracking.landmarks[:, :, 0].mean(1) > 400).all()
    faces, seen = find_faces(two_faces())
    assert len(faces) == seen == 2
    assert faces[0][:, 0].mean() > 400


@pytest.mark.parametrize("at", [(500, 420), (40, 60)], ids=["near the other", "far from it"])
def test_two_small_faces_are_counted_and_the_larger_is_followed(at: tuple[int, int]) -> None:
    picture = on_grey(presenter(220), (1280, 720), (900, 300))
    picture[at[1] : at[1] + 180, at[0] : at[0] + 180] = presenter(180)
    rgb = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    with MediaPipeLandmarker() as mesh:
        assert not mesh.find_rgb(rgb), "too small for the detector of the whole picture"
    with FaceTracker() as tracker:
        for _ in range(3):
            tracker.add(rgb)
        tracking = tracker.finish()
    assert tracking.faces == 2
    assert (tracking.landmarks[:, :, 0].mean(1) > 900).all()
    faces, seen = find_faces(picture)
    assert seen == 2 and faces[0][:, 0].mean() > 900


def test_a_small_face_in_a_large_picture_is_found() -> None:
    small = on_grey(presenter(200), (1280, 720), (900, 300))
    faces, seen = find_faces(small)
    assert len(faces) == seen == 1 and 900 < faces[0][:, 0].mean() < 1100
    rgb = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
    with FaceTracker() as tracker:
        for _ in range(3):
            tracker.add(rgb)
        assert tracker.finish().found.all()


def test_a_face_too_small_for_the_first_look_is_counted_too() -> None:
    picture = on_grey(presenter(340), (1280, 720), (800, 200))
    picture[60:240, 60:240] = presenter(180)
    rgb = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    with MediaPipeLandmarker() as mesh:
        assert len(mesh.find_rgb(rgb)) == 1
    with FaceTracker() as tracker:
        tracker.add(rgb)
        assert tracker.finish().faces == 2
    faces, seen = find_faces(picture)
    assert len(faces) == 1 and seen == 2


def test_two_meshes_on_one_face_count_once() -> None:
    a, b = posed(at=(300, 300)), posed(95, at=(310, 305))
    assert len(distinct([a, b])) == 1
    assert len(distinct([a, posed(at=(700, 300))])) == 2


def test_a_real_idle_clip_is_calm(real_media) -> None:  # type: ignore[no-untyped-def]
    with VideoReader(real_media("loop_closed_mouth_720p.mp4"), seconds=2.0) as reader:
        track = track_face(reader.bgr(), float(reader.info.fps), "reflect")
    assert track.found.all()
    assert lip_gap(track.landmarks).std() < 0.01
    steady = track.landmarks[:, [168, 6, 4, 33, 263], :2]
    assert np.abs(np.diff(steady, 2, axis=0)).mean() < 0.12, "0.35 pixels before smoothing"
    assert fit_poses(track.landmarks).residual.max() < 0.05
