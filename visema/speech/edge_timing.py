"""The service's word times turned into the times of the words and phones of its sound."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from visema.errors import VoiceError
from visema.speech import espeak_voices
from visema.speech.durations import VOWELS, share
from visema.speech.espeak import phones_by_word
from visema.speech.phonemes import phonemize
from visema.speech.types import Span, Speech, SpeechSettings
from visema.speech.words import Word, groups, label_words
from visema.types import Samples

_log = logging.getLogger(__name__)

#: A gap between words that is shorter belongs to the word before.
_SHORTEST_PAUSE: Final = 0.03
#: How far past its sentence's last word the sound is kept, seconds.
_KEPT_TAIL: Final = 0.25
#: The sound's level is taken every so many seconds; a word has begun when it comes within so much of the loudest.
_STEP: Final = 0.005
_ONSET_DB: Final = -32.0
#: A word tells the decoder's delay if there is so much silence before it, in seconds.
_SILENCE_BEFORE: Final = 0.08
#: Encoder and decoder together delay by 0 to 111 ms.
_LONGEST_DELAY: Final = 0.12
#: Sounds that are loud from their first moment on.
_LOUD_STARTS: Final = VOWELS | frozenset("mnŋlɹwjvðz")


class Boundary(NamedTuple):
    """A word as the service timed it, in seconds of its answer."""

    start: float
    end: float
    text: str


#: Text, its words, the words as sent, samples, rate, boundaries.
Part = tuple[str, list[Word], list[Word], Samples, int, list[Boundary]]


def fit_speech(
    parts: Sequence[Part], voice: str, language: str, settings: SpeechSettings, text: str, *, delayed: bool = True
) -> Speech:
    """Join the answers for the parts of a text to one timed speech; ``delayed`` if their sound was MP3."""
    words: list[Span] = []
    phones: list[Span] = []
    sounds: list[Samples] = []
    notes: list[str] = []
    length = 0
    rate = parts[0][4]
    for part_text, part_words, sent_words, samples, part_rate, boundaries in parts:
        if part_rate != rate:
            raise VoiceError("The speech service changed its sample rate.", "Try again.")
        times = match_boundaries(sent_words, boundaries)
        labels, durations, note = _phones(part_text, part_words, sorted(times), language, settings)
        notes += [note] if note and note not in notes else []
        delay = decoder_delay(samples, rate, times, labels) if delayed else 0.0
        times = {i: (a + delay, b + delay) for i, (a, b) in times.items()}
        kept = _trimmed(samples, rate, max(end for _, end in times.values()))
        offset = length / rate
        for s in lay_phones(times, labels, durations, len(kept) / rate):
            phones.append(Span(s.start + offset, s.end + offset, s.label))
        words += [Span(s + offset, e + offset, w) for s, e, w in label_words(part_text, part_words, times)]
        sounds.append(kept)
        length += len(kept)
    return Speech(
        samples=np.concatenate(sounds),
        rate=rate,
        words=tuple(words),
        phones=tuple(phones),
        text=text,
        voice=voice,
        notes=tuple(notes),
    )


def match_boundaries(words: Sequence[Word], boundaries: Sequence[Boundary]) -> dict[int, tuple[float, float]]:
    """Times by index of the word that each boundary speaks of; both run through the text in order."""
    times: dict[int, tuple[float, float]] = {}
    text = ""
    starts = []
    for word in words:
        starts.append(len(text))
        text += word.text + " "
    at = 0
    for boundary in boundaries:
        found = text.find(boundary.text, at) if boundary.text else -1
        # A text that the service changed is taken for the next word.
        if found < 0 or found - at > 80:
            found = at
        index = int(np.searchsorted(starts, found, side="right")) - 1
        at = min(found + len(boundary.text), len(text) - 1)
        start, end = times.get(index, (boundary.start, boundary.end))
        times[index] = (min(start, boundary.start), max(end, boundary.end))
    return times


def _phones(
    text: str, words: Sequence[Word], timed: Sequence[int], language: str, settings: SpeechSettings
) -> tuple[dict[int, list[str]], dict[int, list[float] | None], str]:
    """Phones, and what espeak-ng gives as their durations, by index of the timed word."""
    labels: dict[int, list[str]] = {}
    durations: dict[int, list[float] | None] = {}
    note = ""
    voice = espeak_voices.nearest(language, "Male").name.partition(":")[2]
    try:
        spoken = phones_by_word(text, words, voice, SpeechSettings(pronunciations=settings.pronunciations))
    except VoiceError as e:
        _log.warning("phones without espeak's durations: %s", e)
        spoken = [[] for _ in words]
    for i, group in groups(words, timed):
        found = [p for j in group for p in spoken[j]]
        if found:
            labels[i] = [p.label for p in found]
            durations[i] = [p.end - p.start for p in found]
            continue
        transcription = phonemize(" ".join(words[j].text for j in group), language)
        labels[i] = [p for word in transcription.words for p in word] or ["ə"]
        durations[i] = None
        note = transcription.note or note
    return labels, durations, note


def decoder_delay(
    samples: Samples, rate: int, times: dict[int, tuple[float, float]], labels: dict[int, list[str]]
) -> float:
    """Seconds by which the decoded sound lags behind the service's times.

    MP3 encoders put silence in front that a stream does not declare. The words that follow a silence and begin with a
    loud sound show it; without such words it is taken as none.
    """
    step = round(_STEP * rate)
    n = len(samples) // step
    if not n:
        return 0.0
    level = np.sqrt((samples[: n * step].reshape(n, step) ** 2).mean(axis=1)) + 1e-9
    threshold = float(np.percentile(level, 99)) * 10 ** (_ONSET_DB / 20)
    lags = []
    silent_since = 0.0
    for i in sorted(times):
        start, end = times[i]
        first = labels[i][0].lstrip("ˈˌ")[:1]
        if start - silent_since >= _SILENCE_BEFORE and first in _LOUD_STARTS:
            a, b = int((start - _SILENCE_BEFORE / 2) / _STEP), int((start + _LONGEST_DELAY + 0.05) / _STEP)
            loud = np.flatnonzero(level[max(a, 0) : b] > threshold)
            if len(loud) and loud[0] > 0:
                lags.append((max(a, 0) + int(loud[0])) * _STEP - start)
        silent_since = end
    return float(np.clip(np.median(lags), 0.0, _LONGEST_DELAY)) if lags else 0.0


def lay_phones(
    times: dict[int, tuple[float, float]],
    labels: dict[int, list[str]],
    durations: dict[int, list[float] | None],
    duration: float,
) -> list[Span]:
    """Adjacent phones and pauses from 0 to ``duration``, each word's phones sharing its time."""
    out: list[Span] = []
    order = sorted(times)
    now = 0.0
    for k, i in enumerate(order):
        start, end = times[i]
        following = times[order[k + 1]][0] if k + 1 < len(order) else duration
        start = max(start, now)
        end = min(max(end, start), following, duration)
        if following - end < _SHORTEST_PAUSE:
            end = min(max(following, end), duration)
        if start - now >= _SHORTEST_PAUSE:
            out.append(Span(now, start, ""))
        else:
            start = now
        out += share(start, end, labels[i], durations[i])
        now = max(end, now)
    if duration > now:
        out.append(Span(now, duration, ""))
    return out


def _trimmed(samples: Samples, rate: int, last_word: float) -> Samples:
    """The sound without the long silence that the service leaves after the last word."""
    end = round((last_word + _KEPT_TAIL) * rate)
    rest = samples[end:]
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    loud = np.flatnonzero(np.abs(rest) > 0.02 * peak)
    return samples[: end + (int(loud[-1]) + 1 if len(loud) else 0)]
