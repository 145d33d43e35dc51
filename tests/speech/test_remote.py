"""ElevenLabs, OpenAI, Coqui XTTS and Piper against servers that speak their protocols."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.speech.voice_server import KEY, RATE, VoiceServer
from visema.errors import InputError, VoiceError
from visema.speech.access import Secret, value_of
from visema.speech.cost import CostRecord, cost_of
from visema.speech.remote import catalogue, http
from visema.speech.remote.engine import language_of
from visema.speech.remote.sound import reshape, wav
from visema.speech.remote.timing import word_times
from visema.speech.speak import LEAD, speak
from visema.speech.types import SpeechSettings
from visema.speech.voices import check_visitors, list_voices, resolve_voice

TEXT = "The quick brown fox jumps over the lazy dog, and nobody minds."
ELEVEN = "elevenlabs:21m00Tcm4TlvDq8ikWAM"
ENGINES = (ELEVEN, "openai:nova", "coqui:Ana Florence", "piper:en_US-lessac-medium")


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VoiceServer]:
    """All four services at one address, and a patience that suits a test."""
    monkeypatch.setenv("VISEMA_ENV_FILE", str(cache / "none.env"))
    monkeypatch.setattr(http, "PATIENCE", http.Patience(pause=0.01, silence=20))
    http.forget_failures()
    with VoiceServer() as running:
        monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
        monkeypatch.setenv("ELEVENLABS_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        monkeypatch.setenv("COQUI_URL", running.url)
        monkeypatch.setenv("PIPER_URL", running.url)
        yield running
    http.forget_failures()


def posts(server: VoiceServer) -> list[tuple[str, dict[str, str], dict[str, object]]]:
    return [(path, headers, body) for method, path, headers, body in server.asked if method == "POST"]


def word_errors(server: VoiceServer, voice: str) -> list[float]:
    speech = speak(TEXT, voice)
    assert speech.voice == voice and not speech.notes, speech.notes
    assert [w.label for w in speech.words] == TEXT.split()
    assert speech.phones[0].label == "" and all(a.end <= b.start + 1e-6 for a, b in pairwise(speech.phones))
    shift = LEAD + 0.1  # the server's silence
    return [abs(w.start - (t.start + shift)) for w, t in zip(speech.words, server.truth[-1].words, strict=True)]


def test_elevenlabs_speaks_with_the_times_of_its_characters(server: VoiceServer) -> None:
    assert max(word_errors(server, ELEVEN)) < 0.05
    path, headers, body = posts(server)[0]
    assert path == "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM/with-timestamps?output_format=pcm_24000"
    assert headers["xi-api-key"] == KEY
    assert body == {"text": TEXT, "model_id": "eleven_multilingual_v2"}
    speech = speak(TEXT, "elevenlabs:rachel")
    assert speech.voice == ELEVEN and speech.timing == "service"


def test_openai_is_aligned(server: VoiceServer) -> None:
    errors = word_errors(server, "openai:nova")
    assert np.median(errors) < 0.06 and max(errors) < 0.3
    path, headers, body = posts(server)[0]
    assert path == "/v1/audio/speech" and headers["authorization"] == f"Bearer {KEY}"
    assert body == {"model": "gpt-4o-mini-tts", "voice": "nova", "input": TEXT, "response_format": "pcm"}
    assert speak(TEXT, "openai:nova").timing == "aligned"


@pytest.mark.parametrize("voice", ENGINES[2:])
def test_the_local_servers_speak(server: VoiceServer, voice: str) -> None:
    errors = word_errors(server, voice)
    assert np.median(errors) < 0.06 and max(errors) < 0.3
    body = posts(server)[0][2]
    assert body["text"] == TEXT
    assert body.get("language") == "en" if "coqui" in voice else body["voice"] == "en_US-lessac-medium"


def test_an_older_piper_answers_at_the_root(server: VoiceServer) -> None:
    server.old_piper = True
    assert speak("Hello there.", ENGINES[3]).voice == ENGINES[3]
    assert [path for path, _, _ in posts(server)] == ["/synthesize", "/"]


@pytest.mark.parametrize("voice", ENGINES)
def test_rate_and_pitch_reach_the_sound_whoever_makes_them(server: VoiceServer, voice: str) -> None:
    plain = speak(TEXT, voice)
    fast = speak(TEXT, voice, SpeechSettings(rate=1.5))
    assert plain.words[-1].end / fast.words[-1].end == pytest.approx(1.5, abs=0.12)
    high = speak(TEXT, voice, SpeechSettings(pitch=4))
    assert high.words[-1].end == pytest.approx(plain.words[-1].end, abs=0.15)
    assert middle(high.samples, high.rate) > 1.1 * middle(plain.samples, plain.rate)


def middle(samples: np.ndarray, rate: int) -> float:
    """Where the middle of the spectrum below 2 kHz is, in Hz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    f = np.fft.rfftfreq(len(samples), 1 / rate)
    return float((f * power)[f < 2000].sum() / power[f < 2000].sum())


