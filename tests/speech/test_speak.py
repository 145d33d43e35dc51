from __future__ import annotations

import logging
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from visema.errors import InputError, VoiceError
from visema.speech import network, sound
from visema.speech import speak as speaking
from visema.speech.edge import Unreachable
from visema.speech.speak import LEAD, TAIL, speak
from visema.speech.types import Span, Speech, SpeechSettings
from visema.speech.voices import list_voices, resolve_voice

pytestmark = pytest.mark.usefixtures("cache")


class Dead:
    """A network voice that cannot be reached."""

    name = "edge"
    asked = 0

    def speak(self, text: str, voice: str, settings: SpeechSettings) -> Speech:
        type(self).asked += 1
        raise Unreachable("The speech service cannot be reached (no route).", "Check the network.")


class Alive:
    """A network voice that hums."""

    name = "edge"
    asked = 0

    def speak(self, text: str, voice: str, settings: SpeechSettings) -> Speech:
        type(self).asked += 1
        n = len(text.split())
        samples = np.full(n * 2400, 0.1, np.float32)
        words = tuple(Span(i * 0.1, (i + 1) * 0.1, w) for i, w in enumerate(text.split()))
        return Speech(samples, 24_000, words, tuple(Span(a, b, "m") for a, b, _ in words), text=text)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> type[Dead]:
    Dead.asked = 0
    monkeypatch.setattr(speaking, "EdgeEngine", Dead)
    return Dead


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> type[Alive]:
    Alive.asked = 0
    monkeypatch.setattr(speaking, "EdgeEngine", Alive)
    return Alive


def assert_covers(speech: Speech) -> None:
    assert speech.phones[0].start == 0
    assert speech.phones[-1].end == pytest.approx(speech.duration)
    assert all(a.end == b.start and b.end > b.start for a, b in pairwise(speech.phones))
    assert not any(not a.label and not b.label for a, b in pairwise(speech.phones))


def test_embedded() -> None:
    speech = speak("Hello, this is your avatar speaking.", "espeak:en-us+f3")
    assert speech.voice == "espeak:en-us+f3" and not speech.notes and not speech.recorded
    assert [w.label for w in speech.words] == ["Hello,", "this", "is", "your", "avatar", "speaking."]
    assert_covers(speech)
    assert speech.phones[0] == Span(0.0, pytest.approx(LEAD, abs=0.03), "")
    assert speech.phones[-1].label == ""
    assert not speech.samples[: int(LEAD * speech.rate)].any()
    assert not speech.samples[-int(0.9 * TAIL * speech.rate) :].any()
    assert np.abs(speech.samples).max() < 1


def test_commanded_pauses_have_their_length() -> None:
    without = speak("One. Two.", "espeak:en-us")
    paused = speak("One. [pause 1500ms] Two.", "espeak:en-us")
    one, two = paused.words
    assert 1.499 < two.start - one.end < 1.75
    assert without.duration < paused.duration
    (gap,) = [p for p in paused.phones if not p.label and p.end - p.start > 0.5]
    assert gap.end - gap.start > 1.499
    assert_covers(paused)
    around = speak("[pause 1s] One. [pause 2s]", "espeak:en-us")
    assert around.words[0].start > 1.0 and around.duration - around.words[0].end > 2.0
    assert_covers(around)


def test_captions_get_the_written_words() -> None:
    speech = speak("**Dr. Smith** paid $25 — ok? 😀", "espeak:en-us")
    assert [w.label for w in speech.words] == ["Dr.", "Smith", "paid", "$25 —", "ok?"]
    words = {w.label: w for w in speech.words}
    assert words["$25 —"].end - words["$25 —"].start > 0.7  # twenty-five dollars


@pytest.mark.parametrize("volume", [0.25, 1.0, 3.0])
def test_volume(volume: float) -> None:
    normal = speak("Hello.", "espeak:en-us", cache=False)
    speech = speak("Hello.", "espeak:en-us", SpeechSettings(volume=volume), cache=False)

    def loudness(s: Speech) -> float:
        return float(np.sqrt(np.mean(s.samples**2)))

    if volume <= 1:
        assert loudness(speech) == pytest.approx(volume * loudness(normal), rel=0.05)
    else:
        assert 1.5 * loudness(normal) < loudness(speech) < volume * loudness(normal)
        assert np.abs(speech.samples).max() < 1


@pytest.mark.parametrize(
    "settings",
    [{"rate": 0.1}, {"rate": 9.0}, {"pitch": 40.0}, {"volume": -1.0}, {"rate": float("nan")}],
)
def test_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="out of range"):
        speak("Hello.", "espeak:en-us", SpeechSettings(**settings))


@pytest.mark.parametrize("text", ["", " \n ", "😀", "[pause 1s]", "***"])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        speak(text, "espeak:en-us")


@pytest.mark.parametrize("text", ["a", "Ы", "好", "42", "?!a"])
def test_one_letter(text: str) -> None:
    speech = speak(text, "espeak:en-us")
    assert len(speech.words) == 1 and np.abs(speech.samples).max() > 0.05
    assert_covers(speech)


def test_a_long_speech_lies_on_disk_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "These are words of a long speech, said one by one. " * 12
    short = speak(text, "espeak:en-us", cache=False)
    monkeypatch.setattr(sound, "IN_MEMORY", 1000)
    monkeypatch.setattr(speaking, "_PART", 200)
    long = speak(text, "espeak:en-us", cache=False)
    assert isinstance(long.samples, np.memmap) and not isinstance(short.samples, np.memmap)
    assert [w.label for w in long.words] == [w.label for w in short.words] == text.split()
    assert long.duration == pytest.approx(short.duration, abs=0.15)
    assert_covers(long)
    late = [abs(a.start - b.start) for a, b in zip(long.words, short.words, strict=True)]
    assert max(late) < 0.1
    part = long.samples[int(long.words[5].start * long.rate) :][:4000]
    assert np.abs(part).max() > 0.05
    with pytest.raises(ValueError, match="read-only"):
        long.samples[0] = 1


