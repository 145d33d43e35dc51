"""The voice list of the page: languages with their names, voices of a language, and what choosing one means."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

from visema.speech.types import Voice
from visema.web.texts import LANGUAGES, text

#: The language filter's entry that lets every voice through.
ALL = "*"
#: For a browser whose language is none of these, or English, the command line's default voice.
FIRST_VOICES = {"en": "edge:en-US-JennyNeural", "ru": "edge:ru-RU-SvetlanaNeural"}


def base_language(tag: str) -> str:
    """``en`` of ``en-US``."""
    return tag.replace("_", "-").split("-")[0].lower()


def language_of(voices: Sequence[Voice], name: str) -> str:
    """The language code of the voice ``name``; English for a voice that is not listed."""
    return base_language(next((voice.language for voice in voices if voice.name == name), "en"))


@lru_cache(maxsize=1)
def _names() -> dict[str, tuple[str, ...]]:
    """Language code -> its name in each of the page's languages (from Unicode's CLDR where that has one)."""
    with resources.files("visema.web").joinpath("languages.tsv").open(encoding="utf-8") as file:
        rows = csv.reader(file, delimiter="\t")
        next(rows)
        return {row[0]: tuple(row[1:]) for row in rows}


def language_name(code: str, language: str) -> str:
    """The name of language ``code`` in the page's ``language``; the code itself where we know none."""
    names = _names().get(code)
    return names[LANGUAGES.index(language)] if names else code


def language_choices(voices: Sequence[Voice], language: str) -> list[tuple[str, str]]:
    """Entries of the language filter: (what is read, value), by name."""
    codes = {base_language(voice.language) for voice in voices}
    named = sorted(((language_name(code, language), code) for code in codes), key=lambda entry: entry[0].casefold())
    return [(text("all_languages", language), ALL), *named]


def voice_choices(voices: Sequence[Voice], code: str) -> list[tuple[str, str]]:
    """Entries of the voice list for a language ``code`` of the filter: (what is read, value)."""
    return [
        (voice.label or voice.name, voice.name) for voice in voices if code in (ALL, base_language(voice.language))
    ]


def pick(voices: Sequence[Voice], code: str, current: str = "") -> str:
    """The voice to choose for a language: ``current`` if it speaks it, else the best known, else the first."""
    names = [name for _, name in voice_choices(voices, code)]
    for wanted in (current, FIRST_VOICES.get(code, "")):
        if wanted in names:
            return wanted
    return names[0] if names else current


def notice(voices: Sequence[Voice], name: str, language: str, *, offline: bool) -> str:
    """What choosing this voice means for the text: does it leave the machine?"""
    cloud = next((voice.cloud for voice in voices if voice.name == name), True)
    if not cloud:
        return text("local_notice", language)
    return text("offline_notice" if offline else "cloud_notice", language)
