"""How long phones last, and how the phones of a word share the word's time."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np

from visema.speech.types import Span

#: Milliseconds of a phone by its class, as read speech has them: long-vowel and cluster effects averaged out.
#: Inside given words these put 76-78 % of frames right, espeak's own durations 75-78 %, the mean of both 77-79 %.
_CLASSES: Final[dict[str, float]] = {
    "p b m ɓ ɸ ʙ": 75,
    "f v ɱ ʋ β ⱱ": 85,
    "θ ð": 55,
    "t d n ɾ ʈ ɖ ɳ ɗ ɽ ɺ ᶑ ǀ ǂ ǃ": 62,
    "s z ɕ ʑ ɿ": 100,
    "ʃ ʒ ʂ ʐ ɧ ʧ ʤ ʅ": 105,
    "k ɡ g ŋ x ɣ q ɢ ɴ χ c ɟ ç ʝ ɲ ɠ ʄ": 78,
    "h ɦ ħ ʕ ʔ ʜ ʡ ʢ": 60,
    "ɹ ɻ r ʀ ʁ l ɫ ɭ ʎ ʟ ɬ ɮ ǁ": 63,
    "j ɥ ɰ": 60,
    "w ʍ": 70,
    "i y": 85,
    "ɪ ᵻ ɨ ɘ ʏ": 62,
    "ɛ e æ ᴇ": 85,
    "a ɑ ɶ ᴀ": 115,
    "ə ʌ ɐ ɤ ɵ ɞ ɯ": 62,
    "ɜ ɝ ɚ": 105,
    "ɔ ɒ": 110,
    "o ø œ": 105,
    "u ʊ ʉ ᵿ": 75,
}
_TABLE: Final = {symbol: ms / 1000 for symbols, ms in _CLASSES.items() for symbol in symbols.split()}
VOWELS: Final = frozenset("iyɪᵻɨɘʏɛeæaɑäɶəʌɐɤɵɞɯɜɝɚɔɒoøœuʊʉᵿ")
#: A phone of no known class.
_UNKNOWN: Final = 0.07
_LONG: Final = 1.3
#: Two vowels in one phone last a third more than their mean, and so do affricates.
_PAIR: Final = 1.3
#: The last phone of a word is held.
_FINAL: Final = 1.25
#: No phone is shorter, whatever a synthesiser says.
SHORTEST: Final = 0.02


def typical_duration(phone: str) -> float:
    """Seconds that an IPA phone typically lasts; stress marks and unknown signs are ignored."""
    letters = [_TABLE[x] for x in unicodedata.normalize("NFD", phone) if x in _TABLE]
    seconds = float(np.mean(letters)) if letters else _UNKNOWN
    if len(letters) > 1:
        seconds *= _PAIR
    return seconds * _LONG if "ː" in phone else seconds


def share(start: float, end: float, phones: Sequence[str], durations: Sequence[float] | None = None) -> list[Span]:
    """Divide a word's time among its phones.

    Args:
        start: When the word begins, in seconds.
        end: When it ends.
        phones: Its phones, IPA.
        durations: Seconds that a synthesiser gave to each; its proportions and the table's are then averaged
            geometrically.

    Returns:
        Adjacent spans from ``start`` to ``end``; none when there are no phones.
    """
    if not phones or end <= start:
        return []
    weights = np.array([typical_duration(p) for p in phones])
    weights[-1] *= _FINAL
    if durations is not None:
        given = np.maximum(np.asarray(durations, float), SHORTEST)
        weights = np.sqrt(weights / weights.sum() * given / given.sum())
    edges = start + (end - start) * np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
    edges[-1] = end
    return [Span(float(a), float(b), p) for a, b, p in zip(edges[:-1], edges[1:], phones, strict=True)]
