"""Real servers, real HTTP, and small pictures and recordings for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from tests.servers import free_port
from visema.paths import ASSETS, ROOT

WAIT_S = 120.0


def until(condition: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    """Wait for something to become true; what it was."""
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)


@dataclass
class Server:
    """A server of the film API."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (sys.executable, "-m", "tests.service.server")
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def start(self) -> Server:
        self.port = self.port or free_port()
        self.folder.mkdir(exist_ok=True)
        env = {
            **os.environ, "VISEMA_OUTPUTS": str(self.folder / "outputs"), "VISEMA_CACHE": str(self.folder / "cache"),
            "VISEMA_OFFLINE": "1", "VISEMA_LEASE_SECONDS": "30", **self.env,
        }  # fmt: skip
        with self.log.open("ab") as out:
            where = f"127.0.0.1:{self.port}" if self.command[-1] == "-b" else str(self.port)
            self.process = subprocess.Popen(
                [*self.command, where], cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT
            )
        until(self._answers, "the server to answer")
        return self

    def _answers(self) -> bool:
        assert self.process and self.process.poll() is None, self.said()
        try:
            return bool(httpx.get(f"{self.address}/health", timeout=10).is_success)
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=30)

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def log_of(self, job: str) -> str:
        """What its worker wrote about a job."""
        path = self.outputs / f"{job}.log"
        return path.read_text("utf-8") if path.exists() else ""

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def workers(self) -> list[int]:
        """Process ids of the workers of this server's folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"visema.service.worker" in words and any(str(self.outputs).encode() in word for word in words):
                found.append(int(path.parent.name))
        return found

    # -- HTTP -----------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, f"{self.address}{path}", timeout=60, **options)

    def generate(self, *, client: str = "", **parts: Any) -> httpx.Response:
        """POST /generate: bytes are files, the rest is text."""
        headers = {"X-Forwarded-For": client} if client else {}
        form = [
            (name, ("../../etc/passwd" if isinstance(part, bytes) else None, part)) for name, part in parts.items()
        ]
        return self.ask("POST", "/generate", files=form, headers=headers)

    def begin(self, *, client: str = "", **parts: Any) -> str:
        answer = self.generate(client=client, **parts)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["session_id"])

    def status(self, session: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/status/{session}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def over(self, session: str) -> dict[str, Any]:
        """The status of a job once it is over."""
        return dict(until(lambda: (s := self.status(session))["status"] != "processing" and s, "a job to end"))

    def files(self) -> set[str]:
        """What is in the folder, but for the database and the logs."""
        found = {str(path.relative_to(self.outputs)) for path in self.outputs.rglob("*") if path.is_file()}
        known = ("jobs.db", "crew.lock", "secret")
        return {name for name in found if not name.startswith(known) and not name.endswith(".log")}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    server = request.getfixturevalue("postgres_server")
    server.empty()
    return str(server.url)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that every test may use."""
    running = Server(tmp_path_factory.mktemp("films"), {"VISEMA_WORKERS": "2", "VISEMA_MAX_MB": "3"}).start()
    yield running
    running.stop()
    assert "Traceback" not in running.said(), running.said()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers that a test may kill."""
    started: list[Server] = []

    def start(**env: str) -> Server:
        started.append(Server(tmp_path / f"films{len(started)}", env).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """The presenter, 192 x 192."""
    image = cv2.imread(str(ASSETS / "presenter.png"))
    assert image is not None
    return np.asarray(cv2.resize(image, (192, 192), interpolation=cv2.INTER_AREA))


@pytest.fixture(scope="session")
def photo(picture: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", picture)[1])


def wav_of(words: str) -> bytes:
    """A recording of some words."""
    from visema.speech.speak import speak
    from visema.web.sound import wav_bytes

    speech = speak(words, "espeak:en-us", offline=True, cache=False)
    return wav_bytes(speech.samples, speech.rate)


@pytest.fixture(scope="session")
def recording() -> bytes:
    return wav_of("Hello.")


@pytest.fixture(scope="session")
def long_recording() -> bytes:
    return wav_of("The quick brown fox jumps over the lazy dog, and runs away into the woods. " * 8)
