"""IPA and ARPAbet to visemes: every symbol that the voices of eleven languages give, and those they do not."""

from __future__ import annotations

import unicodedata

import pytest

from visema.visemes.arpabet import arpabet_visemes
from visema.visemes.classes import VISEMES
from visema.visemes.features import Consonant, Vowel, features, viseme_of
from visema.visemes.ipa import ipa_visemes
from visema.visemes.table import rows

LANGUAGES = {"ar", "de", "en-gb", "en-us", "es", "fr", "hi", "it", "ja", "pt", "ru", "zh"}


def test_table_covers_eleven_languages() -> None:
    assert {language for row in rows() for language in row.languages if row.kind == "espeak"} == LANGUAGES
    assert sum(row.kind == "espeak" for row in rows()) == 237


@pytest.mark.parametrize("row", [r for r in rows() if r.kind == "espeak"], ids=lambda r: r.symbol)
def test_every_symbol_of_the_voices_has_its_visemes(row) -> None:
    assert ipa_visemes(row.symbol) == row.visemes
    assert row.visemes


@pytest.mark.parametrize("row", [r for r in rows() if r.kind == "arpabet"], ids=lambda r: r.symbol)
def test_every_arpabet_phone(row) -> None:
    assert arpabet_visemes(row.symbol) == arpabet_visemes(row.symbol.upper() + "1") == row.visemes


@pytest.mark.parametrize("silence", ["SIL", "", "<sil>", "+SPN+", "+NSN+", "sp", "pau"])
def test_arpabet_silences(silence: str) -> None:
    assert arpabet_visemes(silence) == ("Sil",)


@pytest.mark.parametrize(
    ("symbol", "visemes"),
    [
        ("ˈaː", ("Aa",)),  # stress and length
        ("t͡ʃ", ("Sh",)),  # tie bar
        ("a͡ɪ", ("Ay",)),
        ("mʲ", ("M",)),
        ("kʷ", ("K", "W")),
        ("tʷ", ("T", "W")),
        ("p̪", ("F",)),  # a labiodental stop: the mark moves the lips
        ("ɯ̹", ("W",)),
        ("ɔ̃", ("Ao",)),
        ("n̥", ("T",)),
        ("ʘ", ("M",)),
        ("ꞎ", ("L",)),
        ("𝼆", ("L",)),
        ("a˞", ("Er",)),
        ("hɛloʊ", ("H", "Eh", "L", "Oh", "W")),
        ("mm", ("M",)),
        ("", ("Sil",)),
        ("ˈ", ()),
        ("ː", ()),
        ("(en)", ()),
    ],
)
def test_marks_and_clusters(symbol: str, visemes: tuple[str, ...]) -> None:
    assert ipa_visemes(symbol) == visemes
    assert ipa_visemes(unicodedata.normalize("NFC", symbol)) == visemes


def test_never_nothing_for_a_letter() -> None:
    letters = [chr(c) for c in (*range(0x61, 0x7B), *range(0x250, 0x2B0), *range(0x1D00, 0x1D2C))]
    assert [c for c in letters if not ipa_visemes(c)] == []
    assert all(set(ipa_visemes(c)) <= set(VISEMES) for c in letters)


def test_features_agree_with_the_table() -> None:
    """The fallback is principled: without the table it gives the table's answer for nearly every single letter."""
    single = [r for r in rows() if r.kind == "base" and len(r.symbol) == 1 and r.visemes and r.symbol.isalpha()]
    wrong = []
    for row in single:
        sound = features(row.symbol)
        if sound is None or (viseme_of(sound),) != row.visemes:
            wrong.append(row.symbol)
    # ɞ ɶ ɿ ʅ ᵝ: rounding that hardly shows, and letters only Sinologists use; ɕ ʑ look like Sh in affricates.
    assert set(wrong) <= set("ɞɶɿʅᵝˤ"), wrong


def test_features_of_marked_letters() -> None:
    assert features("m", "̪") == Consonant("labiodental", "nasal")
    assert features("e", "̞") == Vowel(3, 0, False)
    assert features("o", "̜") == Vowel(4, 2, False)
    assert features("ː") is None
