"""Which server, with which key, and how long to wait."""

from __future__ import annotations

import math
import os
import ssl
from typing import Final

import visema
from visema.client.errors import TimedOut
from visema.errors import InputError

#: Where a server on this machine listens.
LOCAL: Final = "http://127.0.0.1:8000"
URL_VARIABLE: Final = "VISEMA_URL"
KEY_VARIABLE: Final = "VISEMA_KEY"
#: Seconds within which something must come.
TIMEOUT: Final = 60.0


def url_of(url: str | None) -> str:
    """A server's address, without a slash at its end.

    Raises:
        InputError: It is none.
    """
    text = (url or os.environ.get(URL_VARIABLE) or LOCAL).strip().rstrip("/")
    scheme, found, host = text.partition("://")
    if scheme not in ("http", "https") or not found or not host:
        raise InputError(f"'{text}' is no address of a server.", "Give one such as https://avatar.example.org.")
    return text


def headers_of(key: str | None) -> dict[str, str]:
    """What goes with every request."""
    key = key or os.environ.get(KEY_VARIABLE) or ""
    return {
        "User-Agent": f"visema/{visema.__version__}",
        "Accept": "application/json",
    } | ({"Authorization": f"Bearer {key}"} if key else {})


def trust(verify: bool | str) -> bool | ssl.SSLContext:
    """How certificates are checked: as usual, not at all, or by those in a file.

    Raises:
        InputError: The file cannot be used.
    """
    if isinstance(verify, bool):
        return verify
    try:
        return ssl.create_default_context(cafile=verify)
    except OSError as e:
        raise InputError(f"The certificates in {verify} cannot be used: {e}.", "Give a PEM file.") from e


def seconds_of(timeout: float | None) -> float:
    """How long to wait; for ever where nothing is said."""
    return math.inf if timeout is None else float(timeout)


def late(name: str, timeout: float | None) -> TimedOut:
    """That something is not over."""
    what = f"{name} was not over within {timeout:g} s." if timeout else f"{name} is not over."
    return TimedOut(what, "It goes on; ask for its status later.", code="timed_out")
