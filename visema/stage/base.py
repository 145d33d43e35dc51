"""The loop of an avatar by running position, for a stage that never ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from visema.types import I420

if TYPE_CHECKING:
    from visema.avatar import Avatar


#: A loop whose mouth opens further than this (of the pupils' distance, 90th percentile) talks by itself, and is
#: closed while nobody speaks.
TALKING_LOOP = 0.06


class BaseLoop:
    """Frames of the loop at positions that only grow, from ``start``; opened at first use, and again after `reset`."""

    def __init__(self, avatar: Avatar, start: int = 0) -> None:
        self._avatar = avatar
        self._length = max(1, len(avatar.track))
        self._stack: contextlib.ExitStack | None = None
        self._frames: Iterator[I420] | None = None
        self._current: I420 | None = None
        self.position = start - 1

    def frame(self, position: int) -> tuple[int, I420]:
        """The loop frame at ``position`` (or at the last one, if that is later): its index and a copy to draw into.

        Positions that were missed are decoded and thrown away; whole rounds of the loop are left out.
        """
        frames = self._opened()
        behind = position - self.position
        if behind > self._length:
            self.position += (behind // self._length) * self._length
        while self._current is None or self.position < position:
            self._current = next(frames)
            self.position += 1
        return self.position % self._length, self._current.copy()

    def _opened(self) -> Iterator[I420]:
        if self._frames is None:
            stack = contextlib.ExitStack()
            loop = stack.enter_context(self._avatar.open_loop((self.position + 1) % self._length))
            self._stack, self._frames = stack, iter(loop)
        return self._frames

    def reset(self) -> None:
        """Close the loop; the next frame opens it anew."""
        stack, self._stack, self._frames, self._current = self._stack, None, None, None
        if stack:
            stack.close()

    def __enter__(self) -> BaseLoop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()


def mouth_moves(avatar: Avatar) -> bool:
    """True when the mouth of the loop itself opens, as in a clip of somebody talking."""
    points = avatar.track.landmarks[:, :, :2]
    opening = np.linalg.norm(points[:, 13] - points[:, 14], axis=1)
    pupils = np.linalg.norm(points[:, 468] - points[:, 473], axis=1)
    return bool(np.percentile(opening / np.maximum(pupils, 1e-6), 90) > TALKING_LOOP)
