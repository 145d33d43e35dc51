"""MP3 decoded as it comes in."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from visema.types import Samples

#: Frames of 24 ms that may be undecodable before the whole is called no MP3.
_BAD_FRAMES: Final = 3


class Mp3Error(Exception):
    """The bytes are no MP3."""


class Mp3Decoder:
    """Takes bytes in any portions; `finish` gives the sound.

    Attributes:
        rate: Samples a second, known after the first frame.
        fed: Whether any bytes came.
    """

    def __init__(self) -> None:
        import av

        self._context: Any = av.CodecContext.create("mp3", "r")
        self._parts: list[Samples] = []
        self._bad = 0
        self.rate = 0
        self.fed = False

    def feed(self, data: bytes) -> None:
        """Decode what ``data`` completes.

        Raises:
            Mp3Error: This is no MP3.
        """
        self.fed = self.fed or bool(data)
        for packet in self._context.parse(data):
            self._decode(packet)

    def _decode(self, packet: Any) -> None:
        import av

        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError as e:
            self._bad += 1
            if self._bad > _BAD_FRAMES:
                raise Mp3Error(str(e)) from e
            return
        for frame in frames:
            sound = frame.to_ndarray()
            if sound.dtype == np.int16:
                sound = sound.astype(np.float32) / 32768
            if not frame.format.is_planar:
                sound = sound.reshape(-1, frame.layout.nb_channels).T
            self.rate = frame.sample_rate
            self._parts.append(sound.mean(axis=0).astype(np.float32))

    def finish(self) -> Samples:
        """All of the sound, mono.

        Raises:
            Mp3Error: There was none.
        """
        for packet in self._context.parse(b""):
            self._decode(packet)
        self._decode(None)
        if not self._parts:
            raise Mp3Error("no sound in it")
        out: Samples = np.concatenate(self._parts)
        return out
