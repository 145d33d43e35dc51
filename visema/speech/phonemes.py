"""Text to phones without sound: phonemizer, or rules of English spelling where it is missing."""

from __future__ import annotations

import logging
import os
import threading
from functools import lru_cache
from typing import Any, Final, NamedTuple

from visema.errors import VoiceError
from visema.message import Message
from visema.speech import espeak_voices
from visema.speech.letters import english_phones

_log = logging.getLogger(__name__)

#: phonemizer's library keeps its state in globals, as espeak-ng does.
_lock = threading.Lock()
_BETWEEN_PHONES: Final = "|"
_BETWEEN_WORDS: Final = " "


class Transcription(NamedTuple):
    """Phones in IPA of each word of a text.

    Attributes:
        words: The words in order; stress marks stand before the stressed vowel's phone.
        note: A sentence for the user when a poorer way was taken, else empty.
    """

    words: list[list[str]]
    note: str = ""


def phonemize(text: str, language: str = "en-US") -> Transcription:
    """The phones of plain ``text``; punctuation is left out."""
    try:
        with _lock:
            line = _backend(_code(language)).phonemize([text], separator=_separator(), strip=True)[0]
        words = [w.split(_BETWEEN_PHONES) for w in line.split(_BETWEEN_WORDS)]
        return Transcription([phones for w in words if (phones := [n for p in w if (n := p.rstrip("-"))])])
    except (ImportError, OSError, RuntimeError, ValueError, VoiceError) as e:
        note = Message("phonemizer cannot be used ({reason}): English spelling rules give the phones.", reason=e)
        _log.warning("%s", note)
        return Transcription([p for w in text.split() if (p := english_phones(w))], note)


def _code(language: str) -> str:
    """Phonemizer's name of a language: espeak-ng's code."""
    return espeak_voices.nearest(language, "Male").name.partition(":")[2]


@lru_cache(maxsize=16)
def _backend(code: str) -> Any:
    import espeakng_loader

    # phonemizer loads a copy of the library, which finds its data by this.
    os.environ.setdefault("PHONEMIZER_ESPEAK_LIBRARY", espeakng_loader.get_library_path())
    os.environ.setdefault("ESPEAK_DATA_PATH", espeakng_loader.get_data_path())
    from phonemizer.backend import EspeakBackend

    quiet = logging.getLogger("phonemizer")
    quiet.setLevel(logging.ERROR)
    return EspeakBackend(code, with_stress=True, language_switch="remove-flags", logger=quiet)


def _separator() -> Any:
    from phonemizer.separator import Separator

    return Separator(phone=_BETWEEN_PHONES, word=_BETWEEN_WORDS, syllable="")
