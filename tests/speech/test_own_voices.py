"""Voices of one's own: what a match reaches, what consent is needed, and cloning by a service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.speech.voice_server import KEY, VoiceServer
from visema.cli.main import main
from visema.consent import Consent
from visema.errors import InputError, VisemaError, VoiceError
from visema.speech import own_voices
from visema.speech.espeak import EspeakEngine
from visema.speech.matching import coloured, match
from visema.speech.own_voices import make_clone, make_match
from visema.speech.profile import profile
from visema.speech.remote import http
from visema.speech.speak import speak
from visema.speech.types import SpeechSettings
from visema.speech.voices import list_voices, resolve_voice
from visema.stage.playback import wav_bytes

TEXT = (
    "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow. "
    "The rainbow is a division of white light into many beautiful colours."
)
AGREED = "I agree that a voice like mine is made for the tests of this program."


def sample(folder: Path, voice: str, settings: SpeechSettings | None = None, tilt: float = 0.0) -> Path:
    """A recording of a speaker that the match does not know: another passage, another colour."""
    speech = EspeakEngine().speak(TEXT, voice, settings or SpeechSettings())
    gains = tuple(float(g) for g in np.linspace(-tilt, tilt, 12))
    path = folder / "sample.wav"
    path.write_bytes(wav_bytes(coloured(speech.samples, speech.rate, gains), speech.rate))
    return path


@pytest.mark.parametrize(
    ("voice", "settings", "tilt"),
    [("en-us+f4", SpeechSettings(rate=1.25, pitch=3), 6.0), ("en-gb+m3", SpeechSettings(rate=0.75, pitch=-3), -6.0)],
)
def test_a_match_is_near_in_pitch_rate_and_timbre(
    cache: Path, tmp_path: Path, voice: str, settings: SpeechSettings, tilt: float
) -> None:
    own = make_match(sample(tmp_path, voice, settings, tilt), "Anna", Consent.given(AGREED, "Anna B."))
    found = own.match
    assert found and abs(found.after.semitones) < 0.5 and found.after.colour < 0.5 * found.before.colour
    assert 0.85 < found.after.rate < 1.15
    # Heard with other words, in what is really spoken.
    speech = speak("The weather is fine today, and nobody would have thought of it before noon.", "voice:anna")
    heard = profile(speech.samples, speech.rate)
    assert abs(12 * np.log2(heard.pitch / found.sample.pitch)) < 1.5
    assert speech.voice == "voice:Anna" and speech.words[1].label == "weather" and not speech.notes
    higher = speak("The weather is fine today.", "voice:Anna", SpeechSettings(pitch=3, rate=1.2))
    assert profile(higher.samples, higher.rate).pitch > 1.08 * heard.pitch


def test_consent_is_kept_with_the_voice_and_without_it_there_is_none(cache: Path, tmp_path: Path) -> None:
    path = sample(tmp_path, "en-us+f3")
    for text, who in (("", "Anna"), ("ok", "Anna"), (AGREED, " "), (AGREED * 99, "Anna")):
        with pytest.raises(InputError):
            Consent.given(text, who)
    make_match(path, "Anna", Consent.given(AGREED, "Anna B."))
    told = json.loads((cache / "voices" / "anna" / "voice.json").read_text())
    assert told["consent"]["text"] == AGREED and told["consent"]["who"] == "Anna B."
    assert told["consent"]["when"].endswith("+00:00") and len(told["sample"]) == 64 and told["kind"] == "match"
    listed = next(v for v in list_voices(offline=True) if v.name == "voice:Anna")
    assert "voice match" in listed.label and "clone" not in listed.label and not listed.cloud
    own_voices.delete("Anna")
    assert not (cache / "voices" / "anna").exists()
    with pytest.raises(VoiceError, match="no voice 'Anna'"):
        resolve_voice("voice:Anna")


def test_another_voice_of_the_same_name_is_other_speech(cache: Path, tmp_path: Path) -> None:
    make_match(sample(tmp_path, "en-us+f4"), "a", Consent.given(AGREED, "A"))
    first = speak("Hello.", "voice:a")
    make_match(sample(tmp_path, "en-us+m3"), "a", Consent.given(AGREED, "A"))
    assert not np.array_equal(first.samples, speak("Hello.", "voice:a").samples)


def test_what_cannot_be_matched_is_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is 1\.0 s long"):
        match(np.zeros(16000, np.float32), 16000, "en-US")
    noise = np.random.default_rng(0).standard_normal(80000).astype(np.float32) * 0.1
    with pytest.raises(InputError, match="hardly any voice"):
        match(noise, 16000, "en-US")
    path = sample(tmp_path, "en-us")
    for name in ("", "../up", "a/b", ".hidden", "x" * 41, "a\0b"):
        with pytest.raises(InputError):
            make_match(path, name, Consent.given(AGREED, "A"))
    for name in ("../up", "", "none"):
        with pytest.raises(VoiceError):
            resolve_voice(f"voice:{name}")
    folder = cache / "voices" / "bad"
    folder.mkdir(parents=True)
    for text in ("{", "{}", '{"schema": 9, "match": null}', '{"schema": 1, "name": "bad"}'):
        (folder / "voice.json").write_text(text)
        with pytest.raises(VisemaError):
            speak("Hello.", "voice:bad")
    assert own_voices.list_own() == []


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VoiceServer]:
    monkeypatch.setattr(http, "PATIENCE", http.Patience(pause=0.01))
    http.forget_failures()
    with VoiceServer() as running:
        monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
        monkeypatch.setenv("ELEVENLABS_BASE_URL", running.url)
        yield running
    http.forget_failures()


def test_elevenlabs_clones(server: VoiceServer, cache: Path, tmp_path: Path) -> None:
    path = sample(tmp_path, "en-us+f4", SpeechSettings(rate=0.8))
    own = make_clone(path, "Ben", Consent.given(AGREED, "Ben C."))
    method, at, headers, body = server.asked[-1]
    assert (method, at, headers["xi-api-key"]) == ("POST", "/v1/voices/add", KEY)
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="name"' in body and b'name="files"; filename="sample.wav"' in body and AGREED.encode() in body
    assert path.read_bytes() in body
    assert own.base == "elevenlabs:c1oNedVoiceIdOf20Abc"
    speech = speak("Hello there.", "voice:Ben")
    assert speech.voice == own.base and speech.cost and speech.cost.money > 0
    label = next(v.label for v in list_voices(offline=True) if v.name == "voice:Ben")
    assert "clone" in label


def test_a_clone_that_is_refused_leaves_nothing(server: VoiceServer, cache: Path, tmp_path: Path) -> None:
    path = sample(tmp_path, "en-us+f4", SpeechSettings(rate=0.8))
    for act, told in (("400 voice_limit_reached", "used up"), ("401 x", "does not take the key"), ("503", "busy")):
        server.script = [act]
        http.forget_failures()
        with pytest.raises(VoiceError, match=told):
            make_clone(path, "Ben", Consent.given(AGREED, "Ben C."))
    assert not (cache / "voices" / "ben").exists()


def test_on_the_command_line(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(sample(tmp_path, "en-us+m3"))
    assert main(["--match-voice", path, "--voice-name", "Tom"]) == 2
    assert "consent" in capsys.readouterr().err
    consent = ["--consent", AGREED, "--consent-by", "Tom D."]
    assert main(["--match-voice", path, *consent]) == 2
    assert main(["--match-voice", str(tmp_path / "none.wav"), "--voice-name", "Tom", *consent]) == 2
    assert main(["--clone-voice", path, "--voice-name", "Tom", "--offline", *consent]) == 2
    capsys.readouterr()
    assert main(["--match-voice", path, "--voice-name", "Tom", *consent]) == 0
    said = capsys.readouterr().out
    assert "A voice match, not a clone" in said and "semitones from the sample's" in said and "voice:Tom" in said
