"""Addresses and keys of speech services, from the environment or a ``.env`` file; a key is never shown."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Final

from visema.paths import ROOT

_log = logging.getLogger(__name__)

_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*")


class Secret:
    """A key that no log, error or ``repr`` shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the header of a request."""
        return self._value

    def scrub(self, text: str) -> str:
        """``text`` without the key, should somebody have sent it back."""
        return text.replace(self._value, "***") if self._value else text

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    __str__ = __repr__


def value_of(name: str) -> str:
    """The value of a variable: the environment's, else that of ``.env`` here or in the checkout; else empty."""
    found = os.environ.get(name)
    return file_values().get(name, "") if found is None else found.strip()


def file_values() -> dict[str, str]:
    """What ``.env`` says: the file that ``VISEMA_ENV_FILE`` names, else that here before that in the checkout."""
    named = os.environ.get("VISEMA_ENV_FILE")
    files = [Path(named)] if named is not None else [ROOT / ".env", Path(".env")]
    return {name: value for file in files for name, value in _read(file).items()}


def secret_of(name: str) -> Secret:
    """As `value_of`, for a key."""
    return Secret(value_of(name))


def _read(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    except (OSError, UnicodeDecodeError) as e:
        _log.warning("%s cannot be read (%s)", file, type(e).__name__)
        return {}
    out = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if not match:
            continue
        name, value = match[1], match[2]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = value.partition(" #")[0].rstrip()
        out[name] = value
    return out
