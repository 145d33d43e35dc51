"""The platform's API as its users have it: a real server with keys, asked over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.conftest import (  # noqa: F401
    free_port,
    long_recording,
    photo,
    picture,
    recording,
    until,
)
from visema.paths import ROOT

VOICE = "espeak:en-us"
#: States in which nothing more happens to a job.
OVER = ("done", "failed", "cancelled", "expired")


@dataclass
class Caller:
    """Somebody with a key, at a server."""

    address: str
    key: str

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        path = path if path.startswith("/api/") or path in ("/ready", "/health", "/metrics", "/") else f"/api/v1{path}"
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return httpx.request(method, f"{self.address}{path}", timeout=120, headers=headers, **options)

    def get(self, path: str, status: int = 200, **params: Any) -> Any:
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def generate(self, headers: Mapping[str, str] | None = None, **fields: Any) -> httpx.Response:
        """JSON, or a form where some of the fields are bytes."""
        files = {name: ("../../x", value) for name, value in fields.items() if isinstance(value, bytes)}
        rest = {name: value for name, value in fields.items() if name not in files}
        if files:
            return self.ask("POST", "/generate", files=files, data=rest, headers=dict(headers or {}))
        return self.ask("POST", "/generate", json={"voice": VOICE, **rest}, headers=dict(headers or {}))

    def begin(self, **fields: Any) -> str:
        answer = self.generate(**fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def status(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/status/{job}")
        return found

    def over(self, job: str) -> dict[str, Any]:
        """A job once it is over."""
        return dict(until(lambda: (told := self.status(job))["state"] in OVER and told, "a job to end"))

    def done(self, job: str) -> dict[str, Any]:
        """A job once it is done."""
        told = self.over(job)
        assert told["state"] == "done", told
        return told


def refused(answer: httpx.Response, status: int, word: str = "") -> dict[str, str]:
    """The error of an answer, in the form that all of them have."""
    assert answer.status_code == status, answer.text
    told: dict[str, str] = answer.json()
    assert set(told) == {"error", "detail", "hint"}, told
    assert all(isinstance(part, str) for part in told.values()) and told["detail"]
    assert "/tmp" not in answer.text and "Traceback" not in answer.text
    assert word in f"{told['error']} {told['detail']} {told['hint']}", told
    return told


@dataclass
class Platform:
    """A server with three keys."""

    ada: Caller
    bob: Caller
    admin: Caller
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return self.ada.address

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def pause(self) -> None:
        """Let no worker go on: what is asked for waits."""
        for pid in self._workers():
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        for pid in self._workers():
            os.kill(pid, signal.SIGCONT)

    def _workers(self) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"visema.service.worker" in words and any(str(self.outputs).encode() in word for word in words):
                found.append(int(path.parent.name))
        return found


def keys_of(database: str) -> dict[str, str]:
    """Keys made in a server's database: two who may do everything of their own, and one who administers."""
    from visema.service.keys import Keys
    from visema.service.store import JobStore
    from visema.service.who import SCOPES

    store = JobStore(database)
    try:
        keys = Keys(store.engine)
        own = [scope for scope in SCOPES if scope != "admin"]
        return {name: keys.create(name, ["admin"] if name == "admin" else own)[1] for name in ("ada", "bob", "admin")}
    finally:
        store.close()


@pytest.fixture(scope="session")
def platform(avatar_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A server that every test may use."""
    folder = tmp_path_factory.mktemp("platform")
    shutil.copytree(avatar_cache, folder / "cache")
    (folder / "outputs").mkdir()
    keys = keys_of(f"sqlite:///{folder / 'outputs' / 'jobs.db'}")
    port = free_port()
    env = {
        **os.environ, "VISEMA_OUTPUTS": str(folder / "outputs"), "VISEMA_CACHE": str(folder / "cache"),
        "VISEMA_OFFLINE": "1", "VISEMA_WORKERS": "1", "VISEMA_MAX_MB": "4", "VISEMA_LEASE_SECONDS": "120",
        "VISEMA_CORS_ORIGINS": "https://app.example", "VISEMA_MAX_QUEUE": "2000", "VISEMA_MAX_QUEUE_CLIENT": "2000",
    }  # fmt: skip
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "visema", "serve", "--offline", "--port", str(port)],
            cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    callers = {name: Caller(f"http://127.0.0.1:{port}", key) for name, key in keys.items()}

    def answers() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            return callers["ada"].ask("GET", "/ready").status_code == 200
        except httpx.TransportError:
            return False

    running = Platform(**callers, folder=folder, process=process)
    try:
        until(answers, "the server to answer")
        yield running
    finally:
        running.go_on()
        process.terminate()
        process.wait(timeout=60)
    said = log.read_text(errors="replace")
    assert "Traceback" not in said, said


@pytest.fixture
def ada(platform: Platform) -> Caller:
    return platform.ada


@pytest.fixture
def paused(platform: Platform) -> Iterator[Platform]:
    """The server, its workers stopped for the length of a test."""
    seen: list[set[int]] = []

    def stopped() -> bool:
        # One that is broken off with a cancelled job is replaced within a second: that one is stopped too.
        platform.pause()
        seen.append(set(platform._workers()))
        return len(seen) > 8 and bool(seen[-1]) and all(found == seen[-1] for found in seen[-8:])

    until(stopped, "all workers to be stopped")
    yield platform
    platform.go_on()


@pytest.fixture
def waits(platform: Platform) -> Callable[[str], dict[str, Any]]:
    return lambda job: dict(until(lambda: platform.ada.status(job), "a job"))


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The objects of an answer in lines of JSON."""
    return [json.loads(line) for line in answer.text.splitlines()]
