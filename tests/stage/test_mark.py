"""The visible mark: in its corner alone, readable on dark and on light, at every size and shape."""

from __future__ import annotations

import numpy as np
import pytest

from visema.media.colour import frame_planes
from visema.stage.mark import draw_mark

SIZES = [(16, 16), (64, 64), (320, 180), (512, 512), (720, 1280), (1280, 720), (3840, 2160)]


def marked(size: tuple[int, int], shade: int) -> tuple[np.ndarray, np.ndarray]:
    width, height = size
    frame = np.full((height * 3 // 2, width), 90, np.uint8)
    frame[:height] = shade
    before = frame.copy()
    draw_mark(frame, size)
    return before, frame


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shade", [16, 128, 235])
def test_it_is_readable_in_its_corner(size: tuple[int, int], shade: int) -> None:
    width, height = size
    before, after = marked(size, shade)
    luma = frame_planes(after, width, height)[0].astype(int)
    changed = np.argwhere(luma != shade)
    assert len(changed)
    if min(size) < 180:
        return  # too small to read, but nothing breaks
    above = 0.88 if min(size) >= 512 else 0.78
    top, left = changed.min(0)
    bottom, right = changed.max(0)
    assert top > above * height and left > 0.5 * width and bottom < height - 4 and right < width - 4
    badge = luma[top : bottom + 1, left : right + 1]
    assert np.percentile(badge, 99) > 185 and np.percentile(badge, 99) - np.median(badge) > 60
    assert (after[:height] == before[:height])[: int(above * height)].all()


def test_colours_fade_to_grey_under_it() -> None:
    _, after = marked((1280, 720), 128)
    _, u, v = frame_planes(after, 1280, 720)
    for plane in (u, v):
        assert (plane[: plane.shape[0] * 3 // 4] == 90).all()
        assert 100 < int(plane.max()) <= 128
