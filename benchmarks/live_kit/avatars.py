"""Avatars whose every loop frame carries its number as black and white blocks, so that a canvas can be read back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from visema.avatar import LOOP, Avatar
from visema.media.colour import bgr_to_i420, i420_to_bgr
from visema.media.encode import Mp4Writer
from visema.media.loop_writer import LoopWriter
from visema.paths import ASSETS
from visema.setup import prepare_avatar
from visema.types import Image

#: Side of a block in pixels; bits of the number, and as many again, inverted, to tell a stamp from a picture.
BLOCK, BITS = 16, 9
SIZES = {"512": (512, 512), "720p": (1280, 720)}


def make_avatar(folder: Path, size: str, seconds: float, fps: int) -> Avatar:
    """The shipped presenter, moving at ``fps``, in one of `SIZES`; in the cache that ``VISEMA_CACHE`` names.

    Args:
        folder: For the video that it is made of.
        size: Key of `SIZES`.
        seconds: Of video; the loop goes there and back.
        fps: Frames a second; the presenter's own 25 are played faster or slower.
    """
    video = folder / f"presenter-{size}.mp4"
    width, height = SIZES[size]
    with av.open(str(ASSETS / "Video04.mp4")) as box, Mp4Writer(video, (width, height), fps) as writer:
        for number, frame in enumerate(box.decode(video=0)):
            if number >= seconds * fps:
                break
            writer.write(bgr_to_i420(placed(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), width, height)))
    return stamped(prepare_avatar(video, name=f"Presenter {size}"), fps)


def placed(picture: Image, width: int, height: int) -> Image:
    """A square picture in the middle of a larger one, blurred around it."""
    inner = cv2.resize(picture, (height, height), interpolation=cv2.INTER_AREA)
    if width == height:
        return np.asarray(inner, np.uint8)
    small = cv2.resize(picture, (40, 22), interpolation=cv2.INTER_AREA)
    outer = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    left = (width - height) // 2
    outer[:, left : left + height] = inner
    return np.asarray(outer, np.uint8)


def stamped(avatar: Avatar, fps: int) -> Avatar:
    """The same avatar, its loop unrolled and every frame stamped with its number."""
    count = len(avatar.track)
    if count >= 1 << BITS:
        raise ValueError(f"{count} frames do not fit a stamp of {BITS} bits")
    path = avatar.folder / "stamped.mp4"
    with avatar.open_loop() as loop, LoopWriter(path, avatar.size, Fraction(fps)) as writer:
        for index in range(count):
            picture = i420_to_bgr(next(loop))
            for bit in range(2 * BITS):
                on = bool(index >> (bit % BITS) & 1) ^ (bit >= BITS)
                picture[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if on else 20
            writer.write(bgr_to_i420(picture))
    path.replace(avatar.folder / LOOP)
    made = replace(avatar, mirrored=False, fps=float(fps))
    made.save(made.folder)
    return Avatar.load(made.folder)
