"""What the engines of other services have in common: from a service's sound to a timed and priced `Speech`."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from visema.errors import VoiceError
from visema.speech import espeak
from visema.speech.cost import cost_of
from visema.speech.edge import respelled
from visema.speech.edge_timing import Boundary, fit_speech
from visema.speech.remote.http import UnknownVoice
from visema.speech.remote.sound import reshape
from visema.speech.remote.timing import word_times
from visema.speech.similar import did_you_mean, similar
from visema.speech.types import Speech, SpeechSettings, Voice
from visema.speech.words import script_of, split_words
from visema.types import Samples

#: ISO 639-2: the voice speaks whatever language the text is in.
MANY: Final = "mul"
#: What Latin letters are taken for without an ``@language``.
_LATIN: Final = "en-US"


@dataclass(frozen=True)
class Reply:
    """What a service made of a text.

    Attributes:
        samples: (n,) mono.
        rate: Samples a second.
        words: Their times, where the service tells them.
        characters: What it charges for, where it says so; else 0.
    """

    samples: Samples
    rate: int
    words: Sequence[Boundary] = ()
    characters: int = 0


class RemoteEngine(ABC):
    """A `SpeechEngine` of a service or program.

    Attributes:
        name: As in ``openai:alloy``.
        title: What a person calls it.
        model: What speaks there.
        cloud: Whether the text leaves this machine.
        rates: Speeds that it offers itself; what lies beyond is done to the sound here, and so is pitch.
    """

    name: str
    title: str
    rates: tuple[float, float] = (1.0, 1.0)
    model: str = ""
    cloud: bool = True

    @abstractmethod
    def voices(self) -> Sequence[Voice]:
        """Ask the service for its voices."""

    @abstractmethod
    def say(self, text: str, voice: str, rate: float, language: str) -> Reply:
        """Let the service speak ``text`` at ``rate``, within `rates`."""

    def speak(self, text: str, voice: str, settings: SpeechSettings) -> Speech:
        """Speak plain ``text``.

        Args:
            text: A few sentences.
            voice: The service's name of the voice, and the text's language after an ``@`` where that matters.
            settings: As for every engine.

        Raises:
            Unreachable: The service does not answer.
            VoiceError: It refused.
        """
        own, language = split_tag(voice)
        language = language or self.language(own) or language_of(text)
        words = split_words(text)
        if not words:
            raise VoiceError("There is nothing to say.", "Give a text with words in it.")
        sent, sent_words = respelled(text, words, settings)
        rate = float(np.clip(settings.rate, *self.rates))
        try:
            reply = self.say(sent, own, rate, language)
        except UnknownVoice as e:
            raise self.unknown(own) from e
        if not len(reply.samples) or not np.abs(reply.samples).max() > 0:
            raise VoiceError(
                "{service} sent no sound.",
                "The voice may not speak this language: choose another.",
                service=self.title,
            )
        tempo = settings.rate / rate
        samples = reshape(reply.samples, reply.rate, tempo, settings.pitch)
        times: Sequence[Boundary] = [Boundary(b.start / tempo, b.end / tempo, b.text) for b in reply.words]
        timing, note = "service", ""
        if not times:
            times, timing, note = word_times(samples, reply.rate, sent, language)
        if not times:
            raise VoiceError("There is nothing to say.", "Give a text with words in it.")
        part = (text, words, sent_words, samples, reply.rate, list(times))
        speech = fit_speech([part], f"{self.name}:{voice}", language, settings, text, delayed=False)
        seconds = len(reply.samples) / reply.rate
        return replace(
            speech,
            timing=timing,
            notes=(*speech.notes, note) if note else speech.notes,
            cost=cost_of(self.name, self.model, reply.characters or len(sent), seconds),
        )

    def probe(self) -> str:
        """Ask whether it is there and takes the key, and say what it answered; nothing is charged.

        Raises:
            VoiceError: It does not.
        """
        return f"{len(self.voices())} voices"

    def language(self, voice: str) -> str:
        """The language of ``voice``, or empty where it speaks many."""
        return ""

    def unknown(self, voice: str) -> VoiceError:
        """The error for a voice that the service does not have; it names those that are meant, or the first ones."""
        from visema.speech.remote.catalogue import kept_voices

        others = [v for v in kept_voices(self) if v.name != f"{self.name}:{voice}"]
        labels = [v.label.rpartition(" (")[0] for v in others]
        near = similar(voice, [*labels, *(v.name.partition(":")[2] for v in others)]) or labels[:5]
        return VoiceError(
            "{service} has no voice '{name}'.",
            did_you_mean([f"{self.name}:{name}" for name in near]),
            service=self.title,
            name=voice,
        )


def split_tag(voice: str) -> tuple[str, str]:
    """``alloy@de`` as name and language; no language without an ``@``."""
    own, at, tag = voice.rpartition("@")
    return (own, tag) if at and own else (voice, "")


@lru_cache(maxsize=1)
def _scripts() -> dict[str, str]:
    with Path(espeak.__file__).with_name("scripts.tsv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    return {row[0]: {"cmn": "zh"}.get(row[1], row[1]) for row in rows}


def language_of(text: str) -> str:
    """The language that the script of most of ``text`` stands for; English for Latin letters."""
    counts: dict[str, int] = {}
    for word in split_words(text):
        script = script_of(word.text)
        if script:
            counts[script] = counts.get(script, 0) + len(word.text)
    most = max(counts, key=lambda script: counts[script], default="")
    return _scripts().get(most, _LATIN)
