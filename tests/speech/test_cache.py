from __future__ import annotations

import logging
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visema.speech import cache as speech_cache
from visema.speech.cache import load, store
from visema.speech.types import Span, Speech, SpeechSettings

NORMAL = SpeechSettings()


def speech(seconds: float = 1.0, seed: int = 1) -> Speech:
    values = np.random.default_rng(seed).integers(-32767, 32767, round(seconds * 8000))
    return Speech(
        samples=values.astype(np.float32) / np.float32(32767),
        rate=8000,
        words=(Span(0.1, 0.4, "Привет,"), Span(0.5, 0.9, "мир")),
        phones=(Span(0.0, 0.1, ""), Span(0.1, seconds, "ˈɑː")),
        text="hi",
        voice="espeak:ru",
        notes=("a note",),
    )


def same(a: Speech | None, b: Speech) -> bool:
    return a is not None and np.array_equal(a.samples, b.samples) and replace(a, samples=b.samples) == b


def files(cache: Path) -> list[Path]:
    return sorted((cache / "speech").glob("*.npz"))


def test_round_trip_is_exact(cache: Path) -> None:
    store(speech(), "hi", "espeak:ru", NORMAL)
    assert same(load("hi", "espeak:ru", NORMAL), speech())


def test_every_part_of_the_key_counts(cache: Path) -> None:
    store(speech(), "hi", "espeak:ru", NORMAL)
    assert load("hi!", "espeak:ru", NORMAL) is None
    assert load("hi", "espeak:en-us", NORMAL) is None
    for other in (
        SpeechSettings(rate=1.1),
        SpeechSettings(pitch=1),
        SpeechSettings(volume=0.5),
        SpeechSettings(pronunciations={"hi": "hey"}),
    ):
        assert load("hi", "espeak:ru", other) is None


def test_a_new_engine_speaks_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(speech(), "hi", "espeak:ru", NORMAL)
    monkeypatch.setattr(speech_cache, "_engine_version", lambda engine: "99")
    assert load("hi", "espeak:ru", NORMAL) is None


@pytest.mark.parametrize("damage", ["truncate", "flip", "text", "empty", "pickle", "times", "folder"])
def test_damaged_entries_are_made_again(cache: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    store(speech(), "hi", "espeak:ru", NORMAL)
    (file,) = files(cache)
    data = bytearray(file.read_bytes())
    if damage == "truncate":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[len(data) // 2] ^= 0xFF
        file.write_bytes(data)
    elif damage == "text":
        file.write_bytes(b"not an archive")
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "pickle":
        np.savez(file, samples=np.array([{"a": 1}], dtype=object), head=np.zeros(1, np.uint8))
    elif damage == "times":
        store(replace(speech(), phones=(Span(0.5, 0.6, "a"), Span(0.1, 0.2, "b"))), "hi", "espeak:ru", NORMAL)
    elif damage == "folder":
        file.unlink()
        file.mkdir()
    with caplog.at_level(logging.WARNING):
        assert load("hi", "espeak:ru", NORMAL) is None
    assert "damaged" in caplog.text
    if damage != "folder":
        assert not files(cache)
        store(speech(), "hi", "espeak:ru", NORMAL)
        assert same(load("hi", "espeak:ru", NORMAL), speech())


def test_bounded_and_the_oldest_goes_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_cache, "LIMIT", 180_000)
    for i in range(9):
        store(speech(), f"text {i}", "espeak:ru", NORMAL)  # 16 kB each
        for age, file in enumerate(sorted(files(cache), key=lambda f: f.stat().st_mtime)):
            os.utime(file, (1e9 + age, 1e9 + age))
    assert load("text 0", "espeak:ru", NORMAL) is not None  # used now: the youngest
    for i in range(9, 13):
        store(speech(), f"text {i}", "espeak:ru", NORMAL)
    assert sum(f.stat().st_size for f in files(cache)) <= 180_000
    assert load("text 0", "espeak:ru", NORMAL) is not None
    assert load("text 1", "espeak:ru", NORMAL) is None
    store(speech(4.0), "too long", "espeak:ru", NORMAL)
    assert load("too long", "espeak:ru", NORMAL) is None


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_read_only(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    store(speech(), "hi", "espeak:ru", NORMAL)
    (cache / "speech").chmod(0o500)
    try:
        assert same(load("hi", "espeak:ru", NORMAL), speech())
        with caplog.at_level(logging.WARNING):
            store(speech(), "other", "espeak:ru", NORMAL)
        assert "cannot be kept" in caplog.text
    finally:
        (cache / "speech").chmod(0o700)


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VISEMA_CACHE", str(tmp_path / "file" / "cache"))
    store(speech(), "hi", "espeak:ru", NORMAL)
    assert load("hi", "espeak:ru", NORMAL) is None


def test_nothing_is_left_of_a_full_disk(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        store(speech(), "hi", "espeak:ru", NORMAL)
    assert list((cache / "speech").iterdir()) == []


def test_writers_at_once(cache: Path) -> None:
    def write() -> None:
        for _ in range(10):
            store(speech(), "hi", "espeak:ru", NORMAL)
            found = load("hi", "espeak:ru", NORMAL)
            assert same(found, speech())

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list((cache / "speech").iterdir())) == 1
