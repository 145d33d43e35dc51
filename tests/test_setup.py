"""Setup from odd and bad sources, again and again, in two processes at once, and killed half-way."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.face.people import on_grey, presenter, presenter_mesh
from tests.media.make import encoded, scene, write_video
from visema.avatar import Avatar
from visema.base import LONGEST_PHOTO
from visema.errors import FaceError, InputError, MediaError, OutputError
from visema.setup import looks_like_picture, make_id, prepare_avatar, thumbnail
from visema.types import FloatArray, Image

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def swaying(n: int, size: int = 256, step: float = 1.0) -> Iterator[Image]:
    """The presenter, carried to the right by ``step`` pixels a frame."""
    picture = presenter(size)
    for i in range(n):
        shift = np.float32([[1, 0, step * i], [0, 1, 0]])
        yield np.asarray(cv2.warpAffine(picture, shift, (size, size), borderMode=cv2.BORDER_REPLICATE), np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short clip whose end does not join its beginning."""
    path = tmp_path_factory.mktemp("clip") / "Моя камера 1.mp4"
    return write_video(path, swaying(40), 25, options={"crf": "10"})


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "Anna's photo.JPG"
    path.write_bytes(encoded(presenter(256), ".jpg"))
    return path


def nothing_left(cache: Path) -> bool:
    return not cache.exists() or list(cache.iterdir()) == []


