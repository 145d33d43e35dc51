"""`LoopReader`: an avatar's loop video as an endless stream of I420 frames, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from visema.errors import AvatarError
from visema.types import I420

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: Frames between the key frames of a loop video: what a seek decodes at most. Played backward, a loop is decoded in
#: groups of so many, of which two at most are in memory.
KEYINT = 25


class LoopReader:
    """Reads a loop video (as `visema.setup` writes it) from any frame on, and round and round.

    A mirrored loop plays its m frames forward and then backward, the two end frames once, so that it has 2 m - 2;
    only the forward ones are in the file. Every frame is a new array, which the reader's user may draw on. Not for
    use by two threads at once.

    Args:
        path: The loop video.
        start: Index of the first frame, taken modulo the loop's length.
        mirrored: Whether the loop goes there and back.

    Attributes:
        count: Frames in the loop.
        fps: Frames a second.
        size: (width, height).
        index: Loop index of the frame that comes next.

    Raises:
        AvatarError: The video is missing or cannot be decoded.
    """

    def __init__(self, path: Path, start: int = 0, *, mirrored: bool = False) -> None:
        import av

        self.path = path
        try:
            # Only what setup writes, since an avatar may have been imported.
            options = {"protocol_whitelist": "file", "enable_drefs": "0", "use_absolute_path": "0"}
            self._box: InputContainer = av.open(str(path.absolute()), "r", format="mp4", container_options=options)
        except (av.FFmpegError, OSError) as e:
            raise AvatarError("The loop video {path} cannot be read.", "Prepare the avatar again.", path=path) from e
        if not self._box.streams.video or self._box.streams.video[0].codec_context.name != "h264":
            self._box.close()
            raise AvatarError("The loop video {path} has no H.264 picture.", "Prepare the avatar again.", path=path)
        self._stream: VideoStream = self._box.streams.video[0]
        self._stream.thread_type = "AUTO"
        rate, stored = self._stream.average_rate, self._stream.frames
        if not rate or stored < (3 if mirrored else 1) or self._stream.time_base is None:
            self._box.close()
            raise AvatarError(
                "The loop video {path} says neither rate nor length.", "Prepare the avatar again.", path=path
            )
        #: Stream ticks between two frames.
        self._step = float(1 / rate / self._stream.time_base)
        self._first = self._stream.start_time or 0
        self._stored = stored
        self._mirrored = mirrored
        self.count = 2 * stored - 2 if mirrored else stored
        self.fps = float(rate)
        self.size = (self._stream.width, self._stream.height)
        self._frames = self._play(start % self.count)
        self.index = start % self.count

    def _play(self, index: int) -> Iterator[I420]:
        """Frames from loop index ``index``, for ever."""
        while True:
            if not self._mirrored:
                for _, frame in self._decoded(index, self._stored):
                    yield _pixels(frame)
            elif index < self._stored:
                yield from self._there(index)
            else:
                yield from self._back(self.count - index, [])
            index = 0

    def _there(self, start: int) -> Iterator[I420]:
        """Forward from frame ``start`` of the file, and backward to its second."""
        turn = self._stored - 1
        group = turn - turn % KEYINT  # the last group; on the way back it is there already
        kept: list[VideoFrame] = []
        for at, frame in self._decoded(min(start, group), self._stored):
            if group <= at < turn:
                kept.append(frame)
            if at >= start:
                yield _pixels(frame)
        yield from self._back(turn - 1, kept)

    def _back(self, at: int, group: list[VideoFrame]) -> Iterator[I420]:
        """Backward from frame ``at`` of the file to its second; ``group`` holds the frames of ``at``'s up to it.

        While one group is shown the one before it is decoded, a frame for a frame, so that no frame takes long.
        """
        if not group and at > 0:
            group = [frame for _, frame in self._decoded(at - at % KEYINT, at + 1)]
        while at > 0:
            first = at - at % KEYINT
            coming = (frame for _, frame in self._decoded(first - KEYINT, first)) if first else iter(())
            ahead: list[VideoFrame] = []
            while group:
                ahead += islice(coming, -(-(KEYINT - len(ahead)) // len(group)))
                if first or len(group) > 1:
                    yield _pixels(group.pop())
                else:
                    group.clear()  # the first frame begins the next round
            group, at = ahead, first - 1

    def _decoded(self, start: int, end: int) -> Iterator[tuple[int, VideoFrame]]:
        """Number and picture of the file's frames from ``start`` up to ``end``; decoders hold a few, never all."""
        import av

        due = start
        try:
            self._box.seek(self._first + round(start * self._step), stream=self._stream)
            for frame in self._box.decode(self._stream):
                at = -1 if frame.pts is None else round((frame.pts - self._first) / self._step)
                if at < due:
                    continue
                if at > due:
                    raise AvatarError(
                        "The loop video {path} lacks frame {due}.",
                        "Prepare the avatar again.",
                        path=self.path,
                        due=due,
                    )
                due += 1
                yield at, frame
                if due == end < self._stored:
                    return
        except av.FFmpegError as e:
            raise AvatarError("The loop video {path} is damaged.", "Prepare the avatar again.", path=self.path) from e
        if due != end:
            raise AvatarError("The loop video {path} ends too early.", "Prepare the avatar again.", path=self.path)

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
            self._frames = self._play(index)
            self.index = index

    def close(self) -> None:
        """Free the decoder."""
        self._box.close()

    def __enter__(self) -> LoopReader:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _pixels(frame: VideoFrame) -> I420:
    return cast(I420, frame.to_ndarray())
