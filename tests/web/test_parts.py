"""The page's small parts, without a browser."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from visema.avatar import Avatar
from visema.errors import InputError, OutputError
from visema.speech.types import SpeechSettings, Voice
from visema.web import voice_choice
from visema.web.clock import FIRST_LEAD_S, MAX_LEAD_S, BrowserClock
from visema.web.gallery import line
from visema.web.house import MAX_TEXT, House
from visema.web.idle import IdleLoops, cacheable, stride
from visema.web.making import frame_argument
from visema.web.saving import Saved, file_stem, links
from visema.web.server import listen, page_address
from visema.web.sound import byte_range, wav_bytes
from visema.web.temp import PREFIX, TempFolder
from visema.web.texts import LANGUAGES, TEXTS, preferred_language, table, text


@pytest.fixture
def house(avatar: Avatar, avatar_cache: Path) -> Iterator[House]:
    made = House(avatar, avatar_cache, offline=True)
    yield made
    made.close()


def test_every_text_is_there_in_both_languages_with_the_same_blanks() -> None:
    for key, words in TEXTS.items():
        assert len(words) == len(LANGUAGES) and all(words), key
        blanks = [sorted(re.findall(r"\{(\w+)\}", w)) for w in words]
        assert blanks[0] == blanks[1], key
        assert re.search("[а-яё]", words[1], re.I) or words[0] == words[1], key
    assert table("ru")["speak"] == "Сказать"
    assert text("renamed", "en", name="{x}") == "Renamed to “{x}”."


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("en-US,en;q=0.9,ru;q=0.8", "en"),
        ("en;q=0.5, ru;q=0.9", "ru"),
        ("de-DE,ru;q=0.5", "en"),
        ("*;q=x,,;;", "en"),
    ],
)
def test_the_browsers_first_language_counts(header: str, language: str) -> None:
    assert preferred_language(header) == language


def test_sound_is_written_as_it_is_and_clipped() -> None:
    samples = np.array([0, 0.5, -0.5, 2, -2], np.float32)
    with wave.open(io.BytesIO(wav_bytes(samples, 22050))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (22050, 1, 5)
        found = np.frombuffer(file.readframes(5), np.int16) / 32767
    np.testing.assert_allclose(found, [0, 0.5, -0.5, 1, -1], atol=1e-4)


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("", None),
        ("bytes=0-", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-500", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-1000", (0, 99)),
        ("bytes=100-", None),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("items=0-5", None),
        ("bytes=0-5,7-9", None),
    ],
)
def test_ranges_of_bytes(header: str, span: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == span


def test_the_lead_settles_where_pictures_are_seen_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture takes 180 ms to the eye; what is seen at the end belongs to what is heard."""
    clock, now, way = BrowserClock(), 100.0, 0.18
    monkeypatch.setattr(clock, "_now", lambda: now)
    assert clock.time() is None
    clock.report(0.0)
    assert clock.lead == FIRST_LEAD_S
    skew = 0.0
    for step in range(1, 20):
        now = 100 + 0.4 * step
        drawn = clock.time()
        assert drawn is not None
        skew = 0.4 * step + way - drawn  # when it is seen, the sound has gone on
        clock.report(0.4 * step, 1000 * skew)
    assert abs(skew) < 0.005 and clock.lead == pytest.approx(way, abs=0.01)
    for _ in range(40):
        clock.report(8.0, 9000.0)
    assert clock.lead == MAX_LEAD_S
    clock.finish()
    assert clock.time() == float("inf")


