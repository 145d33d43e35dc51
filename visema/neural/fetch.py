"""One file over HTTP: what is there already is not fetched again, whatever cut the connection."""

from __future__ import annotations

import http.client
import json
import logging
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from visema.errors import OutputError, VisemaError
from visema.paths import explain_os_error

log = logging.getLogger(__name__)

#: Called with the bytes that are here and the bytes in all (0 while unknown).
Told = Callable[[int, int], None]
TIMEOUT_S = 30.0
#: A connection that was cut is taken up again so often without a byte's progress.
TRIES = 4
_BLOCK = 1 << 18
#: Kept free on the disk.
SPARE_BYTES = 64 << 20


class FetchError(VisemaError):
    """A file could not be fetched."""


def fetch(url: str, target: Path, told: Told, *, pause: float = 1.0) -> None:
    """Fetch ``url`` to ``target``, going on where an earlier attempt stopped.

    A ``.part`` file beside the target keeps what has come, another what the server called that version of the file; a
    file that has changed on the server begins anew.

    Args:
        url: Where from.
        target: Where to.
        told: Progress.
        pause: Seconds before the first retry, doubled for each further one.

    Raises:
        FetchError: It is not there, or the connection cannot be kept.
        OutputError: It cannot be written.
    """
    part, mark = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.json")
    tries = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            before = _size(part)
            try:
                _go_on(url, part, mark, told)
                break
            except urllib.error.HTTPError as e:
                if e.code < 500 and e.code != 429:
                    raise FetchError(f"{url} answers {e.code} {e.reason}.", "Check the address.") from e
                problem: Exception = e
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as e:
                problem = e
            tries = 0 if _size(part) > before else tries + 1
            if tries >= TRIES:
                raise FetchError(
                    f"{url} cannot be fetched: {_reason(problem)}.", "Try again: what has come is kept."
                ) from problem
            time.sleep(pause * 2**tries)
        part.replace(target)
        mark.unlink(missing_ok=True)
    except OSError as e:
        raise explain_os_error(e, target) from e


def _reason(problem: Exception) -> str:
    reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    return str(reason) or type(problem).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _go_on(url: str, part: Path, mark: Path, told: Told) -> None:
    """One connection.

    Raises:
        ConnectionError: It ended before the file did.
    """
    here, version = _size(part), _version(mark)
    request = urllib.request.Request(url, headers={"User-Agent": "visema"})
    if here and version:
        request.add_header("Range", f"bytes={here}-")
        # A file that has changed since comes whole.
        request.add_header("If-Range", version)
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as e:
        if e.code == 416:  # there is nothing after what is here, or less than that
            part.unlink(missing_ok=True)
            raise ConnectionError("the server has less than was fetched before") from e
        raise
    with answer:
        if answer.status != 206:
            here = 0
        length = answer.headers.get("Content-Length")
        total = here + int(length) if length and length.isdigit() else 0
        _check_space(part, total - here)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        # A weak mark does not promise the same bytes.
        mark.write_text(json.dumps("" if version.startswith("W/") else version), "utf-8")
        with part.open("r+b" if here else "wb") as file:
            file.seek(here)
            while block := answer.read(_BLOCK):
                file.write(block)
                here += len(block)
                told(here, total)
    if total and here < total:
        raise ConnectionError(f"the connection was cut after {here} of {total} bytes")


def _version(mark: Path) -> str:
    with suppress(OSError, ValueError):
        found = json.loads(mark.read_text("utf-8"))
        if isinstance(found, str):
            return found
    return ""


def _check_space(path: Path, wanted: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if wanted + SPARE_BYTES > free:
        raise OutputError(
            f"{path.parent} has {free >> 20} MB free, and the file needs {wanted >> 20} MB.",
            "Free some space, or name another place (VISEMA_CACHE).",
        )
