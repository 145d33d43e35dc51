"""Pictures: any common kind, the right way up, without transparency, and never larger than is safe to decode."""

from __future__ import annotations

import struct
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import cv2
import numpy as np

from visema.errors import MediaError
from visema.media.container import check_file, check_size
from visema.types import Image

#: What shows through transparent pixels; white is what viewers put behind a cut-out portrait.
BACKGROUND = 255
_HINT = "Use a JPEG, PNG or WebP picture."
#: How to decode a JPEG that is at least so many times too large.
_REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))


class Header(NamedTuple):
    """What a picture says of itself before it is decoded."""

    kind: str
    width: int
    height: int
    orientation: int = 1
    complete: bool = True


def read_image(source: Path | str | bytes, longest: int = 0) -> Image:
    """Read a picture as (h, w, 3) BGR, EXIF rotation applied and transparency laid on white.

    Args:
        source: A file or the file's bytes. The size in the header is checked before anything is decoded.
        longest: A JPEG much larger than this may come at a half, a quarter or an eighth of its size, but with no
            longest side below this; it is decoded in a third of the time. 0 for the whole size.

    Raises:
        MediaError: Missing, empty, damaged, of another kind, or too large.
    """
    if isinstance(source, bytes):
        name, data = "The picture", source
        if not data:
            raise MediaError("The picture is empty (0 bytes).", "Choose another file.")
    else:
        path = Path(source)
        check_file(path, "picture")
        name, data = path.name, path.read_bytes()
    header = read_header(data, name)
    check_size(header.width, header.height, name)
    if not header.complete:
        raise MediaError("{name} is cut off before its end.", "Save or download it again.", name=name)
    flags = cv2.IMREAD_UNCHANGED
    if header.kind == "jpeg":
        parts = max(header.width, header.height) // longest if longest > 0 else 1
        flags = next((flag for least, flag in _REDUCED if parts >= least), cv2.IMREAD_COLOR)
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as e:
        raise MediaError("{name} is damaged ({reason}).", "Save or download it again.", name=name, reason=e.err) from e
    if picture is None:
        raise MediaError("{name} is damaged or cut off.", "Save or download it again.", name=name)
    return _upright(_plain(cast(Image, picture)), header.orientation)


def limit_size(image: Image, longest: int) -> Image:
    """Scale down so that the longest side is at most ``longest`` pixels, and crop to even width and height."""
    h, w = image.shape[:2]
    if max(h, w) > longest:
        k = longest / max(h, w)
        image = cast(Image, cv2.resize(image, (round(w * k), round(h * k)), interpolation=cv2.INTER_AREA))
    h, w = (n & ~1 for n in image.shape[:2])
    return np.ascontiguousarray(image[:h, :w])


class PngWriter:
    """Writes PNG files in two threads beside the caller's work; OpenCV's own writer would hide a full disk.

    A context manager: leaving it waits until everything is written.

    Raises:
        OSError: On leaving, one could not be written.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2, "png")
        self._written: list[Future[int]] = []

    def add(self, path: Path, picture: Image) -> None:
        """Write ``picture``, which must not change any more."""
        self._written.append(self._pool.submit(lambda: path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())))

    def __enter__(self) -> PngWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: Any) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for written in self._written:
                written.result()


def read_header(data: bytes, name: str = "The picture") -> Header:
    """Kind, size and EXIF orientation (1-8) of a JPEG, PNG or WebP, from its header alone.

    Raises:
        MediaError: Another kind of file, or a header cut off.
    """
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
            return _png(data)
        if data[:3] == b"\xff\xd8\xff":
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        raise MediaError("{name} is cut off in its header.", "Save or download it again.", name=name) from None
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        raise MediaError(
            "{name} is a HEIC or AVIF picture.", "Save it as JPEG first (phones: 'most compatible').", name=name
        )
    raise MediaError("{name} is not a picture that can be read.", _HINT, name=name)


def _plain(picture: Image) -> Image:
    """Any depth and number of channels to 8-bit BGR."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    elif picture.dtype != np.uint8:
        picture = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    if picture.ndim == 2:
        return cast(Image, cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    if picture.shape[2] == 4:
        return flatten_alpha(picture)
    return picture


def flatten_alpha(picture: Image) -> Image:
    """Lay (h, w, 4) BGRA on `BACKGROUND`, as (h, w, 3) BGR."""
    colour, alpha = picture[:, :, :3], picture[:, :, 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(colour)
    a = alpha.astype(np.uint16)
    return ((colour * a + BACKGROUND * (255 - a) + 127) // 255).astype(np.uint8)


def _upright(picture: Image, orientation: int) -> Image:
    """Apply the EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        picture = cast(Image, cv2.transpose(picture))
    # What is left after the transposition: EXIF 2 and 6 mirror left-right, 4 and 8 upside down, 3 and 7 both.
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return picture if flip is None else cast(Image, cv2.flip(picture, flip))


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    at, orientation = 33, 1
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"eXIf":
            orientation = _tiff_orientation(data[at + 8 : at + 8 + length])
        if kind in (b"eXIf", b"IDAT"):
            break
        at += 12 + length
    return Header("png", width, height, orientation, b"IEND" in data[-4096:])


def _jpeg(data: bytes) -> Header:
    at, orientation = 2, 1
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        marker, length = struct.unpack_from(">xBH", data, at)
        if data[at] != 0xFF or length < 2:
            raise IndexError
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = _tiff_orientation(data[at + 10 : at + 2 + length])
        # Start of frame; C4, C8 and CC are tables that share the range.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            # Inside the coded picture 0xFF is always escaped, so an end marker after here is the end.
            return Header("jpeg", width, height, orientation, data.find(b"\xff\xd9", at) > 0)
        at += 2 + length


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    complete = len(data) >= int.from_bytes(data[4:8], "little")
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        return Header("webp", width, height, _webp_orientation(data), complete)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), complete=complete)
    width, height = struct.unpack_from("<HH", data, 26)
    return Header("webp", width & 0x3FFF, height & 0x3FFF, complete=complete)


def _webp_orientation(data: bytes) -> int:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            exif = data[at + 8 : at + 8 + length]
            return _tiff_orientation(exif.removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    return 1


def _tiff_orientation(tiff: bytes) -> int:
    """Tag 0x0112 of the first directory; 1 (upright) where it is missing or nonsense."""
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, at)
        for i in range(min(count, 512)):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, at + 2 + 12 * i)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except (struct.error, KeyError):
        return 1
    return 1
