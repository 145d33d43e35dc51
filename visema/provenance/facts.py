"""`Facts`: what is known of how a film was made, for its mark and for who looks it up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from visema import __version__

#: IPTC's words for where a picture comes from (https://cv.iptc.org/newscodes/digitalsourcetype/): real and computed
#: parts, and the same where networks that were trained on pictures made some of them.
SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE: Final = "compositeSynthetic"
TRAINED: Final = "compositeWithTrainedAlgorithmicMedia"
#: Engines that move the pixels of the picture themselves, without a trained network.
_DRAWN: Final = ("", "warp", "patch")


@dataclass(frozen=True)
class Facts:
    """How a film was made.

    Attributes:
        engine: What drew the mouth.
        voice: Who spoke, full name; empty for a recording.
        avatar: Id of the avatar; empty where there is none.
        source: SHA-256 of the photo or video.
        consents: What the persons agreed to: ``face`` and ``voice``, where known, in sentences.
        live: It is a recording of the live view.
        visible: It has a visible mark.
        salt: Makes the id this film's own where the same film is made for several people; in no file.
        version: Of Visema.
    """

    engine: str = ""
    voice: str = ""
    avatar: str = ""
    source: str = ""
    consents: Mapping[str, str] = field(default_factory=dict)
    live: bool = False
    visible: bool = False
    salt: str = ""
    version: str = __version__

    @property
    def source_type(self) -> str:
        """The last part of IPTC's address."""
        return COMPOSITE if self.engine in _DRAWN else TRAINED

    def record(self) -> dict[str, Any]:
        """All of it, for the one who runs Visema."""
        return {**asdict(self), "source_type": self.source_type}

    def public(self) -> dict[str, str]:
        """What the file itself says: names of nobody, and of consents only what proves them later.

        A voice is named by its engine alone, since people call voices of their own by somebody's name.
        """
        told = {
            "engine": self.engine,
            "voice": self.voice.partition(":")[0] if self.voice else "recording",
            "version": self.version,
            "live": "yes" if self.live else "",
            "visible_mark": "yes" if self.visible else "",
        }
        told |= {f"consent_{whose}": digest(said) for whose, said in self.consents.items()}
        return {name: value for name, value in told.items() if value}

    def line(self) -> bytes:
        """One spelling of it all, to make an id of."""
        return json.dumps(self.record(), sort_keys=True, separators=(",", ":")).encode()


def digest(consent: str) -> str:
    """What stands for a consent in a file: who has its words can show that it is theirs."""
    return hashlib.sha256(consent.encode()).hexdigest()


def facts_of(
    *,
    engine: str,
    voice: str,
    avatar: str = "",
    source: str = "",
    consent: str = "",
    salt: str = "",
    visible: bool = False,
) -> Facts:
    """The facts of a film, with the consent that is kept with a voice of one's own.

    Args:
        engine: What draws.
        voice: Full name of the voice that spoke; empty for a recording.
        avatar: Id.
        source: SHA-256 of the photo or video.
        consent: Of the shown person, as kept with the avatar.
        salt: See `Facts`.
        visible: See `Facts`.
    """
    consents = {"face": consent, "voice": _consent_of_voice(voice)}
    return Facts(engine, voice, avatar, source, {k: v for k, v in consents.items() if v}, visible=visible, salt=salt)


def _consent_of_voice(voice: str) -> str:
    from visema.speech.own_voices import ENGINE, list_own

    if not voice:
        return ""
    found = (own for own in list_own() if voice in (f"{ENGINE}:{own.name}", own.base if own.match is None else None))
    return next((str(own.consent) for own in found), "")
