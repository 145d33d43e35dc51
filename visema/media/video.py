"""`VideoReader`: anybody's video as upright, even-sized I420 frames at a constant rate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from visema.errors import MediaError
from visema.media.colour import i420_to_bgr, rotate_i420, to_i420
from visema.media.container import check_size, media_errors, open_media
from visema.message import Message
from visema.types import I420, Image

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: Rates that films and phones mean when their clock wobbles.
_COMMON = (Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, 48, 50, Fraction(60000, 1001), 60)
#: A talking mouth needs at least so many pictures a second; slower videos show each of theirs more often.
MIN_FPS = 20
MAX_FPS = 60
#: 4K is scaled down to this: the face needs no more, and drawing and encoding cost by the pixel.
LONGEST_SIDE = 1920
# PQ and HLG, in H.264's numbering of transfer curves.
_HDR = (16, 18)


@dataclass(frozen=True)
class VideoInfo:
    """What the frames of a `VideoReader` will be.

    Attributes:
        fps: Frames a second, constant.
        size: (width, height) of the frames, even.
        frames: About how many will come, from the header; 0 where it does not say.
        rotation: Degrees that the pictures are turned counter-clockwise to stand upright.
        source_size: (width, height) as stored.
        seconds: Length from the header; 0 where it does not say.
        notes: What was changed, in sentences for the user.
    """

    fps: Fraction
    size: tuple[int, int]
    frames: int
    rotation: int
    source_size: tuple[int, int]
    seconds: float
    notes: tuple[str, ...]


class VideoReader:
    """Reads a video within the limits of `visema.media.container`.

    Frames of a variable rate are repeated or dropped to a constant one; rotation, pixel aspect, odd sizes,
    transparency, 10 bits and other colour spaces are dealt with.

    Args:
        path: The video.
        seconds: At most so much of it.
        longest: Scale down so that no side is longer.

    Raises:
        MediaError: Missing, no video, damaged, or beyond the limits.
    """

    def __init__(self, path: Path | str, seconds: float = 3600.0, longest: int = LONGEST_SIDE) -> None:
        self.path = Path(path)
        self._limit = seconds
        self._stack = ExitStack()
        try:
            self._box = self._stack.enter_context(open_media(self.path, "video"))
            streams = [s for s in self._box.streams.video if not s.disposition & 0x400]  # 0x400: a cover picture
            if not streams:
                raise MediaError(
                    "{name} has no video in it.", "Choose a video or a photo of a face.", name=self.path.name
                )
            self._stream: VideoStream = streams[0]
            width, height = self._stream.codec_context.width, self._stream.codec_context.height
            check_size(width, height, self.path.name)
            self._stream.thread_type = "AUTO"
            self._stream.thread_count = min(4, os.cpu_count() or 1)
            self._packets = self._box.demux(self._stream)
            self._bad = self._good = 0
            self._frames = self._decoded()
            self._first = next(self._frames, None)
            if self._first is None:
                raise MediaError(
                    "{name} has no pictures in it.", "Check that it plays elsewhere.", name=self.path.name
                )
            self.info = self._describe(self._first, longest)
        except BaseException as e:
            # Through `open_media`, which finds the words for a decoder's error.
            if not self._stack.__exit__(type(e), e, e.__traceback__):
                raise

    def __iter__(self) -> Iterator[I420]:
        """I420 frames at the constant rate of `info`; once only."""
        fps = self.info.fps
        limit = round(self._limit * fps)
        held: I420 | None = None
        next_tick = 0
        start: Fraction | None = None
        shown = Fraction(0)
        with media_errors(self.path, "video"):
            for frame in self._all():
                at = self._time(frame)
                start = at if start is None and at is not None else start
                shown = at - start if at is not None and start is not None else shown + 1 / fps
                tick = max(round(shown * fps), 0)
                while held is not None and next_tick < min(tick, limit):
                    yield held
                    next_tick += 1
                if next_tick >= limit:
                    return
                if tick >= next_tick or held is None:
                    held = self._convert(frame)
            if held is not None:
                yield held
            self._check_length(float(shown))

    def bgr(self) -> Iterator[Image]:
        """The same frames as (h, w, 3) BGR."""
        for frame in self:
            yield i420_to_bgr(frame)

    def close(self) -> None:
        """Free the decoder."""
        self._stack.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _all(self) -> Iterator[VideoFrame]:
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._frames

    def _decoded(self) -> Iterator[VideoFrame]:
        """Decode on; single broken packets are skipped, as players do."""
        import av

        for packet in self._packets:
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self._bad += 1
                if self._bad > 3 + self._good // 20:
                    raise
                continue
            self._good += 1
            yield from frames

    def _time(self, frame: VideoFrame) -> Fraction | None:
        if frame.pts is None or frame.time_base is None:
            return None
        return frame.pts * frame.time_base

    def _describe(self, first: VideoFrame, longest: int) -> VideoInfo:
        stream = self._stream
        fps = constant_rate(stream.average_rate or stream.guessed_rate)
        width, height = first.width, first.height
        check_size(width, height, self.path.name)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if not Fraction(1, 3) <= aspect <= 3:
            aspect = Fraction(1)
        wide, high = width * float(aspect), float(height)
        k = min(1.0, longest / max(wide, high))
        # Rounding up to a whole pixel first keeps 853.33 x 480 at 854 instead of 852.
        self._size = (max(2, round(wide * k) & ~1), max(2, round(high * k) & ~1))
        turn = round(first.rotation / 90) % 4
        size = self._size if turn % 2 == 0 else self._size[::-1]
        seconds = 0.0
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif self._box.duration and not self._box.streams.audio:
            seconds = self._box.duration / 1e6
        notes = []
        if k < 1:
            told = "The video was scaled down from {width} x {height} to {wide} x {high}."
            notes.append(Message(told, width=width, height=height, wide=size[0], high=size[1]))
        if int(first.color_trc) in _HDR:
            notes.append(Message("The video is HDR; its colours may look pale. An SDR copy would look better."))
        if seconds > self._limit:
            told = "Only the first {used} s of {seconds} s are used."
            notes.append(Message(told, used=f"{self._limit:.0f}", seconds=f"{seconds:.0f}"))
        frames = round(min(seconds, self._limit) * fps)
        return VideoInfo(fps, size, frames, 90 * turn, (width, height), seconds, tuple(notes))

    def _convert(self, frame: VideoFrame) -> I420:
        return rotate_i420(to_i420(frame, self._size), self.info.rotation // 90)

    def _check_length(self, shown: float) -> None:
        """Refuse a video whose end is missing, which demuxers pass over in silence."""
        if self.info.seconds - shown > max(1.0, 0.1 * self.info.seconds):
            raise MediaError(
                "{name} is cut off after {shown} s of {length} s.",
                "Copy or download it again.",
                name=self.path.name,
                shown=f"{shown:.1f}",
                length=f"{self.info.seconds:.1f}",
            )


def constant_rate(average: Fraction | None) -> Fraction:
    """The constant rate for a video of some average rate: what it means, in `MIN_FPS` to `MAX_FPS`."""
    if not average or average < 1:
        return Fraction(25)
    rate = Fraction(average)
    while rate < MIN_FPS:
        rate *= 2
    if rate >= MAX_FPS:
        return Fraction(MAX_FPS)
    near = min((Fraction(c) for c in _COMMON), key=lambda c: abs(c - rate))
    if abs(near - rate) < rate / 200:
        return near
    return rate if rate.denominator == 1 else Fraction(min((24, 25, 30, 48, 50, 60), key=lambda c: abs(c - rate)))
