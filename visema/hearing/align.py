"""Forced alignment: where each sound of a known text is in a recording of any length."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from visema.hearing.lexicon import LexiconWord, arpabet
from visema.hearing.signal import RATE, chunks
from visema.hearing.sphinx import HeardWord, Recogniser
from visema.speech.types import Span
from visema.types import Samples

log = logging.getLogger(__name__)

#: Recordings up to this are aligned at once, longer ones cut at pauses into pieces of LONGEST to SHORTEST seconds.
WHOLE: Final = 30.0
LONGEST: Final = 20.0
SHORTEST: Final = 8.0
#: Mean log likelihood a frame below which a text is not what is said. Right English texts have -18 to -31, wrong ones
#: -42 and less, or are not found at all; right texts in other languages, heard with English ears, -26 to -54.
WRONG: Final = -41.0
WRONG_FOREIGN: Final = -55.0
#: People speak at most so many words a second; looked for in one piece.
_FASTEST: Final = 5.0
#: Words that agree in a row before a lost place counts as found again.
_ANCHOR: Final = 3


@dataclass(frozen=True)
class Aligned:
    """A transcript found in a recording.

    Attributes:
        words: Timed, as written.
        phones: Timed; ARPAbet where the words came from the English dictionary, else IPA.
        ipa: Whether the phones are IPA.
        missed: Words that were not found.
    """

    words: tuple[Span, ...]
    phones: tuple[Span, ...]
    ipa: bool
    missed: int


def align(
    recogniser: Recogniser,
    samples: Samples,
    words: Sequence[LexiconWord],
    english: bool,
    progress: Callable[[float], None] | None = None,
) -> Aligned | None:
    """Find a transcript in a recording.

    Args:
        recogniser: The recogniser; it learns the words it does not know.
        samples: Conditioned, at `RATE`.
        words: The transcript.
        english: Whether it is English, which is compared more strictly.
        progress: Told the share done.

    Returns:
        What was found, or None where the text does not fit the sound anywhere.
    """
    worst = WRONG if english else WRONG_FOREIGN
    for word in words:
        if word.ipa:
            recogniser.teach(word.key, word.phones)
    pieces = chunks(samples, LONGEST, SHORTEST) if len(samples) > WHOLE * RATE else [(0, len(samples))]
    found: list[tuple[int, HeardWord, float]] = []
    at = 0
    for i, (start, end) in enumerate(pieces):
        last = i == len(pieces) - 1
        room = round((end - start) / RATE * _FASTEST) + 8
        ahead = words[at:] if len(pieces) == 1 else words[at : at + room]
        whole = last and len(words) - at <= room
        heard = recogniser.align(samples[start:end], [w.key for w in ahead], whole)
        if heard is not None and (len(heard) > len(ahead) or _mean_score(heard) < worst):
            heard = None
        if heard is None and len(pieces) > 1:
            at = _found_again(recogniser, samples[start:end], words, at, room)
        found += [(at + k, word, start / RATE) for k, word in enumerate(heard or ())]
        at += len(heard or ())
        if progress:
            progress((i + 1) / len(pieces))
    if not found:
        return None
    return _result(words, found)


def _mean_score(heard: Sequence[HeardWord]) -> float:
    seconds = [sum(p.end - p.start for p in w.phones) for w in heard]
    return sum(w.score * s for w, s in zip(heard, seconds, strict=True)) / max(sum(seconds), 1e-6)


def _found_again(recogniser: Recogniser, samples: Samples, words: Sequence[LexiconWord], at: int, room: int) -> int:
    """Where in the transcript a piece ends that says something else: after the words heard in it that agree."""
    heard = [w for w, _ in recogniser.dictate(samples)]
    ahead = [w.key for w in words[at : at + 3 * room]]
    blocks = SequenceMatcher(a=ahead, b=heard, autojunk=False).get_matching_blocks()
    agreeing = [b for b in blocks if b.size >= _ANCHOR]
    log.info("the transcript does not fit a stretch of the recording")
    return at + agreeing[-1].a + agreeing[-1].size if agreeing else at


def _result(words: Sequence[LexiconWord], found: Sequence[tuple[int, HeardWord, float]]) -> Aligned:
    ipa = all(w.ipa for w in words)
    timed: list[Span] = []
    phones: list[Span] = []
    for index, heard, offset in found:
        spans = [Span(s + offset, e + offset, p) for s, e, p in heard.phones]
        if not spans:
            continue
        timed.append(Span(spans[0].start, spans[-1].end, words[index].written))
        phones += _as_written(spans, words[index].ipa) if ipa else spans
    return Aligned(tuple(timed), tuple(phones), ipa, len(words) - len(found))


def _as_written(spans: Sequence[Span], ipa: Sequence[str]) -> list[Span]:
    """The word's own IPA symbols on the times of the ARPAbet phones that stood for them."""
    out: list[Span] = []
    at = 0
    for symbol in ipa:
        n = len(arpabet(symbol))
        if n and at + n <= len(spans):
            out.append(Span(spans[at].start, spans[at + n - 1].end, symbol))
        at += n
    return out
