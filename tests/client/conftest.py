"""A real server with a key, as `visema serve` starts it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ops.collector import Collector, collecting
from visema.client import Unreachable, Visema
from visema.paths import ROOT

KEY = "a-key-of-the-tests-that-is-long-enough-0123456789"
START_S = 120


@dataclass
class Platform:
    """A running server.

    Attributes:
        address: Where it answers.
        env: The environment in which its commands find it.
        log: What it says, as lines of JSON.
        collector: Where its traces go.
    """

    address: str
    env: dict[str, str]
    log: Path
    collector: Collector


@pytest.fixture(scope="session")
def platform(avatar_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    shutil.copytree(avatar_cache, folder / "cache")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    env = {**os.environ, "VISEMA_CACHE": str(folder / "cache"), "VISEMA_OUTPUTS": str(folder / "outputs"),
           "VISEMA_API_KEY": KEY, "VISEMA_KEY": KEY, "VISEMA_URL": address, "PYTHONPATH": str(ROOT)}  # fmt: skip
    log = folder / "log.txt"
    with collecting() as collector, log.open("wb") as out:
        env |= {"VISEMA_LOG": "json", "VISEMA_TRACES": collector.address}
        command = [sys.executable, "-m", "visema", "serve", "--port", str(port), "--offline", "--workers", "2"]
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
        try:
            end = time.monotonic() + START_S
            with Visema(address) as api:
                while True:
                    try:
                        api.health()
                        break
                    except Unreachable:
                        assert process.poll() is None and time.monotonic() < end, log.read_text()
            yield Platform(address, env, log, collector)
        finally:
            process.terminate()
            process.wait(timeout=60)
    assert "Traceback" not in log.read_text(), log.read_text()
