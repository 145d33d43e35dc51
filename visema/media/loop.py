"""`LoopReader`: an avatar's loop video as an endless stream of I420 frames, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from visema.errors import AvatarError
from visema.types import I420

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


class LoopReader:
    """Reads a loop video (as `visema.setup` writes it) from any frame on, and round and round.

    Every frame is a new array, which the reader's user may draw on. Not for use by two threads at once.

    Args:
        path: The loop video.
        start: Index of the first frame, taken modulo the loop's length.

    Attributes:
        count: Frames in the loop.
        fps: Frames a second.
        size: (width, height).
        index: Loop index of the frame that comes next.

    Raises:
        AvatarError: The video is missing or cannot be decoded.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        import av

        self.path = path
        try:
            # Only what setup writes, since an avatar may have been imported.
            options = {"protocol_whitelist": "file", "enable_drefs": "0", "use_absolute_path": "0"}
            self._box: InputContainer = av.open(str(path.absolute()), "r", format="mp4", container_options=options)
        except (av.FFmpegError, OSError) as e:
            raise AvatarError(f"The loop video {path} cannot be read.", "Prepare the avatar again.") from e
        if not self._box.streams.video or self._box.streams.video[0].codec_context.name != "h264":
            self._box.close()
            raise AvatarError(f"The loop video {path} has no H.264 picture.", "Prepare the avatar again.")
        self._stream: VideoStream = self._box.streams.video[0]
        self._stream.thread_type = "AUTO"
        rate, count = self._stream.average_rate, self._stream.frames
        if not rate or count < 1 or self._stream.time_base is None:
            self._box.close()
            raise AvatarError(f"The loop video {path} says neither rate nor length.", "Prepare the avatar again.")
        #: Stream ticks between two frames.
        self._step = float(1 / rate / self._stream.time_base)
        self._first = self._stream.start_time or 0
        self.count = count
        self.fps = float(rate)
        self.size = (self._stream.width, self._stream.height)
        self._frames = self._decode(start % count)
        self.index = start % count

    def _decode(self, start: int) -> Iterator[I420]:
        """Frames from ``start``, for ever; decoders hold a few frames, never the whole loop."""
        import av

        while True:
            last = -1
            try:
                self._box.seek(self._first + round(start * self._step), stream=self._stream)
                for frame in self._box.decode(self._stream):
                    if frame.pts is None:
                        continue
                    last = round((frame.pts - self._first) / self._step)
                    if last >= start:
                        yield cast(I420, frame.to_ndarray())
            except av.FFmpegError as e:
                raise AvatarError(f"The loop video {self.path} is damaged.", "Prepare the avatar again.") from e
            if last != self.count - 1:
                raise AvatarError(f"The loop video {self.path} ends too early.", "Prepare the avatar again.")
            start = 0

    def __iter__(self) -> LoopReader:
        return self

    def __next__(self) -> I420:
        frame = next(self._frames)
        self.index = (self.index + 1) % self.count
        return frame

    def seek(self, index: int) -> None:
        """Make ``index`` (modulo the length) the next frame; costs the decoding of at most 25 frames."""
        index %= self.count
        if index != self.index:
            self._frames = self._decode(index)
            self.index = index

    def close(self) -> None:
        """Free the decoder."""
        self._box.close()

    def __enter__(self) -> LoopReader:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
