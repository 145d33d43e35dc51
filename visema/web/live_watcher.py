"""One browser's socket as a stage's output: a queue that cannot grow, pictures first to go."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from visema.live.messages import Cut, LiveEvent, Picture, SoundChunk, Standing
from visema.web.texts import localised

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from visema.live.metrics import Metrics
    from visema.live.stage import Stage

#: Bytes that may wait for a reader.
MAX_WAITING: Final = 1 << 20
#: A picture that is overdue by this much is not worth the way.
OVERDUE_S: Final = 0.1


class Watcher:
    """An `Output` that is a WebSocket.

    Args:
        socket: Where to send.
        stage: Who is watched.
        metrics: Counters.
        opus: The browser decodes Ogg Opus.
        language: What the player's page speaks.
    """

    def __init__(self, socket: WebSocket, stage: Stage, metrics: Metrics, *, opus: bool, language: str = "en") -> None:
        self._socket = socket
        self._stage = stage
        self._metrics = metrics
        self._opus = opus
        self._language = language
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._items: deque[Picture | SoundChunk | str] = deque()
        self._bytes = 0
        self._waking = False
        self._woken = asyncio.Event()
        self.wants_pictures = True
        #: Why the socket is to be closed; code 0 while it is not.
        self.end: tuple[int, str] = (0, "")
        #: Monotonic time since when one message has been on its way; None while none is.
        self.sending_since: float | None = None

    # -- from the stage's threads ---------------------------------------------------------------------------------

    def picture(self, picture: Picture) -> None:
        """See `Output`."""
        self._put(picture, len(picture.wire))

    def sound(self, chunk: SoundChunk) -> None:
        """See `Output`."""
        self._put(chunk, len(self._sound_bytes(chunk)))

    def cut(self, cut: Cut) -> None:
        """See `Output`; what waits of what was cut is not sent any more."""
        with self._lock:
            kept = [i for i in self._items if isinstance(i, str) or (isinstance(i, Picture) and i.frame < cut.frame)]
            self._items = deque(kept)
            self._bytes = sum(self._size(i) for i in kept)
        self.tell({"type": "cut", "epoch": cut.epoch, "t": round(cut.t, 4), "frame": cut.frame})

    def events(self, events: list[LiveEvent]) -> None:
        """See `Output`."""
        self.tell({"type": "events", "events": [event.json() for event in events]})

    def standing(self, standing: Standing) -> None:
        """See `Output`."""
        found: dict[str, Any] = {"type": "state", "state": standing.state}
        if standing.place:
            found["place"] = standing.place
        self.tell(found)

    def closed(self, reason: str) -> None:
        """See `Output`."""
        if reason:
            self.close(1001, reason)
        else:
            self.close(1000, "The session was closed.", retry=False)

    # -- from anywhere --------------------------------------------------------------------------------------------

    def tell(self, message: dict[str, Any]) -> None:
        """Send a JSON message; notes and errors in it are put into the player's language."""
        text = json.dumps(localised(message, self._language), ensure_ascii=False, separators=(",", ":"))
        self._put(text, len(text))

    def close(self, code: int, detail: str, *, retry: bool = True) -> None:
        """Say why, and close the socket after what waits for it."""
        if self.end[0]:
            return
        self.tell({"type": "bye", "code": code, "detail": detail, "retry": retry})
        self.end = (code, detail)
        self._wake()

    def _put(self, item: Picture | SoundChunk | str, size: int) -> None:
        if self.end[0]:
            return
        dropped = 0
        with self._lock:
            self._items.append(item)
            self._bytes += size
            if self._bytes > MAX_WAITING:
                # Of pictures only the bare loop must arrive, or the last mouth stays.
                kept = deque(i for i in self._items if not isinstance(i, Picture) or not i.jpeg)
                dropped = len(self._items) - len(kept)
                self._items = kept
                self._bytes = sum(self._size(i) for i in kept)
            full = self._bytes > MAX_WAITING
            if full:
                self._items.clear()
                self._bytes = 0
        if dropped:
            self._metrics.count("pictures_dropped_total", dropped)
        if full:
            self.close(1013, "The connection is too slow for the sound.")
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._waking:
                return
            self._waking = True
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:  # the event loop is closed: so is the socket
            self._items.clear()

    def _sound_bytes(self, chunk: SoundChunk) -> bytes:
        return chunk.wire_opus if self._opus and chunk.opus else chunk.wire_pcm

    def _size(self, item: Picture | SoundChunk | str) -> int:
        if isinstance(item, Picture):
            return len(item.wire)
        return len(item) if isinstance(item, str) else len(self._sound_bytes(item))

    # -- in the event loop ----------------------------------------------------------------------------------------

    async def send(self) -> None:
        """Send what waits, until the socket is to be closed."""
        while True:
            await self._woken.wait()
            with self._lock:
                self._woken.clear()
                self._waking = False
            while (item := self._next()) is not None:
                await self._send(item)
            if self.end[0]:
                await self._socket.close(self.end[0], self.end[1][:100])
                return

    def _next(self) -> Picture | SoundChunk | str | None:
        overdue = self._stage.now - OVERDUE_S
        dropped = 0
        found: Picture | SoundChunk | str | None = None
        with self._lock:
            while self._items:
                item = self._items.popleft()
                self._bytes -= self._size(item)
                if isinstance(item, Picture) and item.jpeg and item.t < overdue:
                    dropped += 1
                    continue
                found = item
                break
        if dropped:
            self._metrics.count("pictures_dropped_total", dropped)
        return found

    async def _send(self, item: Picture | SoundChunk | str) -> None:
        self.sending_since = time.monotonic()
        if isinstance(item, str):
            name, size = "other_bytes_total", len(item)
            await self._socket.send({"type": "websocket.send", "text": item})
        else:
            picture = isinstance(item, Picture)
            name = "picture_bytes_total" if picture else "sound_bytes_total"
            data = item.wire if isinstance(item, Picture) else self._sound_bytes(item)
            size = len(data)
            await self._socket.send({"type": "websocket.send", "bytes": data})
        self.sending_since = None
        self._metrics.count(name, size)
