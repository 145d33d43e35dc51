"""Every voice that can be chosen, and the one that a name means."""

from __future__ import annotations

import re
from typing import Final

from visema import settings
from visema.errors import VoiceError
from visema.speech import edge_voices, espeak_voices, own_voices
from visema.speech.access import value_of
from visema.speech.remote import catalogue
from visema.speech.remote.engine import MANY
from visema.speech.similar import did_you_mean, similar
from visema.speech.types import Voice

DEFAULT_VOICE: Final = "en-US-JennyNeural"
#: Engines whose service is paid by the owner of this machine, and the variable that says whether visitors may.
PAID_ENGINES: Final = ("elevenlabs", "openai")
PAID_VARIABLE: Final = "VISEMA_PAID_VOICES"
_EDGE_NAME: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,8})+-\w+Neural", re.IGNORECASE)


def list_voices(language: str | None = None, offline: bool = False) -> list[Voice]:
    """Voices, by language and name; the network voices first.

    Args:
        language: Only those of this language: ``en``, ``en-US`` or an English name such as ``French``.
        offline: Do not ask the network for its voices; the list that came with the program serves.
    """
    voices = [
        *edge_voices.list_voices(offline),
        *espeak_voices.list_voices(),
        *catalogue.list_voices(offline),
        *(own.voice for own in own_voices.list_own()),
    ]
    if language:
        voices = [v for v in voices if speaks(v, language)]
    return sorted(voices, key=lambda v: (v.language.lower(), not v.cloud, v.name))


def speaks(voice: Voice, language: str) -> bool:
    """Whether ``voice`` is of ``language``, a tag or the beginning of one, or a word of the voice's label."""
    wanted, tag = language.lower().replace("_", "-"), voice.language.lower()
    return (
        tag in (wanted, MANY)
        or tag.startswith(wanted + "-")
        or (len(wanted) > 3 and voice.label.lower().startswith(wanted))
    )


def paid_allowed() -> bool:
    """Whether visitors may choose voices that the owner pays for; a server that others reach says no by itself."""
    return settings.PAID_VOICES.of({PAID_VARIABLE: value_of(PAID_VARIABLE)})


def check_visitors(name: str) -> None:
    """Complain about a voice that is not for those who ask from elsewhere: a file of this machine, the owner's money.

    Raises:
        VoiceError: It is one of these.
    """
    engine, _, rest = name.strip().partition(":")
    if not paid_allowed() and (engine.lower() in PAID_ENGINES or _is_clone(engine, rest)):
        raise VoiceError("Voices that cost money are not for visitors here.", "Choose another voice.")
    if engine.lower() == "piper" and ("/" in rest or "\\" in rest or rest.partition("@")[0].endswith(".onnx")):
        raise VoiceError("A voice file cannot be named here.", "Give the name of a voice that is listed.")


def _is_clone(engine: str, name: str) -> bool:
    return engine.lower() == own_voices.ENGINE and own_voices.find(name.strip()).cloud


def resolve_voice(name: str = DEFAULT_VOICE, offline: bool = False) -> Voice:
    """The voice that a user means by ``name``.

    Args:
        name: ``edge:<name>``, ``espeak:<name>``, ``espeak`` alone for its default, a bare name of either, or
            ``elevenlabs:``, ``openai:``, ``coqui:`` or ``piper:`` with a name, and where need be
            ``@language``, or ``voice:`` with the name of a voice of one's own.
        offline: Do not ask the network whether it has the voice.

    Raises:
        VoiceError: No such voice; the hint names similar ones.
    """
    name = name.strip() or DEFAULT_VOICE
    engine, colon, rest = name.partition(":")
    if engine.lower() == espeak_voices.ENGINE:
        return espeak_voices.find(rest)
    if colon and engine.lower() == own_voices.ENGINE:
        return own_voices.find(rest.strip())
    if colon and engine.lower() in catalogue.NAMES:
        return catalogue.find(engine.lower(), rest, offline)
    if colon and engine.lower() != edge_voices.ENGINE:
        raise VoiceError(
            "There is no voice engine '{engine}'.",
            "Use {engines} and a name after it; --list-voices shows them.",
            engine=engine,
            engines=", ".join(f"{name}:" for name in ("edge", "espeak", *catalogue.NAMES, own_voices.ENGINE)),
        )
    own = rest if colon else name
    if colon or _EDGE_NAME.fullmatch(own):
        return edge_voices.find(own, offline)
    try:
        return espeak_voices.find(own)
    except VoiceError as e:
        names = [v.name.partition(":")[2] for v in list_voices(offline=True)]
        raise VoiceError("There is no voice '{name}'.", did_you_mean(similar(own, names)), name=own) from e
