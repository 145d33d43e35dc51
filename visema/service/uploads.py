"""What users send, opened once, each file in a child process with limits, and kept only as what came out of it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import cv2

from visema.base import LARGEST_PHOTO
from visema.errors import MediaError
from visema.media.guard import read_photo, rewrite_sound
from visema.paths import explain_os_error
from visema.service.files import PICTURE, SOUND
from visema.types import Image

log = logging.getLogger(__name__)

#: What the raw files are called, in the folder and so in messages.
RAW_PICTURE, RAW_SOUND = "The picture", "The recording"
#: Faces with fewer pixels on a side than this are refused later anyway; sooner is kinder.
SMALLEST: Final = 32
#: Less than this is no speech, seconds.
SHORTEST: Final = 0.1


def take_in(folder: Path, *, sound: bool, most_seconds: float, picture: bool = True) -> float:
    """Turn the raw files in a job's folder into `PICTURE` and `SOUND`, as many as came; the raw ones are removed.

    Both are decoded at the same time. What was hidden in the files (places, serial numbers, other files) is not kept.

    Returns:
        Seconds of sound; 0 without.

    Raises:
        MediaError: One cannot be used.
        OutputError: The disk is full.
    """
    with ThreadPoolExecutor(2, "take-in") as pool:
        seconds = pool.submit(rewrite_sound, folder / RAW_SOUND, folder / SOUND, most_seconds) if sound else None
        try:
            if picture:
                _write_picture(read_photo(folder / RAW_PICTURE, LARGEST_PHOTO, strict=True), folder / PICTURE)
        finally:
            # Both are waited for, so that nothing is written into a folder that is removed.
            told = seconds.exception() if seconds else None
    if told:
        raise told
    if seconds and seconds.result() < SHORTEST:
        raise MediaError(f"{RAW_SOUND} is only {seconds.result():.3f} s long.", "Record at least a word.")
    for name in (RAW_PICTURE, RAW_SOUND):
        (folder / name).unlink(missing_ok=True)
    return seconds.result() if seconds else 0.0


def _write_picture(picture: Image, path: Path) -> None:
    if min(picture.shape[:2]) < SMALLEST:
        raise MediaError(
            f"The picture is only {picture.shape[1]} x {picture.shape[0]} pixels.", "Use one of 512 x 512 or more."
        )
    data = cv2.imencode(".png", picture, (cv2.IMWRITE_PNG_COMPRESSION, 1))[1].tobytes()
    try:
        path.write_bytes(data)
    except OSError as e:
        raise explain_os_error(e, path) from e
