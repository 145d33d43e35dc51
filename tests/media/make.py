"""Odd media, made where they are tested."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from visema.types import Image, Samples


def scene(index: int, size: tuple[int, int] = (192, 128)) -> Image:
    """A picture that tells its index (by brightness), left from right and top from bottom (by colour)."""
    width, height = size
    picture = np.full((height, width, 3), 40 + 8 * (index % 24), np.uint8)
    picture[: height // 3, : width // 3] = (0, 0, 255)  # red, top left
    picture[: height // 3, -width // 3 :] = (0, 255, 0)  # green, top right
    picture[-height // 3 :, : width // 3] = (255, 0, 0)  # blue, bottom left
    return picture


def index_of(picture: Image) -> int:
    """The index that `scene` drew, read from the middle."""
    h, w = picture.shape[:2]
    return round((float(picture[h // 2 - 4 : h // 2 + 4, w // 2 - 4 : w // 2 + 4].mean()) - 40) / 8)


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    rate: Fraction | int = 25,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    source: str = "bgr24",
    pts_ms: Sequence[int] | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    colour: int | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """A silent video; with ``pts_ms`` its frames come at those times."""
    with av.open(str(path), "w", options=container or {}) as box:
        stream = None
        for i, picture in enumerate(frames):
            if stream is None:
                stream = box.add_stream(codec, rate=rate, options=options or {})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pix_fmt
                if pts_ms:
                    stream.codec_context.time_base = Fraction(1, 1000)
                if aspect:
                    stream.codec_context.sample_aspect_ratio = aspect
                if colour:
                    stream.codec_context.colorspace = colour
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=source)
            if colour:
                frame = frame.reformat(format=pix_fmt, dst_colorspace=colour)
                frame.colorspace = colour
            frame.pts = pts_ms[i] if pts_ms else i
            frame.time_base = Fraction(1, 1000) if pts_ms else Fraction(1) / rate
            box.mux(stream.encode(frame))
        assert stream is not None
        box.mux(stream.encode(None))
    return path


def write_sound(
    path: Path,
    channels: Sequence[Samples],
    rate: int,
    *,
    codec: str = "pcm_s16le",
    layout: str = "mono",
    fmt: str = "fltp",
) -> Path:
    """A sound file of any format; channels are (n,) float32 each."""
    data = np.stack(channels).astype(np.float32)
    with av.open(str(path), "w") as box:
        stream = box.add_stream(codec, rate=rate, layout=layout)
        if data.shape[1]:
            frame = av.AudioFrame.from_ndarray(data, format=fmt, layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    return path


def tone(hertz: float, rate: int, seconds: float = 0.5, level: float = 0.5) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF block that says only the orientation into a JPEG."""
    tiff = b"MM\0\x2a" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def encoded(picture: np.ndarray, ending: str) -> bytes:
    return cv2.imencode(ending, picture)[1].tobytes()
