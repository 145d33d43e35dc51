"""Runs `video.py` as a user does: another process, in a folder of its own, with a cache that the suite shares."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        """Lines that complain; there should be one, its hint on the next line."""
        return [line for line in self.err.splitlines() if line.startswith("error:")]


def run_video(arguments: tuple[str, ...], folder: Path, cache: Path, stdin: bytes = b"", **extra: str) -> Result:
    """One run; no screen, no sound device, nobody at a terminal."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_AUDIODRIVER")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment |= {"VISEMA_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **extra}
    done = subprocess.run(
        [sys.executable, str(ROOT / "video.py"), *arguments],
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the default avatar is prepared once for the whole suite."""
    return tmp_path_factory.mktemp("cli") / "cache"


@pytest.fixture
def video(tmp_path: Path, shared_cache: Path) -> Callable[..., Result]:
    """Run `video.py` in the test's own folder."""

    def run(*arguments: str, stdin: bytes = b"", **extra: str) -> Result:
        return run_video(arguments, tmp_path, shared_cache, stdin, **extra)

    return run
