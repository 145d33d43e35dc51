"""`LoopWriter`: writes the loop video of an avatar, and says whether its end joins its beginning."""

from __future__ import annotations

import os
import queue
import sys
import threading
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from visema.media.encode import ONE_THREAD_PIXELS, add_h264, i420_frame
from visema.media.loop import KEYINT
from visema.types import I420, Image

#: x264's fastest preset at a constant quantiser costs 2.3 ms CPU on a real 1280 x 720 frame, and 1.4 to decode, at
#: 49.6 dB. At 15 a key frame's grain differs from that of the frame before by less (.68 levels on average) than
#: frames of a camera differ from one another (.70); at 19 by more (.87), for a tenth less time. CRF 15 costs 3.3,
#: `superfast` 7. It has no B-frames either, so packets are in the order of the pictures.
OPTIONS = {"preset": "ultrafast", "qp": "15"}
#: A cut is seen when it is larger than this share of the loop's own steps from frame to frame.
SEAM_PERCENTILE = 99
#: Bytes of frames that may wait for the encoder, which so goes on while a core is free for it: 72 of 1280 x 720.
WAITING = 96 << 20
#: The encoder's niceness: whoever waits for frames, to look for a face in them, gets the cores first.
PATIENCE = 15


class LoopWriter:
    """Writes I420 frames at a constant rate, in a thread of its own, and measures how the last goes with the first.

    A context manager: leaving it finishes the file, leaving it by an exception abandons it.

    Args:
        path: The loop video.
        size: (width, height), even.
        fps: Frames a second.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: Fraction) -> None:
        self.path, self.size, self.fps = path, size, fps
        self.count = 0
        self._steps: list[float] = []
        self._first: Image | None = None
        self._previous: Image | None = None
        self._box: OutputContainer = av.open(str(path.absolute()), "w", format="mp4")
        threads = "1" if size[0] * size[1] <= ONE_THREAD_PIXELS else "auto"
        self._stream: VideoStream = add_h264(self._box, size, fps, {**OPTIONS, "threads": threads})
        self._stream.codec_context.gop_size = KEYINT
        self._waiting: queue.Queue[I420 | None] = queue.Queue(max(4, WAITING * 2 // (3 * size[0] * size[1])))
        self._error: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, name="loop-encoder", daemon=True)
        self._thread.start()

    def write(self, i420: I420) -> None:
        """Append a frame, (h * 3 // 2, w), which must not change any more."""
        if self._error is not None:
            raise self._error
        self._measure(i420)
        self.count += 1
        self._waiting.put(i420)

    def close(self) -> None:
        """Finish the file."""
        self._waiting.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Close the unfinished file without waiting for what is not encoded yet."""
        self._abandoned = True
        self._waiting.put(None)
        self._thread.join()

    def seam_shows(self) -> bool:
        """Whether a viewer would see the step from the last frame to the first."""
        if self._first is None or self._previous is None or self.count < 3:
            return False
        return _difference(self._first, self._previous) > float(np.percentile(self._steps, SEAM_PERCENTILE))

    def _work(self) -> None:
        """Encode until told to end; after an error only empty the queue, so that nobody waits for a place in it."""
        number = 0
        if sys.platform == "linux":  # elsewhere a niceness is the whole process's
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PATIENCE)
        try:
            while (i420 := self._waiting.get()) is not None:
                if self._abandoned or self._error is not None:
                    continue
                try:
                    frame = i420_frame(i420)
                    frame.pts, frame.time_base = number, 1 / self.fps
                    self._box.mux(self._stream.encode(frame))
                    number += 1
                except BaseException as e:
                    self._error = e
            if not self._abandoned and self._error is None:
                self._box.mux(self._stream.encode(None))
        except BaseException as e:
            self._error = e
        finally:
            self._end()

    def _end(self) -> None:
        try:
            self._box.close()
        except BaseException as e:
            self._error = self._error or e
        finally:
            # On a full disk the container keeps its file open for as long as it lives, which the error would prolong.
            del self._box, self._stream

    def __enter__(self) -> LoopWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def _measure(self, i420: I420) -> None:
        # Every fourth pixel of every fourth row of the luma: what moves is larger, and noise is in all steps alike.
        small = i420[: self.size[1] : 4, ::4].copy()
        if self._first is None:
            self._first = small
        if self._previous is not None:
            self._steps.append(_difference(small, self._previous))
        self._previous = small


def _difference(a: Image, b: Image) -> float:
    return float(cv2.absdiff(a, b).mean())