def test_identical_speech_is_sent_once_and_costs_once(server: VoiceServer) -> None:
    first = speak(TEXT, ELEVEN)
    again = speak(TEXT, ELEVEN)
    assert len(posts(server)) == 1
    assert np.array_equal(first.samples, again.samples) and again.timing == "service"
    assert first.cost and first.cost.characters == len(TEXT) and first.cost.money == pytest.approx(len(TEXT) * 0.18e-3)
    assert again.cost and again.cost.cached and again.cost.money == 0
    assert json.loads(json.dumps(first.cost.to_json()))["currency"] == "USD"


def test_another_model_is_other_speech(server: VoiceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    speak(TEXT, "openai:nova")
    monkeypatch.setenv("OPENAI_TTS_MODEL", "tts-1")
    speech = speak(TEXT, "openai:nova", SpeechSettings(rate=1.5))
    assert [body["model"] for _, _, body in posts(server)] == ["gpt-4o-mini-tts", "tts-1"]
    assert posts(server)[1][2]["speed"] == 1.5
    assert speech.cost and speech.cost.money == pytest.approx(len(TEXT) * 15e-6, abs=1e-6)


@pytest.mark.parametrize("act", ["429 retry=0.05", "500", "503", "529", "cut"])
@pytest.mark.parametrize("voice", ENGINES[:2])
def test_what_passes_is_tried_again(server: VoiceServer, voice: str, act: str) -> None:
    server.script = [act, act, "ok"]
    speech = speak("Hello there.", voice, cache=False)
    assert speech.voice == voice and not speech.notes
    assert server.posts == 3


def test_retry_after_is_waited_for(server: VoiceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(http.time, "sleep", waits.append)
    server.script = ["429 retry=7", "429 retry=Wed,01Jan2020", "ok"]
    assert speak("Hello.", ELEVEN).voice == ELEVEN
    assert waits[0] == 7 and waits[1] < 0.1
    server.script, server.posts = ["429 retry=900"], 0
    speech = speak("Good evening.", ELEVEN)
    assert server.posts == 1 and speech.voice.startswith("espeak:")
    assert "busy or broken (HTTP 429)" in speech.notes[0]


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("500", "is busy or broken (HTTP 500)"),
        ("429", "is busy or broken (HTTP 429)"),
        ("cut", "broke off"),
        ("garbage", "cannot be used"),
        ("html", "cannot be used"),
    ],
)
@pytest.mark.parametrize("voice", ENGINES)
def test_a_voice_that_fails_is_replaced_and_that_is_said(server: VoiceServer, voice: str, act: str, told: str) -> None:
    if voice.startswith("openai") and act == "garbage":
        pytest.skip("raw samples: nothing tells noise from speech")
    server.script = [act]
    speech = speak("Hello there.", voice)
    assert speech.voice == "espeak:en-us+f3"
    assert told in speech.notes[0] and "speaks instead" in speech.notes[0]
    assert KEY not in "".join(speech.notes)


