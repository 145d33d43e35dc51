"""Opening media files that somebody else made: the formats, protocols and sizes that we accept."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from visema.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer

#: Largest file that is opened, bytes; a 10 minute 4K phone clip is about 3.5 GB.
MAX_BYTES = 4 << 30
#: Largest picture or video frame, pixels, and its longest side: an 8K frame is 33 MP, a large phone photo 50 MP.
MAX_PIXELS = 64_000_000
MAX_SIDE = 12_000
#: A phone clip has two to four streams (picture, sound, metadata).
MAX_STREAMS = 16
#: Two hours of sound at 48 kHz are 1.4 GB as float32.
MAX_AUDIO_SECONDS = 2 * 3600.0

# Demuxers that read one file and nothing else: playlists (hls, dash, concat) and pattern readers are not among them.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,gif,apng,wav,w64,aiff,au,caf,"
    "mp3,flac,aac,amr,amrnb,amrwb,ac3,eac3,h264,hevc,ivf,m4v,nut,mxf,wv,tta,dv,y4m,yuv4mpegpipe,rm,opus"
)
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": _FORMATS,
    "enable_drefs": "0",
    "use_absolute_path": "0",
    "max_streams": str(MAX_STREAMS),
}

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
_UNREADABLE = {
    "picture": "Use a JPEG, PNG or WebP picture.",
    "video": "Check that it plays elsewhere, or convert it to mp4.",
    "recording": "Check that it plays elsewhere, or convert it to wav.",
}


def check_file(path: Path, what: str = "file") -> None:
    """Refuse what cannot be media before any decoder sees it.

    Args:
        path: The file.
        what: What it is to the user: "video", "picture", "recording".

    Raises:
        MediaError: Missing, a folder or device, empty, or too large.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MediaError(
            "There is no {thing} at {path}.", "Check the name and the folder.", thing=what, path=path
        ) from None
    except OSError as e:
        raise MediaError(
            "{path} cannot be opened: {reason}.", "Check the name and its permissions.", path=path, reason=e.strerror
        ) from e
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("{path} is not a file.", "Name a {thing} file.", path=path, thing=what)
    if status.st_size == 0:
        raise MediaError("{name} is empty (0 bytes).", "Copy or download it again.", name=path.name)
    if status.st_size > MAX_BYTES:
        raise MediaError(
            "{name} is {size} GiB; at most {most} GiB can be used.",
            "Cut it shorter or save it smaller.",
            name=path.name,
            size=f"{status.st_size / 2**30:.1f}",
            most=MAX_BYTES >> 30,
        )


def check_size(width: int, height: int, name: str) -> None:
    """Refuse pictures too large to hold in memory.

    Raises:
        MediaError: No pixels at all, or more than `MAX_PIXELS` or `MAX_SIDE`.
    """
    if width < 1 or height < 1:
        raise MediaError("{name} has no picture in it.", "Choose another file.", name=name)
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise MediaError(
            "{name} is {width} x {height} pixels; at most {most} megapixels and {side} a side can be used.",
            "Save it smaller; 1280 pixels on the long side are plenty.",
            name=name,
            width=width,
            height=height,
            most=MAX_PIXELS // 10**6,
            side=MAX_SIDE,
        )


@contextmanager
def open_media(path: Path, what: str) -> Iterator[InputContainer]:
    """Open a media file with our limits; decoding errors inside the block become `MediaError`.

    Args:
        path: The file.
        what: What it is to the user: "video" or "recording".

    Raises:
        MediaError: Not media, damaged, or beyond the limits.
    """
    check_file(path, what)
    import av

    with (
        media_errors(path, what),
        av.open(str(path.absolute()), "r", container_options=dict(_OPTIONS), metadata_errors="replace") as box,
    ):
        if len(box.streams) > MAX_STREAMS:
            raise MediaError(
                "{name} has {count} streams.",
                "Save it again with one picture.",
                name=path.name,
                count=len(box.streams),
            )
        yield box


@contextmanager
def media_errors(path: Path, what: str) -> Iterator[None]:
    """Turn a demuxer's or decoder's error into a `MediaError` about ``path``."""
    import av

    try:
        yield
    except (av.FFmpegError, MemoryError) as e:
        # A photo that does not begin as one is tried as a video; its name says what was meant.
        meant = "picture" if what == "video" and path.suffix.lower() in _PICTURES else what
        raise MediaError(
            "{name} is not a {meant} that can be read, or it is damaged.",
            _UNREADABLE[meant],
            name=path.name,
            meant=meant,
        ) from e


def rational_fps(fps: float) -> Fraction:
    """The exact rate that a float stands for: 29.97 is 30000/1001."""
    for base in (24, 30, 48, 60, 120):
        if abs(fps - base * 1000 / 1001) < 0.004:
            return Fraction(base * 1000, 1001)
    return Fraction(fps).limit_denominator(1000)
