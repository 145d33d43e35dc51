"""Lids and gaze."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.portrait.conftest import Photo, eye_openness
from visema.portrait.blink import MIN_WIDTH_PX, OPEN, SHUT, Blink, EyeState, closed_eyes
from visema.portrait.eye import EYES
from visema.portrait.spectacles import find_frame
from visema.types import FloatArray, Image

Find = Callable[[Image], list[FloatArray]]


def drawn(photo: Photo, state: EyeState) -> Image:
    out = photo.image.copy()
    for box, pixels in Blink(photo.image, photo.landmarks).draw(state):
        out[box.y0 : box.y1, box.x0 : box.x1] = pixels
    return out


def test_open_eyes_are_the_photo_itself(presenter: Photo) -> None:
    assert np.array_equal(drawn(presenter, OPEN), presenter.image)


def test_lids_come_down_step_by_step_until_the_eyes_are_shut(presenter: Photo, find: Find) -> None:
    openness = [eye_openness(find(drawn(presenter, EyeState(k)))[0]) for k in (0, 0.25, 0.5, 0.75, 1)]
    assert all(a > b for a, b in pairwise(openness))
    assert openness[0] > 0.35 and openness[-1] < 0.12


@pytest.mark.parametrize("name", ["face_frontal_closed.jpg", "face_frontal_small.png", "face_turned.jpg"])
def test_real_eyes_shut(name: str, find: Find, real_media: Callable[[str], Path]) -> None:
    image = cv2.imread(str(real_media(name)))
    landmarks = find(image)[0]
    shut = closed_eyes(image, landmarks)
    before, after = eye_openness(landmarks), eye_openness(find(shut)[0])
    assert after < 0.16 and after < 0.5 * before


def test_nothing_of_the_eyeball_is_left_when_shut(presenter: Photo) -> None:
    shut = closed_eyes(presenter.image, presenter.landmarks).astype(int)
    for iris in (468, 473):
        x, y = np.round(presenter.landmarks[iris, :2]).astype(int)
        skin = np.median(shut[y + 25 : y + 35, x - 5 : x + 6], axis=(0, 1))
        lid = shut[y - 6 : y + 1, x - 8 : x + 9]
        assert (lid < skin + 10).all() and (lid > 0.5 * skin).all()  # no white, no highlight, no pupil
    for ids in EYES:  # below the lashes, down to the edge of the lower lid
        lower = presenter.landmarks[list(ids.lower[2:-2]), :2]
        for x, y in np.round(lower).astype(int):
            strip = shut[y - 3 : y + 1, x]
            under = shut[y + 12, x]
            assert (strip < 1.06 * under + 4).all()


def test_only_the_eyes_change(presenter: Photo) -> None:
    changed = (closed_eyes(presenter.image, presenter.landmarks) != presenter.image).any(-1)
    boxes = Blink(presenter.image, presenter.landmarks).boxes
    assert len(boxes) == 2
    for box in boxes:
        inside = changed[box.y0 : box.y1, box.x0 : box.x1]
        rim = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
        assert inside.mean() > 0.3 and rim.mean() < 0.05
        changed[box.y0 : box.y1, box.x0 : box.x1] = False
    assert not changed.any()


def test_the_patch_has_no_visible_rim(presenter: Photo) -> None:
    before = presenter.image.astype(int)
    after = closed_eyes(presenter.image, presenter.landmarks).astype(int)
    for box in Blink(presenter.image, presenter.landmarks).boxes:
        step = np.abs(after - before)[box.y0 : box.y1, box.x0 : box.x1]
        assert np.concatenate([step[0], step[-1]]).max() <= 6
        assert np.concatenate([step[:, 0], step[:, -1]]).max() <= 6


def test_the_irises_go_where_the_gaze_goes(presenter: Photo, find: Find) -> None:
    ahead = find(presenter.image)[0]
    for state, axis, sign in ((EyeState(0, 20), 0, 1), (EyeState(0, -20), 0, -1), (EyeState(0, 0, 12), 1, 1)):
        moved = find(drawn(presenter, state))[0]
        for iris in (468, 473):
            shift = (moved[iris] - ahead[iris])[axis] * sign
            assert 0.4 < shift < 4, (state, iris)


def test_a_gaze_of_whole_pixels_moves_the_pupil_by_them(presenter: Photo) -> None:
    moved = drawn(presenter, EyeState(0, 16, 0))  # two pixels to the right
    for iris in (468, 473):
        x, y = np.round(presenter.landmarks[iris, :2]).astype(int)
        was = presenter.image[y - 2 : y + 3, x - 4 : x + 5].astype(int)
        now = moved[y - 2 : y + 3, x - 2 : x + 7].astype(int)
        assert np.abs(was - now).max() <= 3


def test_eyes_already_shut_stay_as_they_are(presenter: Photo) -> None:
    landmarks = presenter.landmarks.copy()
    for upper, lower in zip((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155), strict=True):
        landmarks[upper] = landmarks[lower]
    for upper, lower in zip((398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249), strict=True):
        landmarks[upper] = landmarks[lower]
    blink = Blink(presenter.image, landmarks)
    assert "shut" in blink.note and blink.draw(SHUT) == []
    assert np.array_equal(closed_eyes(presenter.image, landmarks), presenter.image)


def test_one_shut_eye_leaves_the_other_blinking(presenter: Photo) -> None:
    landmarks = presenter.landmarks.copy()
    for upper, lower in zip((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155), strict=True):
        landmarks[upper] = landmarks[lower]
    blink = Blink(presenter.image, landmarks)
    assert blink.note == "" and len(blink.boxes) == 1


def test_tiny_eyes_and_eyes_at_the_border_say_why_they_do_not_blink(presenter: Photo) -> None:
    k = 0.8 * MIN_WIDTH_PX / np.linalg.norm(presenter.landmarks[33] - presenter.landmarks[133])
    small = cv2.resize(presenter.image, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
    assert "small" in Blink(small, (presenter.landmarks * k).astype(np.float32)).note
    left = int(presenter.landmarks[33, 0]) + 5  # cuts through the eye
    cut = np.ascontiguousarray(presenter.image[:, left:])
    moved = presenter.landmarks - np.array([left, 0, 0], np.float32)
    blink = Blink(cut, moved)
    assert "border" in blink.note and blink.boxes == []


@pytest.mark.parametrize("size", [96, 160, 256, 700])
def test_any_usable_size_is_drawn(presenter: Photo, size: int) -> None:
    k = size / 512
    image = cv2.resize(presenter.image, (size, size), interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_CUBIC)
    landmarks = (presenter.landmarks * k).astype(np.float32)
    blink = Blink(image, landmarks)
    assert (blink.note == "") == (0.19 * size * 0.5 >= MIN_WIDTH_PX)
    for state in (EyeState(0.3, 3, -2), EyeState(0.7), SHUT):
        for box, pixels in blink.draw(state):
            assert pixels.shape == (box.height, box.width, 3)


def with_spectacles(photo: Photo) -> tuple[Image, Image]:
    """The photo with round spectacles drawn on, and where they are."""
    unit = photo.unit
    layer = np.zeros(photo.image.shape[:2], np.uint8)
    left, right = (np.round(photo.landmarks[i, :2] + (0, 0.04 * unit)).astype(int) for i in (468, 473))
    reach, thick = int(0.40 * unit), max(2, int(0.05 * unit))
    for center in (left, right):
        cv2.ellipse(layer, center.tolist(), (reach, int(0.32 * unit)), 0, 0, 360, (255,), thick, cv2.LINE_AA)
    cv2.line(layer, (int(left[0]) + reach, int(left[1])), (int(right[0]) - reach, int(right[1])), (255,), thick)
    alpha = layer[..., None] / 255
    worn = photo.image * (1 - alpha) + np.array([25, 20, 20]) * alpha
    return worn.astype(np.uint8), layer


def test_lids_leave_the_frame_of_spectacles_alone(presenter: Photo) -> None:
    assert find_frame(presenter.image, presenter.landmarks) is None
    worn, layer = with_spectacles(presenter)
    assert find_frame(worn, presenter.landmarks) is not None
    shut = closed_eyes(worn, presenter.landmarks)
    assert np.abs(shut.astype(int) - worn)[layer > 200].max() <= 2
    plain = closed_eyes(presenter.image, presenter.landmarks).astype(int)
    beside = cv2.dilate(layer, np.ones((7, 7), np.uint8)) == 0
    assert np.abs(shut.astype(int) - plain)[beside].mean() < 1.5  # and the eyes shut as without
