"""What is said in a recording without a transcript, as far as the mouth needs to know it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from visema.hearing.signal import RATE, chunks
from visema.hearing.sphinx import Recogniser
from visema.speech.types import Span
from visema.types import Samples

log = logging.getLogger(__name__)

#: Pieces of this length, in seconds, cut at pauses.
LONGEST: Final = 15.0
SHORTEST: Final = 6.0


@dataclass(frozen=True)
class Recognised:
    """Sounds and words guessed from a recording.

    Attributes:
        words: Timed; may be wrong words that sound alike.
        phones: Timed ARPAbet.
    """

    words: tuple[Span, ...]
    phones: tuple[Span, ...]


def recognise(
    recogniser: Recogniser,
    samples: Samples,
    english: bool,
    progress: Callable[[float], None] | None = None,
) -> Recognised:
    """Recognise the sounds of a recording.

    English: the most likely words first, then their sounds aligned; for words that sound alike look alike (65 % of
    frames right on a synthesiser's speech, 58 % for sounds alone). Other languages: English sounds alone (35-50 %;
    words would mislead, 20-45 %).

    Args:
        recogniser: The recogniser.
        samples: Conditioned, at `RATE`.
        english: Whether English words may be expected.
        progress: Told the share done.
    """
    words: list[Span] = []
    phones: list[Span] = []
    pieces = chunks(samples, LONGEST, SHORTEST)
    for i, (start, end) in enumerate(pieces):
        part, offset = samples[start:end], start / RATE
        heard = recogniser.align(part, [w for w, _ in recogniser.dictate(part)]) if english else None
        if heard:
            for word in heard:
                if word.phones:
                    words.append(_move(Span(word.phones[0].start, word.phones[-1].end, word.label), offset))
                    phones += [_move(p, offset) for p in word.phones]
        else:
            phones += [_move(p, offset) for p in recogniser.phones(part)]
        if progress:
            progress((i + 1) / len(pieces))
    return Recognised(tuple(words), tuple(phones))


def _move(span: Span, by: float) -> Span:
    return Span(float(np.float64(span.start + by)), span.end + by, span.label)
