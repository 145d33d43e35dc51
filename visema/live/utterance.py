"""Words on their way over a stage, and what was made of them so far."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from visema.errors import InputError, VisemaError
from visema.live.messages import RATE, LiveEvent
from visema.live.pieces import Piece, Pieces
from visema.speech.espeak import SENTENCE_PAUSE
from visema.speech.speak import LEAD, TAIL
from visema.speech.types import Span, Speech, SpeechSettings
from visema.types import Samples

#: Pause after a clause at rate 1, as the embedded voice makes it.
CLAUSE_PAUSE: Final = 0.15
#: Characters of one utterance.
MAX_TEXT: Final = 5000
EMBEDDED: Final = "espeak:"


class Segment(NamedTuple):
    """A spoken piece where it lies on media time.

    Attributes:
        piece: Its words.
        speech: Its sound and times, from its own start.
        samples: What is played of it, at `messages.RATE`: the silence at the end is as long as the voice's own.
        start: Media time of its first sample.
        words: For each word of ``speech`` its first and last character in the utterance's text.
    """

    piece: Piece
    speech: Speech
    samples: Samples
    start: float
    words: tuple[tuple[int, int], ...]

    @property
    def end(self) -> float:
        """Media time when its last sound has been heard."""
        return self.start + voice_end(self.speech)


@dataclass
class Utterance:
    """One `Stage.say`.

    Attributes:
        number: Counts the utterances of a stage, from 1.
        pieces: Its text.
        voice: Who is to speak it.
        settings: How.
        asked_at: Media time when it was asked for.
        segments: What has been placed on media time; what has long been heard is left out.
        started: The first sound was placed.
        fed: All of it was placed.
        over: Finished, interrupted or failed: nothing more comes of it.
        end: Media time of its last sound so far.
        failure: Why no more of its text comes; told in place of its end.
    """

    number: int
    pieces: Pieces
    voice: str
    settings: SpeechSettings
    asked_at: float
    segments: list[Segment] = field(default_factory=list)
    started: bool = False
    fed: bool = False
    over: bool = False
    end: float = 0.0
    failure: VisemaError | None = None
    _done: threading.Event = field(default_factory=threading.Event)

    @property
    def text(self) -> str:
        """Its words, as far as they have come."""
        return self.pieces.text

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over; False when it is not after ``timeout`` seconds."""
        return self._done.wait(timeout)

    def conclude(self) -> None:
        """Nothing more comes of it."""
        self.over = True
        self._done.set()

    def said(self, t: float) -> str:
        """The text up to the last word that has been said by media time ``t``."""
        return self.text[: self.reached(t, whole=True)]

    def reached(self, t: float, *, whole: bool = False) -> int:
        """Which character is being said at media time ``t``.

        Args:
            t: Media time.
            whole: The end of the last word that was said entirely, instead of the start of the word being said.
        """
        at = 0
        for segment in self.segments:
            if segment.start > t:
                break
            at = max(at, segment.piece.start)
            for span, (first, last) in zip(segment.speech.words, segment.words, strict=True):
                if whole and segment.start + span.end <= t:
                    at = last
                elif not whole and segment.start + span.start <= t:
                    at = first
            if not whole and segment.end <= t:
                at = segment.piece.end
        return at


def voice_end(speech: Speech) -> float:
    """Seconds until the voice has ended, its own pauses included but not the silence that is added for the lips."""
    if speech.recorded or not speech.voice:
        return speech.duration
    return max(speech.duration - TAIL, 0.0)


def pause_after(speech: Speech, piece: Piece, settings: SpeechSettings) -> float:
    """Silence between this piece's sound and the next piece's first sample, as in one text.

    The embedded voice leaves out its pause at the end of what it is given; the network's voices bring theirs along.
    Each speech begins with `LEAD` of silence, which is a part of the pause.
    """
    if not speech.voice.startswith(EMBEDDED):
        return 0.0
    pause = SENTENCE_PAUSE if piece.sentence_ends else CLAUSE_PAUSE
    return max(0.0, pause / settings.rate - LEAD)


def place_words(speech: Speech, piece: Piece) -> tuple[tuple[int, int], ...]:
    """First and last character of each word of a speech in the whole text."""
    out, at = [], 0
    for word in speech.words:
        found = piece.text.find(word.label, at)
        if found >= 0:
            at = found + len(word.label)
            out.append((piece.start + found, piece.start + at))
        else:
            out.append((piece.start + at, piece.start + at))
    return tuple(out)


def rest_of(segment: Segment, t: float, rate: int) -> Segment | None:
    """What of a segment is still to be heard at media time ``t``, from the start of the word being said.

    Args:
        segment: What was placed.
        t: Media time.
        rate: Of ``segment.samples``.

    Returns:
        None when all of it was heard.
    """
    speech = segment.speech
    since = t - segment.start
    if since <= 0:
        return segment
    index = next((i for i, w in enumerate(speech.words) if w.end > since), None)
    if index is None:
        return None
    at = max(0.0, speech.words[index].start - 0.03)
    phones = tuple(Span(max(0.0, s - at), e - at, p) for s, e, p in speech.phones if e > at)
    words = tuple(Span(s - at, e - at, w) for s, e, w in speech.words[index:])
    rest = replace(speech, samples=speech.samples[round(at * speech.rate) :], phones=phones, words=words)
    return segment._replace(speech=rest, samples=segment.samples[round(at * rate) :], words=segment.words[index:])


def remaining_texts(line: Sequence[Utterance], heard: float) -> list[tuple[str, str, SpeechSettings]]:
    """What is still to be said of each utterance at media time ``heard``: text, voice and settings."""
    rests = ((u.text[u.reached(heard) :].strip(), u.voice, u.settings) for u in line)
    return [(text, voice, settings) for text, voice, settings in rests if any(c.isalnum() for c in text)]


def check_length(text: str, more: str = "") -> None:
    """Complain about a text that is too long.

    Raises:
        InputError: It has more than `MAX_TEXT` characters.
    """
    if len(text) + len(more) > MAX_TEXT:
        raise InputError("The text has more than {most} characters.", "Say it in several parts.", most=MAX_TEXT)


def make_segment(speech: Speech, piece: Piece, settings: SpeechSettings) -> Segment:
    """Bring a speech to the stage's rate, and cut the silence at its end to the voice's own pause."""
    from visema.media.audio import resample

    seconds = voice_end(speech) + pause_after(speech, piece, settings)
    samples: Samples = resample(speech.samples, speech.rate, RATE)[: round(seconds * RATE)]
    return Segment(piece, speech, samples, 0.0, place_words(speech, piece))


def events_of(segment: Segment, visemes: Sequence[Span], number: int, epoch: int, *, last: bool) -> list[LiveEvent]:
    """The sentence, the words and the visemes of a segment of utterance ``number``, as events."""
    piece, start = segment.piece, segment.start
    whole = {"end": segment.end, "text": piece.text, "from": piece.start, "to": piece.end, "last": last}
    events = [LiveEvent("sentence", start, number, epoch, whole)]
    for word, (first, end) in zip(segment.speech.words, segment.words, strict=True):
        said = {"end": start + word.end, "text": word.label, "from": first, "to": end}
        events.append(LiveEvent("word", start + word.start, number, epoch, said))
    for t, until, viseme in visemes:
        events.append(LiveEvent("viseme", t, number, epoch, {"end": until, "viseme": viseme}))
    return events
