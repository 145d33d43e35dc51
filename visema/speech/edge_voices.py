"""The network voices: the list that came with the program, and the service's own while it can be reached."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from visema.errors import VoiceError
from visema.paths import atomic_file, cache_dir
from visema.speech.similar import did_you_mean, similar
from visema.speech.types import Voice

_log = logging.getLogger(__name__)

ENGINE: Final = "edge"
#: Seconds that the service's list is kept.
_FRESH: Final = 24 * 3600.0
_TABLE: Final = Path(__file__).with_name("edge_voices.tsv")


def list_voices(offline: bool = False) -> list[Voice]:
    """All network voices; ``offline`` never asks the service."""
    live = _kept()
    if not live and not offline:
        live = _ask()
    return live or list(_shipped())


def find(name: str, offline: bool = False) -> Voice:
    """The network voice called ``name``, such as ``en-US-JennyNeural``.

    Raises:
        VoiceError: No such voice; the hint names similar ones.
    """
    wanted = name.lower()
    sources: tuple[Callable[[], Sequence[Voice]], ...] = (_shipped, _kept)
    for source in sources if offline else (*sources, list_voices):
        for voice in source():
            if voice.name.partition(":")[2].lower() == wanted:
                return voice
    near = similar(name, [v.name.partition(":")[2] for v in (*_shipped(), *_kept())])
    raise VoiceError("There is no network voice '{name}'.", did_you_mean(near), name=name)


def voice_of(short_name: str, gender: str) -> Voice:
    """A `Voice` from the service's short name: ``en-US-JennyNeural``."""
    locale, _, person = short_name.rpartition("-")
    said = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", person.removesuffix("Neural"))
    return Voice(f"{ENGINE}:{short_name}", locale, gender, f"{said} ({locale})", cloud=True)


@lru_cache(maxsize=1)
def _shipped() -> tuple[Voice, ...]:
    out = []
    for line in _TABLE.read_text("utf-8").splitlines()[1:]:
        locale, female, male = line.split("\t")
        for gender, people in (("Female", female), ("Male", male)):
            out += [voice_of(f"{locale}-{person}Neural", gender) for person in people.split()]
    return tuple(out)


def _file() -> Path:
    return cache_dir() / "speech" / "edge_voices.json"


def _kept() -> list[Voice]:
    try:
        kept = json.loads(_file().read_text("utf-8"))
        if not 0 <= time.time() - float(kept["time"]) < _FRESH:
            return []
        return _from_service(kept["voices"])
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _ask() -> list[Voice]:
    from visema.speech.edge import fetch_voices

    try:
        rows = fetch_voices()
        voices = _from_service(rows)
    except VoiceError as e:
        _log.info("the service's list of voices cannot be had (%s): the shipped list serves", e.what)
        return []
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(_file()) as temporary:
            temporary.write_text(json.dumps({"time": time.time(), "voices": rows}), "utf-8")
    except (OSError, VoiceError) as e:
        _log.debug("the list of voices cannot be kept: %s", e)
    return voices


def _from_service(rows: Iterable[dict[str, Any]]) -> list[Voice]:
    return [voice_of(str(row["ShortName"]), str(row.get("Gender", ""))) for row in rows]
