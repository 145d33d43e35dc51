"""Opus in pieces that can each be decoded alone, cut from one continuous stream so that they join without a seam."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from visema.live.messages import OPUS_RATE, RATE
from visema.types import Samples

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext

#: Samples of one packet (20 ms) at `RATE` and at `OPUS_RATE`.
PACKET: Final = RATE // 50
TICKS: Final = OPUS_RATE // 50
#: libopus looks ahead by 6.5 ms: what is decoded comes by so many samples (at 48 kHz) later.
LOOKAHEAD: Final = 312
#: Packets given before each piece, 80 ms, in which a decoder settles (RFC 7845, section 4.6).
PREROLL: Final = 4
#: Voices of 12 kHz are transparent here at this rate, in bit/s.
BIT_RATE: Final = 28_000


class OpusStream:
    """One continuous Opus stream of mono sound at `RATE`, given out in pieces.

    Args:
        serial: Number of the Ogg streams.
    """

    def __init__(self, serial: int = 1) -> None:
        self._serial = serial & 0xFFFFFFFF
        self._encoder = _encoder()
        self._packets: list[bytes] = []
        self._dropped = 0  # packets that are no longer kept
        self._pending = np.zeros(0, np.float32)
        self._fed = 0

    def feed(self, samples: Samples) -> None:
        """Append (n,) float32 sound at `RATE`."""
        self._pending = np.concatenate([self._pending, samples]) if len(self._pending) else samples
        whole = len(self._pending) // PACKET
        for k in range(whole):
            self._encode(self._pending[k * PACKET : (k + 1) * PACKET])
        self._pending = self._pending[whole * PACKET :]

    @property
    def ready(self) -> int:
        """Samples, from the start of the stream at `RATE`, that pieces may reach to; a multiple of `PACKET`."""
        return max(0, (self._dropped + len(self._packets) - 1) * PACKET)

    def finish(self) -> None:
        """Make the rest ready, by silence after it."""
        self.feed(np.zeros((-len(self._pending)) % PACKET + 2 * PACKET, np.float32))

    def piece(self, first: int, count: int) -> bytes:
        """An Ogg Opus file of ``count`` samples from ``first`` on (at `RATE`), which must be a multiple of `PACKET`.

        Pieces must be asked for in order.
        """
        start = first // PACKET
        last = -(-(first + count) // PACKET)
        begin = max(0, start - PREROLL)
        packets = self._packets[begin - self._dropped : last + 1 - self._dropped]
        keep = max(0, last - PREROLL - 1 - self._dropped)
        del self._packets[:keep]
        self._dropped += keep
        skip = (start - begin) * TICKS + LOOKAHEAD
        return ogg_opus(packets, skip, skip + count * (OPUS_RATE // RATE), self._serial)

    def _encode(self, samples: Samples) -> None:
        import av

        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32)[None], "flt", "mono")
        frame.sample_rate = RATE
        frame.pts = self._fed
        self._fed += len(samples)
        for packet in self._encoder.encode(frame):
            self._packets.append(bytes(packet))


def _encoder() -> AudioCodecContext:
    import av

    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = RATE
    encoder.layout = "mono"
    encoder.format = "flt"
    encoder.bit_rate = BIT_RATE
    # Complexity 5 costs half of 10 and is not told apart on speech.
    encoder.options = {"application": "audio", "frame_duration": "20", "vbr": "on", "compression_level": "5"}
    encoder.open()
    return encoder


def available() -> bool:
    """True where this machine's libraries encode Opus."""
    import av

    return "libopus" in av.codecs_available


def ogg_opus(packets: list[bytes], skip: int, end: int, serial: int) -> bytes:
    """A whole Ogg Opus file of mono packets.

    Args:
        packets: Opus packets of 20 ms, at most 200.
        skip: Samples at 48 kHz that a decoder drops first.
        end: Samples at 48 kHz, those of ``skip`` counted, after which it ends.
        serial: Number of the stream.
    """
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, skip, RATE, 0, 0)
    tags = b"OpusTags" + struct.pack("<I6sI", 6, b"visema", 0)
    return (
        _page([head], 0, 0, serial, first=True)
        + _page([tags], 0, 1, serial)
        + _page(packets, end, 2, serial, last=True)
    )


def _page(
    packets: list[bytes], granule: int, number: int, serial: int, *, first: bool = False, last: bool = False
) -> bytes:
    lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
    if len(lacing) > 255:
        raise ValueError("too much for one Ogg page")
    kind = (2 if first else 0) | (4 if last else 0)
    head = b"OggS" + struct.pack("<BBqIIIB", 0, kind, granule, serial, number, 0, len(lacing)) + lacing
    page = bytearray(head + b"".join(packets))
    page[22:26] = struct.pack("<I", _checksum(bytes(page)))
    return bytes(page)


#: Every byte with its bits in reverse.
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _checksum(data: bytes) -> int:
    """Ogg's CRC-32: zlib's polynomial, but with the highest bit first and without inversion."""
    mirrored = ~zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) & 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED), "big")
