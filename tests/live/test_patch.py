"""What the browser is sent, against what was drawn: bytes, quality and edges, on the shipped presenter."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.live.conftest import embedded_voice
from tests.stage.conftest import TinyAvatar
from visema.avatar import Avatar
from visema.errors import AvatarError
from visema.live.loop_file import LoopFile, aligned, decode, jpeg, settle, stride
from visema.live.patch import PatchMaker
from visema.speech.types import SpeechSettings
from visema.types import Box
from visema.visemes.articulation import TARGETS
from visema.visemes.plan import plan

TEXT = "The quick brown fox jumps over the lazy dog, and five more people came to watch."


@pytest.fixture(scope="module")
def made(presenter: Avatar, tmp_path_factory: pytest.TempPathFactory) -> LoopFile:
    return LoopFile(presenter, tmp_path_factory.mktemp("live"))


def test_patches_are_small_good_and_without_an_edge(made: LoopFile, presenter: Avatar) -> None:
    maker, engine = PatchMaker(made), presenter.mouth()
    speech = embedded_voice(TEXT, "", SpeechSettings())
    curve = plan(speech, float(made.fps)).curve
    sizes, worst_edge, worst_db = [], 0, 99.0
    for number, pose in enumerate(curve.poses):
        index = number % made.count
        patch = maker.draw(index, pose)
        base = made.picture(index)
        canvas, drawn = base.copy(), base.copy()
        region = engine.region(index)
        assert region is not None
        area = drawn[region.y0 : region.y1, region.x0 : region.x1]
        area[:] = engine.draw(np.ascontiguousarray(area), index, pose)
        if patch is None:
            sizes.append(0)
            assert np.abs(drawn.astype(int) - base).max() <= 2
            continue
        box = patch.box
        inner = canvas[box.y0 : box.y1, box.x0 : box.x1]
        inner[:] = decode(patch.jpeg)
        sizes.append(len(patch.jpeg))
        change = np.abs(canvas.astype(int) - base).max(axis=2)[box.y0 : box.y1, box.x0 : box.x1]
        worst_edge = max(worst_edge, change[0].max(), change[-1].max(), change[:, 0].max(), change[:, -1].max())
        worst_db = min(worst_db, cv2.PSNR(inner, drawn[box.y0 : box.y1, box.x0 : box.x1]))
        changed = np.abs(drawn.astype(int) - base).max(axis=2) > 2
        changed[box.y0 : box.y1, box.x0 : box.x1] = False
        assert not changed.any(), "a changed pixel outside of the patch"
    assert worst_edge <= 2
    assert worst_db >= 38
    # Sound takes 7 KB/s of the 150.
    assert np.mean(sizes) * float(made.fps) <= 143_000


def test_the_loop_is_small_and_looks_as_the_avatar(made: LoopFile, presenter: Avatar) -> None:
    seconds = made.count / float(made.fps)
    assert made.path.stat().st_size <= 15e6 * seconds / 10
    with presenter.open_loop() as reader:
        for index in range(3):
            frame = cv2.cvtColor(next(reader), cv2.COLOR_YUV2BGR_I420)
            assert cv2.PSNR(made.picture(index), frame) > 36


def test_a_loop_is_made_once_and_read_again(made: LoopFile, presenter: Avatar) -> None:
    before = made.path.stat().st_mtime_ns
    again = LoopFile(presenter, made.path.parent)
    assert made.path.stat().st_mtime_ns == before
    assert again.quality == made.quality and again.jpeg(5) == made.jpeg(5)
    fresh, kept = again.window(3), made.window(3)
    assert fresh is not None and kept is not None
    assert np.array_equal(fresh.base, kept.base)


def test_settled_pixels_stay_as_they_are_on_any_grid_of_eight(made: LoopFile) -> None:
    window = made.window(7)
    assert window is not None
    part = np.ascontiguousarray(window.base[16:64, 24:88])
    change = np.abs(decode(jpeg(part, made.quality)).astype(int) - part)
    assert change.max() <= 2 and (change > 0).mean() < 0.01


def test_settling_ends() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    once = settle(noise, 80, 12)
    assert np.abs(decode(jpeg(once, 80)).astype(int) - once).max() <= 3


@pytest.mark.parametrize(
    ("region", "size", "expected"),
    [
        (Box(100, 100, 150, 150), (640, 480), Box(80, 80, 168, 168)),
        (Box(2, 4, 630, 476), (640, 480), Box(0, 0, 640, 480)),
        (Box(90, 90, 180, 150), (190, 158), Box(72, 72, 190, 158)),
    ],
)
def test_windows_lie_on_the_grid(region: Box, size: tuple[int, int], expected: Box) -> None:
    assert aligned(region, size) == expected


@pytest.mark.parametrize(("fps", "expected"), [(24, 1), (25, 1), (30, 1), (29.97, 1), (50, 2), (60, 2), (120, 4)])
def test_fast_loops_are_shown_at_a_part_of_their_rate(fps: float, expected: int) -> None:
    assert stride(fps) == expected


def test_the_mouth_at_rest_needs_no_patch(loop: LoopFile) -> None:
    assert PatchMaker(loop).draw(0, TARGETS["Sil"]) is None
    patch = PatchMaker(loop).draw(0, TARGETS["Aa"])
    assert patch is not None
    assert patch.box.x0 % 8 == 0 and patch.box.y0 % 8 == 0


def test_frames_without_a_face_are_left_alone(tiny: TinyAvatar, tmp_path: Path) -> None:
    tiny.drawing.lost.add(4)
    made = LoopFile(tiny, tmp_path)  # type: ignore[arg-type]
    assert PatchMaker(made).draw(4, TARGETS["Aa"]) is None
    assert PatchMaker(made).draw(5, TARGETS["Aa"]) is not None


def test_a_damaged_file_is_told_and_made_anew(loop: LoopFile) -> None:
    data = bytearray(loop.path.read_bytes())
    loop.path.write_bytes(bytes(data[: len(data) // 2]))
    with pytest.raises(AvatarError, match="damaged"):
        LoopFile(loop.avatar, loop.path.parent)
    assert LoopFile(loop.avatar, loop.path.parent).count == loop.count
