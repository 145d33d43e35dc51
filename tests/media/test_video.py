"""Videos as phones, editors and browsers make them, against pictures whose index and corners are known."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.media.make import index_of, scene, tone, write_sound, write_video
from visema.errors import MediaError
from visema.media.video import VideoReader, constant_rate
from visema.types import Image

LOSSLESS = {"crf": "4", "preset": "ultrafast"}


def read(path: Path, **options: float) -> list[Image]:
    with VideoReader(path, **options) as reader:  # type: ignore[arg-type]
        frames = list(reader.bgr())
        assert all(f.shape == (reader.info.size[1], reader.info.size[0], 3) for f in frames)
        assert reader.info.size[0] % 2 == reader.info.size[1] % 2 == 0
    return frames


def corners(picture: Image) -> list[str]:
    """What colour each corner is: top left, top right, bottom left, bottom right."""
    h, w = picture.shape[:2]
    names = []
    for y, x in ((h // 8, w // 8), (h // 8, w - w // 8), (h - h // 8, w // 8), (h - h // 8, w - w // 8)):
        b, g, r = (int(v) for v in picture[y, x])
        names.append("red" if r > 150 > g else "green" if g > 150 > r else "blue" if b > 150 > g else "grey")
    return names


UPRIGHT = ["red", "green", "blue", "grey"]


def test_constant_rate_comes_through_unchanged(tmp_path: Path) -> None:
    path = write_video(tmp_path / "Видео 1.mp4", [scene(i) for i in range(20)], 25, options=LOSSLESS)
    frames = read(path)
    assert [index_of(f) for f in frames] == list(range(20))
    assert corners(frames[0]) == UPRIGHT
    assert np.abs(frames[3].astype(int) - scene(3)).mean() < 2


def test_variable_rate_keeps_the_clock(tmp_path: Path) -> None:
    times = [0, 40, 80, 240, 280, 285, 320, 520, 560, 600, 640, 680]
    path = write_video(tmp_path / "a.mkv", [scene(i) for i in range(12)], 25, pts_ms=times, options=LOSSLESS)
    with VideoReader(path) as reader:
        fps = float(reader.info.fps)
        shown = [index_of(f) for f in reader.bgr()]
    assert abs(len(shown) / fps - 0.68) < 2 / fps
    for tick, index in enumerate(shown):
        # What is shown differs from what was filmed then by no more than one tick.
        assert times[index] / 1000 <= tick / fps + 0.51 / fps
        later = times[index + 1] / 1000 if index + 1 < len(times) else 9.0
        assert later > tick / fps - 0.51 / fps


@pytest.mark.parametrize("size", [(191, 129), (161, 128), (64, 63), (33, 35)])
def test_odd_sizes_lose_a_row_and_not_their_place(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = [scene(i, size) for i in range(4)]
    path = write_video(tmp_path / "a.avi", pictures, 25, codec="ffv1", pix_fmt="yuv420p")
    frames = read(path)
    assert frames[0].shape[:2] == (size[1] & ~1, size[0] & ~1)
    assert corners(frames[0]) == UPRIGHT and index_of(frames[3]) == 3


@pytest.mark.skipif(not hasattr(av.VideoStream, "set_display_rotation"), reason="this PyAV writes no rotation")
@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation(tmp_path: Path, rotation: int) -> None:
    # Stored turned the other way, so that it stands upright when the player obeys.
    stored = [np.rot90(scene(i), -rotation // 90) for i in range(3)]
    frames = read(write_video(tmp_path / "a.mp4", stored, 25, rotation=rotation, options=LOSSLESS))
    assert corners(frames[0]) == UPRIGHT
    assert frames[0].shape == scene(0).shape


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    picture = np.dstack([scene(2)[:, :, ::-1], np.full(scene(2).shape[:2], 255, np.uint8)])
    picture[:, :64, 3] = 0
    path = write_video(tmp_path / "a.mov", [picture] * 3, 25, codec="qtrle", pix_fmt="argb", source="rgba")
    frame = read(path)[0]
    assert frame[:, :56].min() > 250
    assert index_of(frame) == 2 and corners(frame)[1] == "green"


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p", "gray", "yuv420p"])
def test_depths_and_subsampling(tmp_path: Path, pix_fmt: str) -> None:
    path = write_video(tmp_path / "a.mkv", [scene(i) for i in range(3)], 25, codec="ffv1", pix_fmt=pix_fmt)
    frames = read(path)
    assert [abs(index_of(f) - i) <= 1 for i, f in enumerate(frames)] == [True] * 3
    if pix_fmt != "gray":
        assert np.abs(frames[1].astype(int) - scene(1)).mean() < 4


@pytest.mark.parametrize("colour", [1, 5])
def test_matrices_give_the_same_colours(tmp_path: Path, colour: int) -> None:
    """BT.709 and BT.601 recordings of one scene look the same afterwards."""
    path = write_video(tmp_path / "a.mp4", [scene(5)] * 3, 25, colour=colour, options=LOSSLESS)
    frame = read(path)[0]
    for y, x in ((10, 10), (10, -10), (-10, 10), (64, 96)):
        assert np.abs(frame[y, x].astype(int) - scene(5)[y, x]).max() <= 6


def test_4k_is_scaled_down_and_says_so(tmp_path: Path) -> None:
    pictures = [cv2.resize(scene(i), (3840, 2160)) for i in range(2)]
    path = write_video(tmp_path / "a.mp4", pictures, 30, options={"preset": "ultrafast"})
    with VideoReader(path) as reader:
        assert reader.info.size == (1920, 1080)
        assert "3840 x 2160" in reader.info.notes[0]
        assert corners(next(iter(reader.bgr()))) == UPRIGHT


def test_wide_pixels_are_made_square(tmp_path: Path) -> None:
    pictures = [scene(i) for i in range(3)]
    path = write_video(tmp_path / "a.mp4", pictures, 25, aspect=Fraction(4, 3), options=LOSSLESS)
    assert read(path)[0].shape == (128, 256, 3)


def test_one_frame(tmp_path: Path) -> None:
    assert len(read(write_video(tmp_path / "a.mp4", [scene(4)], 25))) == 1
    gif = write_video(tmp_path / "a.gif", [scene(4)], 10, codec="gif", pix_fmt="bgr8", source="bgr24")
    assert len(read(gif)) == 1


def test_the_limit_in_seconds(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [scene(i) for i in range(50)], 25)
    with VideoReader(path, seconds=1.0) as reader:
        assert len(list(reader)) == 25 and "first 1 s" in reader.info.notes[0]


def test_a_leap_in_the_clock_is_bounded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [scene(0), scene(1), scene(2)], 25, pts_ms=[0, 40, 1_000_000])
    with VideoReader(path, seconds=2.0) as reader:
        assert len(list(reader)) <= 2 * reader.info.fps


@pytest.mark.parametrize(
    ("average", "expected"),
    [
        (Fraction(25), Fraction(25)),
        (Fraction(2997, 100), Fraction(30000, 1001)),
        (Fraction(12), Fraction(24)),
        (Fraction(15), Fraction(30)),
        (Fraction(287, 10), Fraction(30)),
        (Fraction(240), Fraction(60)),
        (Fraction(20), Fraction(20)),
        (None, Fraction(25)),
        (Fraction(1, 10), Fraction(25)),
    ],
)
def test_rates(average: Fraction | None, expected: Fraction) -> None:
    assert constant_rate(average) == expected


def test_cut_off_and_broken(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 128, 192, 3), dtype=np.uint8)
    front = write_video(tmp_path / "front.mp4", list(noise), 25, container={"movflags": "+faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(front.read_bytes()[: front.stat().st_size // 3])
    with pytest.raises(MediaError, match="cut off after"):
        read(cut)
    headless = tmp_path / "headless.mp4"
    headless.write_bytes(write_video(tmp_path / "b.mp4", list(noise[:20]), 25).read_bytes()[:60_000])
    with pytest.raises(MediaError, match="not a video"):
        read(headless)


def test_no_videos(tmp_path: Path) -> None:
    cases = {"empty.mp4": b"", "text.mp4": b"hello " * 50, "zip.mp4": b"PK\x03\x04" + bytes(500)}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MediaError) as caught:
            VideoReader(tmp_path / name)
        assert name in str(caught.value) and caught.value.hint
    with pytest.raises(MediaError, match="no video in it"):
        VideoReader(write_sound(tmp_path / "a.wav", [tone(440, 16000)], 16000))
    with pytest.raises(MediaError, match="no video at"):
        VideoReader(tmp_path / "none.mp4")


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    secret = write_video(tmp_path / "secret.mp4", [scene(i) for i in range(5)], 25)
    for name, text in {
        "a.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        "b.mp4": f"ffconcat version 1.0\nfile '{secret}'\n",
        "c.mp4": "ffconcat version 1.0\nfile secret.mp4\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(MediaError, match="not a video"):
            VideoReader(tmp_path / name)


def test_huge_frames_are_refused_before_decoding(tmp_path: Path) -> None:
    """The header of a small PNG-coded video is rewritten to promise 30000 x 30000."""
    path = write_video(tmp_path / "a.avi", [scene(0)] * 2, 25, codec="ffv1", pix_fmt="yuv420p")
    data = bytearray(path.read_bytes())
    field = (192).to_bytes(4, "little") + (128).to_bytes(4, "little")
    assert field in data
    data = data.replace(field, (30000).to_bytes(4, "little") * 2)
    path.write_bytes(bytes(data))
    with pytest.raises(MediaError):
        VideoReader(path)
