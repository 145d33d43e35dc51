"""Signatures of the news that a server sends: made by it, checked by who receives them. Nothing but Python is needed.

A receiver calls `verify` with the secret of its key, the request's headers and the body as it came.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

SIGNATURE: Final = "X-Visema-Signature"
TIMESTAMP: Final = "X-Visema-Timestamp"
EVENT: Final = "X-Visema-Event"
DELIVERY: Final = "X-Visema-Delivery"
#: News that are older were recorded and are sent again by somebody else; clocks differ by less.
TOLERANCE_S: Final = 300
_VERSION: Final = "v1"


class Forged(Exception):
    """The news are not from the server, or not from now."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The signature of a body.

    Args:
        secret: Of the key whose news it is, ``whsec_…``.
        timestamp: When it is sent, seconds since 1970.
        body: As it is sent.
    """
    mac = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"{_VERSION}={mac.hexdigest()}"


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> None:
    """Check that news came from the server, and just now.

    Args:
        secret: Of the key whose news it is, ``whsec_…``.
        headers: Of the request, in whatever case.
        body: As it came, before anything was parsed.
        tolerance_s: How old they may be.
        now: The time, seconds since 1970; None asks the clock.

    Raises:
        Forged: They are not.
    """
    found = {name.lower(): value for name, value in headers.items()}
    try:
        timestamp = int(found[TIMESTAMP.lower()])
        signatures = found[SIGNATURE.lower()].replace(" ", "").split(",")
    except (KeyError, ValueError):
        raise Forged("There is no signature.") from None
    if abs((time.time() if now is None else now) - timestamp) > tolerance_s:
        raise Forged("It is too old, or from the future.")
    right = sign(secret, timestamp, body).encode()
    if not any(hmac.compare_digest(right, given.encode("utf-8", "surrogatepass")) for given in signatures):
        raise Forged("The signature is another one.")
