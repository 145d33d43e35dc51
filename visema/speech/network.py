"""What is remembered about the network voice between processes: when it last failed."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Final

from visema.paths import cache_dir

_log = logging.getLogger(__name__)

#: Seconds that a failure is remembered, and how long the service may then take to begin its answer.
REMEMBERED: Final = 300.0
BRIEF: Final = 1.5
#: Seconds to connect, and to begin an answer, when nothing is known against the service.
CONNECT: Final = 5.0
ANSWER: Final = 8.0


def _file() -> Path:
    return cache_dir() / "speech" / "network.json"


def failed_recently() -> bool:
    """Whether the network voice failed within the last five minutes, in this process or another."""
    try:
        failed = float(json.loads(_file().read_text("utf-8"))["failed"])
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return 0 <= time.time() - failed < REMEMBERED


def remember_failure() -> None:
    """Note that the service failed now."""
    path = _file()
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"failed": time.time()}), "utf-8")
        temporary.replace(path)
    except OSError as e:
        _log.debug("the failure of the network voice cannot be noted in %s: %s", path, e)


def forget_failure() -> None:
    """Note that the service works."""
    try:
        _file().unlink(missing_ok=True)
    except OSError as e:
        _log.debug("%s cannot be removed: %s", _file(), e)
