"""What may be asked for with a film, checked: the text fields of ``POST /generate``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from visema.errors import InputError
from visema.service.settings import Settings
from visema.speech.speak import PITCHES

if TYPE_CHECKING:
    from visema.stage.film import FilmOptions


@dataclass(frozen=True)
class Field:
    """A text field of the form.

    Attributes:
        about: What it is for, as the OpenAPI description tells it.
        example: A value.
        choices: The values that it may have, where they are few.
        bounds: Least and most, where it is a number.
    """

    about: str
    example: str
    choices: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None


#: The fields beside the two files; all may be left out but that there must be 'audio' or 'text'.
FIELDS: Final[dict[str, Field]] = {
    "text": Field("What to say; with 'audio', what is said in it", "Hello, I am the woman in this picture."),
    "voice": Field("Who says the text: an edge-tts name, or espeak:<name>", "en-US-JennyNeural"),
    "rate": Field("Speed of the voice", "1.1", bounds=(0.5, 2.0)),
    "pitch": Field("Pitch of the voice, semitones up or down", "-1", bounds=PITCHES),
    "volume": Field("Loudness of the voice", "1.0", bounds=(0.1, 2.0)),
    "language": Field("Language of the recording", "en"),
    "style": Field("How the head moves", "calm", choices=("calm", "lively", "still")),
    "expression": Field("A lasting look; a degree may follow", "smile:0.5"),
    "face": Field("Which face of the picture speaks; 1 is the largest", "1", bounds=(1, 20)),
    "fps": Field("Pictures a second", "25", bounds=(1, 60)),
    "resolution": Field("Size of the film", "512x512"),
    "crop": Field("Shape of the film, cut around the face", "1:1", choices=("16:9", "9:16", "1:1")),
    "engine": Field("What draws the mouth", "auto"),
    "mark": Field("A small badge on the picture that says it is AI-generated", "false", choices=("true", "false")),
}
_LONGEST_WORD: Final = 100


def check_request(fields: Mapping[str, str], *, audio: bool, settings: Settings) -> dict[str, Any]:
    """The options of a job out of a form's fields, as they are stored.

    Args:
        fields: By name, as they came.
        audio: Whether a recording came too.
        settings: Of the service.

    Raises:
        InputError: There is nothing to say, or a field holds what it may not.
        VoiceError: There is no such voice.
        EngineError: There is no such engine.
    """
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    text = given.get("text", "")
    if not text and not audio:
        raise InputError("There is nothing to say.", "Send 'audio', a recording of speech, or 'text'.")
    if len(text) > settings.max_text:
        raise InputError(
            f"The text has {len(text)} characters; at most {settings.max_text} can be spoken.", "Cut it into parts."
        )
    options: dict[str, Any] = {"audio": audio}
    for name, value in given.items():
        field = FIELDS[name]
        if name != "text" and len(value) > _LONGEST_WORD:
            raise InputError(f"'{name}' is too long.", f"Send something such as {field.example}.")
        if field.bounds:
            options[name] = _number(name, value, field.bounds)
        elif field.choices and value not in field.choices:
            raise InputError(f"'{name}' is '{value}'.", f"Choose {', '.join(field.choices)}.")
        else:
            options[name] = value
    if voice := given.get("voice"):
        from visema.speech.voices import check_visitors, resolve_voice

        check_visitors(voice)
        options["voice"] = resolve_voice(voice, offline=True).name if settings.offline else voice
    film_options(options, offline=settings.offline).check()
    return options


def film_options(options: Mapping[str, Any], *, offline: bool) -> FilmOptions:
    """The film's options out of a job's.

    Raises:
        InputError: The expression is none.
    """
    from visema.portrait.expression import parse_expression
    from visema.speech.types import SpeechSettings
    from visema.stage.film import DEFAULT_VOICE, FilmOptions

    return FilmOptions(
        voice=str(options.get("voice", DEFAULT_VOICE)),
        settings=SpeechSettings(
            rate=float(options.get("rate", 1)),
            pitch=float(options.get("pitch", 0)),
            volume=float(options.get("volume", 1)),
        ),
        offline=offline,
        language=str(options.get("language", "en")),
        style=str(options.get("style", "calm")),
        expression=parse_expression(str(options.get("expression", "neutral"))),
        face=int(options.get("face", 1)),
        fps=float(options.get("fps", 25)),
        resolution=options.get("resolution"),
        crop=options.get("crop"),
        engine=str(options.get("engine", "auto")),
        mark=str(options.get("mark", "")).lower() == "true",
    )


def _number(name: str, text: str, bounds: tuple[float, float]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not bounds[0] <= value <= bounds[1] or (name == "face" and value != int(value)):
        raise InputError(f"'{name}' is '{text}'.", f"Give a number from {bounds[0]:g} to {bounds[1]:g}.")
    return value
