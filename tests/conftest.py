"""Fixtures that several suites share."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# One server, one with keys, and one browser serve every suite that needs them.
from tests.guarded import anna, boris, boss, guarded, serve_guarded  # noqa: F401
from tests.servers import postgres_server, redis_server  # noqa: F401
from tests.site import avatar_cache, browser, site  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
#: Real clips of real people; only beside the maintainers' checkout, never part of the project.
SHARED = ROOT.parent / "shared"


def pytest_configure() -> None:
    """A shell's background or nohup hands down ignored signals, which the programs of the tests would inherit."""
    for name in ("SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # of a handler, not of SIG_IGN, programs get the default


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the browser come last: once it runs, its event loop is the main thread's, and others find it taken."""
    items.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))


@pytest.fixture(autouse=True)
def level_of_the_log() -> Iterator[None]:
    """A program's main sets how much is logged; the next test finds it as it was."""
    logger = logging.getLogger("visema")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def real_media() -> Callable[[str], Path]:
    """Path of a clip in ``shared/media``; skips where that folder is not beside the project."""

    def find(name: str) -> Path:
        path = SHARED / "media" / name
        if not path.exists():
            pytest.skip("real recordings of people are not distributed with the project")
        return path

    return find


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VISEMA_CACHE", str(folder))
    return folder
