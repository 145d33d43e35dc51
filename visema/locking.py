"""A lock between processes that nobody can leave behind: it goes with the process that holds it."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from visema.paths import explain_os_error

log = logging.getLogger(__name__)

#: Seconds between two tries.
POLL_S = 0.1


@contextmanager
def file_lock(path: Path, doing: str) -> Iterator[bool]:
    """Hold ``path`` as a lock for the block, waiting while another process holds it.

    Args:
        path: The lock's file; its folder must exist. It is removed afterwards.
        doing: What the holder does, for the log line of those who wait.

    Yields:
        Whether there was a wait, after which the work may be done already.

    Raises:
        OutputError: The file cannot be made.
    """
    waited = False
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as e:
            raise explain_os_error(e, path) from e
        if _try_lock(handle) and _is(handle, path):
            break
        os.close(handle)
        if not waited:
            log.warning("Another process is %s; waiting for it.", doing)
            waited = True
        time.sleep(POLL_S)
    try:
        yield waited
    finally:
        # Removed while still held: whoever opened it meanwhile sees that it is another file, and opens anew.
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _is(handle: int, path: Path) -> bool:
    """Whether the locked file is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
