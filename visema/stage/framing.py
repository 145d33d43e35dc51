"""Which part of the picture is shown, and how large: crops that keep the face where a portrait has it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.errors import InputError
from visema.face.track import FaceTrack
from visema.media.colour import frame_planes
from visema.types import I420, Box

#: Width to height of `--crop`.
CROPS = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0}
#: The irises' centres, whose middle is where the eyes are.
PUPILS = (468, 473)
#: A portrait has the eyes this far down the picture; within the tolerance nothing is cut to get them there.
EYE_HEIGHT = 0.40
EYE_TOLERANCE = 0.02
#: At most this much of the largest possible crop is given up to place the eyes.
SMALLEST_SHARE = 0.75
#: x264 makes nothing of less, and 4096 is the largest that players' H.264 decoders take.
SHORTEST_SIDE, LONGEST_SIDE = 32, 4096
#: Two shapes within this ratio of each other are the same shape after rounding to even pixels.
SAME_SHAPE = 0.02


@dataclass(frozen=True)
class Framing:
    """A crop of the loop's picture and the size at which it is shown.

    Attributes:
        source: Width and height of the loop.
        crop: Pixels of the loop that are shown, edges even.
        size: Width and height of the result, even.
    """

    source: tuple[int, int]
    crop: Box
    size: tuple[int, int]

    @property
    def whole(self) -> bool:
        """True when the result is the loop's picture as it is."""
        return self.size == self.source and (self.crop.width, self.crop.height) == self.source

    def apply(self, frame: I420) -> I420:
        """Crop and scale a frame; the very same array when there is nothing to do."""
        if self.whole:
            return frame
        out = np.empty((self.size[1] * 3 // 2, self.size[0]), np.uint8)
        shown = _crop_planes(frame_planes(frame, *self.source), self.crop)
        for plane, target in zip(shown, frame_planes(out, *self.size), strict=True):
            if plane.shape == target.shape:
                target[...] = plane
            else:
                smaller = target.shape[0] < plane.shape[0]
                height, width = target.shape
                target[...] = cv2.resize(
                    plane, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
                )
        return out


def _crop_planes(planes: tuple[NDArray[np.uint8], ...], crop: Box) -> tuple[NDArray[np.uint8], ...]:
    x0, y0, x1, y1 = crop
    half = (slice(y0 // 2, y1 // 2), slice(x0 // 2, x1 // 2))
    return planes[0][y0:y1, x0:x1], planes[1][half], planes[2][half]


def choose_framing(
    size: tuple[int, int], track: FaceTrack, *, resolution: str | None = None, crop: str | None = None
) -> Framing:
    """Place a crop and choose the size of the result.

    Args:
        size: Width and height of the loop.
        track: Where the face is.
        resolution: ``1280x720``, or ``720p`` (the shorter side); None keeps the pixels as they are.
        crop: A key of `CROPS`; None takes the shape of ``resolution``, else of the loop.

    Raises:
        InputError: An option cannot be understood, is out of bounds, or the two contradict each other.
    """
    wanted = check_shape(resolution, crop)
    shape = CROPS[crop] if crop else size[0] / size[1]
    if isinstance(wanted, tuple):
        shape = wanted[0] / wanted[1]
    box = _place(size, shape, track)
    if wanted is None:
        out = (box.width, box.height)
    elif isinstance(wanted, tuple):
        out = wanted
    else:
        # By the crop's own shape: the box's is that only up to a pixel, and 720p upright is 720 x 1280.
        across = CROPS[crop] if crop else box.width / box.height
        out = (_even(wanted * max(across, 1)), _even(wanted * max(1 / across, 1)))
    _check_bounds(out, resolution or f"{out[0]}x{out[1]}")
    return Framing(size, box, out)


def check_shape(resolution: str | None, crop: str | None) -> tuple[int, int] | int | None:
    """The resolution, as `parse_resolution` reads it, once it is known to fit the crop.

    Raises:
        InputError: An option cannot be understood, is out of bounds, or the two contradict each other.
    """
    if crop is not None and crop not in CROPS:
        raise InputError(f"'{crop}' is not a crop.", f"Choose one of {', '.join(CROPS)}.")
    if not resolution:
        return None
    wanted = parse_resolution(resolution)
    if isinstance(wanted, tuple):
        _check_bounds(wanted, resolution)
        if crop and abs(wanted[0] / wanted[1] / CROPS[crop] - 1) > SAME_SHAPE:
            raise InputError(
                f"The resolution {resolution} is not {crop}.", "Give a resolution of that shape, or leave one out."
            )
    return wanted


def parse_resolution(text: str) -> tuple[int, int] | int:
    """``1280x720`` as (width, height), ``720p`` as 720.

    Raises:
        InputError: It is neither.
    """
    pair = re.fullmatch(r"(\d{1,5})\s*[xX×*]\s*(\d{1,5})", text.strip())
    if pair:
        return _even(int(pair[1])), _even(int(pair[2]))
    side = re.fullmatch(r"(\d{1,5})p", text.strip().lower())
    if side:
        return _even(int(side[1]))
    raise InputError(f"'{text}' is not a resolution.", "Write it like 1280x720 or 720p.")


def _check_bounds(size: tuple[int, int], asked: str) -> None:
    if min(size) < SHORTEST_SIDE or max(size) > LONGEST_SIDE:
        raise InputError(
            f"A picture of {asked} cannot be made.",
            f"Sides must be between {SHORTEST_SIDE} and {LONGEST_SIDE} pixels.",
        )


def _even(x: float) -> int:
    return round(x / 2) * 2


def _place(size: tuple[int, int], shape: float, track: FaceTrack) -> Box:
    """The largest crop of ``shape``, or one up to a quarter smaller when that brings the eyes to their height."""
    width, height = size
    if abs(shape / (width / height) - 1) < 1e-6:
        return Box(0, 0, width, height)
    eyes = np.median(track.landmarks[:, PUPILS, :2].mean(1), axis=0)
    full_height = min(height, width / shape)
    best, best_cost = Box(0, 0, width, height), math.inf
    for share in np.linspace(1.0, SMALLEST_SHARE, 26):
        h = min(height, _even(full_height * share))
        w = min(width - width % 2, _even(h * shape))
        x = min(max(_even(eyes[0] - w / 2), 0), width - w)
        y = min(max(_even(eyes[1] - EYE_HEIGHT * h), 0), height - h)
        aside = abs((eyes[0] - x) / w - 0.5)
        off = max(0.0, abs((eyes[1] - y) / h - EYE_HEIGHT) - EYE_TOLERANCE)
        cost = off + max(0.0, aside - 0.02) + 0.2 * (1 - share)
        if cost < best_cost - 1e-9:
            best, best_cost = Box(int(x), int(y), int(x + w), int(y + h)), cost
    return best
