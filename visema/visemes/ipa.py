"""IPA to visemes: the table where it knows the symbol, articulatory features where it does not, never nothing."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from visema.visemes.classes import SILENCE
from visema.visemes.features import features, viseme_of
from visema.visemes.table import table

# Stress, ties and joiners: they say nothing of the shape.
_SHAPELESS = str.maketrans("", "", "ˈˌ\u0361\u035c\ufffd\u200d\u200c")
# espeak marks a switch of language inside a text as "(en)".
_LANGUAGE_SWITCH = re.compile(r"\([a-z-]+\)")
# A palatalised consonant is one sound: its glide has no time of its own.
_PALATAL, _LABIAL = "ʲ", "ʷ"
# Letters that only colour the one before: aspiration, pharyngealisation, nasal release and the like.
_COLOURING = frozenset("ːʰʱˠˤⁿˡʼˀˑʴᵊᵝ")


@lru_cache(maxsize=4096)
def ipa_visemes(symbol: str) -> tuple[str, ...]:
    """The mouth shapes of one IPA symbol or cluster, in order, equal neighbours merged.

    Args:
        symbol: As a voice gives it: with stress, length or tone marks, an affricate, a diphthong, a whole word.

    Returns:
        At least one shape for anything that contains a letter; ``("Sil",)`` for an empty symbol; nothing for a bare
        mark (stress, length, tone, a switch of language), which prolongs the sound before.
    """
    if not symbol.strip():
        return (SILENCE,)
    text = _LANGUAGE_SWITCH.sub("", unicodedata.normalize("NFD", symbol)).translate(_SHAPELESS)
    known = table("composite", "espeak").get(text)
    return _merge(list(known)) if known else _merge(_read(text))


def _read(text: str) -> list[str]:
    """Longest match from left to right, features for what the table lacks."""
    shapes = table("base", "composite")
    longest = max(map(len, shapes))
    out: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        end = at + 1
        while end < len(text) and (unicodedata.combining(text[end]) or text[end] == "˞"):
            end += 1
        marks = text[at + 1 : end]
        if out and letter in _COLOURING | {_PALATAL, _LABIAL}:
            out += ["W"] if letter == _LABIAL and out[-1] not in ("M", "W", "Oh") else []
            at = end
            continue
        hit = next((n for n in range(min(longest, len(text) - at), 0, -1) if text[at : at + n] in shapes), 0)
        # A single letter from the table knows nothing of its diacritics: these may move the lips (p̪ is no p).
        sound = features(letter, marks) if hit <= 1 and marks else None
        if sound and viseme_of(sound) != _plain(letter):
            out.append(viseme_of(sound))
        elif hit:
            out += shapes[text[at : at + hit]]
            end = max(end, at + hit) if hit <= 1 else at + hit
        elif (sound := features(letter, marks)) is not None:
            out.append(viseme_of(sound))
        at = end
    return out


def _plain(letter: str) -> str:
    sound = features(letter)
    return viseme_of(sound) if sound else ""


def _merge(visemes: list[str]) -> tuple[str, ...]:
    return tuple(v for i, v in enumerate(visemes) if i == 0 or visemes[i - 1] != v)
