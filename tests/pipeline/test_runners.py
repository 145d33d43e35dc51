"""The runners as the user's document calls them, without weights: the embedded engines do the work, and say so."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.portrait.conftest import eye_openness
from visema.errors import InputError, MediaError, OutputError
from visema.face.landmarks import MediaPipeLandmarker
from visema.media.encode import Mp4Writer
from visema.paths import ASSETS
from visema.pipeline import Config, FFmpegEncoder, LivePortraitRunner, log_config, run_wav2lip
from visema.pipeline.ffmpeg_encode import codecs
from visema.pipeline.utils import output_path, settings_of
from visema.speech.speak import speak


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(Config, "FFMPEG_ENCODING", dict(Config.FFMPEG_ENCODING))
    monkeypatch.setattr(Config, "OUTPUTS_DIR", tmp_path / "outputs")
    yield


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of noise that moves, silent."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    with Mp4Writer(path, (96, 64), 20) as writer:
        for k in range(40):
            writer.write(np.ascontiguousarray(np.roll(noise, 2 * k, axis=1)))
    return path


def wav(path: Path, text: str) -> Path:
    speech = speak(text, "espeak:en-us", offline=True, cache=False)
    with av.open(str(path), "w") as box:
        stream = box.add_stream("pcm_s16le", rate=speech.rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (speech.samples * 32767).astype(np.int16)[None], format="s16", layout="mono"
        )
        frame.sample_rate = speech.rate
        box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    return path


def test_the_three_steps_of_the_document(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISEMA_WEIGHTS", str(tmp_path))
    photo = tmp_path / "face.jpg"
    cv2.imwrite(str(photo), cv2.resize(cv2.imread(str(ASSETS / "presenter.png")), (320, 320)))
    sound = wav(tmp_path / "speech.wav", "Hello, papa.")
    moving, talking, final = (tmp_path / name for name in ("liveportrait.mp4", "with_lipsync.mp4", "final.mp4"))

    runner = LivePortraitRunner(device="cuda")
    assert runner.run(photo, duration_sec=4.0, output=moving) == moving
    runner.cleanup()
    assert runner.fallback and "LivePortrait cannot draw" in caplog.text
    assert run_wav2lip(str(moving), str(sound), str(talking)) == talking
    assert "Wav2Lip cannot draw" in caplog.text
    FFmpegEncoder().encode(talking, final, audio_path=sound)

    with av.open(str(moving)) as box:
        assert box.streams.video[0].frames == 100 and not box.streams.audio
        frames = [f.to_ndarray(format="bgr24") for f in box.decode(video=0)]
    with MediaPipeLandmarker(video=True) as mesh:
        eyes = np.array([eye_openness(mesh.find(frame)[0]) for frame in frames])
    assert eyes.min() < 0.5 * np.median(eyes), "somebody blinks"
    with av.open(str(final)) as box:
        video, audio = box.streams.video[0], box.streams.audio[0]
        assert video.codec_context.profile == "High" and video.codec_context.pix_fmt == "yuv420p"
        assert float(video.average_rate) == 25 and audio.codec_context.name == "aac"
        assert float(video.duration * video.time_base) == pytest.approx(
            float(audio.duration * audio.time_base), abs=0.05
        )


def test_the_length_comes_from_the_sound(tmp_path: Path, cache: Path) -> None:
    sound = wav(tmp_path / "a.wav", "One.")
    seconds = len(speak("One.", "espeak:en-us", offline=True).samples) / 22050
    out = LivePortraitRunner("cpu").run(ASSETS / "presenter.png", output=tmp_path / "a.mp4", audio_path=sound)
    with av.open(str(out)) as box:
        assert box.streams.video[0].frames == pytest.approx(seconds * 25, abs=1)
    with pytest.raises(InputError):
        LivePortraitRunner("cpu").run(ASSETS / "presenter.png", 0.0, tmp_path / "b.mp4")


def test_encoding_keeps_pictures_and_changes_the_rate(tmp_path: Path, clip: Path) -> None:
    out = FFmpegEncoder().encode(clip, tmp_path / "out.mp4")
    with av.open(str(out)) as box:
        assert box.streams.video[0].frames == 50 and not box.streams.audio
    assert list(tmp_path.iterdir()) == [out]


def test_another_codec_takes_its_place_with_a_warning(
    tmp_path: Path, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Config.FFMPEG_ENCODING["vcodec"] = "h264_nothing"
    out = FFmpegEncoder().encode(clip, tmp_path / "out.mp4")
    assert "h264_nothing cannot encode here" in caplog.text
    Config.FFMPEG_ENCODING["vcodec"] = "mpeg4"
    other = FFmpegEncoder().encode(clip, tmp_path / "other.mp4")
    for path, name in ((out, "h264"), (other, "mpeg4")):
        with av.open(str(path)) as box:
            assert box.streams.video[0].codec_context.name == name
            assert sum(1 for _ in box.decode(video=0)) == 50
    assert codecs("nothing")[0] == "libx264"


def test_the_time_limit_and_bad_input_leave_nothing(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(OutputError, match="was stopped"):
        FFmpegEncoder(timeout=0.01).encode(clip, tmp_path / "out.mp4")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film at all")
    with pytest.raises(MediaError):
        FFmpegEncoder().encode(bad, tmp_path / "out.mp4")
    with pytest.raises(MediaError):
        FFmpegEncoder().encode(clip, tmp_path / "out.mp4", audio_path=bad)
    assert list(tmp_path.iterdir()) == [bad]


def test_frames_for_debugging(tmp_path: Path, clip: Path) -> None:
    files = FFmpegEncoder().extract_frames(clip, tmp_path / "frames", every=10)
    assert [f.name for f in files] == [f"frame_{k:05d}.png" for k in (0, 10, 20, 30)]
    first, second = (cv2.imread(str(f)) for f in files[:2])
    assert first.shape == (64, 96, 3) and np.abs(first.astype(int) - second).mean() > 20


def test_the_configuration_is_logged(caplog: pytest.LogCaptureFixture, cache: Path) -> None:
    with caplog.at_level(logging.INFO):
        lines = log_config()
    assert any(line.startswith("✓ FFmpeg: libx264") for line in lines)
    assert any("LivePortrait: no weights" in line for line in lines)
    assert any("high 4.2, CRF 18, 25 fps" in line for line in lines)
    assert all(line in caplog.text for line in lines)


def test_settings_last_for_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISEMA_DEVICE", raising=False)
    monkeypatch.delenv("VISEMA_WEIGHTS", raising=False)
    monkeypatch.setattr(Config, "FP16", False)
    with settings_of("cuda:1", tmp_path):
        assert os.environ["VISEMA_FP16"] == "0"
        assert (os.environ["VISEMA_DEVICE"], os.environ["VISEMA_WEIGHTS"]) == ("cuda:1", str(tmp_path))
    assert "VISEMA_DEVICE" not in os.environ and "VISEMA_WEIGHTS" not in os.environ
    assert output_path("a.mp4") == tmp_path / "outputs" / "a.mp4" and output_path("b/a.mp4") == Path("b/a.mp4")
