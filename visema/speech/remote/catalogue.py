"""Which of these engines are set up here, and the voices they have, kept so that nobody waits for a list."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import lru_cache
from pathlib import Path
from typing import Final

from visema.errors import OutputError, VoiceError
from visema.paths import atomic_file, cache_dir
from visema.speech.access import secret_of, value_of
from visema.speech.edge import Unreachable
from visema.speech.remote.engine import MANY, RemoteEngine, split_tag
from visema.speech.types import Voice

_log = logging.getLogger(__name__)

NAMES: Final = ("elevenlabs", "openai", "coqui", "piper")
#: Seconds that a list is kept.
_FRESH: Final = 3600.0
#: The page's first visitor waits for lists no longer than this.
_WAIT: Final = 3.0
#: What an engine is set up by.
VARIABLES: Final = {
    "elevenlabs": ("ELEVENLABS_API_KEY", "ELEVENLABS_BASE_URL", "ELEVENLABS_MODEL"),
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_TTS_MODEL"),
    "coqui": ("COQUI_URL", "COQUI_MODEL"),
    "piper": ("PIPER_URL", "PIPER_VOICES"),
}
#: An ElevenLabs voice's id; other names are looked up.
_ID_LETTERS: Final = 20


def why_not(name: str) -> VoiceError | None:
    """None if engine ``name`` is set up, else what is missing."""
    if name == "elevenlabs" and not secret_of("ELEVENLABS_API_KEY"):
        return _no_key("ElevenLabs", "ELEVENLABS_API_KEY")
    if name == "openai" and not secret_of("OPENAI_API_KEY") and not value_of("OPENAI_BASE_URL"):
        return _no_key("OpenAI", "OPENAI_API_KEY")
    if name == "coqui":
        from visema.speech.remote.coqui import installed

        if not value_of("COQUI_URL") and not installed():
            return VoiceError(
                "Coqui XTTS is not set up.", "Start its server and name it in COQUI_URL, or install the package TTS."
            )
    if name == "piper":
        from visema.speech.remote.piper import program

        if not value_of("PIPER_URL") and not program():
            return VoiceError(
                "Piper is not set up.",
                "Install it (pip install piper-tts), or start its server and name it in PIPER_URL.",
            )
    return None


def _no_key(service: str, variable: str) -> VoiceError:
    return VoiceError(
        "There is no key for {service}.",
        "Put it into {variable}, in the environment or in the file .env.",
        service=service,
        variable=variable,
    )


def engine(name: str) -> RemoteEngine:
    """The engine ``name`` as it is set up now.

    Raises:
        VoiceError: It is not.
    """
    missing = why_not(name)
    if missing:
        raise missing
    return _engine(name, tuple(value_of(variable) for variable in VARIABLES[name]))


@lru_cache(maxsize=8)
def _engine(name: str, settings: tuple[str, ...]) -> RemoteEngine:
    """Made once for each setting, because an engine may keep what it was told."""
    if name == "elevenlabs":
        from visema.speech.remote.elevenlabs import ElevenLabs

        return ElevenLabs()
    if name == "openai":
        from visema.speech.remote.openai import OpenAI

        return OpenAI()
    if name == "coqui":
        from visema.speech.remote.coqui import Coqui

        return Coqui()
    from visema.speech.remote.piper import Piper

    return Piper()


def version(name: str) -> str:
    """What tells apart speech of the same voice: the model, and whose server."""
    return "|".join([value_of(v) for v in VARIABLES[name] if not v.endswith("_KEY")]) if name in VARIABLES else ""


def list_voices(offline: bool = False) -> list[Voice]:
    """The voices of all engines that are set up; ``offline`` asks none of them, and gives what was kept."""
    out: list[Voice] = []
    for name in NAMES:
        if why_not(name) is None:
            try:
                out += kept_voices(engine(name)) if offline else _voices(engine(name))
            except VoiceError as e:
                _log.warning("%s", e)
    return out


def find(name: str, voice: str, offline: bool = False) -> Voice:
    """The voice that ``voice`` means to engine ``name``: its own name or label, with or without ``@language``.

    Raises:
        VoiceError: The engine is not set up, or has no such voice.
    """
    made = engine(name)
    own, tag = split_tag(voice.strip())
    if name == "piper" and own.endswith(".onnx"):
        from visema.speech.remote.piper import Piper

        assert isinstance(made, Piper)
        return made.file_voice(Path(own).expanduser())
    known = kept_voices(made)
    found = _among(known, own)
    if not found and not offline:
        try:
            known = _voices(made)
        except Unreachable as e:  # so another voice will speak, which is told then
            _log.info("%s", e)
        found = _among(known, own)
    if found:
        return Voice(f"{found.name}@{tag}", tag, found.gender, found.label, found.cloud) if tag else found
    # A voice of one's own, or a list that cannot be had now: the service knows.
    own_voice = name == "openai" or (name == "elevenlabs" and len(own) == _ID_LETTERS)
    if own and (own_voice or not known):
        language = tag or made.language(own) or MANY
        return Voice(f"{name}:{voice.strip()}", language, "", f"{own} ({made.title})", made.cloud)
    raise made.unknown(own)


def _among(known: Sequence[Voice], own: str) -> Voice | None:
    """The voice whose name or label is ``own``."""
    return next(
        (v for v in known if own.lower() in (v.name.partition(":")[2].lower(), v.label.rpartition(" (")[0].lower())),
        None,
    )


def kept_voices(made: RemoteEngine) -> list[Voice]:
    """The voices as last told, empty if that is long ago; OpenAI's are always known."""
    if made.name == "openai":
        return list(made.voices())
    try:
        told = json.loads(_file(made).read_text("utf-8"))
        if told["set_up"] != version(made.name) or not 0 <= time.time() - float(told["time"]) < _FRESH:
            return []
        return [Voice(str(n), str(lang), str(g), str(label), bool(c)) for n, lang, g, label, c in told["voices"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _voices(made: RemoteEngine) -> list[Voice]:
    voices = list(made.voices())
    path = _file(made)
    told = {"time": time.time(), "set_up": version(made.name), "voices": [astuple(v) for v in voices]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(told), "utf-8")
    except (OSError, OutputError) as e:
        _log.debug("the list of voices cannot be kept: %s", e)
    return voices


def _file(made: RemoteEngine) -> Path:
    return cache_dir() / "speech" / f"{made.name}_voices.json"


def forget(name: str) -> None:
    """Ask for the list of engine ``name`` anew next time."""
    (cache_dir() / "speech" / f"{name}_voices.json").unlink(missing_ok=True)


def ask_ahead() -> Callable[[], None]:
    """Ask for all lists in the background; what is returned waits for them, but not long."""
    if not any(why_not(name) is None and name != "openai" for name in NAMES):
        return lambda: None
    thread = threading.Thread(target=list_voices, name="voice-lists", daemon=True)
    thread.start()
    return lambda: thread.join(_WAIT)


def company(name: str) -> str:
    """Who gets the text of the cloud voice ``name``."""
    return {"elevenlabs": "ElevenLabs", "openai": "OpenAI"}.get(name.partition(":")[0], "Microsoft")
