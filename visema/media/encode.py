"""`Mp4Writer`: I420 frames and sound to an mp4, encoded beside the drawing, exact to the frame."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from visema.errors import OutputError
from visema.media.colour import frame_planes
from visema.media.container import rational_fps
from visema.paths import atomic_file, explain_os_error
from visema.provenance.facts import Facts
from visema.provenance.marking import PLACEHOLDER, Mark, mark
from visema.types import I420, Samples

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

#: Frames that may wait for the encoder: enough to ride out a slow one, 12 MB at 1280 x 720.
QUEUE = 8
#: Sound is encoded for so many frames at once: every call takes the interpreter from the thread that draws, and with
#: one for each frame a film took 3 % longer.
SOUND_EVERY = 25
#: Rates that every player knows and whose AAC packets (1024 samples) are shorter than a picture at 30 fps, so that
#: even a player that plays the last packet whole is exact to the frame; other rates are resampled to `AAC_OTHER`.
AAC_RATES = (44_100, 48_000)
AAC_OTHER = 48_000
#: BT.601 (as OpenCV's I420 conversions have it), limited range, in H.264's numbering.
SMPTE170M, LIMITED = 6, 1

#: Up to this size one core encodes beside one that draws. More encoder threads take the drawing's core from it: on
#: two cores a film of 512 x 512 was made at 11.7 times real time with them and at 12.6 without.
ONE_THREAD_PIXELS = 1280 * 720
#: Bits for a pixel of encoders that are told a rate instead of a quality; looks like CRF 18 to 20 on faces.
OTHER_BITS = 0.25
#: OpenCV's number of the AVX-512 instructions. With them x264's macroblock tree reads memory that nobody has written
#: unless the picture is some multiple of 64 pixels wide: the same frames then give another file in 1 of 3 to 100
#: runs. With AVX2 they never do, as fast.
CPU_AVX512 = 13


def i420_frame(i420: I420) -> VideoFrame:
    """Copy an I420 array into an encoder's frame, row padding honoured; nothing is converted."""
    import av

    rows, width = i420.shape
    height = rows * 2 // 3
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, source in zip(frame.planes, frame_planes(i420, width, height), strict=True):
        h, w = source.shape
        target = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        target[:h, :w] = source
    frame.colorspace, frame.color_range = SMPTE170M, LIMITED
    frame.color_primaries = frame.color_trc = SMPTE170M
    return frame


def add_h264(
    box: OutputContainer, size: tuple[int, int], fps: Fraction, options: dict[str, str], codec: str = "libx264"
) -> VideoStream:
    """Add a stream tagged BT.601 limited, of x264 or of an encoder that takes its place and knows no ``crf``."""
    if codec == "libx264" and cv2.checkHardwareSupport(CPU_AVX512):
        options = {**options, "x264-params": "asm=avx2"}
    if codec != "libx264":
        options = {}
    stream = cast("VideoStream", box.add_stream(codec, rate=fps, options=options))
    stream.width, stream.height = size
    if codec != "libx264":
        stream.bit_rate = round(size[0] * size[1] * fps * OTHER_BITS)
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace, context.color_range = SMPTE170M, LIMITED
    context.color_primaries = context.color_trc = SMPTE170M
    context.time_base = 1 / fps
    # x264's own default; PyAV would ask for slices, which cost bits.
    context.thread_type = "FRAME"
    return stream


