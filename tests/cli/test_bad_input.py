"""Each mistake: one clear message, exit code 2, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.conftest import Result
from tests.cli.test_good_input import write_wav
from tests.conftest import ROOT

Video = Callable[..., Result]


def make_files(folder: Path) -> None:
    """Whatever the table needs."""
    rng = np.random.default_rng(1)
    (folder / "empty.mp4").touch()
    (folder / "empty.jpg").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "words.txt").write_text("hello")
    (folder / "binary.txt").write_bytes(bytes(range(256)))
    (folder / "folder").mkdir()
    (folder / "dir.mp4").mkdir()
    cv2.imwrite(str(folder / "noface.jpg"), rng.integers(0, 255, (240, 320, 3), np.uint8))
    cv2.imwrite(str(folder / "grey.png"), np.full((300, 300, 3), 127, np.uint8))
    (folder / "text.jpg").write_text("this is no photo\n")
    cv2.imwrite(str(folder / "pixel.png"), np.zeros((1, 1, 3), np.uint8))
    whole = (ROOT / "assets" / "presenter.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notreally.wav").write_bytes(b"RIFF")
    write_wav(folder / "silence.wav", np.zeros(16_000))
    write_wav(folder / "noise.wav", rng.normal(0, 0.1, 32_000).clip(-1, 1))
    write_wav(folder / "nothing.wav", np.zeros(0))
    (folder / "broken.json").write_text("[{")
    (folder / "unknown.json").write_text(json.dumps([{"start": 0, "end": 1, "viseme": "Zz"}]))
    (folder / "overlap.json").write_text(
        json.dumps([{"start": 0, "end": 1, "viseme": "M"}, {"start": 0.5, "end": 2, "viseme": "Aa"}])
    )


SAVE = ("--save", "out.mp4")
TABLE = [
    (("--video", "missing.mp4", *SAVE), "missing.mp4"),
    (("--video", "empty.mp4", *SAVE), "empty.mp4"),
    (("--video", "empty.jpg", *SAVE), "empty.jpg"),
    (("--video", "text.mp4", *SAVE), "text.mp4"),
    (("--video", "words.txt", *SAVE), "words.txt"),
    (("--video", "cut.png", *SAVE), "cut.png"),
    (("--video", "folder", *SAVE), "folder"),
    (("--video", "noface.jpg", *SAVE), "face"),
    (("--video", "grey.png", *SAVE), "face"),
    (("--video", "pixel.png", *SAVE), "face"),
    (("--video", "text.jpg", *SAVE), "not a picture"),
    (("--engine", "nosuch", *SAVE), "nosuch"),
    (("--frame", "999999", "--setup"), "frame"),
    (("--voice", "espeak:xx-nowhere", *SAVE), "voice"),
    (("--voice", "en-US-NobodyNeural", *SAVE), "voice"),
    (("--voice", "nosuch:x", *SAVE), "voice"),
    (("--text", "", *SAVE), "no text"),
    (("--text", "   ", *SAVE), "no text"),
    (("--text", "@missing.txt", *SAVE), "missing.txt"),
    (("--text", "@binary.txt", *SAVE), "binary.txt"),
    (("--audio", "missing.wav", *SAVE), "missing.wav"),
    (("--audio", "notreally.wav", *SAVE), "notreally.wav"),
    (("--audio", "nothing.wav", *SAVE), "nothing.wav"),
    (("--audio", "silence.wav", *SAVE), "silent"),
    (("--audio", "noise.wav", *SAVE), "noise"),
    (("--audio", "words.txt", *SAVE), "words.txt"),
    (("--pronounce", "missing.tsv", *SAVE), "missing.tsv"),
    (("--timeline-in", "missing.json", *SAVE), "missing.json"),
    (("--timeline-in", "broken.json", *SAVE), "broken.json"),
    (("--timeline-in", "unknown.json", *SAVE), "Zz"),
    (("--timeline-in", "overlap.json", *SAVE), "overlaps"),
    (("--save", "nowhere/out.mp4"), "nowhere"),
    (("--save", "out.avi"), "out.avi"),
    (("--save", "dir.mp4"), "dir.mp4"),
    (("--timeline", "t.txt", *SAVE), "t.txt"),
    (("--captions", "c.doc", *SAVE), "c.doc"),
    (("--captions", "nowhere/c.srt", *SAVE), "nowhere"),
    (("--resolution", "huge", *SAVE), "huge"),
    (("--resolution", "99999x99999", *SAVE), "99999"),
    (("--resolution", "1280x720", "--crop", "9:16", *SAVE), "9:16"),
    (("--fps", "0", *SAVE), "frame rate"),
    (("--nosuch",), "--nosuch"),
    (("--ui", *SAVE), "--ui"),
    (("--headless", "--port", "7000"), "--ui"),
    (("--list-voices", "xx"), "xx"),
    (("--save", "."), "is a folder"),
    (("--list-voices", "fil"), "of this machine"),
]


@pytest.mark.parametrize(("arguments", "said"), TABLE, ids=[" ".join(a) for a, _ in TABLE])
def test_mistakes(video: Video, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    make_files(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    done = video("--offline", *arguments)
    assert done.code == 2, done.err
    assert len(done.complaints) == 1, done.err
    assert said in done.err and "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) >= 2  # with a hint
    assert done.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_faces_leave_the_cache_as_it_was(video: Video, tmp_path: Path) -> None:
    make_files(tmp_path)
    cache = tmp_path / "cache"
    assert video("--video", "noface.jpg", "--setup", VISEMA_CACHE=str(cache)).code == 2
    assert [p for p in cache.rglob("*") if p.is_file()] == []


def test_verbose_shows_where_an_error_comes_from(video: Video) -> None:
    done = video("--video", "missing.mp4", "-v")
    assert done.code == 2 and "Traceback" in done.err and len(done.complaints) == 1


def test_the_unexpected_is_logged_and_gives_1(video: Video, tmp_path: Path) -> None:
    """A module of ours that is broken stands for any bug."""
    broken = tmp_path / "elsewhere" / "sitecustomize.py"
    broken.parent.mkdir()
    broken.write_text("import visema.cli.commands as c\ndef run(o): raise ZeroDivisionError('a bug')\nc.run = run\n")
    done = video(PYTHONPATH=os.pathsep.join([str(broken.parent), str(ROOT)]), VISEMA_CACHE=str(tmp_path / "cache"))
    assert done.code == 1
    assert len(done.complaints) == 1 and "Traceback" not in done.err
    log = tmp_path / "cache" / "visema.log"
    assert str(log) in done.err and "a bug" in log.read_text() and "Traceback" in log.read_text()


LONG = "This sentence is here to take its time. " * 60


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_ended_while_rendering_leaves_nothing(
    video: Video, tmp_path: Path, shared_cache: Path, number: int, code: int
) -> None:
    assert video("--offline", "--setup").code == 0
    environment = {**os.environ, "VISEMA_CACHE": str(shared_cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "video.py"), "--voice", "espeak:en-us", "--text", LONG, "--save", "a.mp4"]
    child = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".a-*.mp4")) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    assert b"error" not in err and b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folders(video: Video, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = video("--offline", "--text", "Hi.", "--save", "closed/a.mp4")
    assert done.code == 2 and "cannot be written" in done.err
    done = video("--offline", "--setup", VISEMA_CACHE=str(closed / "cache"))
    assert done.code == 2 and "cannot be written" in done.err


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs to mount a small disk")
def test_a_full_disk(video: Video, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount here")
    try:
        done = video("--offline", "--voice", "espeak:en-us", "--text", "Hello, hello, hello.", "--save", "disk/a.mp4")
        assert done.code == 2 and len(done.complaints) == 1 and "full" in done.err
        assert list(disk.iterdir()) == []
        done = video("--offline", "--setup", VISEMA_CACHE=str(disk / "cache"))
        assert done.code == 2 and len(done.complaints) == 1 and "full" in done.err
        assert [p for p in disk.rglob("*") if p.is_file()] == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
