"""The idle loop as a browser gets it: one file of JPEGs, and the exact pixels that patches are cut against.

Base and patch must agree where nothing moved, to the last bit if possible, or the patch shows as a box. Both are JPEGs
without chroma subsampling and with the same tables, so each 8 x 8 block stands alone: a block that is encoded, decoded
and encoded again with the same tables soon gives the same coefficients for ever. `settle` brings the surroundings of
the mouth to that point before the frame is written; an unchanged block in a patch then decodes to what is there.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import cv2
import numpy as np

from visema.errors import AvatarError, VisemaError
from visema.media.colour import i420_to_bgr
from visema.media.container import rational_fps
from visema.paths import atomic_file
from visema.types import Box, Image
from visema.visemes.articulation import TARGETS
from visema.visemes.classes import SILENCE

if TYPE_CHECKING:
    from visema.avatar import Avatar

log = logging.getLogger(__name__)

MAGIC: Final = b"VLP1"
_HEAD: Final = struct.Struct("<4sIHHIII")
#: Changes when the same avatar gives another file.
EDITION: Final = 1
BLOCK: Final = 8
#: A faster loop is shown at a half, a third, ... of its rate.
MAX_FPS: Final = 30.5
#: Bytes of a second of 1280 x 720, or of anything smaller.
BYTES_PER_SECOND: Final = 1_450_000
HD: Final = 1280 * 720
#: Qualities to choose from. Below the least, patches no longer reach 38 dB.
QUALITIES: Final = (90, 87, 84, 81, 78, 75, 72, 70)
#: Rounds of encoding after which all but a few blocks in 10,000 are fixed; those change by a level or two.
ROUNDS: Final = 6
#: Around the engine's region: a ring of blocks, and what alignment takes.
MARGIN: Final = 2 * BLOCK
#: Decoded surroundings of mouths kept in memory, all frames of one loop together.
WINDOW_BYTES: Final = 96 << 20
#: Poses that a patch's size is estimated with, the widest among them.
_PROBES: Final = ("Aa", "Eh", "Iy", "W", "S", "Ax", "M", "Oh")


class Stopped(VisemaError):
    """A loop was not made to its end, because the server shuts down."""


class Window(NamedTuple):
    """The surroundings of the mouth in one loop frame.

    Attributes:
        box: Where; edges on the grid of 8, or the frame's own.
        base: (h, w, 3) BGR, as a browser decodes it.
        region: What the engine may change.
        source: (rh, rw, 3) BGR that the engine draws on.
    """

    box: Box
    base: Image
    region: Box
    source: Image


def jpeg(image: Image, quality: int) -> bytes:
    """Encode without chroma subsampling, with Huffman tables of its own (a tenth smaller)."""
    parameters = [
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        cv2.IMWRITE_JPEG_OPTIMIZE, 1,
    ]  # fmt: skip
    _, data = cv2.imencode(".jpg", image, parameters)
    return data.tobytes()


def decode(data: bytes) -> Image:
    """(h, w, 3) BGR."""
    return cast(Image, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def settle(image: Image, quality: int, rounds: int = ROUNDS) -> Image:
    """The pixels that encoding no longer changes; the image's corner must lie on the grid of 8."""
    for _ in range(rounds):
        again = decode(jpeg(image, quality))
        if np.array_equal(again, image):
            break
        image = again
    return image


def edition(avatar: Avatar) -> str:
    """Names the file of an avatar as it is now."""
    return hashlib.sha256(f"{avatar.id} {avatar.created} {avatar.engine} {EDITION}".encode()).hexdigest()[:12]


