"""The voice list of the page: languages with their names, voices of a language, and what choosing one means."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

from visema.speech import own_voices
from visema.speech.remote.catalogue import company
from visema.speech.remote.engine import MANY
from visema.speech.types import Voice
from visema.web.texts import LANGUAGES, text

#: The language filter's entry that lets every voice through.
ALL = "*"
#: The voice to begin a language with, from the cloud and of this machine; others begin with their first woman.
FIRST_VOICES: dict[str, tuple[str, ...]] = {
    "ar": ("edge:ar-SA-ZariyahNeural", "espeak:ar+f3"),
    "de": ("edge:de-DE-KatjaNeural", "espeak:de+f3"),
    "en": ("edge:en-US-JennyNeural", "espeak:en-us+f3"),
    "es": ("edge:es-ES-ElviraNeural", "espeak:es+f3"),
    "fr": ("edge:fr-FR-DeniseNeural", "espeak:fr-fr+f3"),
    "nl": ("edge:nl-NL-ColetteNeural", "espeak:nl+f3"),
    "pt": ("edge:pt-BR-FranciscaNeural", "espeak:pt-br+f3"),
    "ru": ("edge:ru-RU-SvetlanaNeural", "espeak:ru+f3"),
    "zh": ("edge:zh-CN-XiaoxiaoNeural", "espeak:cmn+f3"),
}


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
    codes = {base_language(voice.language) for voice in voices} - {MANY}
    named = sorted(((language_name(code, language), code) for code in codes), key=lambda entry: entry[0].casefold())
    return [(text("all_languages", language), ALL), *named]


def voice_choices(
    voices: Sequence[Voice], code: str, language: str = "en", *, offline: bool = False
) -> list[tuple[str, str]]:
    """Entries of the voice list for a language ``code`` of the filter: (what is read, value), likely ones first."""
    fitting = [voice for voice in voices if code == ALL or base_language(voice.language) in (code, MANY)]
    # Stable: by language and name within a kind. Voices that may cost money speak every language, and come last.
    fitting.sort(key=lambda voice: (voice.language == MANY, voice.cloud == offline))
    return [(label(voice, language), voice.name) for voice in fitting]


def label(voice: Voice, language: str) -> str:
    """What is read of a voice; those of this machine have English names, so other pages say what they are instead."""
    if voice.name.startswith(f"{own_voices.ENGINE}:"):
        return text("own_clone" if voice.cloud else "own_match", language, name=voice.name.partition(":")[2])
    if language == "en" or not voice.name.startswith("espeak:") or voice.gender not in ("Female", "Male"):
        return voice.label or voice.name
    name = language_name(base_language(voice.language), language)
    region = f" ({voice.language})" if voice.language != base_language(voice.language) else ""
    return text(f"embedded_{voice.gender.lower()}", language, name=f"{name}{region}")


def pick(voices: Sequence[Voice], code: str, current: str = "", *, offline: bool = False) -> str:
    """The voice to choose for a language: ``current`` if it speaks it, else the one to begin with."""
    names = [name for _, name in voice_choices(voices, code, offline=offline)]
    beginning = FIRST_VOICES.get(code, ())
    wanted: tuple[str, ...] = (current, *(beginning[::-1] if offline else beginning))
    for name in wanted:
        if name in names:
            return name
    women = {voice.name for voice in voices if voice.gender == "Female"}
    return next((name for name in names if name in women), names[0] if names else current)


def notice(voices: Sequence[Voice], name: str, language: str, *, offline: bool) -> str:
    """What choosing this voice means for the text: does it leave the machine?"""
    chosen = next((voice for voice in voices if voice.name == name), None)
    if chosen and not chosen.cloud:
        return text("local_notice", language)
    return text("offline_notice" if offline else "cloud_notice", language, service=company(name))
