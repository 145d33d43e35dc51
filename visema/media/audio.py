"""Recordings: any format, rate and number of channels to mono float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from visema.errors import MediaError
from visema.media.container import MAX_AUDIO_SECONDS, open_media
from visema.types import Samples


def read_audio(path: Path | str) -> tuple[Samples, int]:
    """Read the first sound stream of a file that a user gave, in a child process with limits.

    See `decode_audio` for what can be read, what comes back and what is raised.
    """
    from visema.media.guard import read_recording

    return read_recording(Path(path))


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
        if not box.streams.audio:
            raise MediaError(f"{path.name} has no sound in it.", "Choose a recording of speech.")
        import av

        stream = box.streams.audio[0]
        rate = stream.codec_context.sample_rate
        if not 4_000 <= rate <= 400_000:
            raise MediaError(f"{path.name} has a sample rate of {rate} Hz.", "Save it at 16 or 48 kHz.")
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
                            f"{path.name} is longer than {MAX_AUDIO_SECONDS / 3600:.0f} hours.", "Cut it into parts."
                        )
                    chunks.append(mono)
        except av.FFmpegError as e:
            broken = e
        if total == 0:
            if broken:
                raise broken
            raise MediaError(f"{path.name} has no sound in it (zero length).", "Choose another recording.")
        if broken:
            raise MediaError(
                f"{path.name} is damaged after {total / rate:.1f} s.", "Save or download it again, or cut it there."
            ) from broken
    samples = np.concatenate(chunks)
    np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(samples, -1.0, 1.0, out=samples), rate


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