def test_unreachable_network_voice(dead: type[Dead], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="visema"):
        speech = speak("Hallo Welt.", "de-DE-ConradNeural")
    assert speech.voice == "espeak:de"
    (note,) = speech.notes
    assert "de-DE-ConradNeural" in note and "espeak:de" in note and "no route" in note
    assert note in caplog.text
    assert speak("Hallo Welt.", "edge:de-DE-KatjaNeural").voice == "espeak:de+f3"


def test_offline_asks_nobody(dead: type[Dead]) -> None:
    speech = speak("Hello.", offline=True)
    assert speech.voice == "espeak:en-us+f3" and dead.asked == 0
    assert "switched off" in speech.notes[0]


def test_a_language_that_the_embedded_voice_does_not_know(dead: type[Dead]) -> None:
    speech = speak("Kumusta, 25 po.", "fil-PH-BlessicaNeural")
    assert speech.voice == "espeak:en-us+f3" and "fil-PH" in speech.notes[0]


def test_network_speech_is_kept_and_needs_no_network(alive: type[Alive]) -> None:
    fresh = speak("Hello there.", "en-US-GuyNeural")
    kept = speak("Hello there.", "en-US-GuyNeural", offline=True)
    assert alive.asked == 1
    assert kept.voice == fresh.voice == "edge:en-US-GuyNeural"
    assert np.array_equal(kept.samples, fresh.samples)
    assert (kept.words, kept.phones, kept.notes) == (fresh.words, fresh.phones, fresh.notes)
    assert_covers(kept)


def test_kept_speech_is_the_fresh_speech() -> None:
    fresh = speak("Hello there, twenty times.", "espeak:en-us+f3", SpeechSettings(volume=1.7))
    kept = speak("Hello there, twenty times.", "espeak:en-us+f3", SpeechSettings(volume=1.7))
    assert np.array_equal(fresh.samples, kept.samples) and fresh.phones == kept.phones and fresh.words == kept.words


def test_the_substitute_is_not_kept_for_the_network_voice(dead: type[Dead], monkeypatch: pytest.MonkeyPatch) -> None:
    assert speak("Hello.").voice.startswith("espeak:")
    monkeypatch.setattr(speaking, "EdgeEngine", Alive)
    assert speak("Hello.").voice == "edge:en-US-JennyNeural"


def test_two_processes_say_the_same(tmp_path: Path) -> None:
    code = (
        "import sys, hashlib; from visema.speech.speak import speak\n"
        "s = speak('The same words, the same frames.', 'espeak:en-us+f3', cache=False)\n"
        "print(hashlib.sha256(s.samples.tobytes()).hexdigest(), s.phones)"
    )
    runs = []
    for _ in range(2):
        runs.append(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        time.sleep(1.05)  # noise would be seeded by the second
    assert runs[0] == runs[1] and len(runs[0]) > 64


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, visema.speech.speak, visema.speech.silence, visema.speech.pronounce\n"
        "heavy = {'torch', 'gradio', 'phonemizer', 'pocketsphinx', 'edge_tts', 'aiohttp', 'pydub', 'av'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("en-US-JennyNeural", "edge:en-US-JennyNeural"),
        ("edge:en-us-jennyneural", "edge:en-US-JennyNeural"),
        ("espeak", "espeak:en-us+f3"),
        ("espeak:", "espeak:en-us+f3"),
        ("espeak:gmw/en+f3", "espeak:en-gb+f3"),
        ("ru", "espeak:ru"),
        ("", "edge:en-US-JennyNeural"),
    ],
)
def test_names(name: str, full: str) -> None:
    assert resolve_voice(name, offline=True).name == full


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("en-US-JenyNeural", "en-US-JennyNeural"),
        ("JennyNeural", "en-US-JennyNeural"),
        ("espeak:en-uss", "espeak:en-us"),
        ("espeak:germn", "espeak:german?"),
        ("Jenny", "en-US-JennyNeural"),
        ("google:x", "edge:"),
        ("edge:Jenny", "en-US-JennyNeural"),
        ("espeak:en-us+f33", "en-us+f3?"),
        ("\0", "--list-voices"),
    ],
)
def test_unknown_voices(name: str, similar: str) -> None:
    with pytest.raises(VoiceError) as caught:
        speak("Hello.", name, offline=True)
    assert similar in caught.value.hint


@pytest.mark.parametrize("name", ["espeak:foo", "foo", "edge:foo", "espeak:zzzz"])
def test_what_is_like_no_voice_suggests_none(name: str) -> None:
    with pytest.raises(VoiceError) as caught:
        speak("Hello.", name, offline=True)
    assert caught.value.hint == "--list-voices shows them all."


def test_lists() -> None:
    voices = list_voices(offline=True)
    assert len(voices) > 550
    german = list_voices("de", offline=True)
    assert {v.language.split("-")[0] for v in german} == {"de"} and german[0].name.startswith(("edge:", "espeak:"))
    assert {v.name for v in list_voices("German", offline=True)} <= {v.name for v in german}
    assert {v.language for v in list_voices("en-US", offline=True)} >= {"en-US"}
    assert {v.cloud for v in german} == {True, False}
    assert not list_voices("xx", offline=True)


def test_listing_offline_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    from visema.speech import edge

    monkeypatch.setattr(edge, "fetch_voices", lambda: pytest.fail("asked the network"))
    list_voices(offline=True)
    resolve_voice("en-US-JennyNeural")
    network.forget_failure()
