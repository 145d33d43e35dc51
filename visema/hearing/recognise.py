"""What is said in a recording without a transcript, as far as the mouth needs to know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from visema.hearing.signal import HOP, RATE, chunks
from visema.hearing.sphinx import HeardWord, Recogniser
from visema.speech.types import Span
from visema.types import Samples
from visema.visemes.arpabet import arpabet_visemes

#: Pieces of this length, in seconds, cut at pauses.
LONGEST: Final = 15.0
SHORTEST: Final = 6.0
#: How sure the recogniser is of its words, plus the share of time in which they look like the sounds heard without
#: words. Clear English clips have .96 to 1.3, unclear ones .63 to .87, other languages .57 to .91.
CLEAR: Final = 0.90


@dataclass(frozen=True)
class Recognised:
    """Sounds and words guessed from a recording.

    Attributes:
        words: Timed; may be wrong words that sound alike.
        phones: Timed ARPAbet.
        unclear: Share of the recording in which no English words could be made out.
    """

    words: tuple[Span, ...]
    phones: tuple[Span, ...]
    unclear: float


def recognise(
    recogniser: Recogniser,
    samples: Samples,
    english: bool,
    progress: Callable[[float], None] | None = None,
) -> Recognised:
    """Recognise the sounds of a recording.

    Clear English: the most likely words first, then their sounds aligned, for words that sound alike look alike (63 %
    of frames right on a synthesiser's speech, 52 % for sounds alone). Else English sounds alone (44 %; words would
    mislead, 31 %; energy and spectrum have 26 %).

    Args:
        recogniser: The recogniser.
        samples: Conditioned, at `RATE`.
        english: Whether English words may be expected.
        progress: Told the share done.
    """
    words: list[Span] = []
    phones: list[Span] = []
    unclear = 0
    pieces = chunks(samples, LONGEST, SHORTEST)
    for i, (start, end) in enumerate(pieces):
        part = samples[start:end]
        sounds = recogniser.phones(part)
        heard = _words(recogniser, part, sounds) if english else []
        unclear += 0 if heard else end - start
        for word in heard:
            words.append(_later(Span(word.phones[0].start, word.phones[-1].end, word.label), start / RATE))
        phones += [_later(p, start / RATE) for p in ([p for w in heard for p in w.phones] if heard else sounds)]
        if progress:
            progress((i + 1) / len(pieces))
    return Recognised(tuple(words), tuple(phones), unclear / max(len(samples), 1))


def _words(recogniser: Recogniser, samples: Samples, sounds: Sequence[Span]) -> list[HeardWord]:
    """The words heard, aligned; none where they are too unsure."""
    guessed = recogniser.dictate(samples)
    heard = [w for w in recogniser.align(samples, [w for w, _ in guessed]) or () if w.phones]
    if not heard:
        return []
    letters = np.array([len(w) for w, _ in guessed])
    sure = float(np.average([s for _, s in guessed], weights=letters))
    frames = len(samples) / RATE / HOP
    a, b = (_looks(spans, int(frames)) for spans in ([p for w in heard for p in w.phones], sounds))
    both = (a != "") & (b != "")
    agree = float((a == b)[both].mean()) if both.any() else 0.0
    return heard if sure + agree >= CLEAR else []


def _looks(phones: Sequence[Span], frames: int) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """The viseme of every 10 ms."""
    out = np.full(frames, "", "<U3")
    for start, end, label in phones:
        out[max(0, round(start / HOP)) : max(0, round(end / HOP))] = arpabet_visemes(label)[0]
    return out


def _later(span: Span, seconds: float) -> Span:
    return Span(span.start + seconds, span.end + seconds, span.label)
