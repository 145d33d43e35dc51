"""Loop videos: written, made seamless, read from anywhere."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.make import index_of, scene
from visema.errors import AvatarError
from visema.media.colour import bgr_to_i420, i420_to_bgr
from visema.media.loop import LoopReader
from visema.media.loop_writer import KEYINT, LoopWriter, backward_frames
from visema.types import I420


def numbered(index: int) -> I420:
    return bgr_to_i420(scene(index))


def circle(count: int) -> list[int]:
    """Indices that go up and come back, so that the last is next to the first."""
    up = list(range(count // 2))
    return up + up[::-1]


def make(path: Path, indices: list[int], fps: Fraction = Fraction(25)) -> bool:
    writer = LoopWriter(path, (192, 128), fps)
    for i in indices:
        writer.write(numbered(i))
    return writer.close_seamless()


def levels(frames: list[I420]) -> list[int]:
    return [index_of(i420_to_bgr(f)) for f in frames]


@pytest.mark.parametrize("start", [0, 1, 7, KEYINT - 1, KEYINT, KEYINT + 1, 45, 46, 1000])
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
def test_from_any_frame_and_round(tmp_path: Path, start: int, fps: Fraction) -> None:
    order = circle(46)
    assert not make(tmp_path / "loop.mp4", order, fps)
    with LoopReader(tmp_path / "loop.mp4", start) as loop:
        assert (loop.count, loop.size) == (46, (192, 128)) and abs(loop.fps - fps) < 1e-3
        assert loop.index == start % 46
        got = levels([next(loop) for _ in range(100)])
        assert got == [order[(start + i) % 46] for i in range(100)]
        assert loop.index == (start + 100) % 46
        loop.seek(start + 30)
        assert levels([next(loop)]) == [order[(start + 30) % 46]]


def test_frames_are_the_users_to_draw_on(tmp_path: Path) -> None:
    make(tmp_path / "loop.mp4", circle(10))
    with LoopReader(tmp_path / "loop.mp4") as loop:
        first = next(loop)
        first[:] = 0
        again = [next(loop) for _ in range(10)][-1]
    assert levels([again]) == [0]


def test_a_jump_is_played_back_and_forth(tmp_path: Path) -> None:
    order = list(range(22))
    assert make(tmp_path / "loop.mp4", order)
    with LoopReader(tmp_path / "loop.mp4") as loop:
        assert loop.count == 2 * len(order) - 2
        assert levels([next(loop) for _ in range(loop.count + 1)]) == order + order[-2:0:-1] + [0]
        loop.seek(30)
        assert levels([next(loop)]) == [12]
    assert [p.name for p in tmp_path.iterdir()] == ["loop.mp4"]


def test_back_and_forth_over_groups_of_pictures(tmp_path: Path) -> None:
    order = [i * 20 // 60 for i in range(60)]
    assert make(tmp_path / "loop.mp4", order)
    with LoopReader(tmp_path / "loop.mp4", 50) as loop:
        both = order + order[-2:0:-1]
        assert loop.count == len(both) == 118
        assert levels([next(loop) for _ in range(80)]) == (both + both)[50:130]


def test_backward_frames(tmp_path: Path) -> None:
    with LoopWriter(tmp_path / "a.mp4", (192, 128), Fraction(24)) as writer:
        for i in range(55):
            writer.write(numbered(i % 24))
    read = [(i, index_of(i420_to_bgr(f))) for i, f in backward_frames(tmp_path / "a.mp4", Fraction(24))]
    assert read == [(i, i % 24) for i in reversed(range(55))]


def test_what_is_kept_is_close_to_what_came(tmp_path: Path) -> None:
    make(tmp_path / "loop.mp4", circle(12))
    with LoopReader(tmp_path / "loop.mp4") as loop:
        for i in circle(12):
            assert np.abs(next(loop).astype(int) - numbered(i)).mean() < 1


def test_damaged(tmp_path: Path) -> None:
    path = tmp_path / "loop.mp4"
    with pytest.raises(AvatarError):
        LoopReader(path)
    path.write_bytes(b"no video")
    with pytest.raises(AvatarError):
        LoopReader(path)


def test_a_loop_that_ends_too_early(tmp_path: Path) -> None:
    path = tmp_path / "loop.mp4"
    make(path, list(range(22)))  # played back and forth, and so with its index in front
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    path.write_bytes(data[: len(data) * 2 // 3])
    with LoopReader(path) as loop, pytest.raises(AvatarError):
        for _ in range(loop.count + 1):
            next(loop)
