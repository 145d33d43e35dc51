"""What may be asked for with a film, checked: the text fields of ``POST /generate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from visema.errors import InputError
from visema.service.film import FilmOptions
from visema.service.settings import Settings

#: The fields beside the two files.
FIELDS: Final = frozenset({"text", "voice", "language"})


def check_request(fields: Mapping[str, str], *, audio: bool, settings: Settings) -> dict[str, Any]:
    """The options of a job out of a form's fields, as they are stored.

    Args:
        fields: By name, as they came.
        audio: Whether a recording came too.
        settings: Of the service.

    Raises:
        InputError: There is nothing to say, or a field holds what it may not.
    """
    text = fields.get("text", "").strip()
    if not text and not audio:
        raise InputError("There is nothing to say.", "Send 'audio', a recording of speech, or 'text'.")
    if len(text) > settings.max_text:
        raise InputError(
            f"The text has {len(text)} characters; at most {settings.max_text} can be spoken.", "Cut it into parts."
        )
    options: dict[str, Any] = {"audio": audio, "text": text}
    if voice := fields.get("voice", "").strip():
        from visema.speech.voices import resolve_voice

        options["voice"] = resolve_voice(voice, settings.offline).name
    if language := fields.get("language", "").strip():
        options["language"] = language
    return options


def film_options(options: Mapping[str, Any], *, offline: bool) -> FilmOptions:
    """The film's options out of a job's row."""
    return FilmOptions(
        voice=str(options.get("voice", "")), language=str(options.get("language", "en")), offline=offline
    )
