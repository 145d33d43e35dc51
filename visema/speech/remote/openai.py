"""OpenAI's speech, and servers that speak its protocol; it tells no times, so the words are found in the sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from visema.errors import VoiceError
from visema.speech.access import secret_of, value_of
from visema.speech.remote.engine import MANY, RemoteEngine, Reply
from visema.speech.remote.http import Service, UnknownVoice
from visema.speech.remote.sound import pcm
from visema.speech.types import Voice

KEY: Final = "OPENAI_API_KEY"
ADDRESS: Final = "OPENAI_BASE_URL"
_RATE: Final = 24_000
_LONGEST: Final = 4096
#: The service has no list to ask for; these are the built-in voices of its documentation. How they sound is a matter
#: of opinion, so no gender is claimed for those that nobody agrees on.
_VOICES: Final = {
    "alloy": "", "ash": "Male", "ballad": "Male", "cedar": "Male", "coral": "Female", "echo": "Male", "fable": "",
    "marin": "Female", "nova": "Female", "onyx": "Male", "sage": "Female", "shimmer": "Female", "verse": "Male",
}  # fmt: skip


class OpenAI(RemoteEngine):
    """`SpeechEngine` of OpenAI."""

    name = "openai"
    title = "OpenAI"
    rates = (0.25, 4.0)

    def __init__(self) -> None:
        self.model = value_of("OPENAI_TTS_MODEL") or "gpt-4o-mini-tts"
        if self.model == "gpt-4o-mini-tts":
            # It does not follow the number; the sound is changed here instead.
            self.rates = (1.0, 1.0)
        url = value_of(ADDRESS) or "https://api.openai.com/v1"
        self.service = Service(self.title, url.rstrip("/"), secret_of(KEY), KEY, ("Authorization", "Bearer "))

    def voices(self) -> Sequence[Voice]:
        """The built-in voices."""
        return [
            Voice(f"{self.name}:{voice}", MANY, gender, f"{voice.capitalize()} ({self.title})", cloud=True)
            for voice, gender in _VOICES.items()
        ]

    def say(self, text: str, voice: str, rate: float, language: str) -> Reply:
        """One request; the answer is 24 kHz sound as it comes."""
        if len(text) > _LONGEST:
            raise VoiceError(
                "{service} takes {most} characters at once.",
                "Say it in several parts.",
                service=self.title,
                most=_LONGEST,
            )
        body: dict[str, object] = {"model": self.model, "voice": voice, "input": text, "response_format": "pcm"}
        if abs(rate - 1) > 0.005:
            body["speed"] = round(rate, 3)
        answer = self.service.ask("POST", "/audio/speech", json=body)
        if answer.headers.get("content-type", "").startswith(("application/json", "text/")):
            raise self.service.unusable()
        return Reply(pcm(answer.body), _RATE)

    def probe(self) -> str:
        """Ask for the list of models, which needs the key."""
        try:
            self.service.ask("GET", "/models")
        except UnknownVoice:  # a compatible server need not have the list
            return "answers"
        return "takes the key"
