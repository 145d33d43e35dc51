"""The server gets ready for its first visitor while it answers already, and stops cleanly whatever it is making."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.conftest import eventually
from visema.avatar import Avatar
from visema.live.loop_file import edition
from visema.paths import ROOT

START_S = 90


@contextmanager
def page(cache: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The page with its log, from the moment when it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = cache.parent / "log.txt"
    command = [sys.executable, str(ROOT / "video.py"), "--ui", "--headless", "--offline", "--port", str(port)]
    with log.open("wb") as out:
        environment = {**os.environ, "VISEMA_CACHE": str(cache)}
        process = subprocess.Popen(command, cwd=cache.parent, env=environment, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + START_S
        while True:
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, "the server did not answer"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10).close()
                break
            except OSError:
                time.sleep(0.02)
        yield process, log
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def cache(avatar_cache: Path, tmp_path: Path) -> Path:
    """A cache with an avatar whose loop for browsers is yet to be made."""
    copy = tmp_path / "cache"
    shutil.copytree(avatar_cache, copy)
    shutil.rmtree(copy / "live", ignore_errors=True)
    return copy


def test_the_loop_is_made_before_anybody_asks(avatar: Avatar, cache: Path) -> None:
    file = cache / "live" / f"{avatar.id}-{edition(avatar)}.vlp"
    with page(cache) as (process, log):
        eventually(file.is_file, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    assert "Traceback" not in log.read_text(errors="replace")


def test_it_stops_while_the_loop_is_being_made(cache: Path) -> None:
    with page(cache) as (process, log):
        # A file without its final name: the making has begun.
        eventually(lambda: (cache / "live").is_dir(), 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130, "killed by something else"
    said = log.read_text(errors="replace")
    assert "Traceback" not in said and "terminate called" not in said
    assert not list((cache / "live").glob("*.vlp")), "made to its end: the test came too late"
    assert not [f for f in (cache / "live").rglob("*") if f.is_file()], "something half-written was left"
