"""Clocks: what is reported is followed, jitter is not."""

import time

import numpy as np
import pytest

from visema.speech.types import Speech
from visema.stage.clock import ReportedClock, WallClock
from visema.stage.playback import LocalClock, wav_bytes

SILENCE = Speech(np.zeros(8000, np.float32), 16_000)


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_wall_clock_starts_at_once_or_on_a_signal() -> None:
    now = Time()
    clock = WallClock(now=now)
    assert clock.time() is None
    clock.start(SILENCE)
    now.now += 0.5
    assert clock.time() == pytest.approx(0.5)
    waiting = WallClock(wait_for_signal=True, now=now)
    waiting.start(SILENCE)
    assert waiting.time() is None
    waiting.signal(0.1)
    now.now += 0.2
    assert waiting.time() == pytest.approx(0.3)


def test_a_reported_clock_runs_on_between_reports_and_smooths_them() -> None:
    now = Time()
    clock = ReportedClock(now)
    clock.start(SILENCE)
    assert clock.time() is None
    clock.report(0.0)
    now.now += 0.25
    assert clock.time() == pytest.approx(0.25)
    clock.report(0.29)  # 40 ms of jitter: a quarter of it is believed
    assert clock.time() == pytest.approx(0.26)
    clock.report(2.0)  # a seek: all of it
    assert clock.time() == pytest.approx(2.0)


def test_a_reported_clock_stands_when_its_player_is_silent() -> None:
    now = Time()
    clock = ReportedClock(now)
    clock.report(1.0)
    now.now += 60
    assert clock.time() == pytest.approx(1.0 + clock.PATIENCE_S)


def test_the_mixer_tells_how_much_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    clock = LocalClock()
    clock.start(SILENCE)
    deadline = time.monotonic() + 10
    while (clock.time() or 0.0) < 0.1 and time.monotonic() < deadline:
        time.sleep(0.01)
    heard = clock.time()
    assert heard is not None and heard >= 0.1
    clock.stop()
    clock.stop()


def test_without_any_device_time_still_passes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "no-such-driver")
    monkeypatch.setenv("PATH", "")
    clock = LocalClock()
    clock.start(SILENCE)
    time.sleep(0.02)
    assert (clock.time() or 0) > 0.01
    assert "without sound" in caplog.text
    clock.stop()


def test_wav_is_what_was_said() -> None:
    import io
    import wave

    with wave.open(io.BytesIO(wav_bytes(np.array([0, 0.5, -2.0], np.float32), 8000))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 3)
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [0, 16383, -32767]
