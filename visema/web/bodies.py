"""Bounds on what a request may send, and headers that every answer has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from visema.live.requests import RequestError
from visema.message import Message
from visema.web.film_errors import problem
from visema.web.texts import preferred_language

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Message as Event
    from starlette.types import Receive, Send

#: A client that sends nothing of a body for so long is gone; the whole of one that is no form comes within so long.
PAUSE_S: Final = 30.0
WHOLE_S: Final = 60.0
_HEADERS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))


class Refused(RequestError):
    """A body that is too large or too slow."""


class Bounded:
    """The two ends of a request, with bounds.

    A form (``multipart/form-data``) has bounds of its own where it is read; any other body is small.

    Args:
        receive: Where the body comes from.
        send: Where the answer goes.
        headers: Of the request.
        most: Bytes of a body that is no form; 0 for no bounds.
        private: The answer is for one key's holder, and for no shared cache.
        own: The answer is for this server's own pages, whatever what answers thinks of other sites.
        more: Further headers of the answer.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        headers: Headers,
        most: int,
        *,
        private: bool = False,
        own: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._receive, self._send, self._headers, self._private = receive, send, headers, private
        form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        self._own = own
        self._more = [(name.lower().encode(), value.encode()) for name, value in (more or {}).items()]
        self._most = 0 if form else most
        self._count = 0
        self._whole = False
        self._ends: float | None = None
        self._refused: Refused | None = None
        #: The answer's number, 0 while there is none; and what its Location names last.
        self.status, self.made = 0, ""

    async def receive(self) -> Event:
        """The next part of the body.

        Raises:
            Refused: It is too much, or comes too slowly.
        """
        if self._whole or not self._most:
            return await self._receive()
        if self._refused:
            raise self._refused
        length = self._headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most:
            await self._refuse(_too_large(self._most))
        loop = asyncio.get_running_loop()
        self._ends = self._ends or loop.time() + WHOLE_S
        try:
            event = await asyncio.wait_for(self._receive(), max(0.01, min(PAUSE_S, self._ends - loop.time())))
        except asyncio.TimeoutError:
            what, hint = Message("The request comes too slowly."), Message("Send it again.")
            await self._refuse(Refused("slow", what, hint, 408))
        if event["type"] == "http.request":
            self._count += len(event.get("body", b""))
            self._whole = not event.get("more_body", False)
            if self._count > self._most:
                await self._refuse(_too_large(self._most))
        return event

    async def send(self, event: Event) -> None:
        """Send a part of the answer."""
        if self._refused:
            return  # it has been answered
        if event["type"] == "http.response.start":
            headers = list(event.get("headers", ()))
            self.status = event["status"]
            self.made = dict(headers).get(b"location", b"").decode("latin-1").rpartition("/")[2]
            names = {name.lower() for name, _ in headers}
            headers += [pair for pair in _HEADERS if pair[0] not in names]
            headers += self._more
            if self._own:  # Gradio lets every site read what a browser may
                headers = [pair for pair in headers if not pair[0].lower().startswith(b"access-control-")]
            if self._private:
                headers = [_private(*pair) for pair in headers]
            event = {**event, "headers": headers}
        await self._send(event)

    async def _refuse(self, error: Refused) -> None:
        self._refused = error
        if not self.status:
            self.status = error.status
            language = preferred_language(self._headers.get("accept-language", ""))
            body = json.dumps(problem(error.code, error, language), ensure_ascii=False).encode()
            headers = [
                (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"), (b"connection", b"close"), *_HEADERS,
            ]  # fmt: skip
            await self._send({"type": "http.response.start", "status": error.status, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})
        raise error


def _too_large(most: int) -> Refused:
    return Refused(
        "too_large", Message("The body is too large."), Message("Send at most {most} bytes.", most=most), 413
    )


def _private(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header as a shared cache may see it: what needed a key is not kept there."""
    if name.lower() == b"cache-control":
        value = value.replace(b"public", b"private")
    return name, value