@pytest.mark.parametrize("act", ["hang", "drip"])
def test_a_slow_answer_is_given_up(server: VoiceServer, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    monkeypatch.setattr(http, "PATIENCE", http.Patience(silence=0.3, whole=0.4, tries=2, pause=0.01))
    server.script = [act]
    speech = speak(TEXT, "openai:nova")
    assert "does not answer in time" in speech.notes[0] and speech.voice.startswith("espeak:")
    assert server.posts == 2


def test_a_dead_service_is_asked_once_for_a_while(server: VoiceServer) -> None:
    server.script = ["503"]
    speak("One.", "openai:nova")
    assert server.posts == 3
    speak("Two.", "openai:nova")
    assert server.posts == 4
    server.script = ["ok"]
    assert speak("Three.", "openai:nova").voice == "openai:nova"


def test_nobody_at_the_address(server: VoiceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ELEVENLABS_BASE_URL", "OPENAI_BASE_URL", "COQUI_URL", "PIPER_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for voice in ENGINES:
        speech = speak("Hello there.", voice)
        assert "cannot be reached" in speech.notes[0], voice
        assert speech.voice == "espeak:en-us+f3"


@pytest.mark.parametrize(
    ("voice", "act", "told", "hint"),
    [
        (ELEVEN, "401 invalid_api_key", "does not take the key", "ELEVENLABS_API_KEY"),
        ("openai:nova", "401 invalid_api_key", "does not take the key", "OPENAI_API_KEY"),
        (ELEVEN, "401 quota_exceeded", "is used up", "raise its plan"),
        ("openai:nova", "429 insufficient_quota", "is used up", "raise its plan"),
        (ELEVEN, "402 payment_required", "is used up", "raise its plan"),
        (ELEVEN, "400 voice_not_found", "has no voice", "Adam"),
        ("openai:nova", "400 invalid_value", "refuses this (HTTP 400)", "Change the text"),
        ("coqui:Ana Florence", "422 x", "refuses this (HTTP 422)", "Change the text"),
        ("openai:nova", "silent", "sent no sound", "choose another"),
    ],
)
def test_what_no_try_mends_is_an_error_without_the_key(
    server: VoiceServer, voice: str, act: str, told: str, hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    list_voices()
    server.script = [act]
    with pytest.raises(VoiceError) as caught:
        speak("Hello there.", voice)
    assert told in caught.value.what and hint in caught.value.hint
    assert server.posts == 1
    assert KEY not in str(caught.value) + repr(caught.value.__dict__) + caplog.text


def test_missing_keys_and_programs_name_what_to_set(server: VoiceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ELEVENLABS_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "COQUI_URL", "PIPER_URL"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PATH", "")
    for voice in ENGINES:
        with pytest.raises(VoiceError) as caught:
            resolve_voice(voice)
        assert any(v in caught.value.hint for v in catalogue.VARIABLES[voice.partition(":")[0]])
    assert {v.name.partition(":")[0] for v in list_voices(offline=True)} == {"edge", "espeak"}


def test_voices_are_listed_kept_and_found(server: VoiceServer) -> None:
    with pytest.raises(VoiceError, match="Rachel"):
        resolve_voice("elevenlabs:Rachl")
    names = {v.name for v in list_voices()}
    assert set(ENGINES) <= names
    asked = len(server.asked)
    kept = {v.name: v for v in list_voices(offline=True)}
    assert set(ENGINES) <= set(kept) and len(server.asked) == asked
    assert kept[ELEVEN].cloud and not kept[ENGINES[3]].cloud and kept[ELEVEN].gender == "Female"
    assert set(ENGINES[:3]) <= {v.name for v in list_voices("de", offline=True)}
    assert ENGINES[3] not in {v.name for v in list_voices("de", offline=True)}
    assert resolve_voice("elevenlabs:Adam@de", offline=True).language == "de"
    with pytest.raises(VoiceError, match="There is no voice engine 'nuance'"):
        resolve_voice("nuance:Tom")


def test_offline_sends_nothing_to_the_cloud(server: VoiceServer) -> None:
    list_voices()
    for voice in ENGINES[:2]:
        assert "switched off" in speak("Hello.", voice, offline=True).notes[0]
    assert server.posts == 0
    assert speak("Hello.", ENGINES[3], offline=True).voice == ENGINES[3]


def test_the_language_is_that_of_the_text_or_as_told(server: VoiceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [language_of(t) for t in ("Привет, мир!", "Hello", "你好", "こんにちは", "שלום", "...")] == [
        "ru", "en-US", "zh", "ja", "he", "en-US",
    ]  # fmt: skip
    speak("Guten Tag.", "coqui:Ana Florence@de")
    assert posts(server)[0][2]["language"] == "de"
    with pytest.raises(VoiceError, match="does not speak 'sw'"):
        speak("Habari.", "coqui:Ana Florence@sw")
    monkeypatch.setenv("ELEVENLABS_MODEL", "eleven_flash_v2_5")
    speak("Hello.", ELEVEN)
    assert posts(server)[-1][2]["language_code"] == "en"


def test_a_key_is_not_sent_in_the_clear(server: VoiceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://203.0.113.7/v1")
    with pytest.raises(VoiceError, match="in the clear"):
        speak("Hello.", "openai:nova")
    monkeypatch.setenv("OPENAI_BASE_URL", "ftp://x")
    with pytest.raises(VoiceError, match="no address"):
        speak("Hello.", "openai:nova")
    assert KEY not in repr(Secret(KEY)) + str(Secret(KEY)) + f"{Secret(KEY)}"


def test_a_long_text_costs_the_sum_of_its_parts(server: VoiceServer) -> None:
    text = " ".join(["This is a sentence of some length that is said again."] * 30)
    speech = speak(text, ELEVEN)
    assert (
        server.posts == 2
        and speech.cost
        and speech.cost.characters == sum(len(b["text"]) for _, _, b in posts(server))
    )
    server.posts, server.script = 0, ["ok", "503"]
    broken = speak(text + " Now.", ELEVEN)
    assert broken.voice.startswith("espeak:") and broken.cost and broken.cost.money > 0


def test_prices_can_be_replaced(server: VoiceServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "prices.tsv"
    table.write_text("openai\t*\t2\t6\tEUR\n")
    monkeypatch.setenv("VISEMA_PRICES", str(table))
    assert cost_of("openai", "x", 500, 30) == CostRecord("openai", "x", 500, 30, 4.0, "EUR")
    assert cost_of("elevenlabs", "eleven_flash_v2_5", 1000, 60).money == pytest.approx(0.09)
    assert not cost_of("nobody", "", 5, 1).priced
    for bad in ("openai\t*\tcheap\t0\tEUR\n", "openai\t*\n", "openai\t*\tnan\t0\tEUR\n"):
        table.write_text(bad)
        with pytest.raises(InputError, match="Line 1"):
            cost_of("openai", "x", 1, 1)


def test_values_come_from_the_environment_then_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("# keys\nexport A_KEY=\"one two\"\nB_KEY=three # note\nBAD LINE\nC_KEY='#4'\n")
    monkeypatch.setenv("VISEMA_ENV_FILE", str(file))
    assert [value_of(n) for n in ("A_KEY", "B_KEY", "C_KEY", "D_KEY")] == ["one two", "three", "#4", ""]
    monkeypatch.setenv("A_KEY", "mine")
    assert value_of("A_KEY") == "mine"


def test_piper_files_are_spoken_by_its_program(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with Piper's arguments, which takes lines and gives raw samples."""
    program = tmp_path / "bin" / "piper"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nimport numpy as np\nfrom visema.speech.espeak import EspeakEngine\n"
        "from visema.speech.types import SpeechSettings\na = dict(zip(sys.argv[1::1], sys.argv[2::1]))\n"
        "assert a['--model'].endswith('en_GB-alan-low.onnx') and '--output_raw' in sys.argv\n"
        "text = sys.stdin.read()\nassert text.count('\\n') == 1\n"
        "if 'fail' in text: sys.exit('broken model')\n"
        "s = EspeakEngine().speak(text, 'en-gb', SpeechSettings(rate=1 / float(a['--length_scale'])))\n"
        "sys.stdout.buffer.write((s.samples * 32767).astype('<i2').tobytes())\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    voices = tmp_path / "voices"
    voices.mkdir()
    (voices / "en_GB-alan-low.onnx").write_bytes(b"model")
    (voices / "en_GB-alan-low.onnx.json").write_text(
        '{"audio": {"sample_rate": 22050}, "language": {"code": "en_GB"}}'
    )
    monkeypatch.setenv("PIPER_VOICES", str(voices))
    assert "piper:en_GB-alan-low" in {v.name for v in list_voices("en-GB")}
    by_path = speak("Hello there, how are you?", f"piper:{voices / 'en_GB-alan-low.onnx'}")
    by_name = speak("Hello there, how are you?", "piper:en_GB-alan-low", SpeechSettings(rate=1.5))
    assert by_path.rate == 22050 and by_path.timing == "aligned" and not by_path.notes
    assert by_path.words[-1].end / by_name.words[-1].end == pytest.approx(1.5, abs=0.15)
    failed = speak("Please fail now.", "piper:en_GB-alan-low")
    assert "broken model" in failed.notes[0] and failed.voice.startswith("espeak:")
    with pytest.raises(VoiceError, match="There is no Piper voice"):
        speak("Hello.", f"piper:{voices / 'none.onnx'}")


def test_coqui_by_its_package(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with the face of TTS; the real one is gigabytes of torch and weights."""
    package = tmp_path / "TTS"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "api.py").write_text(
        "from types import SimpleNamespace\nfrom visema.speech.espeak import EspeakEngine\n"
        "from visema.speech.types import SpeechSettings\n"
        "class TTS:\n"
        "    speakers = ['Ana Florence']\n"
        "    synthesizer = SimpleNamespace(output_sample_rate=22050)\n"
        "    def __init__(self, model): pass\n"
        "    def tts(self, text, speaker, language):\n"
        "        return list(EspeakEngine().speak(text, 'en', SpeechSettings()).samples)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("COQUI_URL", raising=False)
    speech = speak("Hello there.", "coqui:Ana Florence")
    assert speech.voice == "coqui:Ana Florence" and speech.rate == 22050 and speech.cost and speech.cost.money == 0
    with pytest.raises(VoiceError, match="Ana Florence"):
        speak("Hello there.", "coqui:Nobody")


def test_times_are_estimated_where_nothing_is_found(cache: Path) -> None:
    """A text that is not what is said: words between the first and last moment of the sound, and a note."""
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 0.1
    sound = np.concatenate([np.zeros(RATE // 2, np.float32), noise, np.zeros(RATE // 2, np.float32)])
    words, way, note = word_times(sound, RATE, "one two three four", "en")
    assert way == "estimated" and "estimated" in note
    assert [w.text for w in words] == ["one", "two", "three", "four"]
    assert words[0].start == pytest.approx(0.5, abs=0.02) and words[-1].end == pytest.approx(2.5, abs=0.02)


def test_sound_of_odd_forms() -> None:
    for bad in (b"", b"RIFF", b"RIFF....WAVE", b"RIFF....WAVEfmt \x04\x00\x00\x00ab", b"x" * 100):
        with pytest.raises(ValueError):
            wav(bad)
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    up = reshape(tone, RATE, 1.0, 12)
    assert len(up) == pytest.approx(RATE, rel=0.03)
    peak = np.argmax(np.abs(np.fft.rfft(up))) / len(up) * RATE
    assert peak == pytest.approx(880, rel=0.02)
    assert len(reshape(tone, RATE, 2.0, 0)) == pytest.approx(RATE / 2, rel=0.06)
    assert reshape(tone, RATE, 1.0, 0) is tone


def test_many_at_once(server: VoiceServer) -> None:
    out: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: out.append(speak(f"Number {n}.", ELEVEN).voice), daemon=True)
        for n in range(6)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert out == [ELEVEN] * 6


def test_nothing_of_it_is_loaded_without_need() -> None:
    code = (
        "import visema, sys, visema.speech.voices\n"
        "print([m for m in ('httpx', 'av', 'TTS', 'piper', 'pocketsphinx', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_offers_them_in_every_language_after_the_free_ones(server: VoiceServer) -> None:
    from visema.web import voice_choice

    catalogue.ask_ahead()()
    voices = list_voices(offline=True)
    for code in ("en", "de", "pl"):
        names = [name for _, name in voice_choice.voice_choices(voices, code)]
        assert set(ENGINES[:3]) <= set(names)
        assert not any(name.startswith(("edge:", "espeak:")) for name in names[-10:])
        assert voice_choice.pick(voices, code).startswith(("edge:", "espeak:"))
    assert "ElevenLabs" in voice_choice.notice(voices, ELEVEN, "ru", offline=False)
    assert "Microsoft" not in voice_choice.notice(voices, "openai:nova", "en", offline=False)
    assert "mul" not in [code for _, code in voice_choice.language_choices(voices, "en")]


def test_check_has_a_line_for_each(server: VoiceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from visema.cli.check import REMOTE, Lacking, _remote_voice

    told = {title: _remote_voice(name, False) for title, name in REMOTE}
    assert told["ElevenLabs"].startswith("2 voices") and told["OpenAI voice"].startswith("takes the key")
    assert told["Coqui XTTS"].startswith("1 voices") and told["Piper"] == "1 voices"
    assert server.posts == 0, "nothing is spoken, nothing is charged"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    with pytest.raises(VoiceError, match="does not take the key"):
        _remote_voice("openai", False)
    monkeypatch.delenv("ELEVENLABS_API_KEY")
    with pytest.raises(Lacking, match="ELEVENLABS_API_KEY"):
        _remote_voice("elevenlabs", False)


def test_visitors_do_not_spend_the_owners_money(monkeypatch: pytest.MonkeyPatch) -> None:
    check_visitors("elevenlabs:Rachel")
    monkeypatch.setenv("VISEMA_PAID_VOICES", "0")
    for name in ("elevenlabs:Rachel", "OpenAI:alloy", " openai:alloy@de"):
        with pytest.raises(VoiceError, match="not for visitors"):
            check_visitors(name)
    check_visitors("espeak:en-us")
    check_visitors("en-US-JennyNeural")


@pytest.mark.parametrize("name", ["piper:/etc/x.onnx", "PIPER:..\\x", "piper:x.onnx@de", " piper:a/b"])
def test_files_are_not_chosen_from_elsewhere(name: str) -> None:
    from visema.live.requests import RequestError, check, manner
    from visema.service.request import check_request
    from visema.service.settings import settings_from

    with pytest.raises(VoiceError, match="cannot be named here"):
        check_request({"text": "Hello.", "voice": name}, audio=False, settings=settings_from({}))
    with pytest.raises(RequestError, match="cannot be named here"):
        manner(check({"type": "say", "text": "Hello.", "voice": name.strip()}, "say"))
    check_visitors("piper:en_US-lessac-medium")
