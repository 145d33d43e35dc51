"""A file that a worker touches as long as it listens to its queue, for health checks (``docker/health.py worker``)."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

#: Where the file is; ``visema-worker.alive`` in the system's temporary folder where nothing is said.
VARIABLE: Final = "VISEMA_ALIVE"


def alive_file() -> Path:
    """The file."""
    return Path(os.environ.get(VARIABLE) or Path(tempfile.gettempdir()) / "visema-worker.alive")


def touch(**_: object) -> None:
    """Say that this worker is well."""
    try:
        alive_file().touch()
    except OSError as e:  # a health check that fails is the lesser evil
        log.warning("The health check's file cannot be written: %s", e)
