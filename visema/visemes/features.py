"""Articulatory features of IPA letters, and the mouth shape that follows from them.

The table answers for the symbols that voices are known to give. For any other, what the lips and the tongue do is
known from the symbol's place and manner (consonants) or height, backness and rounding (vowels).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

Place: TypeAlias = Literal[
    "bilabial", "labiodental", "labiovelar", "dental", "alveolar", "postalveolar", "palatal", "velar", "glottal"
]
Manner: TypeAlias = Literal["stop", "nasal", "fricative", "approximant", "lateral", "tap", "trill"]


@dataclass(frozen=True)
class Consonant:
    """Where and how the breath is narrowed; ``postalveolar`` takes retroflex, ``velar`` all behind it."""

    place: Place
    manner: Manner


@dataclass(frozen=True)
class Vowel:
    """A vowel's place in the IPA chart.

    Attributes:
        height: 0 open (a), 1 near-open (æ), 2 open-mid (ɛ), 3 mid (ə), 4 close-mid (e), 5 near-close (ɪ), 6 close (i).
        back: 0 front, 1 central, 2 back.
        rounded: Whether the lips are.
        rhotic: Whether it is coloured by r.
    """

    height: int
    back: int
    rounded: bool
    rhotic: bool = False


Sound: TypeAlias = Consonant | Vowel

# Letters of each cell of the chart, old and extended letters included.
_CONSONANTS: Final[dict[tuple[Place, Manner], str]] = {
    ("bilabial", "stop"): "pbɓƥʘʬᵱᵬ",
    ("bilabial", "nasal"): "mᵯᶆ",
    ("bilabial", "fricative"): "ɸ",
    ("bilabial", "trill"): "ʙ",
    ("labiodental", "stop"): "ȹȸ",
    ("labiodental", "nasal"): "ɱ",
    ("labiodental", "fricative"): "fvβᵮᶂᶌ",
    ("labiodental", "approximant"): "ʋ",
    ("labiodental", "tap"): "ⱱ",
    ("labiovelar", "approximant"): "wʍɥ",
    ("dental", "fricative"): "θðᵶ",
    ("alveolar", "stop"): "tdɗƭʈɖᶑᵭᵵƫȶȡǀǃǂʇʗʖᶁ",
    ("alveolar", "nasal"): "nɳȵƞᵰᶇ",
    ("alveolar", "tap"): "ɾɽɺɼᵳ",
    ("alveolar", "fricative"): "szɕʑʦʣʭᵴᶊᶎʪʫ",
    ("alveolar", "lateral"): "lɫɭʎɬɮǁꞎȴƛλᶅᶪ",
    ("velar", "lateral"): "ʟᶫ𝼄𝼆",
    ("postalveolar", "fricative"): "ʃʒʂʐɧʧʤʨʥʆʓƺᶋᶘᶚ",
    ("postalveolar", "approximant"): "ɹɻ",
    ("alveolar", "trill"): "rᵲᶉ",
    ("velar", "trill"): "ʀ",
    ("velar", "approximant"): "ɰ",
    ("palatal", "approximant"): "jʝ",
    ("palatal", "stop"): "cɟʄƈ",
    ("palatal", "nasal"): "ɲ",
    ("palatal", "fricative"): "ç",
    ("velar", "stop"): "kɡgɠqɢʛƙʠʞᶃᶄ",
    ("velar", "nasal"): "ŋɴʩᶇ",
    ("velar", "fricative"): "xɣχᶍ",
    ("glottal", "stop"): "ʔʡʕ",
    ("glottal", "fricative"): "hɦħʜʢꟸ",
}
# ʁ is written for a sound between fricative and trill; in all languages of the table it is their r.
_UVULAR_R: Final = "ʁ"
# (height, back, rounded) to letters.
_VOWELS: Final[dict[tuple[int, int, bool], str]] = {
    (6, 0, False): "i", (6, 0, True): "y", (6, 1, False): "ɨ", (6, 1, True): "ʉ", (6, 2, False): "ɯ",
    (6, 2, True): "u",
    (5, 0, False): "ɪɩ", (5, 0, True): "ʏ", (5, 1, False): "ᵻᵼ", (5, 1, True): "ᵿ", (5, 2, True): "ʊɷ",
    (4, 0, False): "e", (4, 0, True): "ø", (4, 1, False): "ɘ", (4, 1, True): "ɵ", (4, 2, False): "ɤ",
    (4, 2, True): "o",
    (3, 1, False): "ə", (2, 0, False): "ɛᴇ", (2, 0, True): "œ", (2, 1, False): "ɜ", (2, 1, True): "ɞʚ",
    (2, 2, False): "ʌ", (2, 2, True): "ɔ", (1, 0, False): "æ", (1, 1, False): "ɐ",
    (0, 0, False): "aᴀ", (0, 0, True): "ɶ", (0, 2, False): "ɑ", (0, 2, True): "ɒ",
}  # fmt: skip
_SOUNDS: Final[dict[str, Sound]] = {
    **{letter: Consonant(*cell) for cell, letters in _CONSONANTS.items() for letter in letters},
    _UVULAR_R: Consonant("velar", "trill"),
    **{letter: Vowel(*cell) for cell, letters in _VOWELS.items() for letter in letters},
    "ɚ": Vowel(3, 1, False, rhotic=True),
    "ɝ": Vowel(2, 1, False, rhotic=True),
}
# Marks below and above that move the lips; others (length, tone, voice, nasality) do not.
_LOWERED, _RAISED, _DENTAL, _LINGUOLABIAL = "\u031e", "\u031d", "\u032a", "\u033c"
_MORE_ROUNDED, _LESS_ROUNDED, _CENTRAL, _MID_CENTRAL = "\u0339", "\u031c", "\u0308", "\u033d"
_RHOTIC = "˞"


def features(letter: str, marks: str = "") -> Sound | None:
    """Features of an IPA letter with its diacritics (NFD); None for a mark or something that is no letter.

    Letters outside the chart are read by what Unicode says they are a form of: a small capital, a superscript, a
    letter with a hook or stroke.
    """
    sound = _SOUNDS.get(letter) or _relative(letter)
    if isinstance(sound, Consonant):
        return _marked_consonant(sound, marks)
    if isinstance(sound, Vowel):
        return _marked_vowel(sound, marks)
    return None


def _marked_consonant(sound: Consonant, marks: str) -> Consonant:
    if sound.place == "bilabial" and _DENTAL in marks:
        return replace(sound, place="labiodental")
    if _LINGUOLABIAL in marks:
        return replace(sound, place="dental")
    return sound


def _marked_vowel(sound: Vowel, marks: str) -> Vowel:
    height = sound.height + (_RAISED in marks) - (_LOWERED in marks)
    rounded = (sound.rounded or _MORE_ROUNDED in marks) and _LESS_ROUNDED not in marks
    back = 1 if _CENTRAL in marks or _MID_CENTRAL in marks else sound.back
    return replace(
        sound, height=min(max(height, 0), 6), back=back, rounded=rounded, rhotic=sound.rhotic or _RHOTIC in marks
    )


def _relative(letter: str) -> Sound | None:
    if not letter or unicodedata.category(letter)[0] != "L":
        return None
    plain = unicodedata.normalize("NFKD", letter)[0].lower()
    if plain in _SOUNDS:
        return _SOUNDS[plain]
    # "LATIN SMALL LETTER TURNED M WITH LONG LEG": the shortest word after LETTER names the letter itself.
    for word in unicodedata.name(letter, "").partition("LETTER ")[2].split():
        if len(word) == 1 and word.lower() in _SOUNDS:
            return _SOUNDS[word.lower()]
    return None if unicodedata.category(letter) == "Lm" else Vowel(3, 1, False)


def viseme_of(sound: Sound) -> str:
    """The mouth shape of a sound with these features."""
    return _vowel_viseme(sound) if isinstance(sound, Vowel) else _consonant_viseme(sound)


def _consonant_viseme(sound: Consonant) -> str:
    place, manner = sound.place, sound.manner
    if place in ("bilabial", "labiodental", "labiovelar", "dental"):
        # A tongue tip at the teeth shows for fricatives only; a dental stop looks like any t.
        return {"bilabial": "M", "labiodental": "F", "labiovelar": "W", "dental": "Th"}[place]
    if manner == "lateral":
        return "L"
    if manner == "trill" or (place == "postalveolar" and manner == "approximant"):
        return "R"
    if place == "postalveolar":
        return "Sh"
    if place == "alveolar":
        return "S" if manner == "fricative" else "T"
    if place == "palatal" and manner == "approximant":
        return "Iy"
    return "H" if place == "glottal" else "K"


def _vowel_viseme(v: Vowel) -> str:
    if v.rhotic:
        return "Er"
    if v.rounded:
        return "W" if v.height >= 5 else "Oh" if v.height >= 3 or v.back < 2 else "Ao"
    if v.height == 6 and v.back == 0:
        return "Iy"
    if v.back == 2 or v.height in (2, 3) or (v.back, v.height) == (1, 1):
        return "Aa" if v.height == 0 else "Eh" if v.back == 0 else "Ax"
    if v.height >= 5 or v.back == 1:
        return "Ih"
    return "Aa" if v.height == 0 else "Eh"
