"""A real server process and a real headless Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from visema.paths import ASSETS, ROOT

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
START_S = 90
WAIT_MS = 30_000


@dataclass
class Site:
    """A running page."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path
    cache: Path

    def health(self) -> dict[str, Any]:
        import json

        with urllib.request.urlopen(f"{self.address}/health", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def temp_bytes(self) -> int:
        folders = Path(os.environ.get("TMPDIR", "/tmp")).glob(f"visema-page-{self.process.pid}-*")
        return sum(f.stat().st_size for folder in folders for f in folder.rglob("*") if f.is_file())


@pytest.fixture(scope="session")
def avatar_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the default avatar, which tests copy."""
    from visema.setup import prepare_avatar

    cache = tmp_path_factory.mktemp("avatars")
    before = os.environ.get("VISEMA_CACHE")
    os.environ["VISEMA_CACHE"] = str(cache)
    try:
        prepare_avatar(ASSETS / "Video04.mp4", name="Anna")
    finally:
        if before is None:
            del os.environ["VISEMA_CACHE"]
        else:
            os.environ["VISEMA_CACHE"] = before
    return cache


@pytest.fixture(scope="session")
def site(avatar_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page, started from the command line as a user would."""
    folder = tmp_path_factory.mktemp("site")
    cache = folder / "cache"
    shutil.copytree(avatar_cache, cache)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log.txt"
    command = [sys.executable, str(ROOT / "video.py"), "--ui", "--headless", "--offline", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "VISEMA_CACHE": str(cache)}, stdout=out, stderr=subprocess.STDOUT
        )
    site = Site(f"http://127.0.0.1:{port}", process, log, cache)
    try:
        deadline = time.monotonic() + START_S
        while True:
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, "the server did not answer"
            try:
                site.health()
                break
            except OSError:
                time.sleep(0.2)
        yield site
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert "Traceback" not in log.read_text(errors="replace")
    assert site.temp_bytes() == 0, "the temporary folder outlived the server"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("there is no Chromium here; ./test.sh says how to get it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()
