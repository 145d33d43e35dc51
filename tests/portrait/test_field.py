"""The warp and the track that follows from it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from tests.portrait.conftest import Photo
from visema.face.pose import fit_poses
from visema.media.colour import bgr_to_i420, i420_to_bgr
from visema.portrait.field import head_field
from visema.portrait.loop import PortraitLoop, make_loop
from visema.portrait.motion import N_HEAD, PITCH, ROLL, YAW
from visema.types import Box, FloatArray, Image

#: Vertices spread over the face, away from the eyes.
SPREAD = (4, 10, 50, 61, 280, 291, 152, 151, 205, 425, 116, 345)
EYES = frozenset(range(468, 478)) | {
    *(33, 246, 161, 160, 159, 158, 157, 173, 133, 7, 163, 144, 145, 153, 154, 155),
    *(362, 398, 384, 385, 386, 387, 388, 466, 263, 382, 381, 380, 374, 373, 390, 249),
}
STEADY = [i for i in range(478) if i not in EYES]


def test_dots_painted_on_landmarks_move_as_the_track_says(presenter: Photo) -> None:
    canvas = np.full_like(presenter.image, 40)
    for point in presenter.landmarks[list(SPREAD), :2]:
        center = np.round(point * 16).astype(int).tolist()
        cv2.circle(canvas, center, 3 * 16, (230, 230, 230), -1, cv2.LINE_AA, 4)
    loop = make_loop(canvas, presenter.landmarks)
    moved = 0.0
    for i, frame in enumerate(map(i420_to_bgr, loop.frames())):
        if i % 25:
            continue
        for vertex in SPREAD:
            x, y = loop.track.landmarks[i, vertex, :2]
            x0, y0 = int(x) - 7, int(y) - 7
            weight = frame[y0 : y0 + 15, x0 : x0 + 15, 0].astype(float) - 40
            gy, gx = np.mgrid[y0 : y0 + 15, x0 : x0 + 15]
            seen = np.array([(weight * gx).sum(), (weight * gy).sum()]) / weight.sum()
            assert np.abs(seen - (x, y)).max() < 0.12
            moved = max(moved, float(np.abs(np.array([x, y]) - presenter.landmarks[vertex, :2]).max()))
    assert moved > 2  # pixels: the test has something to see


def test_the_track_agrees_with_looking_again(
    find: Callable[[Image], list[FloatArray]], loop: PortraitLoop, frames: list[Image]
) -> None:
    index = range(0, len(frames), 20)
    seen = np.stack([find(frames[i])[0] for i in index])
    said = loop.track.landmarks[list(index)]
    unit = fit_poses(said).scale.mean()
    error = np.linalg.norm(seen[:, STEADY, :2] - said[:, STEADY, :2], axis=-1) / unit
    assert error.mean() < 0.009 and np.percentile(error, 95) < 0.02
    a, b = fit_poses(seen), fit_poses(said)
    assert np.corrcoef(a.yaw, b.yaw)[0, 1] > 0.8 and np.corrcoef(a.roll, b.roll)[0, 1] > 0.8


def test_the_track_turns_by_the_angles_asked_for(presenter: Photo) -> None:
    field = head_field((512, 512), presenter.landmarks)
    for column, name in ((YAW, "yaw"), (PITCH, "pitch"), (ROLL, "roll")):
        head = np.zeros((3, N_HEAD), np.float32)
        head[:, column] = np.radians([-2, 0, 2])
        angles = getattr(fit_poses(field.landmarks(presenter.landmarks, head)), name)
        assert np.allclose(np.diff(angles), 2, atol=0.5), name
        # rolling a head that looks down turns it too, by sin(13 degrees) of the roll
        others = {"yaw", "pitch", "roll"} - {name}
        poses = fit_poses(field.landmarks(presenter.landmarks, head))
        assert all(np.ptp(getattr(poses, other)) < 1.2 for other in others)


def test_top_and_sides_do_not_move(loop: PortraitLoop, frames: list[Image]) -> None:
    still = i420_to_bgr(bgr_to_i420(loop.photo))
    for frame in frames:
        assert np.array_equal(frame[0], still[0])
        assert np.array_equal(frame[:, 0], still[:, 0])
        assert np.array_equal(frame[:, -1], still[:, -1])


def test_the_background_away_from_the_head_does_not_move(loop: PortraitLoop, frames: list[Image]) -> None:
    stack = np.stack([frame[:300, :24] for frame in frames[::10]])
    assert np.array_equal(stack.max(0), stack.min(0))


def test_no_motion_gives_the_photo_back(presenter: Photo) -> None:
    field = head_field((512, 512), presenter.landmarks)
    grid = field.displacement(np.zeros((1, N_HEAD), np.float32))
    box = Box(3, 7, 300, 211)
    source = field.source_map(box)(grid[0])
    gy, gx = np.mgrid[7:211, 3:300]
    assert np.allclose(source, np.dstack([gx, gy]), atol=1e-3)
    assert field.moving_boxes(grid[0]) == []


def test_nothing_is_stretched_much(loop: PortraitLoop) -> None:
    grids = loop._field.displacement(loop._head)
    assert loop._field.strain(grids) <= 0.1 + 1e-6
