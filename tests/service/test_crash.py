"""Servers and workers that are killed: every job ends, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.conftest import Server, until

VOICE = "espeak:en-us"
LONG = "The quick brown fox jumps over the lazy dog, and runs away into the woods. " * 3


def test_a_killed_server_goes_on_after_its_restart(own_server: Callable[..., Server], photo: bytes) -> None:
    server = own_server(VISEMA_WORKERS="1")
    session = server.begin(image=photo, text=LONG, voice=VOICE)
    waiting = server.begin(image=photo, text="Second.", voice=VOICE)
    before = until(lambda: (s := server.status(session))["percent"] > 5 and s, "it to begin")
    server.kill()
    until(lambda: not server.workers(), "the workers to follow")
    assert not list(server.outputs.glob("*.mp4"))
    server.start()
    again = server.status(session)
    assert again["status"] == "processing" and again["percent"] >= before["percent"], "progress fell"
    assert server.over(session)["status"] == server.over(waiting)["status"] == "completed"
    assert server.files() == {f"{session}.mp4", f"{waiting}.mp4"}
    log = (server.outputs / f"{session}.log").read_text()
    assert log.count("begins.") == 2 and log.count("Done") == 1, log


def test_a_killed_worker_is_replaced_and_its_job_made_again(own_server: Callable[..., Server], photo: bytes) -> None:
    server = own_server(VISEMA_WORKERS="1")
    session = server.begin(image=photo, text=LONG, voice=VOICE)
    until(lambda: server.status(session)["percent"] > 5, "it to begin")
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    assert server.over(session)["status"] == "completed"
    assert worker not in server.workers()
    log = (server.outputs / f"{session}.log").read_text()
    assert log.count("begins.") == 2 and log.count("Done") == 1, log


def test_a_server_that_is_stopped_leaves_its_jobs_to_the_next_and_removes_what_is_old(
    own_server: Callable[..., Server], photo: bytes
) -> None:
    server = own_server(VISEMA_WORKERS="1")
    session = server.begin(image=photo, text=LONG, voice=VOICE)
    until(lambda: server.status(session)["state"] == "running", "it to begin")
    server.stop()
    assert not server.workers()
    server.env["VISEMA_KEEP_HOURS"] = "0.001"
    server.start()
    assert server.over(session)["status"] == "completed"
    assert server.ask("GET", f"/download/{session}").status_code == 200
    until(lambda: server.status(session)["status"] == "expired", "it to be removed")
    until(lambda: not list(server.outputs.glob(f"{session}*")), "its files to go")
    assert server.ask("GET", f"/download/{session}").status_code == 410


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=False)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk")
def test_a_disk_that_fills_up(own_server: Callable[..., Server], photo: bytes, small_disk: Path) -> None:
    server = own_server(VISEMA_WORKERS="1", VISEMA_MIN_FREE_MB="0", VISEMA_OUTPUTS=str(small_disk))
    ballast = small_disk / "ballast"

    def fill(leave: int) -> None:
        free = os.statvfs(small_disk)
        ballast.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - leave))

    fill(512 << 10)
    full = server.generate(image=photo, audio=b"\0" * (3 << 20))
    assert full.status_code == 507 and full.json()["error"] == "disk_full", full.text
    until(lambda: not list((small_disk / "temp").iterdir()), "the upload to go")
    # There is room for the upload, but not for the film.
    ballast.unlink()
    fill(700 << 10)
    session = server.begin(image=photo, text=LONG * 5, voice=VOICE, resolution="1024x1024")
    status = server.over(session)
    assert status["status"] == "failed" and status["error"]["error"] == "disk_full", status
    assert str(small_disk) not in str(status)
    until(lambda: not list((small_disk / "temp").iterdir()), "its files to go")
    # And once there is room again, everything goes on.
    ballast.unlink()
    assert server.over(server.begin(image=photo, text="Hi.", voice=VOICE))["status"] == "completed"
