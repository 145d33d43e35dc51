"""The embedded voice: espeak-ng, with the times of its phones and words exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from visema.errors import VoiceError
from visema.speech import espeak_voices
from visema.speech.espeak_library import library
from visema.speech.espeak_timing import TimedPhone, timed_phones
from visema.speech.ipa import espeak_phonemes, is_ipa
from visema.speech.types import Span, Speech, SpeechSettings, Voice
from visema.speech.words import Word, core, groups, label_words, portions, script_of, split_words, word_at

#: Characters spoken at once: enough for intonation, so few that another thread waits at most some milliseconds.
_CHUNK: Final = 600
_SENTENCE_MARKS: Final = ".!?…。！？।؟"
#: Marks and the pauses after them at rate 1, seconds.
SENTENCE_PAUSE: Final = 0.30
_PAUSES: Final = ((_SENTENCE_MARKS, SENTENCE_PAUSE), (",;:，；：、،؛", 0.15))
#: Unicode's name of a script, the embedded voice that reads it where the chosen one does not, languages written in it.
#: Latin words in other scripts are read by espeak-ng itself, with English rules.
_SCRIPTS: Final = Path(__file__).with_name("scripts.tsv")


@lru_cache(maxsize=1)
def _readers() -> dict[str, tuple[str, frozenset[str]]]:
    rows = (line.split("\t") for line in _SCRIPTS.read_text("utf-8").splitlines()[1:])
    return {script: (reader, frozenset(languages.split())) for script, reader, languages in rows}


class Piece(NamedTuple):
    """A part of the text spoken at once: (n,) int16 samples, its phones with `position` as index of their word."""

    samples: NDArray[np.int16]
    phones: list[TimedPhone]
    first_word: int


class EspeakEngine:
    """`SpeechEngine` of the embedded voices; safe to use from any thread."""

    name = espeak_voices.ENGINE

    def voices(self) -> Sequence[Voice]:
        """Every language, female and male."""
        return espeak_voices.list_voices()

    def speak(self, text: str, voice: str, settings: SpeechSettings) -> Speech:
        """Speak plain ``text``.

        Words keep their punctuation; each is a stretch between spaces, or a Chinese character.

        Raises:
            VoiceError: The voice is unknown, or the library failed.
        """
        found = espeak_voices.find(voice)
        words = split_words(text)
        samples: list[NDArray[np.int16]] = []
        phones: list[Span] = []
        owners: list[int] = []
        now = 0.0
        rate = library().rate
        length = 0
        for piece in speak_pieces(text, words, voice, settings):
            offset = length / rate
            for p in piece.phones:
                phones.append(Span(now, p.end + offset, p.label))
                now = p.end + offset
                owners.append(piece.first_word + p.position if p.label else -1)
            samples.append(piece.samples)
            length += len(piece.samples)
        sound = np.concatenate(samples) if samples else np.zeros(0, np.int16)
        return Speech(
            samples=sound.astype(np.float32) / np.float32(32768),
            rate=rate,
            words=_word_spans(text, words, phones, owners),
            phones=tuple(phones),
            text=text,
            voice=found.name,
        )


def phones_by_word(text: str, words: Sequence[Word], voice: str, settings: SpeechSettings) -> list[list[TimedPhone]]:
    """The phones that espeak-ng gives to each of ``words``, timed; empty for words that are not spoken.

    Raises:
        VoiceError: The voice is unknown, or the library failed.
    """
    out: list[list[TimedPhone]] = [[] for _ in words]
    for piece in speak_pieces(text, words, voice, settings):
        for p in piece.phones:
            if p.label:
                out[piece.first_word + p.position].append(p)
    for i, group in groups(words, [k for k, found in enumerate(out) if found]):
        # Where the voice runs words together ("of a"), each gets its share of the phones.
        heads = [j for j in group if any(c.isalnum() for c in words[j].text)]
        if len(heads) > 1:
            found = out[i]
            edges = [round(edge * len(found)) for edge in portions(words, group)]
            for j, (a, b) in zip(heads, pairwise(edges), strict=True):
                out[j] = found[a:b]
    return out


def speak_pieces(text: str, words: Sequence[Word], voice: str, settings: SpeechSettings) -> Iterator[Piece]:
    """Speak ``text`` piece by piece, each in the voice that can read its script."""
    runs = [(espeak_voices.library_name(name), indices) for name, indices in _runs(words, voice)]
    for run_index, (run_voice, indices) in enumerate(runs):
        chunks = list(_chunks(words, indices))
        for chunk_index, chunk in enumerate(chunks):
            last = run_index == len(runs) - 1 and chunk_index == len(chunks) - 1
            yield _speak_chunk(text, words, chunk, run_voice, settings, last)


def _runs(words: Sequence[Word], voice: str) -> Iterator[tuple[str, list[int]]]:
    """Word indices in order, grouped by the voice that reads them."""
    base, plus, variant = espeak_voices.library_name(voice).partition("+")
    language = base.rpartition("/")[2].split("-")[0].lower()
    now = voice
    readers = []
    for word in words:
        script = script_of(word.text)
        if script:
            reader, languages = _readers().get(script, ("", frozenset({language})))
            now = voice if language in languages else f"{reader}{plus}{variant}"
        readers.append(now)
    for run_voice, group in groupby(range(len(words)), key=readers.__getitem__):
        yield run_voice, list(group)


def _chunks(words: Sequence[Word], indices: list[int]) -> Iterator[list[int]]:
    """Cut a run at sentence ends, or anywhere between words where a sentence is too long."""
    chunk: list[int] = []
    sentence_end = 0
    for i in indices:
        chunk.append(i)
        if any(c in _SENTENCE_MARKS for c in words[i].text[-2:]):
            sentence_end = len(chunk)
        if words[chunk[-1]].end - words[chunk[0]].start > _CHUNK:
            cut = sentence_end or len(chunk)
            yield chunk[:cut]
            chunk, sentence_end = chunk[cut:], 0
    if chunk:
        yield chunk


def _speak_chunk(
    text: str, words: Sequence[Word], chunk: list[int], voice: str, settings: SpeechSettings, last: bool
) -> Piece:
    spoken = ""
    starts = []
    phonemic = False
    for k, i in enumerate(chunk):
        if k:
            spoken += text[words[chunk[k - 1]].end : words[i].start]
        starts.append(len(spoken))
        given = settings.pronunciations.get(core(words[i].text), "")
        phonemes = espeak_phonemes(given, voice) if is_ipa(given) else ""
        if phonemes:
            phonemic = True
            tail = words[i].text[len(words[i].text.rstrip(",.;:!?…")) :]
            spoken += phonemes + tail
        else:
            # Two brackets would begin phoneme names.
            spoken += words[i].text.replace("[[", "[ ")
    utterance = library().synthesize(
        spoken,
        voice,
        rate=settings.rate,
        pitch=settings.pitch,
        read_phonemes=phonemic,
    )
    if not last:
        silence = np.zeros(round(_pause_after(words[chunk[-1]].text) / settings.rate * utterance.rate), np.int16)
        utterance = replace(utterance, samples=np.concatenate([utterance.samples, silence]))
    phones = [p._replace(position=word_at(starts, p.position)) for p in timed_phones(utterance)]
    return Piece(utterance.samples, phones, chunk[0])


def _pause_after(word: str) -> float:
    """Seconds of the pause that the library makes after a word's marks, and leaves out at the end of a text."""
    marks = word[-2:]
    return next((seconds for signs, seconds in _PAUSES if any(c in signs for c in marks)), 0.0)


def _word_spans(text: str, words: Sequence[Word], phones: Sequence[Span], owners: Sequence[int]) -> tuple[Span, ...]:
    times: dict[int, tuple[float, float]] = {}
    for phone, owner in zip(phones, owners, strict=True):
        if owner >= 0:
            times[owner] = (times[owner][0] if owner in times else phone.start, phone.end)
    return label_words(text, words, times)


def available() -> str:
    """Empty if the embedded voice can be loaded, else why not."""
    try:
        library()
    except VoiceError as e:
        return str(e)
    return ""
