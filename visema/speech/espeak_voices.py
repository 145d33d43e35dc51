"""Names, languages and genders of the embedded voices, and which of them is nearest to another voice."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from visema.errors import VoiceError
from visema.message import Message
from visema.speech.espeak_library import VoiceFile, library
from visema.speech.similar import did_you_mean, similar
from visema.speech.types import Voice

ENGINE: Final = "espeak"
#: The base voices are male. Of the female variants f3 speaks at about 210 Hz, without clipping (peak .69), rough
#: (as f5 and Alicia) or shrill sounds (Annie speaks at 242 Hz, Andrea at a peak of .97).
FEMALE_VARIANT: Final = "f3"
DEFAULT: Final = f"en-us+{FEMALE_VARIANT}"

#: espeak-ng's language codes that others call differently.
_CODES: Final = {"cmn": "zh-CN", "yue": "zh-HK", "nb": "nb-NO", "hak": "zh-Hakka"}
#: A language tag to espeak-ng's code where the usual shortening does not lead there.
_NEAREST: Final = {
    "zh-hk": "yue", "zh": "cmn", "no": "nb", "fil": "en-us", "jv": "id", "su": "id", "iw": "he", "gl": "pt",
    "en": "en-gb", "en-us": "en-us", "en-ca": "en-us", "en-ph": "en-us", "es-es": "es", "es": "es-419", "pt-pt": "pt",
    "pt-br": "pt-br", "fr-be": "fr-be", "fr-ch": "fr-ch", "fr": "fr-fr", "ps": "fa", "mn": "kk", "km": "vi",
    "lo": "th",
    "so": "om", "zu": "tn",
}  # fmt: skip
_MALE_WORDS: Final = frozenset({"male", "m"})


def bcp47(code: str) -> str:
    """espeak-ng's language code as a BCP 47 tag: ``en-us`` to ``en-US``."""
    if code in _CODES:
        return _CODES[code]
    first, *rest = code.split("-")
    return "-".join([first.lower(), *(r.upper() if len(r) == 2 else r for r in rest)])


def _tag(voice: VoiceFile) -> str:
    return bcp47(voice.languages[0] if voice.languages else voice.identifier.rpartition("/")[2])


def _code(voice: VoiceFile) -> str:
    """The name of a voice: its language code, unless another voice has the same and comes first."""
    code = voice.languages[0] if voice.languages else ""
    first = next((v for v in library().voice_files() if v.languages[:1] == (code,)), voice)
    return code if code and first is voice else voice.identifier


def list_voices() -> list[Voice]:
    """Every language twice: the male voice itself and its female variant."""
    out = []
    for voice in library().voice_files():
        code, tag = _code(voice), _tag(voice)
        female = Voice(f"{ENGINE}:{code}+{FEMALE_VARIANT}", tag, "Female", f"{voice.name}, female (embedded)")
        out += [female, Voice(f"{ENGINE}:{code}", tag, "Male", f"{voice.name}, male (embedded)")]
    return out


def find(name: str) -> Voice:
    """The voice of espeak-ng's own ``name``: language code, identifier or English name, with or without ``+variant``.

    Raises:
        VoiceError: No such voice or variant; the hint names similar ones.
    """
    found, variant = _find(name)
    code = _code(found)
    plus = "+" if variant else ""
    return Voice(
        f"{ENGINE}:{code}{plus}{variant}",
        _tag(found),
        _gender(variant) if variant else "Male",
        f"{found.name}{', ' + variant if variant else ''} (embedded)",
    )


def library_name(name: str) -> str:
    """What the library itself calls the voice that `find` finds; some language codes it does not take as names.

    Raises:
        VoiceError: No such voice or variant.
    """
    found, variant = _find(name)
    return found.identifier + (f"+{variant}" if variant else "")


@lru_cache(maxsize=256)
def _find(name: str) -> tuple[VoiceFile, str]:
    base, plus, variant = (name or DEFAULT).partition("+")
    files = library().voice_files()
    known: dict[str, VoiceFile] = {}
    for voice in files:
        for key in (*voice.languages[:1], voice.identifier, voice.name):
            known.setdefault(key.lower(), voice)
    for voice in files:
        for key in voice.languages[1:]:
            known.setdefault(key.lower(), known.get(_NEAREST.get(key.lower(), ""), voice))
    found = known.get(base.strip().lower())
    if found is None:
        near = did_you_mean([f"{ENGINE}:{name}" for name in similar(base, known)])
        raise VoiceError("There is no embedded voice '{name}'.", near, name=base)
    variants = library().variants()
    if plus and variant not in variants:
        by_lower = {v.lower(): v for v in variants}
        if variant.lower() not in by_lower:
            names = [f"{ENGINE}:{base}+{name}" for name in similar(variant, variants)]
            near = did_you_mean(names) if names else Message("Try +f3 or +m3.")
            raise VoiceError("There is no variant '{variant}' of the embedded voices.", near, variant=variant)
        variant = by_lower[variant.lower()]
    return found, variant


def _gender(variant: str) -> str:
    text = (library().data / "voices" / "!v" / variant).read_text("utf-8", "replace").lower()
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["gender"] and len(words) > 1:
            return "Male" if words[1] in _MALE_WORDS else "Female"
    return "Male"


def nearest(language: str, gender: str) -> Voice:
    """The embedded voice nearest in language, then gender; English where the language is unknown."""
    codes = {key.lower() for voice in library().voice_files() for key in voice.languages}
    tag = language.lower()
    parts = tag.split("-")
    for n in range(len(parts), 0, -1):
        candidate = "-".join(parts[:n])
        code = _NEAREST.get(candidate, candidate)
        if code in codes:
            return find(code if gender == "Male" else f"{code}+{FEMALE_VARIANT}")
    return find("en-us" if gender == "Male" else DEFAULT)
