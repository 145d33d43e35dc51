"""Where the words of a text are, what script they are in, and where it can be cut."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from visema.speech.types import Span


class Word(NamedTuple):
    """A word of a text with its punctuation: text[start:end]."""

    start: int
    end: int
    text: str


#: Chinese is written without spaces, one character a syllable; kana and Thai keep together between spaces.
_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"
#: Opening marks belong to the character after them, everything else to the one before.
_HAN_OPEN: Final = "「『（《〈【“‘"
_CHUNK: Final = re.compile(rf"[{_HAN_OPEN}]*(?:[{_HAN}]|[^\s{_HAN}{_HAN_OPEN}]+)[^\s\w{_HAN_OPEN}]*|\S+")
_GLUED: Final = re.compile(rf"[{_HAN}\u3000-\u303f\uff01-\uff0f\uff1a-\uff1f]")
#: Sentence ends: Western ones need a space after them, closing quotes may come between, CJK ones do not.
_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”）]*|[।؟](?=\s|$)|\n+")
_CLAUSE_END: Final = re.compile(r"[,;:،؛–—][\"'”’»)\]]*(?=\s)|[，；：、]")
#: Dots that end no sentence.
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|e\.g|i\.e|No|Fig|Vol|Inc|Ltd|Co|approx|Gen|Sgt|Capt|Rev|Hon)"
    r"|\b[A-Za-zА-Яа-я]|\b(?:т\.д|т\.п|т\.е|г|ул|им))\.$"
)


def split_words(text: str) -> list[Word]:
    """The words of ``text`` in order: what stands between spaces, and each Chinese character."""
    out: list[Word] = []
    for match in re.finditer(r"\S+", text):
        part = match.group()
        if re.search(f"[{_HAN}]", part):
            out += [Word(match.start() + m.start(), match.start() + m.end(), m.group()) for m in _CHUNK.finditer(part)]
        else:
            out.append(Word(match.start(), match.end(), part))
    return out


def join_words(words: Iterable[str]) -> str:
    """The text that `split_words` cuts into ``words``: no spaces around Chinese characters, their marks and digits."""
    out = ""
    for word in words:
        ends = f"{out[-1:]}{word[:1]}"
        glued = _GLUED.search(ends) and all(c.isdigit() or _GLUED.match(c) for c in ends)
        out += word if not out or glued else f" {word}"
    return out


def word_at(starts: Sequence[int], position: int) -> int:
    """Index of the word that holds or precedes a character, given the words' starts in order."""
    return max(bisect_right(starts, position) - 1, 0)


def label_words(text: str, words: Sequence[Word], times: Mapping[int, tuple[float, float]]) -> tuple[Span, ...]:
    """Timed words of ``text``.

    A word without a time of its own shares that of the word before it (voices run "of a" together) by its letters; a
    dash or another mark has none and stands in that word's label.

    Args:
        text: The text that ``words`` index.
        words: All its words.
        times: Start and end in seconds by the word's index.
    """
    out = []
    for i, group in groups(words, times):
        start, end = times[i]
        shares = portions(words, group)
        for (a, b), part in zip(pairwise(shares), _heads(words, group), strict=True):
            label = text[words[part[0]].start : words[part[-1]].end]
            out.append(Span(start + (end - start) * a, start + (end - start) * b, label))
    return tuple(out)


def groups(words: Sequence[Word], timed: Iterable[int]) -> list[tuple[int, range]]:
    """Each of the ``timed`` indices, with the range of words up to the next one; the first holds all before it too."""
    order = sorted(timed)
    ends = [*order[1:], len(words)][: len(order)]
    return [(i, range(0 if k == 0 else i, end)) for k, (i, end) in enumerate(zip(order, ends, strict=True))]


def _heads(words: Sequence[Word], group: range) -> list[range]:
    """Parts of ``group``, one for each word that can be spoken, with the marks after it."""
    heads = [j for j in group if any(c.isalnum() for c in words[j].text)] or [group.start]
    starts = [group.start, *heads[1:]]
    return [range(a, b) for a, b in zip(starts, [*starts[1:], group.stop], strict=True)]


def portions(words: Sequence[Word], group: range) -> list[float]:
    """Edges from 0 to 1 between the words of ``group`` that can be spoken, by their letters."""
    letters = [max(1, sum(c.isalnum() for j in part for c in words[j].text)) for part in _heads(words, group)]
    edges = [0.0]
    for n in letters:
        edges.append(edges[-1] + n / sum(letters))
    return [*edges[:-1], 1.0]


def core(word: str) -> str:
    """``word`` in lower case without the punctuation around it."""
    return word.strip("".join(c for c in set(word) if not c.isalnum())).lower()


def split_sentences(text: str, longest: int = 0) -> list[str]:
    """Cut ``text`` after its sentences, so that they can be spoken one by one.

    Args:
        text: Any text.
        longest: Characters; a longer sentence is cut at a clause, or a space, before that. 0 for no limit.

    Returns:
        The sentences, stripped, none empty; joined by spaces they hold every word of the text.
    """
    out: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if match.group().startswith(".") and _ABBREVIATION.search(text[start : match.start() + 1]):
            continue
        out.append(text[start : match.end()].strip())
        start = match.end()
    out.append(text[start:].strip())
    sentences = [s for s in out if s]
    if not longest:
        return sentences
    return [piece for s in sentences for piece in _cut(s, longest)]


def _cut(sentence: str, longest: int) -> list[str]:
    out = []
    while len(sentence) > longest:
        ends = [m.end() for m in _CLAUSE_END.finditer(sentence, 0, longest + 1)]
        at = ends[-1] if ends and ends[-1] > longest // 4 else sentence.rfind(" ", 1, longest + 1)
        if at <= 0:
            at = longest
        out.append(sentence[:at].strip())
        sentence = sentence[at:].strip()
    return [*filter(None, out), *([sentence] if sentence else [])]


def script_of(word: str) -> str:
    """Unicode's name of the script of the first letter, such as ``LATIN`` or ``CYRILLIC``; empty without letters."""
    for character in word:
        if character.isalpha():
            return unicodedata.name(character, "").split(" ")[0].split("-")[0]
    return ""
