"""Sound as services send it, and its speed and pitch changed where they cannot."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Final

import numpy as np

from visema.types import Samples

#: Below these changes nobody hears them.
_SAME_TEMPO, _SAME_PITCH = 0.005, 0.02
_BLOCK: Final = 4096


def pcm(data: bytes) -> Samples:
    """Samples of 16-bit little-endian mono."""
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)


def wav(data: bytes) -> tuple[Samples, int]:
    """Samples and rate of a WAV, mono; one that was streamed does not know its length, and ends where it ends.

    Raises:
        ValueError: It is none, or of a kind that no service here sends.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("no WAV")
    at, form = 12, (0, 0, 0, 0)
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int(struct.unpack_from("<I", data, at + 4)[0])
        at += 8
        if name == b"fmt ":
            if len(data) < at + 16:
                break
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at)
            form = (kind, channels, rate, bits)
        elif name == b"data":
            end = at + size if 0 < size <= len(data) - at else len(data)
            return _decoded(data[at:end], *form)
        at += size + size % 2
    raise ValueError("a WAV without sound")


def _decoded(data: bytes, kind: int, channels: int, rate: int, bits: int) -> tuple[Samples, int]:
    if not 4000 <= rate <= 192_000 or not 1 <= channels <= 8:
        raise ValueError("a WAV of an odd form")
    if bits == 16 and kind in (1, 0xFFFE):
        flat = pcm(data)
    elif bits == 32 and kind in (3, 0xFFFE):
        flat = np.nan_to_num(np.frombuffer(data[: len(data) // 4 * 4], "<f4").astype(np.float32))
    else:
        raise ValueError("a WAV of an odd form")
    whole = len(flat) // channels * channels
    return np.asarray(flat[:whole].reshape(-1, channels).mean(axis=1), np.float32), rate


def reshape(samples: Samples, rate: int, tempo: float, semitones: float) -> Samples:
    """Quicker by ``tempo`` and higher by ``semitones``; (n,) becomes about (n / tempo,). Formants move with pitch."""
    if abs(tempo - 1) < _SAME_TEMPO and abs(semitones) < _SAME_PITCH:
        return samples
    factor = 2 ** (semitones / 12)
    steps = []
    if abs(semitones) >= _SAME_PITCH:
        steps += [("asetrate", str(round(rate * factor))), ("aresample", str(rate))]
    return filtered(samples, rate, [*steps, ("atempo", f"{tempo / factor:.6f}")])


def filtered(samples: Samples, rate: int, steps: list[tuple[str, str]]) -> Samples:
    """Mono ``samples`` through FFmpeg's filters, by name and arguments."""
    import av

    graph = av.filter.Graph()
    chain = [graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", time_base=_time_base(rate))]
    chain += [graph.add(name, given) for name, given in steps]
    chain += [graph.add("aformat", "sample_fmts=flt:channel_layouts=mono"), graph.add("abuffersink")]
    graph.link_nodes(*chain).configure()
    out: list[Samples] = []

    def pull() -> None:
        while True:
            try:
                frame = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            out.append(np.asarray(frame.to_ndarray().reshape(-1), np.float32))

    for start in range(0, len(samples), _BLOCK):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None, start : start + _BLOCK], np.float32), format="flt", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, start, _time_base(rate)
        graph.push(frame)
        pull()
    graph.push(None)
    pull()
    return np.concatenate(out) if out else np.zeros(0, np.float32)


def _time_base(rate: int) -> Fraction:
    return Fraction(1, rate)