class LoopFile:
    """An avatar's loop for browsers; made when it is not there yet. For use by many threads.

    Args:
        avatar: Whose.
        folder: Where such files are kept.
        stop: Set to give up making the file.

    Attributes:
        path: The file.
        count: Frames.
        fps: Frames a second.
        size: (width, height).
        quality: Of its JPEGs, and of the patches.
        edition: Changes with the avatar.

    Raises:
        AvatarError: The avatar's loop cannot be read.
        OutputError: The file cannot be written.
        Stopped: ``stop`` was set before the file was there.
    """

    def __init__(self, avatar: Avatar, folder: Path, stop: threading.Event | None = None) -> None:
        from visema.stage.base import mouth_moves

        self.avatar = avatar
        self.size = avatar.size
        self.edition = edition(avatar)
        self.step = stride(avatar.fps)
        self.count = max(1, len(avatar.track) // self.step)
        self.fps: Fraction = rational_fps(avatar.fps) / self.step
        self.path = folder / f"{avatar.id}-{self.edition}.vlp"
        self._moves = mouth_moves(avatar)
        self._stop = stop or threading.Event()
        self._lock = threading.Lock()
        self._windows: OrderedDict[int, Window | None] = OrderedDict()
        self._bytes = 0
        self._engine = avatar.mouth()
        if not self.path.is_file():
            self._make(folder)
        with self.path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            magic, count, width, height, *_ = _HEAD.unpack_from(self._data)
            self._offsets: tuple[int, ...] = struct.unpack_from(f"<{count + 1}I", self._data, _HEAD.size)
            if (magic, count, (width, height)) != (MAGIC, self.count, self.size):
                raise ValueError("another avatar's")
            if self._offsets[-1] != len(self._data):
                raise ValueError("of the wrong length")
            self.quality = quality_of(self.jpeg(0))
        except (struct.error, ValueError) as e:
            self._data.close()
            self.path.unlink(missing_ok=True)
            raise AvatarError(
                "The live view's loop of '{name}' was damaged: {reason}.", "Try again.", name=avatar.name, reason=e
            ) from e

    def jpeg(self, index: int) -> bytes:
        """Loop frame ``index`` as the browser has it."""
        return self._data[self._offsets[index] : self._offsets[index + 1]]

    def picture(self, index: int) -> Image:
        """Loop frame ``index``, (h, w, 3) BGR."""
        return decode(self.jpeg(index))

    def source_index(self, index: int) -> int:
        """Which frame of the avatar's own loop frame ``index`` is."""
        return index * self.step

    def window(self, index: int) -> Window | None:
        """The surroundings of the mouth in loop frame ``index``; None where no face is drawn."""
        with self._lock:
            if index in self._windows:
                self._windows.move_to_end(index)
                return self._windows[index]
            region = self._engine.region(self.source_index(index))
        if region is None:
            return None
        box = aligned(region, self.size)
        picture = self.picture(index)
        base = np.ascontiguousarray(picture[box.y0 : box.y1, box.x0 : box.x1])
        window = Window(box, base, region, self._source(index, region, base, box))
        self._keep(index, window)
        return window

    def _source(self, index: int, region: Box, base: Image, box: Box) -> Image:
        """What the engine draws on: the browser's own pixels, unless the loop's mouth was put to rest in them."""
        if not self._moves:
            return np.ascontiguousarray(_part(base, region, box))
        with self.avatar.open_loop(self.source_index(index)) as loop:
            frame = i420_to_bgr(next(loop))
        return np.ascontiguousarray(frame[region.y0 : region.y1, region.x0 : region.x1])

    def _keep(self, index: int, window: Window) -> None:
        with self._lock:
            if index not in self._windows:
                self._windows[index] = window
                self._bytes += _weight(window)
            while self._bytes > WINDOW_BYTES and len(self._windows) > 1:
                self._bytes -= _weight(self._windows.popitem(last=False)[1])

    # -- making ---------------------------------------------------------------------------------------------------

    def _make(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{self.avatar.id}-????????????.vlp"):
            old.unlink(missing_ok=True)
        quality = choose_quality(self._samples(), self._engine, self)
        log.info("The live view's loop of '%s' is being made, quality %d.", self.avatar.name, quality)
        offsets = [_HEAD.size + 4 * (self.count + 1)]
        with atomic_file(self.path) as temporary, temporary.open("wb") as file:
            file.write(bytes(offsets[0]))
            for index, (raw, shown) in enumerate(self._frames()):
                self.go_on()
                region = self._engine.region(self.source_index(index))
                if region is not None:
                    box = aligned(region, self.size)
                    part = shown[box.y0 : box.y1, box.x0 : box.x1]
                    part[:] = settle(np.ascontiguousarray(part), quality)
                    base = part.copy()
                    source = raw[region.y0 : region.y1, region.x0 : region.x1] if self._moves else None
                    if source is None:
                        source = _part(base, region, box)
                    self._keep(index, Window(box, base, region, np.ascontiguousarray(source)))
                data = jpeg(shown, quality)
                file.write(data)
                offsets.append(offsets[-1] + len(data))
            width, height = self.size
            file.seek(0)
            numbers = (self.count, width, height, self.fps.numerator, self.fps.denominator, 0)
            file.write(_HEAD.pack(MAGIC, *numbers) + struct.pack(f"<{self.count + 1}I", *offsets))

    def go_on(self) -> None:
        """Between two frames that are made.

        Raises:
            Stopped: It is to be given up.
        """
        if self._stop.is_set():
            raise Stopped("The server shuts down.", "Try again when it is back.")

    def _frames(self, start: int = 0, count: int | None = None) -> Iterator[tuple[Image, Image]]:
        """Loop frames as decoded, and as shown while nobody speaks."""
        rest = TARGETS[SILENCE]
        total = self.count - start if count is None else count
        with self.avatar.open_loop(self.source_index(start)) as loop:
            for index in range(start, start + total):
                frame = i420_to_bgr(next(loop))
                shown = frame
                region = self._engine.region(self.source_index(index)) if self._moves else None
                if region is not None:
                    shown = frame.copy()
                    part = shown[region.y0 : region.y1, region.x0 : region.x1]
                    part[:] = self._engine.draw(np.ascontiguousarray(part), self.source_index(index), rest)
                yield frame, shown
                for _ in range(self.step - 1):
                    next(loop)

    def _samples(self) -> list[tuple[int, Image]]:
        indices = sorted({k * self.count // 4 for k in range(4)})
        return [(i, next(self._frames(i, 1))[1]) for i in indices]


def stride(fps: float) -> int:
    """Frames of an avatar's loop from one shown frame to the next."""
    return max(1, -int(-fps // MAX_FPS))


def aligned(region: Box, size: tuple[int, int]) -> Box:
    """The region and a ring of blocks around it, on the grid of 8, within the frame."""
    return Box(
        max(0, (region.x0 - MARGIN) // BLOCK * BLOCK),
        max(0, (region.y0 - MARGIN) // BLOCK * BLOCK),
        min(size[0], -(-(region.x1 + MARGIN) // BLOCK) * BLOCK),
        min(size[1], -(-(region.y1 + MARGIN) // BLOCK) * BLOCK),
    )


def talking_budget(size: tuple[int, int]) -> float:
    """Bytes a second that the pictures of a talking avatar may take.

    The product promises 150 KB at 512 x 512 and 300 KB at 1280 x 720, sound included (7 KB); a tenth is kept back for
    faces that move more than the probes.
    """
    pixels = size[0] * size[1]
    total = 150e3 + 150e3 * max(0.0, (pixels - 512 * 512) / (HD - 512 * 512))
    return (total - 7e3) * 0.9


def choose_quality(samples: Sequence[tuple[int, Image]], engine: object, loop: LoopFile) -> int:
    """The best quality with which the loop and the patches stay within their budgets."""
    from visema.live.patch import cut_patch
    from visema.mouth.engine import MouthEngine

    drawer = cast(MouthEngine, engine)
    pixels = loop.size[0] * loop.size[1]
    whole_limit = BYTES_PER_SECOND * max(1.0, pixels / HD) / float(loop.fps)
    patch_limit = talking_budget(loop.size) / float(loop.fps)
    for quality in QUALITIES:
        whole = float(np.mean([len(jpeg(image, quality)) for _, image in samples]))
        sizes = []
        for index, image in samples:
            loop.go_on()
            region = drawer.region(loop.source_index(index))
            if region is None:
                continue
            box = aligned(region, loop.size)
            base = settle(np.ascontiguousarray(image[box.y0 : box.y1, box.x0 : box.x1]), quality, 3)
            source = np.ascontiguousarray(_part(base, region, box))
            for viseme in _PROBES[index % 2 :: 2]:
                drawn = drawer.draw(source, loop.source_index(index), TARGETS[viseme])
                patch = cut_patch(Window(box, base, region, source), drawn, quality)
                sizes.append(len(patch.jpeg) if patch else 0)
        if whole <= whole_limit and (not sizes or float(np.mean(sizes)) <= patch_limit):
            return quality
    log.warning("The live view of '%s' takes more bytes than it should.", loop.avatar.name)
    return QUALITIES[-1]


def quality_of(data: bytes) -> int:
    """The quality that a JPEG was made with, by its first quantisation table.

    Raises:
        ValueError: It is none of `QUALITIES`.
    """
    at = data.find(b"\xff\xdb")
    table = data[at + 5 : at + 69]
    for quality in QUALITIES:
        blank = jpeg(np.zeros((8, 8, 3), np.uint8), quality)
        where = blank.find(b"\xff\xdb")
        if blank[where + 5 : where + 69] == table:
            return quality
    raise ValueError("made otherwise")


def _part(base: Image, region: Box, box: Box) -> Image:
    return base[region.y0 - box.y0 : region.y1 - box.y0, region.x0 - box.x0 : region.x1 - box.x0]


def _weight(window: Window | None) -> int:
    return 0 if window is None else window.base.nbytes + window.source.nbytes
