"""Released files into networks, with the product's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from visema.errors import EngineError
from visema.neural.machine import import_torch
from visema.neural.releases import Release
from visema.neural.store import WeightsError, forget


@contextmanager
def loading(release: Release) -> Iterator[None]:
    """Load checkpoints in the block.

    Raises:
        EngineError: A package is missing.
        WeightsError: A file is damaged, holds something else, or could do harm.
    """
    import_torch()
    try:
        from facenets.checkpoint import CheckpointError
    except ImportError as e:
        raise EngineError(
            f"The engine '{release.name}' needs a package that is not installed ({e.name}).",
            "Install it with: pip install 'visema[neural]'.",
        ) from e
    try:
        yield
    except CheckpointError as e:
        forget(e.path)  # so that the one that takes its place is not refused as another
        raise WeightsError(
            f"The weights of '{release.name}' cannot be used: {e}.",
            f"Remove that file and fetch it again: video.py --download {release.name}.",
        ) from e
