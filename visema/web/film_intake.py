"""Reading the body of ``POST /generate`` bit by bit: what is too much is refused while it comes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from visema.live.requests import RequestError
from visema.service.files import NoSpace
from visema.service.uploads import RAW_PICTURE, RAW_SOUND

#: Form fields that are files, and what they are called on disk; the names that users give are not looked at.
FILES: Final = {"image": RAW_PICTURE, "audio": RAW_SOUND}
#: A client that sends nothing for so long is gone.
PATIENCE_S: Final = 60.0
#: Parts of one request, and bytes of one part's header.
MAX_PARTS, MAX_HEADER = 32, 8192
#: So much is gathered before it is written, in a thread.
_BLOCK: Final = 1 << 20
#: Of a body that is refused, so much is read and thrown away for so long: a client that is still sending when the
#: connection closes does not get to see the answer.
_DRAIN_BYTES, _DRAIN_S = 64 << 20, 5.0


@dataclass
class Received:
    """A form: its texts by name, and the names of the files that came."""

    fields: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)


async def receive(
    headers: Mapping[str, str],
    body: AsyncIterator[bytes],
    folder: Path,
    *,
    known: frozenset[str],
    max_bytes: int,
    max_field: int,
    files: Mapping[str, str] = FILES,
) -> Received:
    """Read a form; its files go into ``folder``.

    Args:
        headers: Of the request.
        body: The request's body as it comes.
        folder: An empty folder.
        known: Names of the text fields that there are.
        max_bytes: Of the body.
        max_field: Of one text field, bytes.
        files: Form fields that are files, and what they are called on disk.

    Raises:
        RequestError: 400, 408, 413, 415 or 422.
        NoSpace: The disk is full.
    """
    from python_multipart.multipart import parse_options_header

    kind, options = parse_options_header(headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        await drain(body)
        raise RequestError(
            "unsupported", "The body is no form.", "Send multipart/form-data, as curl -F image=@face.jpg does.", 415
        )
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > 200:
        raise RequestError("malformed", "The form has no boundary.", "Let your HTTP library write the header.", 400)
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        await drain(body)
        raise _too_large(max_bytes)
    form = _Form(folder, known, max_field, boundary, files)
    try:
        total = 0
        async for block in _patient(body):
            total += len(block)
            if total > max_bytes:
                raise _too_large(max_bytes)
            form.feed(block)
            if form.waiting >= _BLOCK:
                await asyncio.to_thread(form.flush)
        await asyncio.to_thread(form.flush)
        return form.finish()
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace("The server's disk is full.", "Try again later, or tell who runs the server.") from e
        raise
    except RequestError:
        await drain(body)
        raise
    finally:
        form.close()


async def drain(body: AsyncIterator[bytes]) -> None:
    """Read the rest of a body that is not wanted, within bounds."""

    async def read() -> None:
        count = 0
        async for block in body:
            count += len(block)
            if count > _DRAIN_BYTES:
                return

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(read(), _DRAIN_S)


async def _patient(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    iterator = body.__aiter__()
    while True:
        try:
            yield await asyncio.wait_for(iterator.__anext__(), PATIENCE_S)
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            raise RequestError("slow", "Nothing came for a minute.", "Send it again.", 408) from None


def _too_large(max_bytes: int) -> RequestError:
    detail = f"The request is larger than {max_bytes / (1 << 20):.4g} MB."
    return RequestError("too_large", detail, "Save the picture or the recording smaller, or cut it.", 413)


class _Form:
    """Takes a form apart as it comes."""

    def __init__(
        self, folder: Path, known: frozenset[str], max_field: int, boundary: bytes, files: Mapping[str, str]
    ) -> None:
        from python_multipart.multipart import MultipartParser

        self._folder, self._known, self._max_field, self._files = folder, known, max_field, files
        self._received = Received()
        self._parts = 0
        self._header: list[bytes] = [b"", b""]
        self._disposition = b""
        self._name = ""
        self._text = bytearray()
        self._file: IO[bytes] | None = None
        self._blocks: list[bytes] = []
        self.waiting = 0
        self._complete = False
        self._parser = MultipartParser(boundary, {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._head(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._head(1, data[start:end]),
            "on_header_end": self._head_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._done,
        })  # fmt: skip

    def feed(self, block: bytes) -> None:
        from python_multipart.exceptions import FormParserError

        try:
            self._parser.write(block)
        except FormParserError as e:
            raise RequestError("malformed", "The form is damaged.", "Send it again.", 400) from e

    def flush(self) -> None:
        """Write what has been gathered."""
        blocks, self._blocks, self.waiting = self._blocks, [], 0
        if self._file:
            self._file.write(b"".join(blocks))

    def finish(self) -> Received:
        if not self._complete:
            raise RequestError("malformed", "The form ends in the middle.", "Send it again.", 400)
        return self._received

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise RequestError("malformed", "The form has too many parts.", f"Send at most {MAX_PARTS}.", 422)
        self._disposition, self._name = b"", ""
        self._text.clear()

    def _head(self, which: int, data: bytes) -> None:
        self._header[which] += data
        if len(self._header[which]) > MAX_HEADER:
            raise RequestError("malformed", "The form is damaged.", "Send it again.", 400)

    def _head_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = [b"", b""]

    def _open(self) -> None:
        from python_multipart.multipart import parse_options_header

        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name in self._files:
            if name in self._received.files:
                raise RequestError("twice", f"'{name}' came twice.", "Send it once.", 422)
            self._received.files.add(name)
            self._file = (self._folder / self._files[name]).open("xb")
        elif name not in self._known:
            fields = ", ".join([*self._files, *sorted(self._known)])
            raise RequestError("unknown_field", f"There is no field '{name[:60]}'.", f"There are {fields}.", 422)
        elif name in self._received.fields:
            raise RequestError("twice", f"'{name}' came twice.", "Send it once.", 422)
        self._name = name

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file:
            self._blocks.append(data[start:end])
            self.waiting += end - start
            return
        self._text += data[start:end]
        if len(self._text) > self._max_field:
            detail = f"'{self._name}' is longer than {self._max_field} bytes."
            raise RequestError("too_long", detail, "Send less, or send it as a recording.", 422)

    def _end(self) -> None:
        if self._file:
            self.flush()
            self.close()
            return
        try:
            self._received.fields[self._name] = bytes(self._text).decode("utf-8")
        except UnicodeDecodeError as e:
            raise RequestError("malformed", f"'{self._name}' is not UTF-8.", "Send it as UTF-8.", 422) from e

    def _done(self) -> None:
        self._complete = True


def said(received: Received) -> dict[str, Any]:
    """The text fields, without those that are empty."""
    return {name: value for name, value in received.fields.items() if value.strip()}
