"""Speech as a WAV file in memory, and parts of it as players ask for them."""

from __future__ import annotations

import io
import re
import wave

import numpy as np

from visema.types import Samples

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


def wav_bytes(samples: Samples, rate: int) -> bytes:
    """16-bit mono WAV.

    Args:
        samples: (n,) float32 in [-1, 1]; what is beyond is clipped.
        rate: Samples a second.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def byte_range(header: str, length: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for; None when it asks for all, or for nonsense.

    Safari plays no sound from a server that does not answer ranges.
    """
    match = _RANGE.match(header.strip())
    if not match or not length or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return max(0, length - int(last)), length - 1
    start = int(first)
    end = min(int(last), length - 1) if last else length - 1
    return (start, end) if start <= end else None
