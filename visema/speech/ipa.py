"""A pronunciation given in IPA, for synthesisers that read something else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from typing import Final

from visema.speech.espeak_library import library

#: IPA to the phoneme names of espeak-ng, several where languages differ; longest symbols are matched first.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "tʃ": ("tS",), "dʒ": ("dZ",), "ts": ("ts",), "dz": ("dz",), "aɪ": ("aI",), "aʊ": ("aU",), "eɪ": ("eI",),
    "ɔɪ": ("OI",), "oʊ": ("oU",), "əʊ": ("oU",), "ɪə": ("i@",), "eə": ("e@",), "ʊə": ("U@",), "ɜː": ("3:",),
    "ɑː": ("A:",), "ɔː": ("O:",), "iː": ("i:",), "uː": ("u:",), "aː": ("a:", "A:"), "eː": ("e:", "eI"),
    "oː": ("o:", "oU"), "øː": ("Y:", "W:"), "yː": ("y:",), "ɛː": ("E:", "e@"),
    "p": ("p",), "b": ("b",), "t": ("t",), "d": ("d",), "k": ("k",), "ɡ": ("g",), "g": ("g",), "f": ("f",),
    "v": ("v",), "θ": ("T",), "ð": ("D",), "s": ("s",), "z": ("z",), "ʃ": ("S",), "ʒ": ("Z",), "h": ("h", "x"),
    "m": ("m",), "n": ("n",), "ŋ": ("N",), "l": ("l",), "ɹ": ("r",), "r": ("r", "R"), "ɾ": ("*", "r"),
    "ʁ": ("r", "R"), "j": ("j",), "w": ("w", "v"), "x": ("x", "k"), "ç": ("C", "x"), "ɣ": ("Q", "g"),
    "ɲ": ("n^", "n"), "ʎ": ("l^", "l"), "β": ("B", "b"), "ʔ": ("?",),
    "i": ("i", "i:"), "ɪ": ("I", "i"), "e": ("e", "E", "eI"), "ɛ": ("E", "e"), "æ": ("a", "&"), "a": ("a", "A:"),
    "ɑ": ("A:", "A", "a"), "ɒ": ("0", "O", "A:"), "ɔ": ("O", "O:"), "o": ("o", "O", "oU"), "ʊ": ("U", "u"),
    "u": ("u", "u:"), "ʌ": ("V", "a"), "ə": ("@",), "ɐ": ("a#", "@", "a"), "ɜ": ("3:", "E"), "ɚ": ("3", "@"),
    "ɝ": ("3:",), "y": ("y", "u"), "ø": ("Y", "W", "e"), "œ": ("W", "Y", "E"), "ɨ": ("i\"", "I", "i"), "ɯ": ("u-",
    "u"),
    "ɫ": ("l",), "ɤ": ("o-", "@"),
}  # fmt: skip
#: IPA to letters that an English voice reads about right.
_RESPELLING: Final[dict[str, str]] = {
    "tʃ": "ch", "dʒ": "j", "aɪ": "eye", "aʊ": "ow", "eɪ": "ay", "ɔɪ": "oy", "oʊ": "oh", "əʊ": "oh", "ɜː": "ur",
    "ɑː": "ah", "ɔː": "aw", "iː": "ee", "uː": "oo", "θ": "th", "ð": "th", "ʃ": "sh", "ʒ": "zh", "ŋ": "ng", "j": "y",
    "ɹ": "r", "ɾ": "t", "ʁ": "r", "x": "kh", "ç": "h", "ɡ": "g", "i": "ee", "ɪ": "ih", "e": "ay", "ɛ": "eh", "æ": "a",
    "a": "ah", "ɑ": "ah", "ɒ": "o", "ɔ": "aw", "o": "oh", "ʊ": "uu", "u": "oo", "ʌ": "uh", "ə": "uh", "ɐ": "uh",
    "ɚ": "er", "ɝ": "ur", "ɜ": "ur", "y": "ew", "ø": "ur", "œ": "ur", "ɨ": "ih", "ɲ": "ny", "ʎ": "ly", "β": "b",
}  # fmt: skip
#: Letters that mean in IPA what they mean in English.
_PLAIN: Final = "pbtdkgfvszhmnlrw"
_LONGEST: Final = 2


def is_ipa(pronunciation: str) -> bool:
    """Whether a pronunciation is IPA between slashes, not a respelling."""
    return len(pronunciation) > 2 and pronunciation.startswith("/") and pronunciation.endswith("/")


def _symbols(ipa: str, table: Container[str]) -> list[str]:
    """Cut ``ipa`` into symbols of ``table`` and stress marks; other signs are dropped."""
    text = re.sub(r"[/\s.‿͡]", "", unicodedata.normalize("NFC", ipa))
    out: list[str] = []
    i = 0
    while i < len(text):
        for size in range(_LONGEST, 0, -1):
            if text[i : i + size] in table or text[i] in "ˈˌ":
                step = 1 if text[i] in "ˈˌ" else size
                out.append(text[i : i + step])
                i += step
                break
        else:
            i += 1
    return out


def espeak_phonemes(ipa: str, voice: str) -> str:
    """``[[...]]`` for a voice of the library, with phonemes that its language really has; empty if none is known."""
    names = "".join("'" if s == "ˈ" else "," if s == "ˌ" else _name(s, voice) for s in _symbols(ipa, _NAMES))
    return f"[[{names}]]" if names.strip("',") else ""


_known: dict[tuple[str, str], str] = {}


def _name(symbol: str, voice: str) -> str:
    key = (symbol, voice)
    if key not in _known:
        candidates = _NAMES[symbol]
        spoken = [_heard(c, voice) for c in candidates]
        exact = [c for c, s in zip(candidates, spoken, strict=True) if s.strip("ˈˌ") == symbol]
        heard = [c for c, s in zip(candidates, spoken, strict=True) if s]
        _known[key] = (exact or heard or [""])[0]
    return _known[key]


def _heard(name: str, voice: str) -> str:
    """What the voice makes of a phoneme name, in IPA; empty if its language has no such phoneme."""
    events = library().synthesize(f"[[{name}]]", voice, read_phonemes=True).events
    return "".join(e.label for e in events if e.label)


def unknown_letters(ipa: str) -> list[str]:
    """Signs in ``ipa`` that stand for no sound here and are no IPA mark, in order."""
    marks = set("ˈˌːˑ.‿͡/ ʰʷʲˠˤ˞ˀ-'")
    letters = {c for symbol in _NAMES for c in symbol}
    text = unicodedata.normalize("NFD", ipa)
    return [c for c in dict.fromkeys(text) if c not in letters | marks and not unicodedata.combining(c)]


def respelling(ipa: str) -> str:
    """Letters that an English voice reads about like ``ipa``."""
    return "".join(_RESPELLING.get(s, s) for s in _symbols(ipa, _RESPELLING.keys() | set(_PLAIN)) if s not in "ˈˌ")
