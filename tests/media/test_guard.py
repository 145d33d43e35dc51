"""The child process that decodes what users give: the same results, and nothing survives that should not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.media.make import encoded, index_of, scene, write_video
from visema.errors import MediaError, OutputError
from visema.media import child as child_module
from visema.media import guard
from visema.media.colour import i420_to_bgr
from visema.media.guard import Child, VideoChild, check_loop, photo_of, read_photo
from visema.media.image import read_image
from visema.media.loop import LoopReader

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def test_a_photo_comes_through_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "Моё фото.png"
    path.write_bytes(encoded(scene(3), ".png"))
    assert np.array_equal(read_photo(path), read_image(path))
    assert read_photo(path, longest=96).shape == (64, 96, 3)


def test_errors_come_through(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")
    with pytest.raises(MediaError, match="not a picture") as caught:
        read_photo(path)
    assert caught.value.hint


def test_a_video_becomes_a_loop_and_its_frames_come_along(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a b.mp4", [scene(i) for i in range(20)], 25, options={"crf": "4"})
    out = tmp_path / "loop.mp4"
    with VideoChild(path, out, 60.0) as child:
        child.open()
        assert (child.fps, child.size, child.expected) == (Fraction(25), (192, 128), 20)
        assert [index_of(i420_to_bgr(f)) for f in child.frames()] == list(range(20))
        assert child.mirrored
        child.finish()
    with LoopReader(out, mirrored=True) as loop:
        assert loop.count == 38
    check_loop(out)


def test_a_strangers_loop_is_checked(tmp_path: Path) -> None:
    bad = write_video(tmp_path / "loop.mp4", [scene(i) for i in range(5)], 25, codec="mpeg4")
    with pytest.raises(MediaError, match=r"H\.264"):
        check_loop(bad)


def test_no_place_for_the_loop(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [scene(i) for i in range(20)], 25)
    with VideoChild(path, tmp_path / "none" / "loop.mp4", 60.0) as child, pytest.raises(OutputError):
        child.open()
        list(child.frames())
        child.finish()


def test_a_decoder_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", [scene(i % 20) for i in range(200)], 25)
    with VideoChild(path, tmp_path / "loop.mp4", 60.0) as child:
        child.open()
        next(child.frames())
        child._process.kill()
        with pytest.raises(MediaError, match=r"Decoding a\.mp4 failed"):
            for _ in child.frames():
                pass


@posix
def test_memory_has_a_limit(tmp_path: Path) -> None:
    code = (
        "import visema.media.child as c\n"
        "c.MEMORY['picture'] = 1 << 30\n"
        "c._limit('picture')\n"
        "import numpy\n"
        "try:\n numpy.ones(1 << 31, 'u1')\nexcept MemoryError:\n print('limited')\n"
        "try:\n f = open('x', 'wb', 0); print('wrote', f.write(b'123'))\nexcept OSError:\n print('unwritable')\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "limited" in out.stdout or sys.platform == "darwin"
    assert "unwritable" in out.stdout


def test_every_job_has_its_limits() -> None:
    assert set(child_module.MEMORY) == set(child_module.CPU) == set(child_module.WRITE)


@posix
def test_the_child_goes_with_its_parent(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [scene(i % 20) for i in range(100)], 25)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom visema.media.guard import VideoChild\n"
        "with VideoChild(Path(sys.argv[1]), Path(sys.argv[2]), 60.0) as child:\n"
        " child.open()\n print(child._process.pid, flush=True)\n time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(tmp_path / "loop.mp4")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        if not running(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the child outlived its parent")


def test_the_child_ends_with_its_lifeline_even_while_it_says_nothing() -> None:
    code = (
        "import threading, time, visema.media.child as c\n"
        "threading.Thread(target=c._die_with_parent, daemon=True).start()\n"
        "print('up', flush=True)\ntime.sleep(60)\n"
    )
    silent = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert silent.stdout and silent.stdout.readline() == "up\n" and silent.poll() is None
    silent.communicate(timeout=30)  # closes its standard input, as the end of a parent does
    assert silent.returncode == 1


def running(pid: int) -> bool:
    try:
        # A zombie that nobody has collected yet is gone all the same.
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_leaving_early_ends_the_child(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [scene(i % 20) for i in range(200)], 25)
    with Child("video", path, "video", out=str(tmp_path / "l.mp4"), seconds=60, longest=1920) as child:
        next(child.messages())
    assert child._process.poll() is not None


def test_what_we_have_written_ourselves_needs_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visema.media import guard

    monkeypatch.setattr(guard, "_TRUSTED", set())
    ours = tmp_path / "ours" / "job" / "a.wav"
    ours.parent.mkdir(parents=True)
    guard.trust(tmp_path / "ours", "a.wav")
    assert guard.trusted(ours)
    for other in (tmp_path / "a.wav", tmp_path / "ours2" / "a.wav", tmp_path / "ours", ours.with_name("source")):
        assert not guard.trusted(other)


def test_a_spare_decoder_waits_and_decodes_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(scene(3), ".png"))
    spares = guard._Spares()
    monkeypatch.setattr(guard, "_SPARES", spares)
    spares.keep()
    first = spares._waiting
    with Child("picture", path, "picture", longest=96) as child:
        assert child._process is first
        assert photo_of(child).shape == (64, 96, 3)
    second = spares._waiting
    assert second is not None and second is not first and first is not None and first.poll() is not None
    second.kill()
    second.wait()
    assert np.array_equal(read_photo(path), read_image(path)), "a spare that died is replaced"
    last = spares._waiting
    assert last is not None and last.stdin is not None
    last.stdin.close()  # as when the parent ends
    assert last.wait(20) == 0
