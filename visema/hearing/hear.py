"""`hear`: a recording becomes a `Speech` with timed words and phones, by the best way that works for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from visema.errors import InputError
from visema.hearing.align import Aligned, align
from visema.hearing.energy import sounds_from_energy
from visema.hearing.lexicon import is_english, lexicon
from visema.hearing.recognise import recognise
from visema.hearing.signal import condition, why_no_speech
from visema.hearing.sphinx import Recogniser
from visema.message import Message
from visema.speech.types import Span, Speech
from visema.types import Samples

log = logging.getLogger(__name__)

#: More words missing than this share: the transcript is of something else.
_MOST_MISSED: Final = 0.5


def hear(
    samples: Samples,
    rate: int,
    transcript: str = "",
    language: str = "en",
    *,
    allow_silence: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Speech:
    """Find out when which sound is spoken in a recording.

    With a transcript its sounds are aligned; without one they are recognised. Whatever had to be given up is said in
    the notes of the result. The same recording gives the same result.

    Args:
        samples: (n,) mono; any rate, with offset or clipping if need be.
        rate: Samples a second.
        transcript: What is said, as plain text.
        language: BCP 47 tag of what is said.
        allow_silence: Take a recording without speech; the mouth stays shut.
        progress: Told the share done, 0 to 1.

    Raises:
        InputError: There is nothing to hear, and ``allow_silence`` is off; or the rate makes no sense.
    """
    if rate <= 0:
        raise InputError("A recording cannot have {rate} samples a second.", "Give its real rate.", rate=rate)
    notes: list[str] = []
    if reason := why_no_speech(samples, rate):
        if not allow_silence or not len(samples):
            raise InputError(
                "No speech was found: {reason}.",
                "Record it again louder, or say that it shall be spoken anyway; the mouth then stays shut.",
                reason=reason,
            )
        return Speech(
            samples,
            rate,
            text=transcript,
            notes=(Message("No speech was found: {reason}.", reason=reason),),
            recorded=True,
        )
    sound = condition(samples, rate)
    try:
        recogniser = Recogniser.borrow()
    except ImportError:
        notes.append(
            Message(
                "The mouth follows loudness and timbre only, for the speech recogniser is not installed "
                "(pip install pocketsphinx)."
            )
        )
        return _by_energy(samples, rate, sound, transcript, notes)
    heard = _heard(recogniser, samples, rate, sound, transcript, language, progress, notes)
    recogniser.give_back()
    return heard


def _heard(
    recogniser: Recogniser,
    samples: Samples,
    rate: int,
    sound: Samples,
    transcript: str,
    language: str,
    progress: Callable[[float], None] | None,
    notes: list[str],
) -> Speech:
    if transcript.strip():
        found = _with_transcript(recogniser, sound, transcript, language, progress, notes)
        if found is not None:
            return Speech(
                samples,
                rate,
                found.words,
                _inside(found.phones, len(samples) / rate),
                "ipa" if found.ipa else "arpabet",
                transcript,
                notes=tuple(notes),
                recorded=True,
            )
    return _without_transcript(recogniser, samples, rate, sound, transcript, language, progress, notes)


def _with_transcript(
    recogniser: Recogniser,
    sound: Samples,
    transcript: str,
    language: str,
    progress: Callable[[float], None] | None,
    notes: list[str],
) -> Aligned | None:
    words = lexicon(transcript, language, recogniser.knows)
    found = align(recogniser, sound, words, is_english(language), progress) if words else None
    if found is not None and found.missed <= _MOST_MISSED * len(words):
        if found.missed:
            told = "{missed} of {count} words of the transcript were not found in the recording."
            notes.append(Message(told, missed=found.missed, count=len(words)))
        return found
    notes.append(Message("The transcript does not fit the recording, so the mouth follows what was heard instead."))
    log.warning(notes[-1])
    return None


def _without_transcript(
    recogniser: Recogniser,
    samples: Samples,
    rate: int,
    sound: Samples,
    transcript: str,
    language: str,
    progress: Callable[[float], None] | None,
    notes: list[str],
) -> Speech:
    heard = recognise(recogniser, sound, is_english(language), progress)
    if not is_english(language):
        notes.append(
            Message(
                "Speech that is not English is matched to the nearest English sounds; a transcript makes it better."
            )
        )
        log.warning(notes[-1])
    elif heard.unclear:
        much = Message("All") if heard.unclear > 0.95 else f"{heard.unclear:.0%}"
        notes.append(
            Message(
                "{much} of the recording is no clear English (noisy, or another language) and is matched to the "
                "nearest English sounds; a transcript makes it better.",
                much=much,
            )
        )
        log.warning(notes[-1])
    if not heard.phones:
        notes.append(Message("No sounds could be told apart, so the mouth follows loudness and timbre only."))
        log.warning(notes[-1])
        return _by_energy(samples, rate, sound, transcript, notes)
    text = transcript or " ".join(w.label for w in heard.words)
    phones = _inside(heard.phones, len(samples) / rate)
    return Speech(
        samples,
        rate,
        heard.words,
        phones,
        "arpabet",
        text,
        notes=tuple(notes),
        recorded=True,
        guessed=bool(heard.words),
    )


def _by_energy(samples: Samples, rate: int, sound: Samples, transcript: str, notes: list[str]) -> Speech:
    phones = _inside(sounds_from_energy(sound), len(samples) / rate)
    return Speech(samples, rate, (), phones, "ipa", transcript, notes=tuple(notes), recorded=True)


def _inside(phones: tuple[Span, ...], duration: float) -> tuple[Span, ...]:
    """Ordered, without overlap, inside the recording."""
    out: list[Span] = []
    now = 0.0
    for start, end, label in phones:
        start, end = max(start, now), min(end, duration)
        if end > start:
            out.append(Span(start, end, label))
            now = end
    return tuple(out)
