"""From a transcript as written to words that the recogniser can look for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from visema.visemes.ipa import ipa_visemes

log = logging.getLogger(__name__)

#: IPA symbols of espeak and the ARPAbet phones that sound most alike.
_NEAREST: Final[dict[str, str]] = {
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "g": "G", "f": "F", "v": "V", "θ": "TH", "ð": "DH",
    "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "tʃ": "CH", "dʒ": "JH", "m": "M", "n": "N", "ŋ": "NG", "l": "L",
    "ɫ": "L", "ɹ": "R", "r": "R", "ʁ": "R", "ʀ": "R", "ɾ": "D", "j": "Y", "w": "W", "h": "HH", "ɦ": "HH",
    "x": "HH", "χ": "HH",
    "ç": "HH", "ħ": "HH", "ʔ": "T", "ts": "T S", "dz": "D Z", "pf": "P F", "tɕ": "CH", "dʑ": "JH", "ɕ": "SH",
    "ʑ": "ZH", "ʂ": "SH", "ʐ": "ZH", "ʈʂ": "CH", "ɲ": "N Y", "ʎ": "L Y", "β": "V", "ʋ": "V", "ɣ": "G", "ʝ": "Y",
    "c": "K",
    "ɟ": "G", "q": "K", "ɸ": "F", "ɴ": "NG", "ʍ": "W", "ɥ": "W", "ɬ": "SH", "ʕ": "HH",
    "i": "IY", "iː": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "e": "EH", "eː": "EY", "ɛ": "EH", "ɛː": "EH", "æ": "AE",
    "a": "AA", "aː": "AA", "ä": "AA", "ɑ": "AA", "ɑː": "AA", "ɑ̃": "AO", "ɒ": "AO", "ɔ": "AO", "ɔː": "AO", "ɔ̃": "AO",
    "o": "OW", "oː": "OW", "õ": "OW", "u": "UW", "uː": "UW", "ʊ": "UH", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɜ": "AH",
    "ɜː": "ER", "ɚ": "ER", "ɝ": "ER", "ɤ": "AH", "ɯ": "UW", "ɯᵝ": "UW", "ɵ": "UH", "y": "UW", "yː": "UW", "ʏ": "UH",
    "ʉ": "UW", "ø": "ER", "øː": "ER", "œ": "ER", "œ̃": "AH", "ɛ̃": "AE", "ɐ̃": "AH",
    "eɪ": "EY", "aɪ": "AY", "aʊ": "AW", "oʊ": "OW", "əʊ": "OW", "ɔɪ": "OY", "ɔø": "OY", "ai": "AY", "ei": "EY",
    "ou": "OW", "ɑu": "AW", "au": "AW", "iə": "IY AH", "eə": "EH R", "ʊə": "UH R", "aɪə": "AY AH", "aɪɚ": "AY ER",
    "aʊə": "AW AH", "ɑːɹ": "AA R", "ɔːɹ": "AO R", "oːɹ": "AO R", "ɛɹ": "EH R", "ɪɹ": "IH R", "ʊɹ": "UH R",
    "əl": "AH L", "n̩": "AH N", "l̩": "AH L", "m̩": "AH M",
}  # fmt: skip
#: A symbol outside the table sounds like what looks like it.
_LOOKS_LIKE: Final[dict[str, str]] = {
    "M": "M", "Aa": "AA", "Ax": "AH", "Ao": "AO", "Eh": "EH", "Er": "ER", "Iy": "IY", "Ih": "IH", "W": "UW",
    "Oh": "OW", "Oy": "OY", "Ay": "AY", "H": "HH", "R": "R", "L": "L", "S": "S", "Sh": "SH", "Th": "TH", "F": "F",
    "T": "T", "K": "K",
}  # fmt: skip


def arpabet(ipa: str) -> tuple[str, ...]:
    """The ARPAbet phones nearest to an IPA symbol; none for a bare mark or a pause."""
    plain = ipa.strip("ˈˌ")
    known = _NEAREST.get(plain) or _NEAREST.get(plain.rstrip("ːʲʰ"))
    if known:
        return tuple(known.split())
    return tuple(_LOOKS_LIKE[v] for v in ipa_visemes(plain) if v in _LOOKS_LIKE)


def is_english(language: str) -> bool:
    """Whether a BCP 47 tag is of English."""
    return language.lower().split("-")[0] in ("en", "eng")


@dataclass(frozen=True)
class LexiconWord:
    """A word of the transcript.

    Attributes:
        written: As written, punctuation included.
        key: What the recogniser's dictionary calls it.
        ipa: Its sounds where espeak gave them, else empty: the dictionary has them.
    """

    written: str
    key: str
    ipa: tuple[str, ...] = ()

    @property
    def phones(self) -> tuple[str, ...]:
        """ARPAbet phones of ``ipa``."""
        return tuple(p for symbol in self.ipa for p in arpabet(symbol))


def lexicon(transcript: str, language: str, knows: Callable[[str], bool]) -> list[LexiconWord]:
    """The spoken words of a transcript, each with a way to say it.

    English words come from the recogniser's dictionary; those it lacks (names, numbers) and all words of other
    languages from espeak-ng, in the sounds of its rules.

    Args:
        transcript: Plain text.
        language: BCP 47 tag of it.
        knows: Whether the recogniser's dictionary has a word.
    """
    from visema.speech.words import core, split_words

    english = is_english(language)
    words = split_words(transcript)
    keys = [core(w.text).lower().replace("’", "'") for w in words]
    known = [english and bool(key) and knows(key) for key in keys]
    sounds = _sounds(transcript, language) if not all(known) else [()] * len(words)
    out = []
    for i, word in enumerate(words):
        if known[i]:
            out.append(LexiconWord(word.text, keys[i]))
        elif sounds[i]:
            # Named by its sounds, so that one name never has two pronunciations.
            if phones := [p for symbol in sounds[i] for p in arpabet(symbol)]:
                out.append(LexiconWord(word.text, "_".join(["", *phones]), sounds[i]))
        elif out:
            # Not spoken, as a dash: shown with the word before it.
            out[-1] = LexiconWord(f"{out[-1].written} {word.text}", out[-1].key, out[-1].ipa)
    return out


def _sounds(transcript: str, language: str) -> Sequence[tuple[str, ...]]:
    """The IPA symbols of every word, as espeak-ng reads the text."""
    from visema.errors import VisemaError
    from visema.speech.espeak import phones_by_word
    from visema.speech.espeak_voices import nearest
    from visema.speech.types import SpeechSettings
    from visema.speech.words import split_words

    words = split_words(transcript)
    try:
        voice = nearest(language, "Male").name.partition(":")[2]
        sounds = phones_by_word(transcript, words, voice, SpeechSettings())
    except VisemaError as e:
        log.warning("Words outside the English dictionary cannot be looked for: %s", e)
        return [()] * len(words)
    return [tuple(p.label for p in word) for word in sounds]
