"""What comes out of the mp4 writer, decoded again."""

from __future__ import annotations

import errno
from pathlib import Path

import av
import numpy as np
import pytest

from visema.errors import OutputError
from visema.media.encode import Mp4Writer, i420_frame
from visema.types import I420, Samples

SIZE = (94, 62)  # not a multiple of anything, so that rows are padded


def grey(level: int, size: tuple[int, int] = SIZE) -> I420:
    frame = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    frame[: size[1]] = 16 + level
    return frame


def click(at: float, rate: int, seconds: float) -> Samples:
    sound = np.zeros(round(rate * seconds), np.float32)
    start = round(at * rate)
    sound[start : start + max(4, rate // 4000)] = 0.9
    return sound


def write(path: Path, fps: float, frames: int, rate: int | None, sound: Samples | None = None) -> Path:
    with Mp4Writer(path, SIZE, fps, rate) as writer:
        if sound is not None:
            writer.write_audio(sound)
        for i in range(frames):
            writer.write(grey(200 if i == frames // 2 else 0))
    return path


@pytest.mark.parametrize("fps", [25, 29.97, 30, 50])
@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
def test_a_flash_and_a_click_stay_where_they_were(tmp_path: Path, fps: float, rate: int) -> None:
    frames = 60
    flash = frames // 2 / (30000 / 1001 if fps == 29.97 else fps)
    path = write(tmp_path / "a.mp4", fps, frames, rate, click(flash, rate, frames / fps))
    with av.open(str(path)) as box:
        seen = [f.time for f in box.decode(video=0) if f.to_ndarray()[20, 40] > 100]
    assert len(seen) == 1 and abs(seen[0] - flash) < 1e-3
    with av.open(str(path)) as box:
        # Presentation times are what players go by; the encoder's priming comes before zero and is cut off.
        heard = []
        for frame in box.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.3)
            heard += [frame.time + i / frame.sample_rate for i in loud[:1]]
    assert abs(heard[0] - flash) < 1e-3


@pytest.mark.parametrize("sound_s", [0.0, 0.3, 2.0, 2.4, 5.0])
@pytest.mark.parametrize("fps", [24, 25, 30])
def test_lengths_are_exact(tmp_path: Path, fps: float, sound_s: float) -> None:
    frames, rate = round(2 * fps) + 1, 22050
    path = write(tmp_path / "a.mp4", fps, frames, rate, np.zeros(round(rate * sound_s), np.float32))
    with av.open(str(path)) as box:
        picture, sound = box.streams.video[0], box.streams.audio[0]
        assert picture.frames == frames
        assert abs(float(picture.duration * picture.time_base) - frames / fps) < 1e-3
        assert abs(float(sound.duration * sound.time_base) - frames / fps) < 2e-3
        decoded = sum(f.samples for f in box.decode(audio=0)) / sound.rate
    assert abs(decoded - frames / fps) < 1 / fps


def test_what_players_need(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", 25, 10, 16000, np.zeros(6400, np.float32))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index comes first"
    with av.open(str(path)) as box:
        picture, sound = box.streams.video[0].codec_context, box.streams.audio[0].codec_context
        assert (picture.name, picture.pix_fmt, picture.colorspace, picture.color_range) == ("h264", "yuv420p", 6, 1)
        assert (sound.name, sound.sample_rate) == ("aac", 48000)


def test_pixels_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = np.repeat(np.repeat(rng.integers(60, 180, (93 // 3, 94 // 2), dtype=np.uint8), 3, 0), 2, 1)
    planes = i420_frame(frame)
    assert np.array_equal(planes.to_ndarray(), frame)
    with Mp4Writer(tmp_path / "a.mp4", SIZE, 25, crf=1) as writer:
        for _ in range(3):
            writer.write(frame)
    with av.open(str(tmp_path / "a.mp4")) as box:
        back = next(iter(box.decode(video=0))).to_ndarray()
    assert np.abs(back.astype(int) - frame).mean() < 1.5


def test_the_array_may_be_reused(tmp_path: Path) -> None:
    frame = grey(0)
    with Mp4Writer(tmp_path / "a.mp4", SIZE, 25) as writer:
        for i in range(20):
            frame[: SIZE[1]] = 16 + 10 * i
            writer.write(frame)
    with av.open(str(tmp_path / "a.mp4")) as box:
        levels = [int(f.to_ndarray()[20, 40]) for f in box.decode(video=0)]
    assert np.abs(np.array(levels) - (16 + 10 * np.arange(20))).max() <= 3


def test_the_same_input_gives_the_same_file(tmp_path: Path) -> None:
    sound = click(0.5, 22050, 1.0)
    assert (
        write(tmp_path / "a.mp4", 25, 25, 22050, sound).read_bytes()
        == write(tmp_path / "b.mp4", 25, 25, 22050, sound).read_bytes()
    )


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), Mp4Writer(tmp_path / "a.mp4", SIZE, 25, 16000) as writer:
        for i in range(30):
            writer.write(grey(i))
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="full"), Mp4Writer(tmp_path / "a.mp4", SIZE, 25) as writer:
        box = writer._box

        class Full:
            def mux(self, packets: object) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            def close(self) -> None:
                box.close()

        writer._box = Full()  # type: ignore[assignment]
        for i in range(200):
            writer.write(grey(i % 100))
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), Mp4Writer(path, SIZE, 25) as writer:
        writer.write(grey(1))
        raise RuntimeError
    assert path.read_bytes() == b"old"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        Mp4Writer(tmp_path / "none" / "a.mp4", SIZE, 25)
    assert list(tmp_path.iterdir()) == []


def test_wrong_frames_are_a_bug_in_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="even"):
        Mp4Writer(tmp_path / "a.mp4", (95, 62), 25)
    with pytest.raises(ValueError, match="shape"), Mp4Writer(tmp_path / "a.mp4", SIZE, 25) as writer:
        writer.write(np.zeros((10, 10), np.uint8))
