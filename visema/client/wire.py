"""What both clients share: a request as a value, when it is repeated, and the reading of event streams."""

from __future__ import annotations

import json
import os
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Generic, TypeVar

from visema.client.errors import ApiError, Unreachable
from visema.errors import InputError

T = TypeVar("T")
#: Told how many bytes of how many have gone; 0 where the whole is not known.
Progress = Callable[[int, int], None]
#: Answers after which the same request may work: it was not taken in.
_PASSING: Final = (429, 503)
#: Answers of a proxy, after which it may have been taken in all the same.
_UNSURE: Final = (502, 504)
#: What docker/nginx.conf says in place of those two.
_UNSURE_CODE: Final = "away"


@dataclass(frozen=True)
class Ask(Generic[T]):
    """A request.

    Attributes:
        method: HTTP's.
        path: Below the server's address.
        read: Makes the result of the answer's JSON.
        query: After the question mark; None is left out.
        body: Sent as JSON, or as form fields beside ``files``.
        files: Form field to file.
        headers: Of its own.
        repeats: It may be sent again where it is not known whether it arrived.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeats: bool = True

    def params(self) -> dict[str, Any]:
        """The query without what was not given."""
        return {name: value for name, value in self.query.items() if value is not None}


def once_headers(key: str | None) -> dict[str, str]:
    """The header by which a request that is sent twice is done once."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}


@dataclass(frozen=True)
class Retry:
    """When a request is sent again.

    Attributes:
        times: How often at most.
        first_s: The pause before the first repetition; each further one is twice as long.
        most_s: The longest pause. A server that asks for a longer one is taken at its word: its answer is the result.
    """

    times: int = 5
    first_s: float = 0.5
    most_s: float = 30.0

    def pause(self, attempt: int, error: ApiError, *, repeats: bool = True) -> float | None:
        """Seconds to wait before a request is sent again; None where its failure is final.

        Args:
            attempt: Which one failed, from 0.
            error: Its failure.
            repeats: It may be sent again where it is not known whether it arrived.
        """
        unsure = isinstance(error, Unreachable) or error.status in _UNSURE or error.code == _UNSURE_CODE
        passing = repeats if unsure else error.status in _PASSING
        if not passing or attempt >= self.times:
            return None
        asked = error.retry_after
        if asked is not None:
            return asked if asked <= self.most_s else None
        # Not all clients of a server that came back shall come back with it.
        return min(self.most_s, self.first_s * 2.0**attempt) * random.uniform(0.5, 1.0)


class Watched:
    """A file that tells how much of it has been read."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file, self._progress = file, progress
        self._size = os.fstat(file.fileno()).st_size
        self._read = 0

    def read(self, count: int = -1) -> bytes:
        """As a file's."""
        data = self._file.read(count)
        self._read += len(data)
        if data:
            self._progress(self._read, self._size)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As a file's."""
        return self._file.tell()

    def fileno(self) -> int:
        """As a file's."""
        return self._file.fileno()


@contextmanager
def body_of(ask: Ask[Any], progress: Progress | None) -> Iterator[dict[str, Any]]:
    """What httpx is told of the body; files are open within the block and read while they are sent.

    Raises:
        InputError: A file cannot be read.
    """
    if not ask.files:
        yield {"json": dict(ask.body)} if ask.body is not None else {}
        return
    with ExitStack() as opened:
        files = {}
        for name, path in ask.files.items():
            try:
                file = opened.enter_context(path.open("rb"))
            except OSError as e:
                raise InputError(f"{path} cannot be read: {e.strerror}.", "Check the path.") from e
            files[name] = (path.name, Watched(file, progress) if progress else file)
        yield {"files": files, "data": {name: form(value) for name, value in (ask.body or {}).items()}}


def form(value: Any) -> str:
    """A value as a form field."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def json_of(text: str) -> Any:
    """An answer as JSON; None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def result_of(ask: Ask[T], status: int, text: str) -> T:
    """The result of an answer that was no refusal.

    Raises:
        ApiError: It is not what was expected: another server, or another version.
    """
    try:
        return ask.read(json_of(text) if status != 204 else None)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        hint = "Is the address that of Visema, and the server as new as this client?"
        raise ApiError(f"The answer of {ask.path} was not understood.", hint, status=status, code="answer") from e


class Events:
    """Takes a stream of Server-Sent Events apart, line by line."""

    def __init__(self) -> None:
        self._data: list[str] = []

    def feed(self, line: str) -> Any:
        """Take in a line without its end; the JSON of an event that it completes, else None."""
        if line.startswith("data:"):
            self._data.append(line[5:].removeprefix(" "))
        elif not line and self._data:
            data, self._data = "\n".join(self._data), []
            return json_of(data)
        return None


def polling_pauses(first_s: float = 0.25, most_s: float = 2.0) -> Iterator[float]:
    """Seconds between questions where there are no events."""
    pause = first_s
    while True:
        yield pause
        pause = min(most_s, pause * 1.5)
