"""Hearing against truth: the embedded voice knows when it says what."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pytest

from visema.errors import InputError
from visema.hearing import hear
from visema.media.audio import read_audio, resample
from visema.speech.types import Speech, SpeechSettings
from visema.visemes.plan import viseme_track

TEXT = "Please bring your camera to the beach before we move the paper boat."
GERMAN = "Bitte bringen Sie morgen früh die Papiere mit ins Büro."
JFK = "And so, my fellow Americans: ask not what your country can do for you, ask what you can do for your country."


@lru_cache
def spoken(text: str = TEXT, voice: str = "en-us") -> Speech:
    """The embedded voice, between moments of silence."""
    from visema.speech.espeak import EspeakEngine

    return EspeakEngine().speak(text, voice, SpeechSettings())


def looks(speech: Speech) -> np.ndarray:
    """The viseme of every 10 ms."""
    track = viseme_track(speech)
    return np.array([track.at(t) for t in np.arange(0.005, speech.duration, 0.01)])


def agreement(a: Speech, b: Speech) -> float:
    x, y = looks(a), looks(b)
    n = min(len(x), len(y))
    return float((x[:n] == y[:n]).mean())


@pytest.fixture(scope="module")
def aligned() -> Speech:
    truth = spoken()
    return hear(truth.samples, truth.rate, TEXT)


def test_alignment_agrees_with_the_truth(aligned: Speech) -> None:
    assert agreement(aligned, spoken()) > 0.78
    assert aligned.alphabet == "arpabet" and aligned.recorded and not aligned.notes
    assert [w.label for w in aligned.words] == TEXT.split()
    # Boundaries have no bias: half of the words begin within 20 ms of where the voice began them.
    late = [a.start - b.start for a, b in zip(aligned.words, spoken().words, strict=True)]
    assert abs(float(np.median(late))) < 0.015
    assert float(np.median(np.abs(late))) < 0.025


def test_phones_are_ordered_and_inside(aligned: Speech) -> None:
    edges = [t for p in aligned.phones for t in (p.start, p.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0 and edges[-1] <= aligned.duration


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000])
def test_any_rate(rate: int) -> None:
    truth = spoken()
    heard = hear(resample(truth.samples, truth.rate, rate), rate, TEXT)
    assert agreement(heard, truth) > (0.72 if rate < 16000 else 0.78)
    assert heard.rate == rate


def test_offset_and_clipping_are_tolerated() -> None:
    truth = spoken()
    offset = hear((truth.samples * 0.5 + 0.4).astype(np.float32), truth.rate, TEXT)
    assert agreement(offset, truth) > 0.78
    clipped = hear(np.clip(truth.samples * 12, -1, 1).astype(np.float32), truth.rate, TEXT)
    assert agreement(clipped, truth) > 0.7
    faint = hear((truth.samples * 0.004).astype(np.float32), truth.rate, TEXT)
    assert agreement(faint, truth) > 0.7
    holes = truth.samples.copy()
    holes[1000:1010] = np.nan
    holes[2000] = np.inf
    assert agreement(hear(holes, truth.rate, TEXT), truth) > 0.78


def test_without_transcript() -> None:
    truth = spoken()
    heard = hear(truth.samples, truth.rate)
    assert agreement(heard, truth) > 0.45
    assert heard.phones and heard.alphabet == "arpabet"
    assert heard.words and heard.guessed


def test_the_same_recording_gives_the_same(aligned: Speech) -> None:
    truth = spoken()
    again = hear(truth.samples, truth.rate, TEXT)
    assert again.phones == aligned.phones and again.words == aligned.words
    assert hear(truth.samples, truth.rate).phones == hear(truth.samples, truth.rate).phones


def test_words_outside_the_dictionary_and_signs() -> None:
    text = "Visema drew 3 blorptangs, too — really."
    truth = spoken(text)
    heard = hear(truth.samples, truth.rate, text)
    assert agreement(heard, truth) > 0.7
    assert [w.label for w in heard.words] == ["Visema", "drew", "3", "blorptangs,", "too —", "really."]


def test_transcript_in_another_language() -> None:
    truth = spoken(GERMAN, "de")
    heard = hear(truth.samples, truth.rate, GERMAN, "de")
    assert heard.alphabet == "ipa" and not heard.notes
    assert agreement(heard, truth) > 0.7
    assert [w.label for w in heard.words] == GERMAN.split() and not heard.guessed


def test_wrong_transcript_is_noticed() -> None:
    truth = spoken()
    heard = hear(truth.samples, truth.rate, "She sells sea shells, and he thinks about thirty three things at once.")
    assert any("transcript does not fit" in note for note in heard.notes)
    assert agreement(heard, truth) > 0.35


def test_other_languages_without_transcript_say_so() -> None:
    truth = spoken(GERMAN, "de")
    heard = hear(truth.samples, truth.rate, language="de")
    assert any("not English" in note for note in heard.notes)
    assert agreement(heard, truth) > 0.35
    italian = spoken("La volpe veloce salta sopra il cane pigro, mentre mia madre compra cinque mele.", "it")
    assert any("no clear English" in n for n in hear(italian.samples, italian.rate).notes)


def test_without_the_recogniser_the_mouth_follows_the_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = spoken()
    monkeypatch.setitem(__import__("sys").modules, "pocketsphinx", None)
    monkeypatch.setattr("visema.hearing.sphinx._idle", [])
    heard = hear(truth.samples, truth.rate, TEXT)
    assert any("not installed" in note for note in heard.notes)
    assert heard.alphabet == "ipa" and heard.phones[-1].end <= heard.duration
    speaking = looks(truth) != "Sil"
    assert ((looks(heard) != "Sil")[: len(speaking)] == speaking).mean() > 0.85


def silence(seconds: float = 2.0) -> np.ndarray:
    return np.zeros(round(16000 * seconds), np.float32)


def noise(seconds: float = 2.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(16000 * seconds)).astype(np.float32)


def hum(seconds: float = 2.0) -> np.ndarray:
    t = np.arange(round(16000 * seconds)) / 16000
    return (0.3 * np.sin(2 * np.pi * 50 * t) + 0.1 * np.sin(2 * np.pi * 150 * t)).astype(np.float32)


@pytest.mark.parametrize(
    ("sound", "why"),
    [
        (silence(), "silent"),
        (silence() + 0.3, "silent"),  # a constant offset is no sound
        (np.zeros(0, np.float32), "no length"),
        (noise(), "noise"),
        (np.convolve(noise(), np.ones(12) / 12, "same").astype(np.float32), "noise"),
        (noise() * np.hanning(32000).astype(np.float32), "noise"),  # fades in and out
        (hum(), "noise"),
        (silence(0.01), "silent"),
    ],
)
def test_nothing_to_hear(sound: np.ndarray, why: str) -> None:
    with pytest.raises(InputError, match=why) as e:
        hear(sound, 16000)
    assert e.value.hint
    if len(sound):
        quiet = hear(sound, 16000, "Some words.", allow_silence=True)
        assert quiet.phones == () and any(why in n for n in quiet.notes)
        assert {s.label for s in viseme_track(quiet)} == {"Sil"}


def test_speech_in_noise_is_speech() -> None:
    truth = spoken()
    heard = hear((truth.samples + 0.02 * np.resize(noise(), len(truth.samples))).astype(np.float32), truth.rate, TEXT)
    assert agreement(heard, truth) > 0.65


def test_long_recordings_are_cut_and_find_their_place_again() -> None:
    """Over a minute, with two sentences of the transcript replaced by others."""
    sentences = [
        "What would you like to drink with your breakfast this morning?",
        "I have never seen such a beautiful picture of the mountain village.",
        "Numbers matter more than people think, but feelings matter even more.",
        "My father buys five big maps and puts them above the table.",
        "Nobody knows why the old clock on the wall stopped at noon.",
        "We walked along the river until the first lamps were lit.",
        "Her brother promised to repair the fence before the winter comes.",
        "A small boat with a red sail came slowly around the point.",
        "The teacher wrote three long words on the board and smiled.",
        "Give me a moment, please, and I will open the window for you.",
        "They planted apples, plums and pears behind the village school.",
        "Music from the open door filled the whole street that night.",
        "In the end everybody agreed to meet again in the middle of May.",
        "The baker leaves his warm bread in front of the green house.",
    ]
    truth = spoken(" ".join(sentences))
    told = list(sentences)
    told[4] = told[5] = "Something completely different stands here in the script."
    seen: list[float] = []
    heard = hear(truth.samples, truth.rate, " ".join(told), progress=seen.append)
    assert truth.duration > 45
    assert agreement(heard, truth) > 0.68
    assert any(re.match(r"\d+ of \d+ words", n) for n in heard.notes)
    assert seen == sorted(seen) and seen[-1] == 1
    last = truth.words[-1]
    assert heard.words[-1].label == last.label and abs(heard.words[-1].start - last.start) < 0.05


def test_real_english(real_media) -> None:
    samples, rate = read_audio(real_media("speech_jfk.flac"))
    heard = hear(samples, rate, JFK)
    assert [w.label for w in heard.words] == JFK.split() and not heard.notes
    # "Americans" ends before the longest pause of the recording, at 2.2 s.
    times = {w.label: w for w in heard.words}
    assert 1.9 < times["Americans:"].end < 2.5 and times["country."].end == pytest.approx(10.3, abs=0.4)
