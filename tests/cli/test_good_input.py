"""The main job, run as a user runs it."""

import json
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from tests.cli.conftest import Result
from tests.films import unsigned
from visema.paths import ASSETS

Video = Callable[..., Result]


def length(path: Path) -> tuple[int, float, float, tuple[int, int]]:
    """Pictures, their rate, seconds of sound, size."""
    with av.open(str(path)) as box:
        video, audio = box.streams.video[0], box.streams.audio[0]
        seconds = float(audio.duration * audio.time_base)
        frames = sum(1 for _ in box.decode(video))
        return frames, float(video.average_rate), seconds, (video.width, video.height)


def test_words_become_a_film_with_timeline_and_captions(video: Video, tmp_path: Path) -> None:
    done = video(
        *("--offline", "--voice", "espeak:en-us", "--text", "Mama said hello.", "--save", "мой фильм.mp4"),
        *("--timeline", "t.json", "--captions", "c.srt"),
    )
    assert (done.code, done.complaints) == (0, [])
    assert "мой фильм.mp4" in done.out
    frames, fps, seconds, _ = length(tmp_path / "мой фильм.mp4")
    assert abs(frames / fps - seconds) < 1 / fps
    rows = json.loads((tmp_path / "t.json").read_text())
    assert [row["viseme"] for row in rows].count("M") >= 2
    assert rows[-1]["end"] == pytest.approx(seconds, abs=1.5 / fps)
    assert "hello" in (tmp_path / "c.srt").read_text().lower()
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["c.srt", "t.json", "мой фильм.mp4"]


def test_the_network_voice_falls_back_and_says_so(video: Video, tmp_path: Path) -> None:
    done = video("--offline", "--text", "Hi.", "--save", "a.mp4")
    assert done.code == 0
    assert done.err.count("embedded voice") == 1


def test_text_by_file_and_standard_input_give_the_same_film(video: Video, tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("Good morning.", "utf-8")
    common = ("--offline", "--voice", "espeak:en-us", "--timeline")
    assert video(*common, "a.json", "--text", "@w.txt", "--save", "a.mp4").code == 0
    assert video(*common, "b.json", "--text", "-", "--save", "b.mp4", stdin=b"Good morning.").code == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert unsigned(tmp_path / "a.mp4") == unsigned(tmp_path / "b.mp4")


def test_an_edited_timeline_is_used(video: Video, tmp_path: Path) -> None:
    rows = [{"start": 0.0, "end": 0.5, "viseme": "W"}, {"start": 0.5, "end": 0.8, "viseme": "Aa"}]
    (tmp_path / "in.json").write_text(json.dumps(rows))
    done = video(
        *("--offline", "--voice", "espeak:en-us", "--text", "Some words to say."),
        *("--timeline-in", "in.json", "--timeline", "out.json", "--save", "a.mp4"),
    )
    assert done.code == 0, done.err
    out = json.loads((tmp_path / "out.json").read_text())
    assert out[:2] == rows and out[2]["viseme"] == "Sil"


def test_shape_rate_and_label(video: Video, tmp_path: Path) -> None:
    done = video(
        *("--offline", "--voice", "espeak:en-us", "--text", "Hi.", "--save", "a.mp4"),
        *("--fps", "30", "--crop", "9:16", "--resolution", "270x480", "--label"),
    )
    assert done.code == 0, done.err
    frames, fps, seconds, size = length(tmp_path / "a.mp4")
    assert (fps, size) == (30.0, (270, 480))
    assert abs(frames / fps - seconds) < 1 / fps


def test_without_a_screen_the_film_is_kept_under_a_new_name(video: Video, tmp_path: Path) -> None:
    for name in ("out.mp4", "out-2.mp4"):
        done = video("--offline", "--voice", "espeak:en-us", "--text", "Hi.")
        assert done.code == 0 and name in done.out and "no screen" in done.err
        assert (tmp_path / name).exists()


def test_a_window_plays_the_film_and_nothing_is_kept(video: Video, tmp_path: Path) -> None:
    """SDL's dummy drivers stand for a screen and a sound device."""
    drivers = {"DISPLAY": ":0", "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    done = video("--offline", "--voice", "espeak:en-us", "--text", "Hi.", **drivers)
    assert (done.code, done.err) == (0, "")
    assert list(tmp_path.glob("*.mp4")) == []


def test_a_photo_of_ones_own_with_odd_names(video: Video, tmp_path: Path) -> None:
    photo = tmp_path / "моё фото 1.png"
    shutil.copy(ASSETS / "presenter.png", photo)
    done = video("--video", photo.name, "--setup")
    assert done.code == 0, done.err
    assert "photo" in done.out
    sheet = Path(done.out.splitlines()[-1].partition(": ")[2])
    assert sheet.name == "visemes.png" and sheet.exists()


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def test_a_recording_keeps_its_length(video: Video, tmp_path: Path) -> None:
    assert video("--offline", "--voice", "espeak:en-us", "--text", "We may buy a pie.", "--save", "a.mp4").code == 0
    with av.open(str(tmp_path / "a.mp4")) as box:
        rate = box.streams.audio[0].rate
        sound = np.concatenate([f.to_ndarray().ravel() for f in box.decode(audio=0)])
    write_wav(tmp_path / "a.wav", np.clip(sound, -1, 1), rate)
    done = video("--audio", "a.wav", "--text", "We may buy a pie.", "--save", "b.mp4")
    assert done.code == 0, done.err
    frames, fps, seconds, _ = length(tmp_path / "b.mp4")
    assert abs(frames / fps - len(sound) / rate) < 1 / fps and abs(frames / fps - seconds) < 1 / fps


def test_silence_is_spoken_when_agreed(video: Video, tmp_path: Path) -> None:
    write_wav(tmp_path / "s.wav", np.zeros(16_000))
    done = video("--audio", "s.wav", "--yes", "--save", "a.mp4")
    assert done.code == 0, done.err
    assert length(tmp_path / "a.mp4")[0] == 25


def test_voices_are_listed(video: Video) -> None:
    every, german = video("--list-voices", "--offline"), video("--list-voices", "de", "--offline")
    assert every.code == german.code == 0
    assert len(german.out.splitlines()) < len(every.out.splitlines())
    assert all(" de" in line for line in german.out.splitlines())
    assert "espeak:de" in german.out and "this machine" in german.out
    assert "cloud" not in every.out, "which cannot speak offline"
    anywhere = video("--list-voices", "de")
    assert "edge:de-DE-KatjaNeural" in anywhere.out and "espeak:de" in anywhere.out


def test_check_looks_at_everything_and_passes_here(video: Video) -> None:
    done = video("--check", "--offline")
    assert done.code == 0, done.out
    for name in (
        "Python",
        "packages",
        "voice",
        "face detection",
        "codecs",
        "sound",
        "browser",
        "GPU",
        "disk",
        "cache",
    ):
        assert name in done.out
    assert "MISSING" not in done.out and done.err == ""


def test_check_fails_when_the_main_job_cannot_run(video: Video, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = video("--check", "--offline", VISEMA_CACHE=str(tmp_path / "file" / "cache"))
    assert done.code == 2
    assert "MISSING" in done.out and "cannot run here: " in done.out