def test_idle_pictures_are_the_loops_and_kept_within_bounds(avatar: Avatar) -> None:
    step = stride(avatar.fps)
    assert 10 <= avatar.fps / step <= 15
    idle = IdleLoops()
    for index in (0, 4 * step, len(avatar.track) - 1):
        with avatar.open_loop(index - index % step) as loop:
            truth = cv2.cvtColor(next(loop), cv2.COLOR_YUV2BGR_I420)
        shown = cv2.imdecode(np.frombuffer(idle.jpeg(avatar, index), np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == truth.shape
        assert cv2.PSNR(shown, truth) > 33
    assert idle.cached(avatar, 0)
    small = IdleLoops(limit=1)
    small.jpeg(avatar, 0)
    small.jpeg(avatar, len(avatar.track) - 1)
    assert not small.cached(avatar, 0) and small.cached(avatar, len(avatar.track) - 1)
    idle.forget(avatar.id)
    assert not idle.cached(avatar, 0)
    assert cacheable(avatar) == list(range(0, len(avatar.track), step))


def test_the_temporary_folder_is_bounded_and_orphans_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    orphan, other = tmp_path / f"{PREFIX}{gone.pid}-x", tmp_path / f"{PREFIX}{os.getppid()}-y"
    for folder in (orphan, other):
        folder.mkdir()
    temp = TempFolder()
    assert not orphan.exists() and other.exists()
    for number in range(5):
        path = temp.path / f"{number}.mp4"
        path.write_bytes(bytes(1000))
        os.utime(path, (time.time() - 100 + number,) * 2)
    temp.prune(limit=2500)
    assert sorted(p.name for p in temp.path.iterdir()) == ["3.mp4", "4.mp4"]
    temp.prune(max_age=96.5)
    assert [p.name for p in temp.path.iterdir()] == ["4.mp4"]
    temp.remove()
    assert not temp.path.exists()


def test_a_taken_port_is_explained() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=f"Port {port} is in use") as error:
            listen("127.0.0.1", port)
        assert f"--port {port + 1}" in error.value.hint
    with pytest.raises(OutputError, match="no port 70000"):
        listen("127.0.0.1", 70000)
    with pytest.raises(OutputError, match=r"cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0)
    assert page_address("0.0.0.0", 80) == "http://127.0.0.1:80/ui/"
    assert page_address("::1", 80) == "http://[::1]:80/ui/"


def test_voices_by_language(house: House) -> None:
    voices = house.voices
    names = dict(voice_choice.language_choices(voices, "ru"))
    assert names["Немецкий"] == "de" and next(iter(names)) == "Все языки"
    codes = {voice_choice.base_language(voice.language) for voice in voices}
    unnamed = {code for code in codes if voice_choice.language_name(code, "en") == code}
    assert not unnamed
    assert house.first_voice("ru") == "espeak:ru+f3" and house.first_voice("en") == "espeak:en-us+f3"
    house.offline = False
    assert house.first_voice("ru") == "edge:ru-RU-SvetlanaNeural"
    assert house.first_voice("en") == "edge:en-US-JennyNeural"
    house.voice = "edge:en-US-GuyNeural"
    assert house.first_voice("ru") == "edge:en-US-GuyNeural"
    known = {voice.name for voice in voices}
    assert not {name for pair in voice_choice.FIRST_VOICES.values() for name in pair} - known
    japanese = voice_choice.pick(voices, "ja", "edge:en-US-JennyNeural")
    assert japanese == "edge:ja-JP-NanamiNeural"
    assert voice_choice.pick(voices, voice_choice.ALL, japanese) == japanese
    assert voice_choice.voice_choices(voices, "ja")[-1][1].startswith("espeak:")
    assert voice_choice.voice_choices(voices, "ja", offline=True)[0][1].startswith("espeak:")
    russian = dict(voice_choice.voice_choices(voices, "ru", "ru", offline=True))
    assert russian["Русский, женский (встроенный)"] == "espeak:ru+f3"
    own = Voice("voice:anna", "en", "Female", "anna (voice match)")
    assert voice_choice.label(own, "ru") == "anna (подобранный голос)" and voice_choice.label(own, "en") == own.label
    assert voice_choice.label(replace(own, cloud=True), "en") == "anna (clone)"
    assert "Microsoft" in voice_choice.notice(voices, japanese, "en", offline=False)
    assert "stays here" in voice_choice.notice(voices, japanese, "en", offline=True)
    assert "stays here" in voice_choice.notice(voices, "espeak:de", "en", offline=False)


def test_wishes_are_checked(house: House) -> None:
    from visema.web.actions import wanted

    viewer = house.viewer("tab")
    assert wanted("Hi", "espeak", 1, 0, 1.5, viewer) == ("Hi", "espeak", SpeechSettings(1.0, 0.0, 1.5))
    for wish in (
        ("", "espeak", 1, 0, 1),
        (None, "espeak", 1, 0, 1),
        ("x" * (MAX_TEXT + 1), "espeak", 1, 0, 1),
        ("Hi", "espeak", 3, 0, 1),
        ("Hi", "espeak", 1, "0", 1),
        ("Hi", "espeak", 1, 0, float("nan")),
    ):
        with pytest.raises(InputError):
            wanted(*wish, viewer)  # type: ignore[arg-type]


def test_a_viewer_performs_by_the_browsers_clock(house: House) -> None:
    """The whole of a performance, with the test in the browser's place."""
    import json

    viewer = house.viewer("tab")
    news = threading.Event()
    viewer.wake = news.set

    def until(state: str) -> dict[str, object]:
        deadline = time.monotonic() + 30
        while True:
            message: dict[str, object] = json.loads(viewer.message())
            if message["state"] == state and (state != "preparing" or message["sound"]):
                return message
            assert time.monotonic() < deadline, message
            news.wait(0.1)
            news.clear()

    assert until("listening")["sound"] is None
    assert viewer.idle_index() % stride(viewer.avatar.fps) == 0
    viewer.say("Hello there, how are you?", "espeak:en-us", SpeechSettings())
    ready = until("preparing")["sound"]
    assert isinstance(ready, dict)
    assert not viewer.talking
    sound = viewer.sound(ready["id"])
    assert sound is not None and len(sound) / 2 / 22050 == pytest.approx(ready["duration"], abs=0.05)
    viewer.report(ready["id"] + 1, "playing", 0.0, None)  # of a sound that is not this one: not believed
    assert not viewer.talking
    viewer.report(ready["id"], "playing", 0.5, None)
    until("speaking")
    assert viewer.talking
    address = None
    while address is None or "#t=" not in address:  # the first may still be an idle one
        address = viewer.live_picture(5.0, lambda frame: b"jpeg")
    data, _, at = address.partition("#t=")
    assert data == "data:image/jpeg;base64,anBlZw==" and 0.5 <= float(at) < 1.8
    viewer.report(ready["id"], "ended", ready["duration"], None)
    assert "Spoken" in str(until("listening")["status"])
    house.leave("tab")
    assert viewer.closed and house.visitors == 0 and house.by_token(viewer.token) is None


def test_a_replaced_voice_is_said_beside_the_film_too(house: House) -> None:
    saved = Saved(Path("hi.mp4"), (Path("hi.srt"), Path("hi.vtt")), 1.0, 0.2, ("The voice <x> did not speak.",))
    shown = links(saved, house.viewer("tab"))
    assert "The voice &lt;x&gt; did not speak." in shown and shown.count("hi.mp4") == 2


def test_small_choices() -> None:
    assert [frame_argument(c, 7) for c in ("middle", "auto", "number")] == ["-1", "auto", "7"]
    assert frame_argument("number", None) == "0"
    assert file_stem("Hello, world! Привет") == "hello-world" and file_stem("Привет") == "avatar"
    assert line("<b>&") == "&lt;b&gt;&amp;"
