from __future__ import annotations

import logging
import sys

import pytest

from visema.speech import phonemes
from visema.speech.ipa import espeak_phonemes, is_ipa, respelling, unknown_letters
from visema.speech.letters import english_phones
from visema.speech.phonemes import phonemize


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Hello, world!", "en-US", ["həlˈoʊ", "wˈɜːld"]),
        ("Bonjour le monde.", "fr-FR", ["bɔ̃ʒˈuʁ", "lə", "mˈɔ̃d"]),
        ("Привет", "ru-RU", ["prʲivʲˈet"]),
        ("schöne Grüße", "de-AT", ["ʃˈøːnə", "ɡɾˈyːsə"]),
        ("", "en-US", []),
    ],
)
def test_phonemizer(text: str, language: str, expected: list[str]) -> None:
    found = phonemize(text, language)
    assert ["".join(word) for word in found.words] == expected
    assert not found.note


def test_rules_serve_where_phonemizer_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    phonemes._backend.cache_clear()
    monkeypatch.setitem(sys.modules, "phonemizer.backend", None)
    with caplog.at_level(logging.WARNING):
        found = phonemize("The happy machine, 3!", "en-US")
    phonemes._backend.cache_clear()
    assert ["".join(w) for w in found.words][:2] == ["ðə", "hæpi"]
    assert "spelling" in found.note and caplog.records


@pytest.mark.parametrize(
    ("word", "ipa"),
    [
        ("cat", "kæt"), ("quick", "kwɪk"), ("making", "meɪkɪŋ"), ("make", "meɪk"), ("knight", "naɪt"), ("phone",
        "foʊn"),
        ("bridge", "bɹɪdʒ"), ("happy", "hæpi"), ("church", "tʃɜːtʃ"), ("shore", "ʃɔːɹ"), ("wanted", "wɑːntɪd"),
        ("boxes", "bɑːksɪz"), ("table", "teɪbəl"), ("the", "ðə"), ("people", "piːpəl"), ("thing", "θɪŋ"), ("jumps",
        "dʒʌmps"),
        ("night", "naɪt"), ("boy", "bɔɪ"), ("house", "haʊs"), ("green", "ɡɹiːn"), ("car", "kɑːɹ"), ("bird", "bɜːd"),
        ("city", "sɪti"), ("sky", "skaɪ"), ("BBC", "biːbiːsiː"), ("Hello!", "həloʊ"), ("42", ""), ("", ""),
    ],
)  # fmt: skip
def test_spelling(word: str, ipa: str) -> None:
    assert "".join(english_phones(word)) == ipa


def test_spelling_agrees_with_espeak_on_most_consonants() -> None:
    """Lips show consonants and broad vowels: these are what the fallback must get."""
    text = (
        "when the sunlight strikes raindrops in the air they act as a prism and form a rainbow the division of white "
        "light into many beautiful colors takes the shape of a long round arch with its path high above"
    )
    consonants = set("pbmfvθðtdnszʃʒkɡŋlɹwh")
    good = total = 0
    for word in text.split():
        ours = [p for p in "".join(english_phones(word)) if p in consonants]
        theirs = [p for p in "".join(phonemize(word).words[0]) if p in consonants]
        good += ours == theirs
        total += 1
    assert good / total > 0.8


def test_ipa_or_respelling() -> None:
    assert is_ipa("/aɪ/") and not is_ipa("eye") and not is_ipa("//") and not is_ipa("/")
    assert respelling("/vɪˈsiːmə/") == "vihseemuh"
    assert unknown_letters("/vɪˈsiːmə t͡ʃ ã/") == []
    assert unknown_letters("/hello!7/") == ["!", "7"]


def test_names_are_of_the_voices_language() -> None:
    assert espeak_phonemes("/ʃiː/", "gmw/en-US") == "[[Si:]]"
    assert espeak_phonemes("/ˈ/", "gmw/en-US") == ""
