"""Coqui XTTS: its streaming server at ``COQUI_URL``, or the package ``TTS`` in this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import util
from typing import Any, Final

import numpy as np

from visema.errors import VoiceError
from visema.speech.access import value_of
from visema.speech.remote.engine import MANY, RemoteEngine, Reply
from visema.speech.remote.http import Service, unknown_voice
from visema.speech.remote.sound import wav
from visema.speech.types import Voice

ADDRESS: Final = "COQUI_URL"
_MODEL: Final = "tts_models/multilingual/multi-dataset/xtts_v2"
_LANGUAGES: Final = frozenset(
    ["en", "de", "fr", "es", "it", "pl", "pt", "tr", "ru", "nl", "cs", "ar", "zh", "ja", "hu", "ko", "hi"]
)
_TABLES: Final = ("speaker_embedding", "gpt_cond_latent")
_lock = threading.Lock()


class Coqui(RemoteEngine):
    """`SpeechEngine` of XTTS; it speaks 17 languages in every voice."""

    name = "coqui"
    title = "Coqui XTTS"

    def __init__(self) -> None:
        self.model = value_of("COQUI_MODEL") or _MODEL
        self.cloud = False
        url = value_of(ADDRESS).rstrip("/")
        self.service = Service(self.title, url, variable=ADDRESS) if url else None
        self._speakers: Mapping[str, Any] | None = None

    def voices(self) -> Sequence[Voice]:
        """The speakers that the server or the package comes with."""
        names = self._studio() if self.service else (_package(self.model).speakers or ())
        return [Voice(f"{self.name}:{name}", MANY, "", f"{name} ({self.title})", cloud=self.cloud) for name in names]

    def say(self, text: str, voice: str, rate: float, language: str) -> Reply:
        """The server streams a WAV; the package gives the samples."""
        code = language.split("-")[0].lower()
        if code not in _LANGUAGES:
            raise VoiceError(
                "{service} does not speak '{language}'.",
                "Choose another voice, or name the text's language after the voice: {example}.",
                service=self.title,
                language=language,
                example=f"{self.name}:{voice}@en",
            )
        if not self.service:
            return self._by_package(text, voice, "zh-cn" if code == "zh" else code)
        speakers = self._studio()
        speaker = speakers.get(voice)
        if speaker is None:
            raise unknown_voice(self.title)
        body = {
            "text": text, "language": code, "add_wav_header": True, "stream_chunk_size": "20",
            **speaker,
        }  # fmt: skip
        answer = self.service.ask("POST", "/tts_stream", json=body)
        try:
            return Reply(*wav(answer.body))
        except ValueError as e:
            raise self.service.unusable() from e

    def _studio(self) -> Mapping[str, Any]:
        """What the server knows of each speaker, asked once."""
        assert self.service
        if self._speakers is None:
            try:
                told = self.service.ask("GET", "/studio_speakers").json()
                # A speaker is two tables of numbers, which go back to the server with every text.
                self._speakers = {
                    str(name): {table: speaker[table] for table in _TABLES} for name, speaker in told.items()
                }
            except (ValueError, TypeError, KeyError, AttributeError) as e:
                raise self.service.unusable() from e
        return self._speakers

    def _by_package(self, text: str, voice: str, code: str) -> Reply:
        with _lock:  # the model is not made for two at once
            model = _package(self.model)
            if voice not in (model.speakers or ()):
                raise unknown_voice(self.title)
            samples = model.tts(text=text, speaker=voice, language=code)
            rate = int(model.synthesizer.output_sample_rate)
        return Reply(np.asarray(samples, np.float32).reshape(-1), rate)


def installed() -> bool:
    """Whether the package ``TTS`` is there."""
    return util.find_spec("TTS") is not None


@lru_cache(maxsize=1)
def _package(model: str) -> Any:
    from importlib import import_module

    try:
        return import_module("TTS.api").TTS(model)
    except (ImportError, OSError, RuntimeError, ValueError, KeyError) as e:
        raise VoiceError(
            "The package TTS cannot load {model} ({reason}).",
            "Run its own command once to fetch the model, or start a server and name it in COQUI_URL.",
            model=model,
            reason=e,
        ) from e
