"""ElevenLabs: speech with the times of its characters, and cloning."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from visema.speech.access import secret_of, value_of
from visema.speech.edge_timing import Boundary
from visema.speech.remote.engine import MANY, RemoteEngine, Reply
from visema.speech.remote.http import Service
from visema.speech.remote.sound import pcm
from visema.speech.types import Voice

KEY: Final = "ELEVENLABS_API_KEY"
#: Every plan has this format; 44.1 kHz needs a dear one, and MP3 does not say where its sound begins.
_FORMAT, _RATE = "pcm_24000", 24_000
#: The models that take the language's name; others guess it, and refuse when they are told.
_TOLD: Final = ("eleven_turbo_v2_5", "eleven_flash_v2_5")


class ElevenLabs(RemoteEngine):
    """`SpeechEngine` of ElevenLabs."""

    name = "elevenlabs"
    title = "ElevenLabs"
    rates = (0.7, 1.2)

    def __init__(self) -> None:
        self.model = value_of("ELEVENLABS_MODEL") or "eleven_multilingual_v2"
        url = value_of("ELEVENLABS_BASE_URL") or "https://api.elevenlabs.io"
        self.service = Service(self.title, url.rstrip("/"), secret_of(KEY), KEY, ("xi-api-key", ""))

    def voices(self) -> Sequence[Voice]:
        """The account's voices."""
        answer = self.service.ask("GET", "/v1/voices")
        try:
            return [self._voice(row) for row in answer.json()["voices"]]
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise self.service.unusable() from e

    def _voice(self, row: Mapping[str, Any]) -> Voice:
        labels = row.get("labels") or {}
        gender = {"female": "Female", "male": "Male"}.get(str(labels.get("gender", "")).lower(), "")
        return Voice(f"{self.name}:{row['voice_id']}", MANY, gender, f"{row['name']} ({self.title})", cloud=True)

    def say(self, text: str, voice: str, rate: float, language: str) -> Reply:
        """One request; the answer holds the sound and the times of every character."""
        body: dict[str, Any] = {"text": text, "model_id": self.model}
        if abs(rate - 1) > 0.005:
            body["voice_settings"] = {"speed": round(rate, 3)}
        if self.model in _TOLD:
            body["language_code"] = language.split("-")[0]
        answer = self.service.ask(
            "POST", f"/v1/text-to-speech/{_safe(voice)}/with-timestamps", params={"output_format": _FORMAT}, json=body
        )
        try:
            told = answer.json()
            samples = pcm(base64.b64decode(told["audio_base64"], validate=True))
            words = words_of(told.get("alignment") or told.get("normalized_alignment") or {})
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as e:
            raise self.service.unusable() from e
        charged = answer.headers.get("character-cost", "")
        return Reply(samples, _RATE, words, int(charged) if charged.isdecimal() else 0)

    def clone(self, name: str, sample: Path, description: str) -> str:
        """Make a voice from a recording.

        Args:
            name: What the account calls it.
            sample: A minute or two of one person, clean.
            description: Kept with it by the service.

        Returns:
            The new voice's id.

        Raises:
            Unreachable: The service does not answer.
            VoiceError: It refused.
        """
        with sample.open("rb") as file:
            content = file.read()
        answer = self.service.ask(
            "POST",
            "/v1/voices/add",
            data={"name": name, "description": description[:500]},
            files=[("files", (f"sample{sample.suffix}", content, "application/octet-stream"))],
        )
        try:
            return str(answer.json()["voice_id"])
        except (ValueError, KeyError, TypeError) as e:
            raise self.service.unusable() from e


def words_of(alignment: Mapping[str, Any]) -> list[Boundary]:
    """Words with their times from those of their characters; marks count for nothing.

    Raises:
        KeyError, TypeError, ValueError: It is no such table.
    """
    if not alignment:
        return []
    characters = alignment["characters"]
    starts, ends = alignment["character_start_times_seconds"], alignment["character_end_times_seconds"]
    out: list[Boundary] = []
    word, span = "", (0.0, 0.0)
    for character, start, end in zip([*characters, " "], [*starts, 0.0], [*ends, 0.0], strict=True):
        if character.isspace():
            if any(c.isalnum() for c in word):
                out.append(Boundary(*span, word))
            word, span = "", (0.0, 0.0)
            continue
        if character.isalnum():
            spoken = any(c.isalnum() for c in word)
            span = (span[0] if spoken else float(start), float(end))
        word += character
    return out


def _safe(voice: str) -> str:
    from urllib.parse import quote

    return quote(voice, safe="")
