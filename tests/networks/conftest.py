"""What the tests of the published networks share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SHARED


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of the reference vectors; skips where it is not beside the project."""
    folder = SHARED / "reference" / "networks"
    if not folder.is_dir():
        pytest.skip(f"the reference vectors are not at {folder}")
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Keep the tests to one core."""
    torch = pytest.importorskip("torch", reason="the networks need torch (pip install 'visema[neural]')")
    torch.set_num_threads(1)
