"""Giving out films and captions, from the service's folder or from its storage: whole, or in ranges."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

from visema.live.requests import RequestError
from visema.message import Message
from visema.service.files import Files
from visema.service.jobs import ID
from visema.service.storage import Stat, Storage
from visema.web.film_errors import explained

#: What can be given out, by the ending of its name.
KINDS: Final = {"mp4": "video/mp4", "srt": "application/x-subrip; charset=utf-8", "vtt": "text/vtt; charset=utf-8"}
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def give(
    files: Files, name: str, request: Request, *, inline: bool = False, headers: Mapping[str, str] | None = None
) -> Response:
    """A film or its captions. Answers HEAD, ranges and If-Range.

    Args:
        files: Where it is.
        name: ``<id>.mp4``, ``<id>.srt`` or ``<id>.vtt``.
        request: Who asks, and for which part.
        inline: To be shown rather than saved.
        headers: More of the answer.

    Raises:
        RequestError: It is gone.
        StorageError: The storage cannot be used.
    """
    kind = KINDS[name.rpartition(".")[2]]
    more = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff", **(headers or {})}
    shown = shown_name(name)
    if files.storage:
        stat = await asyncio.to_thread(files.storage.stat, name)
        if stat is None:
            raise gone()
        more["Content-Disposition"] = f'{"inline" if inline else "attachment"}; filename="{shown}"'
        return _stored(files.storage, name, stat, request, kind, more)
    path = files.folder / name
    if not path.is_file():
        raise gone()
    disposition = "inline" if inline else "attachment"
    return FileResponse(path, media_type=kind, filename=shown, content_disposition_type=disposition, headers=more)


def shown_name(name: str) -> str:
    """What a browser calls a film that it saves."""
    job_id, _, ending = name.rpartition(".")
    return f"visema-{job_id[:8]}.{ending}"


def gone() -> RequestError:
    """The error for a film whose time is over."""
    return RequestError("gone", Message("The film is gone."), Message("Make it again."), 410)


def add_links(app: FastAPI, files: Files) -> None:
    """Put the addresses that `Files.link` signs on ``app``; whoever has one needs no key."""

    @app.api_route("/files/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    @explained
    async def linked(name: str, request: Request, expires: str = "", signature: str = "") -> Response:
        job_id, _, ending = name.rpartition(".")
        if not (ID.fullmatch(job_id) and ending in KINDS and files.links.opens(name, expires, signature)):
            what = Message("The link does not hold, or not any more.")
            raise RequestError("link", what, Message("Ask whoever gave it for a new one."), 403)
        return await give(files, name, request, headers={"Cache-Control": "private, no-store"})


def _stored(storage: Storage, name: str, stat: Stat, request: Request, kind: str, headers: dict[str, str]) -> Response:
    headers |= {
        "Accept-Ranges": "bytes", "ETag": f'"{stat.etag}"', "Last-Modified": formatdate(stat.modified, usegmt=True)
    }  # fmt: skip
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    begin, end, status = 0, stat.size, 200
    if found and any(found.groups()) and _same(request.headers.get("if-range", ""), stat):
        if found[1]:
            begin, end = int(found[1]), min(stat.size, int(found[2]) + 1) if found[2] else stat.size
        else:
            begin = max(0, stat.size - int(found[2]))
        if begin >= min(end, stat.size):
            return Response(status_code=416, headers={"Content-Range": f"bytes */{stat.size}"})
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{stat.size}"
        status = 206
    headers["Content-Length"] = str(end - begin)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=kind)
    blocks: Iterator[bytes] = storage.read(name, begin, end)
    return StreamingResponse(iterate_in_threadpool(blocks), status, headers, kind)


def _same(condition: str, stat: Stat) -> bool:
    """Whether what ``If-Range`` speaks of is still what is stored; so too where it says nothing."""
    if not condition or condition.strip('"') == stat.etag:
        return True
    try:
        return int(stat.modified) <= parsedate_to_datetime(condition).timestamp()
    except (TypeError, ValueError):
        return False