def test_a_clip(clip: Path, cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    avatar = prepare_avatar(clip, progress=lambda done, total: seen.append((done, total)))
    assert avatar.source.kind == "video" and avatar.name == "Моя камера 1"
    assert len(avatar.track) == 78, "there and back"
    assert seen[-1] == (40, 40) and [d for d, _ in seen] == list(range(1, 41))
    assert avatar.reference_index == 20
    # The face is where it was carried to, on the way there and on the way back.
    nose = avatar.track.landmarks[:, 1, 0]
    expected = presenter_mesh(256)[1, 0] + np.minimum(np.arange(78), 78 - np.arange(78))
    assert np.abs(nose - expected)[3:-3].max() < 2.5
    assert [p.name for p in cache.iterdir()] == [avatar.id]


def test_a_second_run_is_found_and_a_forced_one_is_new(
    photo: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_avatar(photo)
    stamp = (first.folder / "track.npz").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr("visema.setup._make", lambda *_: pytest.fail("made again"))
        second = prepare_avatar(photo, name="Anna")
        # The same content under another name is the same avatar only if the name says so.
        assert second.id == first.id and second.name == "Anna"
    assert (first.folder / "track.npz").stat().st_mtime_ns == stamp
    forced = prepare_avatar(photo, force=True)
    assert forced.id == first.id and (first.folder / "track.npz").stat().st_mtime_ns != stamp
    assert [p.name for p in cache.iterdir()] == [first.id]


def test_a_damaged_avatar_is_made_again_and_says_why(
    photo: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    avatar = prepare_avatar(photo)
    (avatar.folder / "loop.mp4").write_bytes(b"x" * 100)
    with caplog.at_level(logging.WARNING):
        again = prepare_avatar(photo)
    lines = [r.getMessage() for r in caplog.records if r.name == "visema.setup"]
    assert len(lines) == 1 and avatar.id in lines[0] and "loop.mp4" in lines[0]
    assert Avatar.load(again.folder).id == avatar.id
    assert [p.name for p in cache.iterdir()] == [avatar.id]


def test_photos_keep_the_pixels_that_their_face_needs(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def make_loop(photo: Image, landmarks: FloatArray, *, fps: float, max_side: int) -> None:
        asked.append(max_side)
        raise FaceError("enough seen")

    monkeypatch.setattr("visema.portrait.loop.make_loop", make_loop)
    far = on_grey(presenter(300), (1600, 900), (700, 300))
    for i, picture in enumerate((presenter(1400), far)):
        path = tmp_path / f"{i}.png"
        path.write_bytes(encoded(picture, ".png"))
        with pytest.raises(FaceError, match="enough"):
            prepare_avatar(path)
    assert asked[0] == LONGEST_PHOTO and asked[1] > 1400


def test_a_photos_reference_frame(photo: Path, cache: Path) -> None:
    assert prepare_avatar(photo, frame="50").reference_index == 50
    with pytest.raises(InputError, match="beyond"):
        prepare_avatar(photo, frame="200")


def test_one_frame_is_a_photo(tmp_path: Path, cache: Path) -> None:
    path = write_video(tmp_path / "still.mp4", [presenter(256)], 25, options={"crf": "10"})
    avatar = prepare_avatar(path)
    assert avatar.source.kind == "photo" and len(avatar.track) == 200


def test_a_face_for_part_of_the_time(tmp_path: Path, cache: Path) -> None:
    empty = [np.full((256, 256, 3), 90, np.uint8)] * 10
    path = write_video(tmp_path / "a.mp4", [*empty, *swaying(20), *empty], 25, options={"crf": "10"})
    avatar = prepare_avatar(path)
    assert any("lost in" in note for note in avatar.notes)
    assert avatar.track.found[avatar.reference_index] and not avatar.track.found[2]
    with pytest.raises(FaceError, match="Frame 3 shows no face"):
        prepare_avatar(path, frame="3")


def test_reference_frames(clip: Path, cache: Path) -> None:
    assert prepare_avatar(clip, frame="7").reference_index == 7
    with pytest.raises(InputError, match="beyond"):
        prepare_avatar(clip, frame="40")
    for wrong in ("x", "-2", "1.5", ""):
        with pytest.raises(InputError, match="not a frame"):
            prepare_avatar(clip, frame=wrong)
    assert len(list(cache.iterdir())) == 1


def test_the_reference_frame_is_the_loops_own(clip: Path, cache: Path) -> None:
    avatar = prepare_avatar(clip, frame="7")
    assert avatar.mirrored
    for index in (7, len(avatar.track) - 7):
        with avatar.open_loop(index) as loop:
            frame = cv2.cvtColor(next(loop), cv2.COLOR_YUV2BGR_I420)
        assert np.abs(frame.astype(int) - avatar.reference_frame).mean() < 1.5


def test_bad_sources_leave_nothing(tmp_path: Path, cache: Path) -> None:
    def file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    tiny = on_grey(presenter(40), (640, 480), (300, 200))
    small = on_grey(presenter(110), (400, 300), (100, 100))
    cut = file("cut.png", encoded(presenter(256), ".png")[:40_000])
    cases: list[tuple[Path, type[Exception]]] = [
        (tmp_path / "missing.mp4", MediaError),
        (tmp_path, MediaError),
        (file("empty.mp4", b""), MediaError),
        (file("text.mp4", b"hello"), MediaError),
        (file("zip.png", b"PK\x03\x04" + bytes(100)), MediaError),
        (cut, MediaError),
        (file("scenery.png", encoded(scene(3), ".png")), FaceError),
        (file("tiny.png", encoded(tiny, ".png")), FaceError),
        (file("small.png", encoded(small, ".png")), FaceError),
        (write_video(tmp_path / "scenery.mp4", [scene(i) for i in range(10)], 25), FaceError),
        (write_video(tmp_path / "small.mp4", [small] * 5, 25), FaceError),
    ]
    for path, error in cases:
        with pytest.raises(error) as caught:
            prepare_avatar(path)
        assert caught.value.hint, path  # type: ignore[attr-defined]
        assert nothing_left(cache), path


def test_a_full_disk_leaves_nothing(photo: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="full"):
        prepare_avatar(photo)
    assert nothing_left(cache)


@pytest.mark.parametrize("full_at", ["mouth_vid_Th.png", "landmarks.json"])
def test_a_disk_that_fills_up_under_the_library(
    photo: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, full_at: str
) -> None:
    """The message names what the user knows, not the folder in which the avatar is being made."""
    for name in ("write_bytes", "write_text"):
        real = getattr(Path, name)

        def write(self: Path, *args: Any, real: Any = real, **more: Any) -> Any:
            if self.name == full_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(self, *args, **more)

        monkeypatch.setattr(Path, name, write)
    with pytest.raises(OutputError) as caught:
        prepare_avatar(photo)
    assert caught.value.what == f"The disk of {cache} is full."
    assert caught.value.exit_code == 2 and nothing_left(cache)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small disk of its own, with the cache on it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a disk takes root, and Linux")
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)], capture_output=True
    ).returncode:
        pytest.skip("no mounts here")
    monkeypatch.setenv("VISEMA_CACHE", str(place / "cache"))
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=False)


