"""Recordings of every rate, width and number of channels, and files that are none."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.media.make import scene, tone, write_sound, write_video
from visema.errors import MediaError
from visema.media.audio import decode_audio, read_audio, resample
from visema.types import Samples


def pitch(samples: Samples, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_rates(tmp_path: Path, rate: int) -> None:
    samples, got = decode_audio(write_sound(tmp_path / "a.wav", [tone(440, rate)], rate))
    assert got == rate and len(samples) == rate // 2
    assert abs(pitch(samples, rate) - 440) < 4
    assert abs(float(np.abs(samples).max()) - 0.5) < 0.01


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_widths(tmp_path: Path, codec: str) -> None:
    sound = tone(300, 16000)
    samples, _ = decode_audio(write_sound(tmp_path / "a.wav", [sound], 16000, codec=codec))
    assert samples.dtype == np.float32
    assert np.abs(samples - sound).max() < (0.02 if codec == "pcm_u8" else 1e-3)


@pytest.mark.parametrize(("layout", "count"), [("stereo", 2), ("5.1", 6)])
def test_channels_are_averaged(tmp_path: Path, layout: str, count: int) -> None:
    sound = tone(300, 48000)
    channels = [sound if i == 0 else np.zeros_like(sound) for i in range(count)]
    samples, _ = decode_audio(write_sound(tmp_path / "a.wav", channels, 48000, layout=layout))
    assert np.abs(samples - sound / count).max() < 1e-3


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.m4a", "aac")])
def test_compressed(tmp_path: Path, name: str, codec: str) -> None:
    samples, rate = decode_audio(write_sound(tmp_path / name, [tone(440, 44100, 1.0)], 44100, codec=codec))
    assert rate == 44100 and abs(len(samples) / rate - 1) < 0.06
    assert abs(pitch(samples, rate) - 440) < 4


def test_clipped_and_infinite_float(tmp_path: Path) -> None:
    sound = tone(300, 16000, level=3.0) + 0.5
    sound[10], sound[20] = np.inf, np.nan
    samples, _ = decode_audio(write_sound(tmp_path / "a.wav", [sound], 16000, codec="pcm_f32le"))
    assert np.isfinite(samples).all() and samples.max() == 1 and samples.min() == -1


def test_in_a_child_the_same(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "Моя речь 1.wav", [tone(440, 22050)], 22050)
    for (a, rate), (b, other) in [(read_audio(path), decode_audio(path))]:
        assert rate == other == 22050 and np.array_equal(a, b)


def test_no_recordings(tmp_path: Path) -> None:
    cases = {
        "none.wav": None,
        "empty.wav": b"",
        "text.wav": b"this is no sound at all, only words " * 9,
        "zip.mp3": b"PK\x03\x04" + b"\0" * 500,
    }
    for name, content in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(MediaError) as caught:
            read_audio(path)
        assert name in str(caught.value) and caught.value.hint
    with pytest.raises(MediaError, match="no sound"):
        read_audio(write_video(tmp_path / "silent.mp4", [scene(i) for i in range(5)]))
    with wave.open(str(tmp_path / "zero.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
    with pytest.raises(MediaError, match="zero length"):
        read_audio(tmp_path / "zero.wav")


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "secret.wav", [tone(440, 16000)], 16000)
    for name, text in {
        "list.wav": "ffconcat version 1.0\nfile secret.wav\n",
        "list.m4a": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{sound}\n#EXT-X-ENDLIST\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(MediaError, match="not a recording"):
            decode_audio(tmp_path / name)


@pytest.mark.parametrize("rates", [(48000, 16000), (22050, 16000), (8000, 16000), (16000, 16000)])
def test_resample_keeps_time(rates: tuple[int, int]) -> None:
    old, new = rates
    sound = np.zeros(old, np.float32)
    sound[old // 4 : old // 4 + old // 100] = 0.5
    out = resample(sound, old, new)
    assert len(out) == new and out.dtype == np.float32
    centre = float((np.arange(new) * np.abs(out)).sum() / np.abs(out).sum()) / new
    assert abs(centre - 0.255) < 0.001


def test_real_recordings(real_media) -> None:  # type: ignore[no-untyped-def]
    for name, seconds, rate in [
        ("speech_german.wav", 9.34, 48000),
        ("speech_jfk.flac", 11.0, 44100),
        ("talking_in_sync.mp4", 9.0, 44100),
    ]:
        samples, got = decode_audio(real_media(name))
        assert got == rate and abs(len(samples) / rate - seconds) < 0.02
