"""What speech is: sound with the times of its words and phones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from visema.speech.cost import CostRecord
from visema.types import Samples


class Span(NamedTuple):
    """A labelled stretch of time, in seconds from the start of the speech."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Speech:
    """Sound with the times of what is said in it.

    Attributes:
        samples: Mono float32 in [-1, 1].
        rate: Samples a second.
        words: Timed words as written.
        phones: Timed phones, in order and without overlap; an empty label is a pause.
        alphabet: What the phones are labelled in.
        text: The text that was spoken or transcribed, where known.
        voice: Full name of the voice that really spoke, such as ``espeak:en-us``; empty for a recording.
        notes: Sentences that a user must see, such as which fallback was used and why.
        recorded: True when a human spoke, so that loudness says something about the mouth.
        guessed: True when the words were recognised and not given.
        timing: Where the times of a remote voice's words come from: ``service`` (it told them), ``aligned`` (found in
            the sound) or ``estimated`` (laid out by usual durations); empty for other speech.
        cost: What a remote voice cost; None where nothing is counted.
    """

    samples: Samples
    rate: int
    words: Sequence[Span] = ()
    phones: Sequence[Span] = ()
    alphabet: Literal["ipa", "arpabet"] = "ipa"
    text: str = ""
    voice: str = ""
    notes: tuple[str, ...] = ()
    recorded: bool = False
    guessed: bool = False
    timing: str = ""
    cost: CostRecord | None = None

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class SpeechSettings:
    """How to speak, the same for every engine.

    Attributes:
        rate: Speed factor, 1 is the voice's own.
        pitch: Semitones up or down.
        volume: Gain factor, 1 is the voice's own.
        pronunciations: Word (lower case) to IPA between slashes, or to a respelling.
    """

    rate: float = 1.0
    pitch: float = 0.0
    volume: float = 1.0
    pronunciations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Voice:
    """A voice that can be chosen.

    Attributes:
        name: Full name, ``engine:voice``.
        language: BCP 47 tag, such as ``en-US``.
        gender: ``Female``, ``Male`` or empty.
        label: What a person reads in a list.
        cloud: True when the text leaves this machine.
    """

    name: str
    language: str
    gender: str = ""
    label: str = ""
    cloud: bool = False


class SpeechEngine(Protocol):
    """Turns text into timed speech."""

    name: str

    def voices(self) -> Sequence[Voice]:
        """Every voice that this engine offers."""
        ...

    def speak(self, text: str, voice: str, settings: SpeechSettings) -> Speech:
        """Speak ``text`` (plain, already normalised) with the engine's own ``voice`` name.

        Raises:
            VoiceError: The voice is unknown, or the engine could not speak.
        """
        ...
