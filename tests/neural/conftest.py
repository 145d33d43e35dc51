"""What the tests of neural engines share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

NEEDS_TORCH = "neural engines need torch (pip install 'visema[neural]')"


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with every release, weights by formula."""
    import shutil

    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    pytest.importorskip("safetensors", reason=NEEDS_TORCH)
    torch.set_num_threads(1)
    from tests.neural.weights import write_liveportrait, write_sadtalker, write_wav2lip

    folder = tmp_path_factory.mktemp("weights")
    write_sadtalker(folder / "sadtalker")
    write_wav2lip(folder / "wav2lip")
    write_liveportrait(folder / "liveportrait")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def wav2lip_weights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """The small release alone, in use."""
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    torch.set_num_threads(1)
    from tests.neural.weights import write_wav2lip
    from visema.neural.store import VARIABLE

    folder = tmp_path_factory.mktemp("w2l")
    write_wav2lip(folder / "wav2lip")
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder
