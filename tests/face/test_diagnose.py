"""What is said about a face, for faces that are known to be odd in one way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.face.people import posed, presenter, presenter_mesh, turned
from visema.errors import FaceError
from visema.face.diagnose import best_neutral, diagnose
from visema.face.track import FaceTrack
from visema.media.image import read_image
from visema.types import FloatArray, Image

SIZE = (800, 800)


def track_of(*frames: FloatArray, found: list[bool] | None = None) -> FaceTrack:
    return FaceTrack(np.array(frames), np.array(found or [True] * len(frames)))


def shut(mesh: FloatArray) -> FloatArray:
    """The same face with its lips together."""
    out = mesh.copy()
    out[[13, 14]] = (mesh[13] + mesh[14]) / 2
    return out


def opened(mesh: FloatArray, by: float) -> FloatArray:
    out = shut(mesh)
    out[14, 1] += by
    return out


def noisy(mesh: FloatArray, sigma: float) -> FloatArray:
    """A face that no mean face fits; its lips stay as they are."""
    out = mesh + np.random.default_rng(0).normal(0, sigma, mesh.shape)
    out[[13, 14]] = mesh[[13, 14]]
    return out.astype(np.float32)


GOOD = shut(posed())


def test_a_good_face_has_no_notes() -> None:
    assert diagnose(track_of(*[GOOD] * 10), SIZE, "video") == ()
    mesh, picture = presenter_mesh(), presenter()
    assert diagnose(track_of(mesh), picture.shape[1::-1], "photo", 1, {0: picture}) == ()


@pytest.mark.parametrize(
    ("mesh", "word"),
    [
        (shut(posed(35)), "small"),
        (shut(posed(100, turned(yaw=38))), "turned by 3"),
        (shut(posed(100, turned(yaw=-38))), "turned by 3"),
        (shut(posed(100, turned(roll=90))), "Turn the picture upright"),
        (shut(posed(100, turned(roll=-60))), "Turn the picture upright"),
        (noisy(GOOD, 3.2), "measured badly"),
        (opened(GOOD, 12), "mouth is open"),
        (opened(GOOD, 30), "wide open"),
        (shut(posed(100, at=(300, 760))), "cut off"),
    ],
)
def test_oddities(mesh: FloatArray, word: str) -> None:
    notes = diagnose(track_of(mesh), SIZE, "photo")
    assert [word in note for note in notes] == [True], notes


@pytest.mark.parametrize(
    ("mesh", "word"), [(shut(posed(24)), "too small"), (posed(16), "too small"), (noisy(GOOD, 5.5), "human")]
)
def test_refusals(mesh: FloatArray, word: str) -> None:
    with pytest.raises(FaceError, match=word) as caught:
        diagnose(track_of(mesh), SIZE, "photo")
    assert caught.value.hint
    assert word != "human" or "upright" in caught.value.hint


def test_no_face_at_all() -> None:
    with pytest.raises(FaceError, match=r"No face.*upright"):
        diagnose(track_of(GOOD, found=[False]), SIZE, "photo")


def test_talking_is_told_for_videos() -> None:
    frames = [opened(GOOD, 8 + 8 * np.sin(i)) for i in range(50)]
    assert "talks in this video" in " ".join(diagnose(track_of(*frames), SIZE, "video"))


def test_several_and_lost() -> None:
    notes = diagnose(track_of(*[GOOD] * 10, found=[True] * 9 + [False]), SIZE, "video", faces=3)
    assert notes[0].startswith("3 faces") and "lost in 10 %" in notes[1]


def with_moustache(picture: Image, mesh: FloatArray, dense: bool) -> Image:
    """Dark strokes, or a dark patch, on the skin between nose and lip."""
    out = picture.copy()
    edge, nose = mesh[[40, 39, 37, 0, 267, 269, 270], :2], mesh[[98, 98, 97, 2, 326, 327, 327], :2]
    outline = np.concatenate([edge, edge + 0.9 * (nose - edge)]).astype(np.int32)
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.asarray(cv2.convexHull(outline), np.int32), (255,))
    if dense:
        out[mask > 0] = out[mask > 0] // 3
        return out
    rng = np.random.default_rng(1)
    ys, xs = np.nonzero(mask)
    for k in rng.integers(0, len(ys), len(ys) // 6):
        end = (int(xs[k]) + int(rng.normal(0, 2)), int(ys[k]) + 5)
        cv2.line(out, (int(xs[k]), int(ys[k])), end, (30, 30, 40), 1, cv2.LINE_AA)
    return out


@pytest.mark.parametrize("dense", [True, False])
def test_a_moustache(dense: bool) -> None:
    mesh = presenter_mesh()
    picture = with_moustache(presenter(), mesh, dense)
    notes = diagnose(track_of(mesh), picture.shape[1::-1], "photo", 1, {0: picture})
    assert len(notes) == 1 and "moustache" in notes[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [("face_frontal_small.png", []), ("face_frontal_closed.jpg", ["mouth is open"]), ("face_turned.jpg", [])],
)
def test_real_faces(real_media, name: str, words: list[str]) -> None:  # type: ignore[no-untyped-def]
    from visema.face.tracking import find_faces

    picture = read_image(real_media(name))
    notes = diagnose(track_of(find_faces(picture)[0][0]), picture.shape[1::-1], "photo", 1, {0: picture})
    assert len(notes) == len(words) and all(w in n for w, n in zip(words, notes, strict=True))


def test_the_best_frame_is_shut_awake_and_frontal() -> None:
    blinking = GOOD.copy()
    blinking[[159, 386]] = blinking[[145, 374]]
    turned_away = shut(posed(100, turned(yaw=20)))
    frames = [opened(GOOD, 15), turned_away, blinking, GOOD, opened(GOOD, 5), GOOD]
    track = track_of(*frames, found=[True, True, True, True, True, False])
    assert best_neutral(track.landmarks, [0, 1, 2, 3, 4, 5], track) == 3
