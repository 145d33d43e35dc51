"""The idle loop as JPEGs, encoded once and shared by everybody who watches."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from visema.avatar import Avatar
    from visema.types import I420

#: Pictures a second while nobody speaks: enough for breathing and blinks, at half the cost of the video's rate.
IDLE_FPS = 12.0
#: The page shows 480 px; more than this would be thrown away by most screens.
MAX_HEIGHT = 720
QUALITY = 80
#: Loop frames decoded at a time; the loop's key frames are this far apart, so a chunk starts without waste.
CHUNK = 25
#: Idle pictures that a browser is asked to keep: 16 s, about 10 MB of 720p.
MAX_CACHED = 200
#: JPEGs kept in memory, all avatars together. 8 s of 720p take 6 MB; a longer video is encoded anew as it goes.
CACHE_BYTES = 64 << 20


def stride(fps: float) -> int:
    """Loop frames from one idle picture to the next."""
    return max(1, round(fps / IDLE_FPS))


def edition(avatar: Avatar) -> str:
    """Changes when an avatar is made anew under its old id, so that no browser shows pictures of the old one."""
    return hashlib.sha256(f"{avatar.id} {avatar.created}".encode()).hexdigest()[:8]


def idle_address(avatar: Avatar) -> str:
    """Where a page finds the pictures of an idle loop, without the index."""
    return f"../avatars/{avatar.id}/idle/{edition(avatar)}/"


def cacheable(avatar: Avatar) -> list[int]:
    """Loop frames that a browser fetches ahead, all or none: none of a loop that is too long to keep."""
    indices = list(range(0, len(avatar.track), stride(avatar.fps)))
    return indices if len(indices) <= MAX_CACHED else []


def data_address(jpeg: bytes) -> str:
    """A picture as an address that holds its data."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def encode_jpeg(frame: I420, max_height: int = MAX_HEIGHT, quality: int = QUALITY) -> bytes:
    """A frame as the page shows it.

    Args:
        frame: (h * 3 // 2, w) uint8.
        max_height: Higher ones are made smaller, in proportion.
        quality: Of the JPEG, 0 to 100.
    """
    image = cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420)
    height, width = image.shape[:2]
    if height > max_height:
        size = (round(width * max_height / height), max_height)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


class IdleLoops:
    """JPEGs of idle loops by avatar and frame, made when first asked for. For use by many threads.

    Args:
        limit: Bytes of JPEG to keep.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._chunks: OrderedDict[tuple[str, int], dict[int, bytes]] = OrderedDict()
        self._bytes = 0

    def jpeg(self, avatar: Avatar, index: int) -> bytes:
        """The picture at loop frame ``index``, or at the last idle frame before it."""
        step = stride(avatar.fps)
        index -= index % step
        start = index - index % (step * CHUNK)
        key = (avatar.id, start)
        with self._lock:  # held while encoding: a second viewer waits for the same pictures instead of making them
            chunk = self._chunks.get(key)
            if chunk is None:
                chunk = self._encode(avatar, start, step)
                self._chunks[key] = chunk
                self._bytes += _size(chunk)
                while self._bytes > self._limit and len(self._chunks) > 1:
                    self._bytes -= _size(self._chunks.popitem(last=False)[1])
            self._chunks.move_to_end(key)
            return chunk.get(index) or chunk[start]

    def cached(self, avatar: Avatar, index: int) -> bool:
        """True when `jpeg` need not decode."""
        step = stride(avatar.fps)
        return (avatar.id, index - index % (step * CHUNK)) in self._chunks

    def forget(self, avatar_id: str) -> None:
        """Free the pictures of an avatar that is gone or was made anew."""
        with self._lock:
            for key in [key for key in self._chunks if key[0] == avatar_id]:
                self._bytes -= _size(self._chunks.pop(key))

    @staticmethod
    def _encode(avatar: Avatar, start: int, step: int) -> dict[int, bytes]:
        from visema.stage.base import mouth_moves
        from visema.stage.compositor import Compositor
        from visema.visemes.articulation import TARGETS
        from visema.visemes.classes import SILENCE

        # A loop of somebody talking is shown with its mouth at rest, as the performer shows it.
        compositor = Compositor(avatar) if mouth_moves(avatar) else None
        pictures: dict[int, bytes] = {}
        with avatar.open_loop(start) as loop:
            for index in range(start, min(start + step * CHUNK, loop.count)):
                frame = next(loop)
                if index % step == 0:
                    if compositor:
                        compositor.compose(frame, index, TARGETS[SILENCE])
                    pictures[index] = encode_jpeg(frame)
        return pictures


def _size(chunk: dict[int, bytes]) -> int:
    return sum(map(len, chunk.values()))
