"""The cookie of somebody who has logged in with a key, and the tokens of the form with which they do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final

from visema.service.keys import Key
from visema.service.secret import derive

#: Who logs in stays so for a week, or until the key ends.
SESSION_S: Final = 7 * 24 * 3600
#: A form that is older must be asked for again.
FORM_S: Final = 3600


class Sessions:
    """Makes and checks cookies.

    A cookie names a key and when it ends, signed with the server's secret and the key's hash: it opens nothing any
    more once the key is revoked or has got another secret, and who reads the database cannot make one.

    Args:
        secret: The server's.
        now: The clock, seconds since 1970.
    """

    def __init__(self, secret: bytes, now: Callable[[], float] = time.time) -> None:
        self._secret, self._now = derive(secret, "session"), now
        self._form_secret = derive(secret, "login form")
        # Servers on several ports of a machine share the cookies of its name.
        mark = derive(secret, "cookie name").hex()[:8]
        self.name, self.form_name = f"visema_{mark}", f"visema_form_{mark}"

    def cookie(self, key: Key, *, secure: bool) -> str:
        """The Set-Cookie header for somebody who has shown a key."""
        ends = int(self._now() + SESSION_S)
        if key.expires is not None:
            ends = min(ends, int(key.expires))
        value = f"{key.id}.{ends}.{self._sign(key, ends)}"
        return _set(self.name, value, max(0, ends - int(self._now())), secure=secure)

    def no_cookie(self, *, secure: bool) -> str:
        """The Set-Cookie header that ends it."""
        return _set(self.name, "", 0, secure=secure)

    def key_of(self, value: str) -> tuple[str, int, str]:
        """Id, end and signature that a cookie claims; an empty id where it is none."""
        parts = value.split(".")
        if len(parts) != 3 or not parts[1].isdecimal() or len(parts[1]) > 12:
            return "", 0, ""
        return parts[0], int(parts[1]), parts[2]

    def holds(self, key: Key, ends: int, signature: str) -> bool:
        """Whether a cookie is one of ours for this key, and still holds."""
        right = hmac.compare_digest(self._sign(key, ends).encode(), signature.encode("utf-8", "surrogatepass"))
        return right and self._now() < ends and key.works(self._now())

    def form_token(self, nonce: str) -> str:
        """What the form carries, tied to the cookie that came with it."""
        at = int(self._now())
        return f"{at}.{_signature(self._form_secret, f'{at}.{nonce}')}"

    def form_holds(self, nonce: str, token: str) -> bool:
        """Whether a form was ours, was given to this browser, and is not old."""
        at, _, signature = token.partition(".")
        if not nonce or not at.isdecimal() or len(at) > 12:
            return False
        right = _signature(self._form_secret, f"{at}.{nonce}").encode()
        fits = hmac.compare_digest(right, signature.encode("utf-8", "surrogatepass"))
        return fits and 0 <= self._now() - int(at) < FORM_S

    def form_cookie(self, nonce: str, *, secure: bool) -> str:
        """The Set-Cookie header that goes with a form."""
        return _set(self.form_name, nonce, FORM_S, secure=secure, site="Strict")

    def _sign(self, key: Key, ends: int) -> str:
        return _signature(self._secret, f"{key.id}.{ends}.{key.hash}")


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """The cookies of a request."""
    try:
        jar = SimpleCookie(headers.get("cookie", "")[:8192])
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def _signature(secret: bytes, text: str) -> str:
    return base64.urlsafe_b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode().rstrip("=")


def _set(name: str, value: str, age_s: int, *, secure: bool, site: str = "Lax") -> str:
    return f"{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite={site}" + ("; Secure" if secure else "")
