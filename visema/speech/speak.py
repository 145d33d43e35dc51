"""Words in, timed speech out: the voice chosen, the fallback taken, the result kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Final

import numpy as np

from visema.errors import InputError, VoiceError
from visema.message import Message
from visema.speech import cache as speech_cache
from visema.speech import edge_voices, espeak_voices, own_voices
from visema.speech.cost import CostRecord
from visema.speech.edge import EdgeEngine, Unreachable
from visema.speech.espeak import SENTENCE_PAUSE, EspeakEngine
from visema.speech.remote import catalogue
from visema.speech.remote.engine import MANY, language_of
from visema.speech.sound import Sound
from visema.speech.text import Segment, normalise, written_spans
from visema.speech.types import Span, Speech, SpeechEngine, SpeechSettings, Voice
from visema.speech.voices import DEFAULT_VOICE, resolve_voice
from visema.types import Samples

_log = logging.getLogger(__name__)

#: Silence before the first and after the last sound: the mouth opens a little ahead of it, and comes to rest after.
LEAD: Final = 0.06
TAIL: Final = 0.30
#: What the settings may be: as far as every voice can follow.
RATES: Final = (0.5, 2.5)
PITCHES: Final = (-6.0, 6.0)
VOLUMES: Final = (0.0, 4.0)
#: Above this level, samples are bent towards 1 instead of being cut off.
_KNEE: Final = 0.8
#: Seconds over which the edges of a piece of sound are faded, against clicks.
_FADE: Final = 0.004
#: Characters spoken at once, so that a book takes no more memory than a page.
_PART: Final = 1200
#: Of a speech in several parts the poorest counts.
_TIMINGS: Final = ("estimated", "aligned", "service", "")


def speak(
    text: str,
    voice: str = DEFAULT_VOICE,
    settings: SpeechSettings | None = None,
    *,
    offline: bool = False,
    cache: bool = True,
) -> Speech:
    """Speak ``text``.

    Args:
        text: What the user typed; ``[pause 500ms]`` is silence of that length.
        voice: ``edge:<name>``, ``espeak:<name>`` or a bare name of either, or a name after ``elevenlabs:``,
            ``openai:``, ``coqui:`` or ``piper:``; see `visema.speech.voices.resolve_voice`.
        settings: Rate, pitch, volume, pronunciations.
        offline: Never ask the network: the embedded voice nearest in language and gender speaks for a network voice.
        cache: Take the speech from the cache, and keep it there.

    Returns:
        Speech whose `words` are the words as written and whose `notes` say which fallback was taken, if any.

    Raises:
        VoiceError: The voice is unknown, or no voice could speak.
        InputError: There is nothing to say, or a setting is out of range.
    """
    settings = settings or SpeechSettings()
    _check(settings)
    chosen = resolve_voice(voice, offline)
    language = language_of(text) if chosen.language == MANY else chosen.language
    segments = normalise(text, language, settings.pronunciations)
    if chosen.name.startswith(f"{espeak_voices.ENGINE}:"):
        return _speak_kept(EspeakEngine(), chosen, text, segments, settings, cache)
    kept = speech_cache.load(text, chosen.name, settings) if cache else None
    if kept is not None:
        return kept
    reason = Message("The network is switched off.")
    spent: CostRecord | None = None
    if not (offline and chosen.cloud):
        try:
            return _speak_kept(_engine_of(chosen), chosen, text, segments, settings, cache)
        except Unreachable as e:
            reason, spent = e.what, e.cost
    substitute = espeak_voices.nearest(language, chosen.gender)
    told = {"voice": chosen.name.partition(":")[2], "reason": reason, "substitute": substitute.name}
    local = "The voice {voice} does not speak. {reason} The embedded voice {substitute} speaks instead."
    cloud = "The network voice {voice} does not speak. {reason} The embedded voice {substitute} speaks instead."
    note = Message(cloud, **told) if chosen.cloud else Message(local, **told)
    foreign = language.split("-")[0].lower() != substitute.language.split("-")[0].lower()
    if foreign:
        note = Message("{note} It knows no {language}.", note=note, language=language)
    _log.info(note)  # the caller shows the notes
    if foreign:
        segments = normalise(text, substitute.language, settings.pronunciations)
    speech = _speak_kept(EspeakEngine(), substitute, text, segments, settings, cache)
    return replace(speech, notes=(*speech.notes, note), cost=spent)


def _engine_of(voice: Voice) -> SpeechEngine:
    name = voice.name.partition(":")[0]
    if name == own_voices.ENGINE:
        return own_voices.MatchEngine()
    return EdgeEngine() if name == edge_voices.ENGINE else catalogue.engine(name)


def _check(settings: SpeechSettings) -> None:
    for name, value, (low, high) in (
        (Message("rate"), settings.rate, RATES),
        (Message("pitch"), settings.pitch, PITCHES),
        (Message("volume"), settings.volume, VOLUMES),
    ):
        if not low <= value <= high:
            raise InputError(
                "The {name} {value} is out of range.",
                "Give a {name} from {low} to {high}.",
                name=name,
                value=f"{value:g}",
                low=f"{low:g}",
                high=f"{high:g}",
            )


def _speak_kept(
    engine: SpeechEngine, voice: Voice, text: str, segments: Sequence[Segment], settings: SpeechSettings, cache: bool
) -> Speech:
    kept = speech_cache.load(text, voice.name, settings) if cache else None
    if kept is not None:
        return kept
    speech = _speak_segments(engine, voice, text, segments, settings)
    if cache:
        speech_cache.store(speech, text, voice.name, settings)
    return speech


def _speak_segments(
    engine: SpeechEngine, voice: Voice, text: str, segments: Sequence[Segment], settings: SpeechSettings
) -> Speech:
    """Speak each segment and put the commanded pauses between them."""
    name = voice.name.partition(":")[2]
    sound = Sound()
    words: list[Span] = []
    phones: list[Span] = []
    notes: list[str] = []
    timings: list[str] = []
    rate = 0
    silence = LEAD
    # edge-tts leaves a pause around each of its answers, other voices little or none.
    between = 0.0 if engine.name == edge_voices.ENGINE else SENTENCE_PAUSE / settings.rate
    costs: list[CostRecord] = []
    for segment in (part for whole in segments for part in whole.parts(_PART, between)):
        if not any(c.isalnum() for c in segment.spoken):
            silence += segment.pause
            continue
        try:
            speech = engine.speak(segment.spoken, name, settings)
        except Unreachable as unreachable:
            unreachable.cost = _sum(costs)
            raise
        if rate not in (0, speech.rate):
            raise VoiceError("The speech service changed its sample rate.", "Try again.")
        costs += [speech.cost] if speech.cost else []
        timings.append(speech.timing)
        rate = speech.rate
        before = sound.length / rate
        sound.add(np.zeros(round(silence * rate), np.float32))
        start = sound.length / rate
        sound.add(_quantised(_faded(speech.samples, rate), settings.volume))
        _add(phones, before, start, "")
        words += [Span(s + start, e + start, w) for s, e, w in written_spans(segment, speech.words)]
        for s, e, phone in speech.phones:
            _add(phones, s + start, e + start, phone)
        notes += [n for n in speech.notes if n not in notes]
        silence = segment.pause
    if not rate:
        raise VoiceError("The voice said nothing.", "Give a text with words of the voice's language.")
    before = sound.length / rate
    sound.add(np.zeros(round((silence + TAIL) * rate), np.float32))
    _add(phones, before, sound.length / rate, "")
    return Speech(
        samples=sound.finish(),
        rate=rate,
        words=tuple(words),
        phones=tuple(phones),
        text=text,
        voice=voice.name,
        notes=tuple(notes),
        timing=min(timings, key=_TIMINGS.index),
        cost=_sum(costs),
    )


def _sum(costs: Sequence[CostRecord]) -> CostRecord | None:
    return reduce(add, costs) if costs else None


def _add(phones: list[Span], start: float, end: float, label: str) -> None:
    if end <= start:
        return
    if phones and not phones[-1].label and not label:
        phones[-1] = Span(phones[-1].start, end, "")
    else:
        phones.append(Span(phones[-1].end if phones else start, end, label))


def _faded(samples: Samples, rate: int) -> Samples:
    n = min(round(_FADE * rate), len(samples) // 2)
    out = samples.copy()
    if n:
        ramp = np.linspace(0, 1, n, dtype=np.float32)
        out[:n] *= ramp
        out[-n:] *= ramp[::-1]
    return out


def _quantised(samples: Samples, volume: float) -> Samples:
    """Volume applied, loud peaks bent below 1, and 16-bit values, so that kept speech equals fresh speech."""
    if volume != 1:
        samples = samples * np.float32(volume)
    loud = np.abs(samples) > _KNEE
    if loud.any() and (volume > 1 or np.abs(samples).max() > 1):
        room = 1 - _KNEE
        bent = _KNEE + room * np.tanh((np.abs(samples[loud]) - _KNEE) / room)
        samples = samples.copy()
        samples[loud] = np.sign(samples[loud]) * bent
    out: Samples = np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16).astype(np.float32) / np.float32(
        32767
    )
    return out
