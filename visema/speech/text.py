"""From what a user types to what a voice reads, word by word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from visema.errors import InputError
from visema.speech import english
from visema.speech.ipa import is_ipa
from visema.speech.markup import strip_markup
from visema.speech.types import Span
from visema.speech.words import core, join_words, split_words

#: Far above any speech: 10,000 words are 60,000 characters, an hour.
MAX_CHARACTERS: Final = 1_000_000
#: Seconds that one `[pause ...]` may last.
MAX_PAUSE: Final = 60.0

_PAUSE: Final = re.compile(r"\[\s*pause\s+([\d.]+)\s*(ms|s|sec|seconds?|milliseconds?)\s*\]", re.IGNORECASE)
#: Signs of category So that are read aloud.
_READ_SIGNS: Final = frozenset("°№")
_LONGEST_WORD: Final = 60
_ENDS: Final = tuple(".!?…。！？।؟")
_FENCE: Final = re.compile(r"[\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f]")
_SKIN: Final = re.compile("[\U0001f3fb-\U0001f3ff]")


@dataclass(frozen=True)
class Segment:
    """A stretch of text to be spoken without a commanded pause.

    Attributes:
        words: Each written word with what is said for it, possibly nothing.
        pause: Seconds of silence after it.
    """

    words: tuple[tuple[str, str], ...]
    pause: float = 0.0

    @property
    def spoken(self) -> str:
        """The text for a voice."""
        return join_words(said for _, said in self.words if said)

    @property
    def written(self) -> str:
        """The text for a reader."""
        return join_words(written for written, _ in self.words)

    def parts(self, longest: int, pause: float) -> Iterator[Segment]:
        """This segment in parts of about ``longest`` characters, cut after sentences, with ``pause`` between them."""
        start = size = 0
        for i, (_, said) in enumerate(self.words):
            size += len(said) + 1
            if size > longest and i + 1 < len(self.words) and (said.endswith(_ENDS) or size > 2 * longest):
                yield Segment(self.words[start : i + 1], pause)
                start, size = i + 1, 0
        yield Segment(self.words[start:], self.pause)


def normalise(text: str, language: str = "en", pronunciations: Mapping[str, str] | None = None) -> list[Segment]:
    """Prepare ``text`` for a voice.

    Markup is taken off, control characters and emoji are not read, `[pause 500ms]` cuts. For English, numbers,
    abbreviations, units and signs become words; other languages leave numbers to the voice, which knows their
    grammar.

    Args:
        text: What the user typed.
        language: BCP 47 tag of the voice.
        pronunciations: Word in lower case to a respelling, or to IPA between slashes, which voices read themselves.

    Returns:
        Segments in order; those without anything to say have a pause.

    Raises:
        InputError: Too long, a pause is too long, or nothing is left to say.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            "The text has {count} characters.",
            "Split it into parts of at most {most} characters.",
            count=f"{len(text):,}",
            most=f"{MAX_CHARACTERS:,}",
        )
    given = pronunciations or {}
    parts = _PAUSE.split(strip_markup(_clean(text)))
    segments: list[Segment] = []
    for i in range(0, len(parts), 3):
        pause = _seconds(parts[i + 1], parts[i + 2]) if i + 2 < len(parts) else 0.0
        words = tuple(_say_words(parts[i], language, given))
        if words or pause:
            segments.append(Segment(words, pause))
    if not any(_audible(segment.spoken) for segment in segments):
        raise InputError("There is nothing to say.", "Give a text with words in it; emoji and markup are not read.")
    return segments


def written_spans(segment: Segment, spoken: Sequence[Span]) -> list[Span]:
    """Times of the words as written, from those of the words as spoken.

    Args:
        segment: What was given to the voice as ``segment.spoken``.
        spoken: Its words in order, which together hold all its characters but spaces.

    Returns:
        Spans in order; a written word that is not spoken (an emoji, a dash) joins the one before it.
    """
    squeezed = [len("".join(s.label.split())) for s in spoken]
    if sum(squeezed) != len("".join(segment.spoken.split())):
        return list(spoken)
    out: list[Span] = []
    label: list[str] = []
    reach = 0  # characters of the written words so far
    heard = 0  # characters of the spoken words so far
    k = first = 0
    for written, said in segment.words:
        if not said and out and not label:
            out[-1] = out[-1]._replace(label=f"{out[-1].label} {written}")
            continue
        label.append(written)
        reach += len("".join(said.split()))
        while heard < reach:
            heard += squeezed[k]
            k += 1
        # Where a spoken word reaches into the next written one, the two share a span.
        if heard == reach and k > first:
            out.append(Span(spoken[first].start, spoken[k - 1].end, join_words(label)))
            label, first = [], k
    return out


def _clean(text: str) -> str:
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _SKIN.sub("", _FENCE.sub("", text))
    return "".join(_readable(c) for c in text)


def _readable(character: str) -> str:
    if character in "\n\t" or (character.isascii() and character.isprintable()):
        return character
    category = unicodedata.category(character)
    if (category == "So" and character not in _READ_SIGNS) or category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return " "
    # Letters drawn as mathematics, and full-width ones, are letters.
    if "\U0001d400" <= character <= "\U0001d7ff" or ("\uff10" <= character <= "\uff5a" and character.isalnum()):
        return unicodedata.normalize("NFKC", character)
    return character


def _seconds(number: str, unit: str) -> float:
    try:
        seconds = float(number) / (1000 if unit.lower().startswith("m") else 1)
    except ValueError as e:
        raise InputError(
            "'{number}' is no length of a pause.", "Write it like [pause 500ms] or [pause 1.5s].", number=number
        ) from e
    if seconds > MAX_PAUSE:
        raise InputError(
            "A pause of {seconds} s is too long.",
            "At most {longest} s are allowed.",
            seconds=f"{seconds:g}",
            longest=f"{MAX_PAUSE:g}",
        )
    return seconds


def _audible(text: str) -> bool:
    return any(c.isalnum() for c in text)


def _say_words(text: str, language: str, pronunciations: Mapping[str, str]) -> list[tuple[str, str]]:
    words = [w.text for w in split_words(text)]
    pairs = english.say_all(words) if language.lower().startswith("en") else [(w, w) for w in words]
    return [(written, _shorten(_pronounced(written, said, pronunciations))) for written, said in pairs]


def _pronounced(written: str, said: str, pronunciations: Mapping[str, str]) -> str:
    given = pronunciations.get(core(written))
    if given is None:
        return said if _audible(said) else ""
    if is_ipa(given):
        return written
    lead, body, tail = english.split_punctuation(written)
    return lead + given + tail if body else given


def _shorten(said: str) -> str:
    """Repeated marks once; a word that no voice gets through in parts."""
    said = re.sub(r"([!?,;:—–-])\1{1,}", r"\1", said)
    said = re.sub(r"\.{4,}", "...", said)
    if len(said) <= _LONGEST_WORD:
        return said
    return " ".join(part[i : i + _LONGEST_WORD] for part in said.split() for i in range(0, len(part), _LONGEST_WORD))
