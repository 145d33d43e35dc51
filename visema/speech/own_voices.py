"""Voices of one's own, ``voice:<name>``: matches and clones, each kept with the consent of the person it came from."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from visema.consent import Consent
from visema.errors import InputError, VoiceError
from visema.paths import atomic_folder, cache_dir
from visema.speech import espeak_voices
from visema.speech.matching import LONGEST, Match, match, speak_matched
from visema.speech.profile import Distance, Profile
from visema.speech.similar import did_you_mean, similar
from visema.speech.types import Speech, SpeechSettings, Voice

_log = logging.getLogger(__name__)

ENGINE: Final = "voice"
_NAME: Final = re.compile(r"[\w][\w .-]{0,39}")
_SCHEMA: Final = 1


@dataclass(frozen=True)
class OwnVoice:
    """A voice of one's own.

    Attributes:
        name: As after ``voice:``.
        kind: ``match`` of an embedded voice, or ``clone`` that a service made.
        base: Full name of the voice that speaks.
        language: BCP 47 tag, or ``mul``.
        consent: Of the person.
        sample: SHA-256 of the recording, which is not kept.
        match: How the embedded voice is set; None for a clone.
    """

    name: str
    kind: str
    base: str
    language: str
    consent: Consent
    sample: str
    match: Match | None = None

    @property
    def voice(self) -> Voice:
        """As in a list."""
        female = bool(self.match and self.match.sample.pitch > 165)
        gender = ("Female" if female else "Male") if self.match else ""
        what = "voice match" if self.kind == "match" else "clone"
        return Voice(f"{ENGINE}:{self.name}", self.language, gender, f"{self.name} ({what})", self.kind == "clone")


class MatchEngine:
    """`SpeechEngine` of the matches."""

    name = ENGINE

    def voices(self) -> Sequence[Voice]:
        """Every match that is kept."""
        return [own.voice for own in list_own() if own.match]

    def speak(self, text: str, voice: str, settings: SpeechSettings) -> Speech:
        """Speak plain ``text``.

        Raises:
            VoiceError: There is no such voice.
        """
        own = load(voice)
        if own.match is None:
            raise VoiceError("There is no voice '{name}'.", "--list-voices shows them all.", name=voice)
        return replace(speak_matched(own.match, text, settings), voice=f"{ENGINE}:{own.name}")


def make_match(recording: Path, name: str, consent: Consent, language: str = "en-US") -> OwnVoice:
    """Match an embedded voice to a recording and keep it.

    Args:
        recording: Some seconds of one person's speech, in any format.
        name: What it shall be called.
        consent: Of that person.
        language: BCP 47 tag that the voice shall speak.

    Raises:
        InputError: The name is none, or the recording holds no voice.
        MediaError: The recording cannot be read.
    """
    from visema.media.audio import read_audio

    _check_name(name)
    samples, rate = read_audio(recording)
    found = match(samples, rate, language)
    spoken = espeak_voices.find(found.base.partition(":")[2]).language
    return _keep(OwnVoice(name, "match", found.base, spoken, consent, _digest(recording), found))


def make_clone(recording: Path, name: str, consent: Consent) -> OwnVoice:
    """Let ElevenLabs clone the voice in a recording, and keep its name. The recording is sent there.

    Raises:
        InputError: The name is none, or the recording is too short.
        MediaError: The recording cannot be read.
        VoiceError: The service is not set up, or refused.
    """
    from visema.media.audio import read_audio
    from visema.speech.remote import catalogue
    from visema.speech.remote.elevenlabs import ElevenLabs
    from visema.speech.remote.engine import MANY

    _check_name(name)
    engine = catalogue.engine("elevenlabs")
    assert isinstance(engine, ElevenLabs)
    samples, rate = read_audio(recording)
    seconds = len(samples) / rate
    if not 10 <= seconds <= 10 * LONGEST:
        raise InputError(
            "The sample is {seconds} s long.",
            "A clone needs 10 s or more; a minute or two of clean speech is best.",
            seconds=f"{seconds:.1f}",
        )
    made = engine.clone(name, recording, str(consent))
    catalogue.forget(engine.name)
    return _keep(OwnVoice(name, "clone", f"{engine.name}:{made}", MANY, consent, _digest(recording)))


def load(name: str) -> OwnVoice:
    """The voice called ``name``.

    Raises:
        VoiceError: There is none, or its file is damaged.
    """
    if not _NAME.fullmatch(name) or not _file(name).is_file():
        raise VoiceError(
            "There is no voice '{name}'.", did_you_mean(similar(name, [v.name for v in list_own()])), name=name
        )
    try:
        return _from_json(json.loads(_file(name).read_text("utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise VoiceError(
            "The file of the voice '{name}' is damaged.", "Make the voice anew from its sample.", name=name
        ) from e


def list_own() -> list[OwnVoice]:
    """All of them, by name; a damaged one is left out with a line in the log."""
    out = []
    for file in sorted(_folder().glob("*/voice.json")):
        try:
            out.append(_from_json(json.loads(file.read_text("utf-8"))))
        except (OSError, ValueError, TypeError, KeyError):
            _log.warning("%s is damaged", file)
    return out


def find(name: str) -> Voice:
    """The voice that ``voice:<name>`` means; a clone is the service's own voice.

    Raises:
        VoiceError: There is none.
    """
    own = load(name)
    if own.match:
        return own.voice
    return Voice(own.base, own.language, "", own.voice.label, cloud=True)


def delete(name: str) -> None:
    """Remove the voice and the consent that is kept with it; a clone stays with its service.

    Raises:
        VoiceError: There is none.
    """
    load(name)
    shutil.rmtree(_file(name).parent)


def version(name: str) -> str:
    """What tells apart speech of two voices that had the same name."""
    try:
        return hashlib.sha256(_file(name).read_bytes()).hexdigest()[:16] if _NAME.fullmatch(name) else ""
    except OSError:
        return ""


def _folder() -> Path:
    return cache_dir() / "voices"


def _file(name: str) -> Path:
    return _folder() / name.lower() / "voice.json"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name.endswith((".", " ")):
        raise InputError(
            "'{name}' is no name for a voice.", "Use up to 40 letters, digits, spaces, dots and hyphens.", name=name
        )


def _digest(recording: Path) -> str:
    found = hashlib.sha256()
    with recording.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _keep(own: OwnVoice) -> OwnVoice:
    with atomic_folder(_file(own.name).parent) as folder:
        (folder / "voice.json").write_text(json.dumps({"schema": _SCHEMA, **asdict(own)}, indent=1), "utf-8")
    return own


def _from_json(told: dict[str, Any]) -> OwnVoice:
    if told.pop("schema") != _SCHEMA:
        raise ValueError("made by another version")
    found = told["match"]
    if found is not None:
        sample = {**found["sample"], "colour": tuple(map(float, found["sample"]["colour"]))}
        found = Match(
            str(found["base"]),
            float(found["rate"]),
            float(found["pitch"]),
            tuple(map(float, found["gains"])),
            Profile(**sample),
            Distance(**found["before"]),
            Distance(**found["after"]),
        )
    return OwnVoice(**{**told, "consent": Consent(**told["consent"]), "match": found})
