"""`LoopWriter`: writes the loop video of an avatar, and says whether its end joins its beginning."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from visema.media.encode import add_h264, i420_frame
from visema.media.loop import KEYINT
from visema.types import I420, Image

#: x264's fastest preset at a constant quantiser costs 2.8 ms CPU on a real 1280 x 720 frame, and 0.8 to decode,
#: at 48.9 dB; CRF 18 costs 3.2 and 1.1 (50.7 dB), `veryfast` 10 and 1.6. It has no B-frames either, so packets are in
#: the order of the pictures.
OPTIONS = {"preset": "ultrafast", "qp": "19"}
#: A cut is seen when it is larger than this share of the loop's own steps from frame to frame.
SEAM_PERCENTILE = 99


class LoopWriter:
    """Writes I420 frames at a constant rate and measures how well the last goes with the first.

    Args:
        path: The loop video; files beside it with its name and another ending are used on the way.
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
        self._stream: VideoStream = add_h264(self._box, size, fps, OPTIONS)
        self._stream.codec_context.gop_size = KEYINT

    def write(self, i420: I420) -> None:
        """Append a frame, (h * 3 // 2, w)."""
        frame = i420_frame(i420)
        frame.pts, frame.time_base = self.count, 1 / self.fps
        self._box.mux(self._stream.encode(frame))
        self.count += 1
        self._measure(i420)

    def close(self) -> None:
        """Finish the file as it is."""
        self._box.mux(self._stream.encode(None))
        self._box.close()

    def abandon(self) -> None:
        """Close the unfinished file without asking the encoder for the rest."""
        self._box.close()

    def seam_shows(self) -> bool:
        """Whether a viewer would see the step from the last frame to the first."""
        if self._first is None or self._previous is None or self.count < 3:
            return False
        return _difference(self._first, self._previous) > float(np.percentile(self._steps, SEAM_PERCENTILE))

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
