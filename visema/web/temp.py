"""The page's own temporary folder: bounded while it runs, gone when it ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

#: Name of our folders in the system's temporary place; the process id tells whose they are.
PREFIX = "visema-page-"
#: What uploads and finished videos may take together before the oldest go.
LIMIT_BYTES = 1 << 30
#: A file that is this old and forgotten by its page goes in any case.
MAX_AGE_S = 6 * 3600.0


class TempFolder:
    """A folder for uploads and finished videos, removed with the process; folders of dead ones go at the start."""

    def __init__(self) -> None:
        _remove_orphans()
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._lock = threading.Lock()
        atexit.register(self.remove)

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def size(self) -> int:
        """Bytes in the folder now."""
        return sum(size for _, size, _ in self._files())

    def prune(self, limit: int = LIMIT_BYTES, max_age: float = MAX_AGE_S) -> None:
        """Delete the oldest files beyond ``limit`` bytes, and those older than ``max_age`` seconds."""
        with self._lock:
            files = sorted(self._files())
            total = sum(size for _, size, _ in files)
            now = time.time()
            for modified, size, path in files:
                if total <= limit and now - modified <= max_age:
                    break
                path.unlink(missing_ok=True)
                total -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = Path(folder) / name
                try:
                    info = path.stat()
                except FileNotFoundError:  # another request has just taken it away
                    continue
                found.append((info.st_mtime, info.st_size, path))
        return found


def _remove_orphans() -> None:
    """Folders that a killed process has left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there; leave the folder to its owner's exit
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
