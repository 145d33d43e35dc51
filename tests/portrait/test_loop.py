"""Loops from all kinds of photos."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.portrait.conftest import Photo, eye_openness
from visema.errors import FaceError
from visema.media.colour import bgr_to_i420, frame_planes, i420_to_bgr
from visema.portrait.loop import PortraitLoop, make_loop
from visema.portrait.planes import FineBlocks, FinePlanes
from visema.portrait.still import FineStill
from visema.types import I420, Box, FloatArray, Image

Find = Callable[[Image], list[FloatArray]]


def resting(loop: PortraitLoop) -> tuple[NDArray[np.uint8], ...]:
    return frame_planes(bgr_to_i420(loop.photo), *loop.size)


def detail(image: Image) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_32F).std())


def test_eight_seconds_of_the_photos_size(loop: PortraitLoop, frames: list[Image]) -> None:
    assert len(loop) == len(frames) == len(loop.track) == 200
    assert loop.size == (512, 512) and loop.fps == 25 and loop.notes == ()
    assert all(frame.shape == (512, 512, 3) and frame.dtype == np.uint8 for frame in frames)
    assert loop.track.found.all()


def test_the_cut_from_last_to_first_cannot_be_seen(frames: list[Image]) -> None:
    steps = [float(np.abs(a.astype(int) - b).mean()) for a, b in pairwise(frames)]
    seam = float(np.abs(frames[0].astype(int) - frames[-1]).mean())
    assert seam < np.percentile(steps, 99)


def test_it_lives(frames: list[Image], find: Find) -> None:
    openness = np.array([eye_openness(find(frame)[0]) for frame in frames[50:75:2]])
    assert openness.max() > 0.3 and openness.min() < 0.15  # the first blink, 2.4 s into the loop


def test_sharpness_is_kept(loop: PortraitLoop, frames: list[Image], presenter: Photo) -> None:
    x0, y0 = presenter.landmarks[:, :2].min(0).astype(int)
    x1, y1 = presenter.landmarks[:, :2].max(0).astype(int)
    still = detail(loop.photo[y0:y1, x0:x1])
    ratios = [detail(f[y0:y1, x0:x1]) / still for f, k in zip(frames, loop.motion.closure, strict=True) if k == 0]
    assert 0.85 < np.mean(ratios) < 1.1 and min(ratios) > 0.8


def test_the_same_seed_gives_the_same_frames(presenter: Photo) -> None:
    def three(seed: int) -> list[I420]:
        return list(make_loop(presenter.image, presenter.landmarks, seconds=0.12, seed=seed).frames())

    assert all(np.array_equal(a, b) for a, b in zip(three(4), three(4), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(three(4), three(5), strict=True))


def test_frames_can_be_had_again_and_are_the_callers_own(loop: PortraitLoop, frames: list[Image]) -> None:
    first = next(loop.frames())
    first[:] = 0
    assert np.array_equal(i420_to_bgr(next(loop.frames())), frames[0])


@pytest.mark.parametrize(("w", "h"), [(511, 512), (512, 511), (333, 257), (641, 301)])
def test_odd_and_oblong_sizes(presenter: Photo, w: int, h: int) -> None:
    k = min(w, h) / 512
    small = cv2.resize(presenter.image, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
    left = (w - small.shape[1]) // 2
    image = cv2.copyMakeBorder(small, 0, h - small.shape[0], left, w - small.shape[1] - left, cv2.BORDER_REPLICATE)
    landmarks = (presenter.landmarks * k + np.array([left, 0, 0])).astype(np.float32)
    loop = make_loop(image, landmarks, seconds=1)
    assert loop.size == (w - w % 2, h - h % 2)
    for frame in loop.frames():
        assert frame.shape == ((h - h % 2) * 3 // 2, w - w % 2)
    for moved, still in zip(frame_planes(frame, *loop.size), resting(loop), strict=True):
        assert np.array_equal(moved[:, 0], still[:, 0]) and np.array_equal(moved[:, -1], still[:, -1])


def test_large_photos_are_bounded(presenter: Photo) -> None:
    image = cv2.resize(presenter.image, (2000, 1500))
    landmarks = presenter.landmarks * np.array([2000 / 512, 1500 / 512, 2000 / 512], np.float32)
    loop = make_loop(image, landmarks, seconds=0.2)
    assert loop.size == (1280, 960)
    assert np.allclose(loop.landmarks[:, 0] / 1280, presenter.landmarks[:, 0] / 512, atol=1e-3)
    assert make_loop(image, landmarks, max_side=401, seconds=0.2).size == (400, 300)


def test_a_tiny_face_is_moved_but_does_not_blink(presenter: Photo) -> None:
    image = cv2.resize(presenter.image, (96, 96), interpolation=cv2.INTER_AREA)
    loop = make_loop(image, (presenter.landmarks * 96 / 512).astype(np.float32), seconds=4)
    frames = list(loop.frames())
    assert "small" in loop.notes[0]
    assert not np.array_equal(frames[0], frames[50])


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom", "all"])
def test_a_face_cut_by_the_border_is_not_torn(presenter: Photo, side: str) -> None:
    x0, y0 = presenter.landmarks[:, :2].min(0).astype(int)
    x1, y1 = presenter.landmarks[:, :2].max(0).astype(int)
    crop = {"left": x0 + 20, "top": y0 + 20, "right": x1 - 20, "bottom": y1 - 20}
    left, top = (crop[s] if side in (s, "all") else 0 for s in ("left", "top"))
    right, bottom = (crop[s] if side in (s, "all") else 512 for s in ("right", "bottom"))
    image = np.ascontiguousarray(presenter.image[top:bottom, left:right])
    loop = make_loop(image, presenter.landmarks - np.array([left, top, 0], np.float32))
    grids = loop._field.displacement(loop._head)
    assert loop._field.strain(grids) <= 0.1 + 1e-6
    moved = loop.track.landmarks - loop.landmarks
    assert 0.3 < np.abs(moved[..., :2]).max() < 12
    for frame in list(loop.frames())[::20]:
        for plane, still in zip(frame_planes(frame, *loop.size), resting(loop), strict=True):
            assert np.array_equal(plane[0], still[0]) and np.array_equal(plane[:, 0], still[:, 0])


def test_landmarks_that_are_no_face_are_refused(presenter: Photo) -> None:
    with pytest.raises(FaceError):
        make_loop(presenter.image, presenter.landmarks[:68])
    broken = presenter.landmarks.copy()
    broken[3] = np.nan
    with pytest.raises(FaceError):
        make_loop(presenter.image, broken)


@pytest.mark.parametrize("name", ["face_frontal_closed.jpg", "face_frontal_small.png", "face_turned.jpg"])
def test_real_photos(name: str, find: Find, real_media: Callable[[str], Path]) -> None:
    image = cv2.imread(str(real_media(name)))
    loop = make_loop(image, find(image)[0])
    frames = [i420_to_bgr(frame) for frame in loop.frames()]
    assert loop.notes == ()
    index = [20, 90, 180]
    for i in index:
        seen = find(frames[i])[0]
        error = np.linalg.norm(seen[:, :2] - loop.track.landmarks[i, :, :2], axis=1) / loop.track.poses.scale[i]
        assert error.mean() < 0.015


def test_a_patched_still_is_as_if_made_of_the_patched_photo(presenter: Photo) -> None:
    box = Box(100, 120, 160, 150)
    patched = presenter.image.copy()
    patched[120:150, 100:160] = 255 - patched[120:150, 100:160]
    still = FineStill(presenter.image)
    still.put(patched[120:150, 100:160], box)
    assert np.array_equal(still.fine, FineStill(patched).fine)
    corner = FineStill(presenter.image)
    corner.put(presenter.image[:20, :30], Box(0, 0, 30, 20))
    assert np.array_equal(corner.fine, FineStill(presenter.image).fine)


def test_patched_planes_are_as_if_made_of_the_patched_photo(presenter: Photo) -> None:
    box = Box(101, 119, 160, 151)  # odd edges: chroma of the pixels around is made anew as well
    patched = presenter.image.copy()
    patched[119:151, 101:160] = 255 - patched[119:151, 101:160]
    planes, anew = FinePlanes(presenter.image), FinePlanes(patched)
    planes.put(patched[119:151, 101:160], box)
    assert np.array_equal(planes._luma._blocks, anew._luma._blocks)
    assert np.array_equal(planes._chroma.fine, anew._chroma.fine)


def test_colour_moves_with_brightness(presenter: Photo) -> None:
    """Waves of colour: each plane of a frame is that of the same warp done on BGR."""
    y, x = np.indices(presenter.image.shape[:2])
    waves = np.stack([np.sin(x / 9), np.sin(y / 8 + 1), np.sin((x + y) / 10 + 2)], axis=-1)
    canvas = np.rint(128 + 90 * waves).astype(np.uint8)
    loop = make_loop(canvas, presenter.landmarks)
    moved, errors = 0.0, []
    for number, frame in enumerate(loop.frames()):
        if number % 40 != 20:
            continue
        grid = loop._field.displacement(loop._head[number : number + 1])[0]
        whole = loop._field.source_map(Box(0, 0, *loop.size))(grid)
        truth = bgr_to_i420(cv2.remap(canvas, whole, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        for seen, wanted in zip(frame_planes(frame, *loop.size), frame_planes(truth, *loop.size), strict=True):
            errors.append(float(np.abs(seen.astype(int) - wanted)[8:-8, 8:-8].mean()))
        moved = max(moved, float(np.abs(grid).max()))
    assert moved > 2
    assert max(errors) < 1.0, errors


def test_blocks_that_are_only_shifted_are_as_if_sampled_one_by_one(presenter: Photo) -> None:
    plane = np.ascontiguousarray(presenter.image[:, :, 1])
    y, x = np.indices(plane.shape, np.float32)
    shifted = np.dstack([2 * (x - 3.3), 2 * (y + 2.6)])
    target = np.zeros((520, 530), np.uint8)
    FineBlocks(plane).sample_into(target[4:516, 8:520], shifted[::2, ::2])
    difference = target[4:516, 8:520].astype(int) - FineStill(plane).sample(shifted)
    assert np.abs(difference[8:-8, 8:-8]).max() <= 1  # OpenCV rounds four channels a little otherwise than one
    assert np.abs(difference[8:-8, 8:-8]).mean() < 0.1
    assert not target[:4].any() and not target[:, :8].any() and not target[516:].any()
