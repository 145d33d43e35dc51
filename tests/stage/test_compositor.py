"""Outside the engine's region, and wherever the engine left a pixel alone, the frame keeps its bytes."""

import numpy as np
import pytest

from tests.stage.conftest import SIZE, TinyAvatar
from visema.media.colour import frame_planes, region_planes
from visema.stage.compositor import Compositor
from visema.types import Box
from visema.visemes.articulation import TARGETS


def noise(seed: int = 1) -> np.ndarray:
    """Every byte there can be, also such as no camera writes."""
    return np.random.default_rng(seed).integers(0, 256, (SIZE[1] * 3 // 2, SIZE[0]), np.uint8)


@pytest.mark.parametrize("index", [0, 7, 12, 31])
def test_nothing_outside_the_region_changes(tiny: TinyAvatar, index: int) -> None:
    before = noise(index)
    after = before.copy()
    box = Compositor(tiny).compose(after, index, TARGETS["Aa"])
    assert box is not None
    assert (after != before).any()
    for plane in region_planes(before, box, *SIZE), region_planes(after, box, *SIZE):
        for part in plane:
            part[...] = 0
    assert np.array_equal(before, after)


def test_untouched_pixels_inside_the_region_keep_their_bytes(tiny: TinyAvatar) -> None:
    frame = noise()
    kept = frame.copy()
    assert Compositor(tiny).compose(frame, 3, TARGETS["Sil"]) is not None  # the engine draws nothing at jaw 0
    assert np.array_equal(frame, kept)


def test_the_drawing_arrives_in_its_colour(tiny: TinyAvatar) -> None:
    frame = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
    box = Compositor(tiny).compose(frame, 0, TARGETS["Aa"])
    assert box is not None
    y, u, v = frame_planes(frame, *SIZE)
    middle = (box.y0 + box.height // 2, box.x0 + box.width // 2)
    half = (middle[0] // 2, middle[1] // 2)
    # BGR (10, 10, 30) in BT.601, limited range.
    assert (int(y[middle]), int(u[half]), int(v[half])) == pytest.approx((29, 125, 137), abs=2)


def test_no_pose_and_no_face_leave_the_frame_alone(tiny: TinyAvatar) -> None:
    frame = noise()
    kept = frame.copy()
    compositor = Compositor(tiny)
    assert compositor.compose(frame, 3, None) is None
    tiny.drawing.lost.add(4)
    assert compositor.compose(frame, 4, TARGETS["Aa"]) is None
    assert np.array_equal(frame, kept)


def test_planes_are_views_of_the_frame() -> None:
    frame = np.zeros((SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
    for value, plane in enumerate(region_planes(frame, Box(10, 20, 30, 60), *SIZE), 1):
        plane[...] = value
    assert np.bincount(frame.ravel())[1:].tolist() == [20 * 40, 10 * 20, 10 * 20]
