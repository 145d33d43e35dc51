"""Recordings: any format, rate and number of channels to mono float32."""

from __future__ import annotations

import wave
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from visema.errors import MediaError
from visema.media.container import MAX_AUDIO_SECONDS, open_media
from visema.types import Samples

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

#: The rate of a sound that `write_plain` writes, at most: more is not heard.
PLAIN_RATE = 48_000


def read_audio(path: Path | str) -> tuple[Samples, int]:
    """Read the first sound stream of a file that a user gave, in a child process with limits.

    See `decode_audio` for what can be read, what comes back and what is raised.
    """
    from visema.media.guard import read_recording

    return read_recording(Path(path))


def _sound_of(box: InputContainer, path: Path) -> tuple[AudioStream, int]:
    """The stream to decode and its rate.

    Raises:
        MediaError: There is none, or its rate makes no sense.
    """
    if not box.streams.audio:
        raise MediaError("{name} has no sound in it.", "Choose a recording of speech.", name=path.name)
    stream = box.streams.audio[0]
    rate = stream.codec_context.sample_rate
    if not 4_000 <= rate <= 400_000:
        raise MediaError(
            "{name} has a sample rate of {rate} Hz.", "Save it at 16 or 48 kHz.", name=path.name, rate=rate
        )
    return stream, rate


def decode_audio(path: Path) -> tuple[Samples, int]:
    """Read the first sound stream of a file, in this process.

    Args:
        path: Wav, mp3, flac, ogg, m4a, or a video with sound; 8-96 kHz, up to 8 channels, any sample format.

    Returns:
        (n,) float32 mono, the mean of the channels, clipped to [-1, 1]; and its rate.

    Raises:
        MediaError: Missing, empty, no sound inside, damaged, of no length, or over `MAX_AUDIO_SECONDS`.
    """
    with open_media(path, "recording") as box:
        import av

        stream, rate = _sound_of(box, path)
        resampler = av.AudioResampler(format="fltp", rate=rate)
        chunks: list[Samples] = []
        total, limit = 0, int(MAX_AUDIO_SECONDS * rate)
        broken: av.FFmpegError | None = None
        try:
            for frame in box.decode(stream):
                frame.pts = None
                for plain in resampler.resample(frame):
                    mono = plain.to_ndarray().astype(np.float32, copy=False).mean(0, dtype=np.float32)
                    total += len(mono)
                    if total > limit:
                        raise MediaError(
                            "{name} is longer than {hours} hours.",
                            "Cut it into parts.",
                            name=path.name,
                            hours=f"{MAX_AUDIO_SECONDS / 3600:.0f}",
                        )
                    chunks.append(mono)
        except av.FFmpegError as e:
            broken = e
        if total == 0:
            if broken:
                raise broken
            raise MediaError("{name} has no sound in it (zero length).", "Choose another recording.", name=path.name)
        if broken:
            raise MediaError(
                "{name} is damaged after {seconds} s.",
                "Save or download it again, or cut it there.",
                name=path.name,
                seconds=f"{total / rate:.1f}",
            ) from broken
    samples = np.concatenate(chunks)
    np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(samples, -1.0, 1.0, out=samples), rate


def write_plain(path: Path, out: Path, most_seconds: float) -> float:
    """Write the first sound stream of a file anew as a mono 16-bit wav of at most `PLAIN_RATE`; its seconds.

    The memory taken does not depend on the length.

    Raises:
        MediaError: As `decode_audio` does, and where it is longer than ``most_seconds``.
        OSError: ``out`` cannot be written.
    """
    with open_media(path, "recording") as box:
        import av

        stream, rate = _sound_of(box, path)
        rate = min(rate, PLAIN_RATE)
        resampler = av.AudioResampler(format="fltp", rate=rate)
        total, limit = 0, int(most_seconds * rate)
        with out.open("wb") as file, wave.open(file, "wb") as sound:
            sound.setparams((1, 2, rate, 0, "NONE", ""))
            try:
                for frame in chain(box.decode(stream), [None]):
                    if frame is not None:
                        frame.pts = None
                    for plain in resampler.resample(frame):
                        mono = np.nan_to_num(plain.to_ndarray().mean(0, dtype=np.float32), posinf=1.0, neginf=-1.0)
                        total += len(mono)
                        if total > limit:
                            raise MediaError(
                                "{name} is longer than {most_seconds} seconds.",
                                "Cut it into parts.",
                                name=path.name,
                                most_seconds=f"{most_seconds:g}",
                            )
                        sound.writeframesraw((np.clip(mono, -1, 1) * 32767).round().astype("<i2").tobytes())
            except av.FFmpegError as e:
                if total == 0:
                    raise
                raise MediaError(
                    "{name} is damaged after {seconds} s.",
                    "Save or download it again, or cut it there.",
                    name=path.name,
                    seconds=f"{total / rate:.1f}",
                ) from e
            if total == 0:
                raise MediaError(
                    "{name} has no sound in it (zero length).", "Choose another recording.", name=path.name
                )
    return total / rate


def resample(samples: Samples, rate: int, new_rate: int) -> Samples:
    """Change the sample rate; (n,) becomes (round(n * new_rate / rate),), in step to within a sample."""
    if rate == new_rate:
        return samples
    from math import gcd

    from scipy.signal import resample_poly

    g = gcd(rate, new_rate)
    out = resample_poly(np.asarray(samples, np.float32), new_rate // g, rate // g)
    n = round(len(samples) * new_rate / rate)
    return np.clip(np.pad(out, (0, max(0, n - len(out))))[:n], -1.0, 1.0).astype(np.float32)
