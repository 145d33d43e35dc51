"""A file that is fetched, in parts where need be, and takes its name when it is whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from visema.client.errors import Unreachable
from visema.client.wire import Progress
from visema.paths import explain_os_error

if TYPE_CHECKING:
    from typing_extensions import Self


class Download:
    """A download to ``path``, which may break off and go on.

    Args:
        path: Where the file is to be.
        progress: Told how many bytes of how many are there.

    Raises:
        OutputError: The file cannot be written.
    """

    def __init__(self, path: Path, progress: Progress | None) -> None:
        self._path, self._progress = path, progress
        self._partial = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(3)}.partial")
        self._done, self._whole, self._tag = 0, 0, ""
        try:
            self._file = self._partial.open("xb")
        except OSError as e:
            raise explain_os_error(e, path) from e

    def headers(self) -> dict[str, str]:
        """What to ask for: all of it, or what is missing of the same file."""
        if not self._done or not self._tag:
            return {}
        return {"Range": f"bytes={self._done}-", "If-Range": self._tag}

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer has come: 206 goes on where we stopped, 200 begins anew."""
        if status != 206:
            self._file.seek(0)
            self._file.truncate()
            self._done = 0
        self._tag = headers.get("etag", "")
        self._whole = self._done + int(headers.get("content-length") or 0)

    def write(self, data: bytes) -> None:
        """Some of it."""
        try:
            self._file.write(data)
        except OSError as e:
            raise explain_os_error(e, self._path) from e
        self._done += len(data)
        if self._progress:
            self._progress(self._done, self._whole)

    def check(self) -> None:
        """Complain where the answer ended before its end.

        Raises:
            Unreachable: It did.
        """
        if self._whole and self._done < self._whole:
            raise Unreachable("The download broke off.", "Try again.", code="broken")

    def finish(self) -> Path:
        """It is whole: give it its name."""
        try:
            self._file.close()
            self._partial.replace(self._path)
        except OSError as e:
            raise explain_os_error(e, self._path) from e
        return self._path

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)
