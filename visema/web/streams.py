"""Long connections end with their key: sockets, events and pictures do not outlive a revocation."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.types import Message as Event

    from visema.service.keys import Key

log = logging.getLogger(__name__)

#: How often the keys of open connections are looked at.
LOOK_S: Final = 0.5
#: A socket that is closed for it hears this code.
POLICY: Final = 1008


class Watch:
    """Knows which connections are open with which key.

    Args:
        works: Whether a key still opens anything, by its id.
    """

    def __init__(self, works: Callable[[str], Awaitable[bool]]) -> None:
        self._works = works
        self._open: defaultdict[str, set[_Connection]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None

    async def run(self, key: Key, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let ``app`` answer a request for as long as ``key`` works."""
        connection = _Connection(receive, send, socket=scope["type"] == "websocket")
        self._open[key.id].add(connection)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await app(scope, connection.receive, connection.send)
        except OSError:
            if not connection.gone.is_set():
                raise
        finally:
            self._open[key.id].discard(connection)
            if not self._open[key.id]:
                del self._open[key.id]
            await connection.close()

    async def _look(self) -> None:
        while self._open:
            await asyncio.sleep(LOOK_S)
            for key_id in list(self._open):
                try:
                    works = await self._works(key_id)
                except SQLAlchemyError as e:
                    log.warning("Whether a key still works cannot be told: %s", e)
                    continue
                if not works:
                    for connection in self._open.get(key_id, ()):
                        connection.gone.set()


class _Connection:
    """The two ends of one connection."""

    def __init__(self, receive: Receive, send: Send, *, socket: bool) -> None:
        self.gone = asyncio.Event()
        self._receive, self._send, self._socket = receive, send, socket
        self._pending: asyncio.Future[Event] | None = None
        self._leaving: asyncio.Task[bool] | None = None
        self._closed = not socket

    async def receive(self) -> Event:
        """The next message; that the other side has gone, once the key is."""
        if not self._socket:
            return await self._receive()
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._receive())
        if self._leaving is None:
            self._leaving = asyncio.create_task(self.gone.wait())
        await asyncio.wait((self._pending, self._leaving), return_when=asyncio.FIRST_COMPLETED)
        if not self._pending.done():
            return {"type": "websocket.disconnect", "code": POLICY}
        event = self._pending.result()
        self._pending = None
        self._closed |= event["type"] == "websocket.disconnect"
        return event

    async def send(self, event: Event) -> None:
        """Send a message.

        Raises:
            OSError: The key is gone; as where the other side has gone.
        """
        if self.gone.is_set():
            raise OSError("the key was revoked")
        self._closed |= event["type"] in ("websocket.close", "websocket.http.response.start")
        await self._send(event)

    async def close(self) -> None:
        """Close what was cut off, and wait for nothing any more."""
        for task in (self._pending, self._leaving):
            if task is not None:
                task.cancel()
        if self.gone.is_set() and not self._closed:
            await self._send({"type": "websocket.close", "code": POLICY, "reason": "The key was revoked."})
