from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.speech.edge_server import AFTER, EdgeServer, mp3, trusting_context
from visema.errors import VoiceError
from visema.speech import edge, edge_voices, network
from visema.speech.edge import EdgeEngine, Unreachable
from visema.speech.edge_timing import Boundary, decoder_delay, lay_phones, match_boundaries
from visema.speech.mp3 import Mp3Decoder, Mp3Error
from visema.speech.types import Speech, SpeechSettings
from visema.speech.words import split_words

VOICE = "en-US-JennyNeural"
TEXT = "Hello my friend, the quick brown fox jumps over a lazy dog. Amazing apples are never eaten by 25 wolves!"
NORMAL = SpeechSettings()


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeServer]:
    import edge_tts.communicate
    import edge_tts.drm
    import edge_tts.voices

    monkeypatch.setattr(edge_tts.communicate, "_SSL_CTX", trusting_context())
    monkeypatch.setattr(edge_tts.voices, "_SSL_CTX", trusting_context())
    monkeypatch.setattr(edge_tts.drm.DRM, "clock_skew_seconds", 0.0)
    monkeypatch.setattr(network, "ANSWER", 1.0)
    monkeypatch.setattr(network, "CONNECT", 1.0)
    monkeypatch.setattr(network, "BRIEF", 0.3)
    monkeypatch.setattr(edge, "_STALL", 1.0)
    with EdgeServer() as running:
        yield running


def say(server: EdgeServer, text: str = TEXT, settings: SpeechSettings = NORMAL) -> Speech:
    return EdgeEngine(server.connector).speak(text, VOICE, settings)


def lag(speech: Speech, truth: Speech) -> float:
    """Seconds by which the decoded sound is behind the sound that was encoded."""
    n = min(len(speech.samples), len(truth.samples))
    correlation = np.fft.irfft(np.fft.rfft(speech.samples[:n], 2 * n) * np.conj(np.fft.rfft(truth.samples[:n], 2 * n)))
    best = int(correlation.argmax())
    return (best if best < n else best - 2 * n) / speech.rate


def test_words_and_phones_are_where_they_sound(server: EdgeServer) -> None:
    speech = say(server)
    (truth,) = server.truth
    behind = lag(speech, truth)
    assert 0.02 < behind < 0.12  # the encoder's delay, which no header declares
    assert [w.label for w in speech.words] == [w.label for w in truth.words] == TEXT.split()
    error = [abs(a.start - b.start - behind) for a, b in zip(speech.words, truth.words, strict=True)]
    assert max(error) < 0.03
    assert speech.phones[0].start == 0 and speech.phones[-1].end == pytest.approx(speech.duration)
    assert all(a.end == b.start and a.end > a.start for a, b in pairwise(speech.phones))
    # Another voice of espeak at another rate was spoken than the one that the durations come from.
    names = [p.label.strip("ˈˌ") for p in speech.phones if p.label]
    heard = [p.label.strip("ˈˌ") for p in truth.phones if p.label]
    assert abs(len(names) - len(heard)) < 6
    pauses = [p for p in speech.phones if not p.label and p.start > 0.2 and p.end < speech.duration - 0.3]
    assert len(pauses) == 2
    assert speech.voice == f"edge:{VOICE}" and not speech.notes


def test_long_silence_at_the_end_is_taken_off(server: EdgeServer) -> None:
    speech = say(server)
    assert speech.duration < server.truth[0].duration - AFTER + 0.45
    assert speech.duration > speech.words[-1].end + 0.1


def test_the_service_gets_voice_and_settings(server: EdgeServer) -> None:
    settings = SpeechSettings(rate=1.25, pitch=-3, pronunciations={"fox": "/fʊks/"})
    say(server, "A < fox & dog.", settings)
    (ssml,) = server.asked
    assert "JennyNeural" in ssml and "rate='+25%'" in ssml and "pitch='-33Hz'" in ssml
    assert "A < fuuks & dog." in ssml
    assert '"wordBoundaryEnabled":"true"' in ssml or "prosody" in ssml


