"""A drawn mouth as the smallest rectangle that a browser needs to show it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import cv2
import numpy as np

from visema.live.loop_file import BLOCK, LoopFile, Window, jpeg
from visema.mouth.engine import draw_mouth
from visema.mouth.heard import Heard
from visema.types import Box, FloatArray, Image

if TYPE_CHECKING:
    from visema.mouth.engine import MouthEngine

#: Pixels that differ from the loop by no more levels than this are left as they are: nobody sees it.
UNSEEN: Final = 2


class Patch(NamedTuple):
    """A rectangle of changed pixels: where, and its JPEG, of which nothing is to be cut off."""

    box: Box
    jpeg: bytes


def cut_patch(window: Window, drawn: Image, quality: int) -> Patch | None:
    """Cut what was drawn out of its surroundings.

    The rectangle lies on the grid of 8 and has a ring of unchanged blocks around the changed ones: errors of the
    encoder stay within their blocks, so the rectangle's edge is the loop itself.

    Args:
        window: The surroundings.
        drawn: What the engine made of ``window.source``.
        quality: That of the loop.

    Returns:
        None where nothing has changed visibly.
    """
    box, base, region, _ = window
    x0, y0 = region.x0 - box.x0, region.y0 - box.y0
    below = base[y0 : y0 + region.height, x0 : x0 + region.width]
    difference = cv2.absdiff(drawn, below)
    blue, green, red = cv2.split(difference)
    most = cv2.max(cv2.max(blue, green), red)
    _, mask = cv2.threshold(most, UNSEEN, 255, cv2.THRESH_BINARY)
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    # One pixel more, so that no hard edge of the mask is left inside.
    mask = cv2.dilate(mask, _CROSS)
    left, top = max(0, left - 1), max(0, top - 1)
    right, bottom = min(region.width, left + width + 2), min(region.height, top + height + 2)
    outer = Box(
        max(0, (x0 + left) // BLOCK * BLOCK - BLOCK),
        max(0, (y0 + top) // BLOCK * BLOCK - BLOCK),
        min(box.width, -(-(x0 + right) // BLOCK) * BLOCK + BLOCK),
        min(box.height, -(-(y0 + bottom) // BLOCK) * BLOCK + BLOCK),
    )
    pixels = np.ascontiguousarray(base[outer.y0 : outer.y1, outer.x0 : outer.x1])
    inner = pixels[y0 + top - outer.y0 : y0 + bottom - outer.y0, x0 + left - outer.x0 : x0 + right - outer.x0]
    cv2.copyTo(drawn[top:bottom, left:right], mask[top:bottom, left:right], inner)
    where = Box(box.x0 + outer.x0, box.y0 + outer.y0, box.x0 + outer.x1, box.y0 + outer.y1)
    return Patch(where, jpeg(cast(Image, pixels), quality))


_CROSS: Final = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class PatchMaker:
    """Draws patches for one loop. For use by many threads: each takes an engine of its own while it draws.

    Args:
        loop: What they lie on.
    """

    def __init__(self, loop: LoopFile) -> None:
        # Small pictures cost half as much again when OpenCV shares them out, and all cores have talkers of their own.
        cv2.setNumThreads(1)
        self._loop = loop
        self._lock = threading.Lock()
        self._engines: list[MouthEngine] = []

    def draw(self, index: int, pose: FloatArray, heard: Heard | None = None) -> Patch | None:
        """The mouth ``pose``, or what is heard, on loop frame ``index``; None where that looks as the loop does."""
        window = self._loop.window(index)
        if window is None:
            return None
        with self._lock:
            engine = self._engines.pop() if self._engines else None
        engine = engine or self._loop.avatar.mouth()
        try:
            drawn = draw_mouth(engine, window.source, self._loop.source_index(index), pose, heard)
        finally:
            with self._lock:
                self._engines.append(engine)
        return cut_patch(window, drawn, self._loop.quality)

    def warm(self, engines: int) -> None:
        """Make so many engines, and draw once with each, before somebody waits for them."""
        from visema.visemes.articulation import TARGETS

        made = [self._loop.avatar.mouth() for _ in range(engines - len(self._engines))]
        window = self._loop.window(0)
        for engine in made:
            if window is not None:
                engine.draw(window.source, 0, TARGETS["Aa"])
        with self._lock:
            self._engines += made
