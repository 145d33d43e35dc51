"""A whole server that has keys, as others would reach it, and those who hold them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.conftest import free_port, until
from visema.paths import ROOT
from visema.service.keys import Keys, Limits
from visema.service.settings import settings_from
from visema.service.store import JobStore


@dataclass
class Guarded:
    """A server with keys.

    Attributes:
        address: Where it answers.
        folder: Its films, its database and its log.
        keys: By name; see `key`.
    """

    address: str
    folder: Path
    store: JobStore
    process: subprocess.Popen[bytes]
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, name: str, *scopes: str, limits: Limits | None = None) -> str:
        """A key by its name, made when it is first asked for."""
        if name not in self.keys:
            self.keys[name] = Keys(self.store.engine).create(name, scopes or ("admin",), limits)[1]
        return self.keys[name]

    def ask(self, method: str, path: str, key: str = "", **options: Any) -> httpx.Response:
        headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **options.pop("headers", {})}
        return httpx.request(method, f"{self.address}{path}", headers=headers, timeout=60, **options)

    def said(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")


@pytest.fixture(scope="session")
def serve_guarded(avatar_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Guarded]]:
    """Starts servers that require a key."""
    started: list[Guarded] = []

    def start(*arguments: str, **env: str) -> Guarded:
        folder = tmp_path_factory.mktemp("guarded")
        shutil.copytree(avatar_cache, folder / "cache")
        mine = {
            "VISEMA_OUTPUTS": str(folder / "outputs"), "VISEMA_CACHE": str(folder / "cache"), "VISEMA_WORKERS": "1",
            "VISEMA_MAX_MB": "4", **env,
        }  # fmt: skip
        (folder / "outputs").mkdir()
        store = JobStore(settings_from(mine).database_url)
        port = free_port()
        guarded = Guarded(f"http://127.0.0.1:{port}", folder, store, None)  # type: ignore[arg-type]
        guarded.key("boss")
        with (folder / "server.log").open("wb") as out:
            guarded.process = subprocess.Popen(
                [sys.executable, str(ROOT / "video.py"), "--ui", "--headless", "--offline", "--port", str(port),
                 *arguments],
                cwd=folder, env={**os.environ, **mine}, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        started.append(guarded)

        def answers() -> bool:
            assert guarded.process.poll() is None, guarded.said()
            try:
                return guarded.ask("GET", "/health").is_success
            except httpx.TransportError:
                return False

        until(answers, "the server to answer")
        return guarded

    yield start
    for guarded in started:
        guarded.process.terminate()
        guarded.process.wait(timeout=30)
        guarded.store.close()
        assert "Traceback" not in guarded.said(), guarded.said()
        for text in guarded.keys.values():
            assert text[17:] not in guarded.said(), "a key was logged"


@pytest.fixture(scope="session")
def guarded(serve_guarded: Callable[..., Guarded]) -> Guarded:
    """The server that all tests share."""
    return serve_guarded()


@pytest.fixture(scope="session")
def boss(guarded: Guarded) -> str:
    """A key that may do everything."""
    return guarded.key("boss")


@pytest.fixture(scope="session")
def anna(guarded: Guarded) -> str:
    """One customer."""
    return guarded.key("anna", "films", "avatars", "voices", "speech", "live", "read")


@pytest.fixture(scope="session")
def boris(guarded: Guarded) -> str:
    """Another customer."""
    return guarded.key("boris", "films", "avatars", "voices", "speech", "live", "read")
