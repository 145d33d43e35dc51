"""Forced alignment: where each sound of a known text is in a recording of any length."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from visema.hearing.lexicon import LexiconWord, arpabet
from visema.hearing.recognise import recognise
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
#: Where the next words do not fit, so many times the words of a piece are searched for those that do.
_LOOK_AHEAD: Final = 4


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
    guessed: list[Span] = []
    at = 0
    for i, (start, end) in enumerate(pieces):
        piece, offset = samples[start:end], start / RATE
        first, heard = _in_piece(recogniser, piece, [w.key for w in words], at, i == len(pieces) - 1, worst)
        if heard:
            found += [(first + k, word, offset) for k, word in enumerate(heard)]
            at = first + len(heard)
        elif len(pieces) > 1:
            log.info("the transcript does not fit the recording from %.1f s to %.1f s", offset, end / RATE)
            guessed += [Span(s + offset, e + offset, p) for s, e, p in recognise(recogniser, piece, english).phones]
        if progress:
            progress((i + 1) / len(pieces))
    return _result(words, found, guessed) if found else None


def _in_piece(
    recogniser: Recogniser, samples: Samples, keys: Sequence[str], at: int, last: bool, worst: float
) -> tuple[int, list[HeardWord]]:
    """The words of a piece of the recording: those that follow ``at``, or some later ones where words were left out.

    Returns:
        Index of the first and all of them; none where nothing fits.
    """
    room = round(len(samples) / RATE * _FASTEST) + 8
    tries: list[tuple[int, int]] = []
    if last and len(keys) - at <= room:
        tries.append((at, len(keys)))
    else:
        first, end = recogniser.locate(samples, keys[at : at + room])
        tries.append((at + first, at + end))
    for k in range(2):
        first, end = tries[k]
        heard = recogniser.align(samples, keys[first:end])
        if heard and _mean_score(heard) >= worst:
            return first, heard
        if k == 0:
            first, end = recogniser.locate(samples, keys[at : at + _LOOK_AHEAD * room], anywhere=True)
            tries.append((at + first, at + end))
    return at, []


def _mean_score(heard: Sequence[HeardWord]) -> float:
    seconds = [sum(p.end - p.start for p in w.phones) for w in heard]
    return sum(w.score * s for w, s in zip(heard, seconds, strict=True)) / max(sum(seconds), 1e-6)


def _result(
    words: Sequence[LexiconWord], found: Sequence[tuple[int, HeardWord, float]], guessed: Sequence[Span]
) -> Aligned:
    ipa = not guessed and all(w.ipa for w in words)
    timed: list[Span] = []
    phones = list(guessed)
    for index, heard, offset in found:
        spans = [Span(s + offset, e + offset, p) for s, e, p in heard.phones]
        if not spans:
            continue
        timed.append(Span(spans[0].start, spans[-1].end, words[index].written))
        phones += _as_written(spans, words[index].ipa) if ipa else spans
    return Aligned(tuple(timed), tuple(sorted(phones)), ipa, len(words) - len(found))


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
