"""Where things are: shipped assets, the cache, and writing a folder all or nothing."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visema import settings
from visema.errors import OutputError

#: The checkout, which holds `assets/` and, unless told otherwise, `cache/`.
ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
#: How the names of our temporary folders end.
PARTIAL = ".partial"


def cache_dir() -> Path:
    """The folder of prepared avatars and generated speech: ``$VISEMA_CACHE``, else ``cache/`` in the checkout."""
    return settings.CACHE.of() or ROOT / "cache"


def explain_os_error(error: OSError, path: Path) -> OutputError:
    """The user's words for a failed write.

    What lies in one of our temporary folders is named by the place in which that folder stands, for the user never
    sees the folder.
    """
    import errno

    hidden = next((p for p in (path, *path.parents) if p.name.endswith(PARTIAL)), None)
    path = hidden.parent if hidden else path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            "The disk of {path} is full.", "Free some space and try again; nothing was left behind.", path=path
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(
            "{path} cannot be written.",
            "Give yourself write permission there, or name another folder (VISEMA_CACHE sets the cache's).",
            path=path,
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return OutputError("There is no folder {folder}.", "Make it first, or name another one.", folder=path.parent)
    return OutputError(
        "{path} cannot be written: {reason}.",
        "Check the path and the disk.",
        path=path,
        reason=error.strerror or error,
    )


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place when the block ends well, else disappears.

    Raises:
        OutputError: The disk is full, or the place cannot be written.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(PARTIAL, f".{target.name}-", target.parent))
        yield temporary
        old = None
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            target.rename(old / target.name)
        temporary.rename(target)
        temporary = None
        if old:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        raise explain_os_error(e, target.parent) from e
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """A new, empty temporary file beside ``target``, same suffix, that takes its name when the block ends well.

    Raises:
        OutputError: The disk is full, or the place cannot be written.
    """
    temporary: Path | None = None
    try:
        _sweep_files(target)
        temporary = target.with_name(f".{target.stem}-{os.getpid()}-{secrets.token_hex(4)}{target.suffix}")
        temporary.open("xb").close()
        yield temporary
        temporary.replace(target)
    except OSError as e:
        raise explain_os_error(e, target) from e
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _sweep_files(target: Path) -> None:
    """Remove temporary files of the same target whose writer was killed."""
    if os.name != "posix":
        return
    for left in target.parent.glob(f".{glob.escape(target.stem)}-*{glob.escape(target.suffix)}"):
        pid = left.name[len(target.stem) + 2 :].partition("-")[0]
        if pid.isdecimal() and not _alive(int(pid)):
            left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
