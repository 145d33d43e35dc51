"""Servers and workers that are killed: every job ends, once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from tests.service.conftest import Server, until

VOICE = "espeak:en-us"
LONG = "The quick brown fox jumps over the lazy dog, and runs away into the woods. " * 5


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
