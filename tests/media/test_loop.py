"""Loop videos: written, made seamless, read from anywhere."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.make import index_of, scene, write_video
from visema.errors import AvatarError
from visema.media.colour import bgr_to_i420, i420_to_bgr
from visema.media.loop import KEYINT, LoopReader
from visema.media.loop_writer import LoopWriter
from visema.types import I420

#: The index in front of the pictures.
FAST = {"movflags": "+faststart"}


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
    writer.close()
    return writer.seam_shows()


def stripe(index: int) -> I420:
    """A frame that says its number, however large, in eight bars of luma."""
    frame = np.full((192, 128), 128, np.uint8)
    for bit in range(8):
        frame[:128, 16 * bit : 16 * bit + 16] = 60 + 120 * (index >> bit & 1)
    return frame


def number(frame: I420) -> int:
    """What `stripe` drew."""
    return sum(int(frame[64, 16 * bit + 8] > 120) << bit for bit in range(8))


def striped(path: Path, count: int) -> Path:
    with LoopWriter(path, (128, 128), Fraction(25)) as writer:
        for i in range(count):
            writer.write(stripe(i))
    return path


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


def test_a_jump_shows(tmp_path: Path) -> None:
    assert make(tmp_path / "loop.mp4", list(range(22)))
    assert not make(tmp_path / "loop.mp4", circle(22))
    assert not make(tmp_path / "loop.mp4", [0, 9])


@pytest.mark.parametrize("stored", [3, 4, KEYINT, KEYINT + 1, KEYINT + 2, 2 * KEYINT, 60])
def test_there_and_back_from_every_frame(tmp_path: Path, stored: int) -> None:
    path = striped(tmp_path / "loop.mp4", stored)
    order = [*range(stored), *range(stored - 2, 0, -1)]
    with LoopReader(path, mirrored=True) as loop:
        assert loop.count == len(order) == 2 * stored - 2
        assert [number(next(loop)) for _ in range(2 * loop.count + 3)] == (order * 3)[: 2 * loop.count + 3]
        assert loop.index == 3 % loop.count
        for start in range(len(order)):
            loop.seek(start)
            assert [number(next(loop)) for _ in range(3)] == (order * 3)[start : start + 3], start
    for start in (stored - 1, stored, stored + 1, 2 * stored - 3, 5 * stored):
        with LoopReader(path, start, mirrored=True) as loop:
            assert loop.index == start % loop.count
            got = [number(next(loop)) for _ in range(loop.count + 2)]
            assert got == (order * 3)[start % len(order) :][: len(got)]


def test_backward_frames_are_the_forward_ones_and_the_users_to_draw_on(tmp_path: Path) -> None:
    path = striped(tmp_path / "loop.mp4", 40)
    with LoopReader(path) as plain:
        forward = [next(plain) for _ in range(40)]
    with LoopReader(path, mirrored=True) as loop:
        for index in [*range(40), *range(38, 0, -1), 0]:
            frame = next(loop)
            assert np.array_equal(frame, forward[index])
            frame[:] = 0


def test_playing_backward_holds_two_groups_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = striped(tmp_path / "loop.mp4", 240)
    alive: weakref.WeakSet[Held] = weakref.WeakSet()

    class Held:
        def __init__(self, frame: object) -> None:
            self.frame = frame
            alive.add(self)

        def to_ndarray(self) -> I420:
            return self.frame.to_ndarray()  # type: ignore[attr-defined, no-any-return]

    real = LoopReader._decoded
    monkeypatch.setattr(LoopReader, "_decoded", lambda *a: ((i, Held(f)) for i, f in real(*a)))
    with LoopReader(path, mirrored=True) as loop:
        most = 0
        for _ in range(loop.count):
            next(loop)
            most = max(most, len(alive))
    assert KEYINT <= most <= 2 * KEYINT


def test_no_frame_waits_for_a_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = striped(tmp_path / "loop.mp4", 200)
    counted = 0
    real = LoopReader._decoded

    def counting(self: LoopReader, start: int, end: int) -> Iterator[tuple[int, object]]:
        nonlocal counted
        for item in real(self, start, end):
            counted += 1
            yield item

    monkeypatch.setattr(LoopReader, "_decoded", counting)
    with LoopReader(path, mirrored=True) as loop:
        for _ in range(loop.count):
            before = counted
            next(loop)
            assert counted - before <= 2


def test_key_frames_elsewhere(tmp_path: Path) -> None:
    """A loop that somebody else wrote, with key frames at other places, plays the same."""
    path = write_video(
        tmp_path / "a.mp4", [i420_to_bgr(stripe(i)) for i in range(70)], 25, options={"g": "9", "bf": "2"}
    )
    order = [*range(70), *range(68, 0, -1)]
    with LoopReader(path, mirrored=True) as loop:
        assert [number(next(loop)) for _ in range(loop.count + 1)] == [*order, 0]
        loop.seek(100)
        assert number(next(loop)) == order[100]


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


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_loop_that_ends_too_early(tmp_path: Path, mirrored: bool) -> None:
    path = write_video(tmp_path / "loop.mp4", [scene(i) for i in range(22)], 25, container=FAST)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    path.write_bytes(data[: len(data) * 2 // 3])
    for start in (0, 30) if mirrored else (0,):
        with LoopReader(path, start, mirrored=mirrored) as loop, pytest.raises(AvatarError):
            for _ in range(loop.count + 1):
                next(loop)


def test_two_frames_do_not_go_there_and_back(tmp_path: Path) -> None:
    with pytest.raises(AvatarError):
        LoopReader(striped(tmp_path / "loop.mp4", 2), mirrored=True)
