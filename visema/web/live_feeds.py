"""The live view for those who have no player: events as Server-Sent Events, pictures as MJPEG."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import math
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import cv2

from visema.live.loop_file import LoopFile, decode
from visema.live.messages import Cut, LiveEvent, Picture, SoundChunk, Standing
from visema.live.stage import Stage

#: A comment now and then keeps proxies from closing a silent stream.
KEEPALIVE_S: Final = 15.0
#: Events that wait for their time, at most; a talk of a minute has about a thousand.
MAX_EVENTS: Final = 20_000
#: Pictures a second of MJPEG while nobody speaks.
IDLE_FPS: Final = 12.5
#: How far MJPEG runs behind, so that its pictures are there.
BEHIND_S: Final = 0.08
MJPEG_QUALITY: Final = 82
BOUNDARY: Final = "visema-frame"


class Feed:
    """What both have in common: an `Output` that wakes a generator in the event loop."""

    wants_pictures = False

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ended = False
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def picture(self, picture: Picture) -> None:
        """See `Output`."""

    def sound(self, chunk: SoundChunk) -> None:
        """See `Output`."""

    def cut(self, cut: Cut) -> None:
        """See `Output`."""

    def events(self, events: list[LiveEvent]) -> None:
        """See `Output`."""

    def standing(self, standing: Standing) -> None:
        """See `Output`."""

    def closed(self, reason: str) -> None:
        """See `Output`."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _sleep(self, seconds: float) -> None:
        """Wait so long, or until something comes."""
        try:
            await asyncio.wait_for(self._woken.wait(), max(seconds, 0.001))
        except asyncio.TimeoutError:
            return
        self._woken.clear()


class EventFeed(Feed):
    """Server-Sent Events, each when it happens."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._heap: list[tuple[float, int, LiveEvent]] = []
        self._order = itertools.count()
        self._incoming: deque[LiveEvent | Cut] = deque()

    def events(self, events: list[LiveEvent]) -> None:
        """See `Output`."""
        self._incoming.extend(events)
        self._wake()

    def cut(self, cut: Cut) -> None:
        """See `Output`."""
        self._incoming.append(cut)
        self._wake()

    async def stream(self) -> AsyncIterator[str]:
        """The stream, until the stage is closed."""
        yield ": events of the live view\n\n"
        while True:
            self._take_in()
            now = self.stage.now
            while self._heap and self._heap[0][0] <= now:
                event = heapq.heappop(self._heap)[2]
                yield f"event: {event.kind}\ndata: {json.dumps(event.json(), ensure_ascii=False)}\n\n"
            if self.ended:
                return
            wait = self._heap[0][0] - self.stage.now if self._heap else KEEPALIVE_S
            before = self.stage.now
            await self._sleep(min(wait, KEEPALIVE_S))
            if self.stage.now - before > KEEPALIVE_S - 1:
                yield ":\n\n"

    def _take_in(self) -> None:
        while self._incoming:
            item = self._incoming.popleft()
            if isinstance(item, Cut):
                self._heap = [entry for entry in self._heap if entry[0] <= item.t]
                heapq.heapify(self._heap)
            elif len(self._heap) < MAX_EVENTS:
                heapq.heappush(self._heap, (item.t, next(self._order), item))


class PictureFeed(Feed):
    """MJPEG: the loop's own JPEGs while nobody speaks, whole pictures while somebody does; no sound."""

    wants_pictures = True

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._pictures: deque[Picture] = deque(maxlen=64)
        self._shown: Picture | None = None

    def picture(self, picture: Picture) -> None:
        """See `Output`."""
        self._pictures.append(picture)
        self._wake()

    def cut(self, cut: Cut) -> None:
        """See `Output`."""
        kept = [p for p in self._pictures if p.frame < cut.frame]
        self._pictures.clear()
        self._pictures.extend(kept)

    async def stream(self) -> AsyncIterator[bytes]:
        """The stream, until the stage is closed."""
        fps = float(self.stage.loop.fps)
        skip = max(1, round(fps / IDLE_FPS))
        last = -1
        while not self.ended:
            frame = math.floor((self.stage.now - BEHIND_S) * fps)
            self._advance(frame)
            talking = self._shown is not None and bool(self._shown.jpeg)
            if not talking:
                frame -= frame % skip
            if frame > last and frame >= 0:
                last = frame
                if talking and self._shown is not None:
                    data = await asyncio.to_thread(whole_picture, self.stage.loop, self._shown)
                else:
                    data = self.stage.loop.jpeg(frame % self.stage.loop.count)
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                yield head.encode() + data + b"\r\n"
            following = (last + (1 if talking or self._pictures else skip)) / fps
            await asyncio.sleep(max(0.002, following + BEHIND_S - self.stage.now))

    def _advance(self, frame: int) -> None:
        while self._pictures and self._pictures[0].frame <= frame:
            self._shown = self._pictures.popleft()


def whole_picture(loop: LoopFile, picture: Picture) -> bytes:
    """A patch on its loop frame, as JPEG."""
    image = loop.picture(picture.base)
    part = decode(picture.jpeg)
    image[picture.y : picture.y + picture.height, picture.x : picture.x + picture.width] = part
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, MJPEG_QUALITY])
    return data.tobytes()