class Mp4Writer:
    """Writes H.264 (yuv420p) and AAC with the index in front, in a thread of its own.

    A context manager: leaving it closes the file and gives it its name; leaving it by an exception removes it.
    The sound is cut or padded with silence to the length of the picture. Memory does not grow with length as long
    as the sound comes no later than its picture.

    Args:
        path: Where the finished file appears.
        size: (width, height), both even.
        fps: Frames a second.
        audio_rate: Rate of the sound; None for a silent video.
        crf: x264's quality, 18 is visually lossless for talking heads.
        preset: x264's speed.
        codec: Another encoder than x264; it knows no quality, preset or profile.
        limits: ``profile`` and ``level``, for players that ask for one.
        facts: How the film is made, for its mark (`visema.provenance`); None leaves it without one.

    Attributes:
        mark: What it was given, once it is closed; None without ``facts``.

    Raises:
        OutputError: No such folder, no permission, or the disk is full.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: float,
        audio_rate: int | None = None,
        *,
        crf: float = 18,
        preset: str = "veryfast",
        codec: str = "libx264",
        limits: Mapping[str, str] | None = None,
        facts: Facts | None = None,
    ) -> None:
        if size[0] % 2 or size[1] % 2:
            raise ValueError(f"H.264 needs even sizes, not {size}")
        import av

        self.path, self.size, self.fps = path, size, rational_fps(fps)
        self.frames = 0
        self.mark: Mark | None = None
        self._facts = facts
        self._rate = audio_rate
        self._pending: list[Samples] = []  # sound that came and is not encoded yet
        self._samples = 0  # encoded so far
        self._error: BaseException | None = None
        self._done = False
        self._stack = ExitStack()
        self._temporary = self._stack.enter_context(atomic_file(path))
        try:
            name, faststart = str(self._temporary.absolute()), {"movflags": "+faststart"}
            self._box: OutputContainer = av.open(name, "w", options=faststart)
        except (OSError, av.FFmpegError) as e:
            self._stack.close()
            raise _explained(e, path) from e
        if facts:
            self._box.metadata["comment"] = PLACEHOLDER
        threads = "1" if size[0] * size[1] <= ONE_THREAD_PIXELS else "auto"
        options = {"preset": preset, "crf": str(crf), "threads": threads, **(limits or {})}
        self._video = add_h264(self._box, size, self.fps, options, codec)
        self._audio: AudioStream | None = None
        if audio_rate is not None:
            rate = audio_rate if audio_rate in AAC_RATES else AAC_OTHER
            # 128 kbit/s is transparent for one voice. Of FFmpeg's two searches the fast one takes half the time and
            # leaves less noise at this rate: 45 dB against 30 on the embedded voice.
            options = {"aac_coder": "fast"}
            self._audio = self._box.add_stream("aac", rate=rate, options=options, layout="mono", bit_rate=128_000)
        self._queue: queue.Queue[VideoFrame | Samples | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._run, name="mp4-writer", daemon=True)
        self._thread.start()

    def write(self, i420: I420) -> None:
        """Append a frame (copied, so the array may be reused); waits while the encoder is behind.

        Args:
            i420: (h * 3 // 2, w) uint8.

        Raises:
            OutputError: An earlier frame could not be written.
        """
        width, height = self.size
        if i420.shape != (height * 3 // 2, width):
            raise ValueError(f"frame of shape {i420.shape} in a video of {self.size}")
        self._put(i420_frame(i420))
        self.frames += 1

    def write_audio(self, samples: Samples) -> None:
        """Append sound, (n,) mono float32; any amount at a time, before or along with its frames."""
        if self._audio is None:
            raise ValueError("this video was opened without sound")
        if len(samples):
            self._put(np.ascontiguousarray(samples, np.float32))

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises:
            OutputError: It could not be written; nothing is left.
        """
        if self._done:
            return
        self._finish()
        if self._error is None and self._facts:
            try:
                self.mark = mark(self._temporary, self._facts)
            except OSError as e:
                self._error = e
        if self._error is None:
            # The rename can fail too, and says so itself.
            self._stack.close()
            return
        error = self._error
        self._discard(error)
        raise _explained(error, self.path) from error

    def __enter__(self) -> Mp4Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif not self._done:
            self._error = self._error or error
            self._finish()
            self._discard(error)

    def _put(self, item: VideoFrame | Samples) -> None:
        if self._done:
            raise ValueError("the video is closed")
        if self._error is not None:
            raise _explained(self._error, self.path) from self._error
        self._queue.put(item)

    def _finish(self) -> None:
        self._done = True
        self._queue.put(None)
        self._thread.join()

    def _discard(self, error: BaseException) -> None:
        """Leave the temporary file's block as if ``error`` was raised there, which removes the file."""
        try:
            self._stack.__exit__(type(error), error, error.__traceback__)
        except (OSError, OutputError) as e:
            log.debug("while removing the half-made %s: %s", self.path, e)

    # What follows runs in the encoder's thread.

    def _run(self) -> None:
        count = 0
        try:
            while (item := self._queue.get()) is not None:
                if self._error is not None:
                    continue  # the queue must drain, or `write` would wait for ever
                if isinstance(item, np.ndarray):
                    self._pending.append(item)
                    continue
                item.pts, item.time_base = count, 1 / self.fps
                self._box.mux(self._video.encode(item))
                count += 1
                if count % SOUND_EVERY == 0:
                    self._encode_audio(count, last=False)
            if self._error is None:
                self._encode_audio(count, last=True)
                self._box.mux(self._video.encode(None))
        except BaseException as e:
            self._error = e
            while self._queue.get() is not None:
                pass
        finally:
            try:
                self._box.close()
            except Exception as e:
                self._error = self._error or e

    def _encode_audio(self, frames: int, last: bool) -> None:
        """Encode the sound that belongs to the first ``frames`` frames, as far as it has come."""
        if self._audio is None or self._rate is None:
            return
        wanted = round(frames * self._rate / self.fps) - self._samples
        while wanted > 0 and self._pending:
            chunk = self._pending.pop(0)
            if len(chunk) > wanted:
                self._pending.insert(0, chunk[wanted:])
                chunk = chunk[:wanted]
            wanted -= self._encode_chunk(chunk)
        if last:
            while wanted > 0:
                wanted -= self._encode_chunk(np.zeros(min(wanted, self._rate), np.float32))
            self._box.mux(self._audio.encode(None))

    def _encode_chunk(self, samples: Samples) -> int:
        import av

        assert self._audio is not None and self._rate is not None
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts = self._samples
        self._box.mux(self._audio.encode(frame))
        self._samples += len(samples)
        return len(samples)


def _explained(error: BaseException, path: Path) -> OutputError:
    if isinstance(error, OutputError):
        return error
    if isinstance(error, OSError):
        return explain_os_error(error, path)
    return OutputError(
        "{path} could not be encoded: {reason}", "Try another file name, or report this.", path=path, reason=error
    )