def test_respelled_words_keep_their_spelling_and_their_ipa(server: EdgeServer) -> None:
    speech = say(server, "Say Visema now.", SpeechSettings(pronunciations={"visema": "/vɪˈsiːmə/"}))
    assert [w.label for w in speech.words] == ["Say", "Visema", "now."]
    start, end, _ = speech.words[1]
    inside = "".join(p.label for p in speech.phones if start - 1e-6 <= p.start < end - 1e-6)
    assert inside.replace("ˈ", "") == "vɪsiːmə"


def test_one_refusal_is_a_wrong_clock(server: EdgeServer) -> None:
    server.script = ["403", "ok"]
    assert say(server).words
    assert server.connections == 2


def test_refused_for_good(server: EdgeServer) -> None:
    server.script = ["403"]
    with pytest.raises(Unreachable, match="403") as caught:
        say(server)
    assert "clock" in caught.value.hint
    assert network.failed_recently()


@pytest.mark.parametrize(
    ("act", "words"), [("cut", "broke off"), ("garbage", "cannot be used"), ("noise", "cannot be")]
)
def test_a_spoilt_answer_is_asked_for_again(
    server: EdgeServer, act: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.script = [act, "ok"]
    assert len(say(server).words) == len(TEXT.split())
    assert server.connections == 2
    server.connections, server.script = 0, [act]
    with pytest.raises(Unreachable, match="cannot be used"):
        say(server)
    assert words in caplog.text


@pytest.mark.parametrize("act", ["hang", "silent", "500", "empty", "drop"])
def test_no_answer_in_time(server: EdgeServer, act: str) -> None:
    server.script = [act]
    started = time.monotonic()
    with pytest.raises(Unreachable):
        say(server, "Hello.")
    assert time.monotonic() - started < 6


def test_a_known_failure_is_tried_briefly(server: EdgeServer) -> None:
    server.script = ["silent"]
    network.remember_failure()
    started = time.monotonic()
    with pytest.raises(Unreachable, match="in time"):
        say(server, "Hello.")
    assert time.monotonic() - started < 0.9  # .3 s here, of which one second would be too long
    server.script, server.connections = ["ok"], 0
    assert say(server, "Hello.").words
    assert not network.failed_recently()


def test_a_dead_name_server_is_not_waited_for(server: EdgeServer) -> None:
    class Dead(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            await edge._in_thread(lambda: time.sleep(8))
            return []

        async def close(self) -> None:
            pass

    started = time.monotonic()
    with pytest.raises(Unreachable, match="in time"):
        EdgeEngine(lambda: aiohttp.TCPConnector(resolver=Dead())).speak("Hello.", VOICE, NORMAL)
    assert time.monotonic() - started < 4


def test_nobody_listens(server: EdgeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server.port = free.getsockname()[1]
    with pytest.raises(Unreachable, match=r"^The speech service cannot be reached\.") as caught:
        say(server, "Hello.")
    assert "Connect" not in str(caught.value), "what the system calls it belongs to the log"
    assert "Connect call failed" in caplog.text


def test_inside_a_running_loop(server: EdgeServer) -> None:
    async def main() -> Speech:
        return say(server, "Hello.")

    assert asyncio.run(main()).words


def test_long_text_goes_in_parts(server: EdgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "ANSWER", 30.0)
    text = "The wolves & bears <of> the north are here. " * 90
    speech = say(server, text)
    assert len(server.asked) >= 2
    assert all(len(s.encode()) < 4700 for s in server.asked)
    assert [w.label for w in speech.words] == text.split()
    assert all(a.end == b.start for a, b in pairwise(speech.phones))
    assert sum(len(t.words) for t in server.truth) == len(speech.words)


def test_voices_of_the_service(server: EdgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = edge.fetch_voices(server.connector)
    assert [r["ShortName"] for r in rows] == ["en-US-NovaNeural"]
    monkeypatch.setattr(edge, "fetch_voices", lambda: rows)
    assert edge_voices.find("en-us-novaneural").name == "edge:en-US-NovaNeural"
    monkeypatch.setattr(edge, "fetch_voices", lambda: pytest.fail("the list is kept for a day"))
    assert [v.name for v in edge_voices.list_voices()] == ["edge:en-US-NovaNeural"]


def test_shipped_voices(cache: Path) -> None:
    voices = edge_voices.list_voices(offline=True)
    assert len(voices) > 300 and len({v.name for v in voices}) == len(voices)
    jenny = edge_voices.find("EN-us-jennyneural", offline=True)
    assert (jenny.name, jenny.language, jenny.gender, jenny.cloud) == (f"edge:{VOICE}", "en-US", "Female", True)
    assert edge_voices.find("zh-CN-liaoning-XiaobeiNeural", offline=True).language == "zh-CN-liaoning"
    with pytest.raises(VoiceError, match="no network voice") as caught:
        edge_voices.find("en-US-JenyNeural", offline=True)
    assert "en-US-JennyNeural" in caught.value.hint


def test_a_failure_is_known_to_other_processes_for_five_minutes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not network.failed_recently()
    network.remember_failure()
    assert network.failed_recently()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 301)
    assert not network.failed_recently()
    file = next(cache.rglob("network.json"))
    file.write_text(json.dumps({"failed": now + 10_000}))  # a clock that was wrong
    assert not network.failed_recently()
    file.write_text("nonsense")
    assert not network.failed_recently()


def test_boundaries_are_matched_in_order() -> None:
    words = split_words("Well, the cat — the 25 cats' cat-flap!")
    said = ["Well", "the", "cat", "the", "25", "cats'", "cat", "flap"]
    times = match_boundaries(words, [Boundary(i, i + 1, w) for i, w in enumerate(said)])
    assert times == {0: (0, 1), 1: (1, 2), 2: (2, 3), 4: (3, 4), 5: (4, 5), 6: (5, 6), 7: (6, 8)}


def test_a_changed_word_is_taken_for_the_next() -> None:
    words = split_words("one 2nd three")
    times = match_boundaries(words, [Boundary(0, 1, "one"), Boundary(1, 2, "second"), Boundary(2, 3, "three")])
    assert times[2][1] == 3


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.08])
def test_delay_is_seen_at_loud_words_after_silence(delay: float) -> None:
    rate = 24_000
    samples = np.zeros(4 * rate, np.float32)
    times = {i: (0.5 + i, 1.1 + i) for i in range(3)}
    for start, end in times.values():
        samples[int((start + delay) * rate) : int((end + delay) * rate)] = 0.3
    labels = {i: ["ˈɑː", "m"] for i in times}
    assert decoder_delay(samples, rate, times, labels) == pytest.approx(delay, abs=0.006)
    assert decoder_delay(samples, rate, times, {i: ["p"] for i in times}) == 0


def test_phones_fill_the_time() -> None:
    spans = lay_phones({0: (0.1, 0.5), 1: (0.51, 0.9)}, {0: ["a", "b"], 1: ["m"]}, {0: None, 1: [0.2]}, 1.2)
    assert [s.label for s in spans] == ["", "a", "b", "m", ""]
    assert spans[0].start == 0 and spans[-1].end == 1.2
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert spans[2].end == pytest.approx(0.51)


def test_mp3_in_any_portions() -> None:
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)).astype(np.float32)
    data = mp3(tone)
    whole, dribble = Mp3Decoder(), Mp3Decoder()
    whole.feed(data)
    for i in range(0, len(data), 7):
        dribble.feed(data[i : i + 7])
    a, b = whole.finish(), dribble.finish()
    assert np.array_equal(a, b) and whole.rate == 24_000
    assert 1.0 <= len(a) / 24_000 < 1.15
    assert np.abs(a[8000:16000]).max() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("data", [b"", b"RIFF....WAVE" * 100, bytes(5000)])
def test_what_is_no_mp3(data: bytes) -> None:
    decoder = Mp3Decoder()
    with pytest.raises(Mp3Error):
        decoder.feed(data)
        decoder.finish()