def test_a_really_full_disk(clip: Path, photo: Path, disk: Path) -> None:
    for source in (clip, photo):
        with pytest.raises(OutputError, match=rf"^The disk of {disk / 'cache'} is full\."):
            prepare_avatar(source)
        assert nothing_left(disk / "cache")


def test_a_really_read_only_disk(photo: Path, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(OutputError, match="cannot be written"):
        prepare_avatar(photo)


def test_no_place_for_a_cache(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("VISEMA_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OutputError):
        prepare_avatar(photo)


def test_an_interrupt_leaves_nothing(clip: Path, cache: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_avatar(clip, progress=interrupt)
    assert nothing_left(cache)


CODE = (
    "import sys, logging, time\nfrom pathlib import Path\nlogging.basicConfig()\n"
    "from visema.setup import prepare_avatar\nimport visema.setup as s\n"
    "real = s._make\n"
    "def make(*a):\n print('making', flush=True)\n real(*a)\n time.sleep(float(sys.argv[2]))\n"
    "s._make = make\n"
    "print(prepare_avatar(Path(sys.argv[1])).id, flush=True)\n"
)


def start(source: Path, cache: Path, delay: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(source), str(delay)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "VISEMA_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_at_once_make_it_once(photo: Path, cache: Path) -> None:
    first = start(photo, cache, 3.0)
    assert first.stdout and first.stdout.readline() == "making\n"
    second = start(photo, cache, 0)
    told, errors = second.communicate(timeout=120)
    rest, _ = first.communicate(timeout=120)
    assert "making" not in told and "Another process is preparing" in errors
    assert told == rest and first.returncode == second.returncode == 0
    assert [p.name for p in cache.iterdir()] == [told.strip()]


@posix
def test_killed_half_way_and_run_again(clip: Path, cache: Path) -> None:
    first = start(clip, cache, 60)
    assert first.stdout and first.stdout.readline() == "making\n"
    for _ in range(600):
        if any(cache.glob(".*/loop.mp4")):
            break
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert [p for p in cache.iterdir() if not p.name.startswith(".")] == [], "no half-made avatar"
    avatar = prepare_avatar(clip)
    assert [p.name for p in cache.iterdir()] == [avatar.id]


def test_ids() -> None:
    a = make_id("Моё Видео (1).mp4", "0" * 64, "warp", "-1", 256)
    assert a != make_id("Моё Видео (1).mp4", "1" * 64, "warp", "-1", 256)
    assert a != make_id("Моё Видео (1).mp4", "0" * 64, "warp", "auto", 256)
    assert a == make_id("Моё Видео (1).mp4", "0" * 64, "warp", "-1", 512), "the embedded engine has no size"
    assert make_id("x.mp4", "0" * 64, "sadtalker", "-1", 256) != make_id("x.mp4", "0" * 64, "sadtalker", "-1", 512)
    assert make_id("Ærø & Größe " + "x" * 99, "0" * 64, "warp", "-1", 256).startswith("r-groe-xxx")
    assert a.startswith("1-")


def test_kinds_are_told_by_content(tmp_path: Path, clip: Path) -> None:
    for ending in (".png", ".jpg", ".webp"):
        (tmp_path / "a.mp4").write_bytes(encoded(scene(0), ending))
        assert looks_like_picture(tmp_path / "a.mp4")
    assert not looks_like_picture(shutil.copy(clip, tmp_path / "b.png"))


def test_thumbnail() -> None:
    assert thumbnail(np.zeros((720, 1280, 3), np.uint8)).shape == (240, 427, 3)
    assert thumbnail(np.zeros((100, 50, 3), np.uint8)).shape == (100, 50, 3)


def test_a_real_clip(real_media, cache: Path) -> None:  # type: ignore[no-untyped-def]
    avatar = prepare_avatar(real_media("talking_woman.mp4"), frame="auto")
    assert avatar.size == (512, 512) and any("talks" in note for note in avatar.notes)
