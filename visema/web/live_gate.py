"""Who may come in: the origin of a page, and how often and how many one address may."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from visema.errors import VoiceError
from visema.live.requests import RequestError
from visema.live.theatre import LiveOptions

if TYPE_CHECKING:
    from visema.service.who import Who
    from visema.web.owners import Owners

#: Addresses that are remembered; the oldest are forgotten first.
MAX_ADDRESSES: Final = 10_000


class Bucket:
    """So many at once, then so many a second.

    Args:
        rate: Tokens a second.
        size: Tokens at first and at most.
        now: The clock.
    """

    def __init__(self, rate: float, size: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._size, self._now = rate, size, now
        self._tokens, self._at = size, now()

    def take(self) -> bool:
        """Take a token; False when there is none."""
        now = self._now()
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Gate:
    """Bounds on who comes in. Used by the event loop alone.

    Args:
        options: The bounds.
        owners: Whose avatars and voices are whose; None where everything is everybody's.
    """

    def __init__(self, options: LiveOptions, owners: Owners | None = None) -> None:
        self._options = options
        self._owners = owners
        self._everybody = "*" in options.origins
        self._origins = {netloc(origin) for origin in options.origins}
        self._open: Counter[str] = Counter()
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Let pages of this server and of the sites that were named in, and whatever is no browser.

        Behind a proxy that changes ``Host``, the host that the visitor asked for is in ``X-Forwarded-Host``, which no
        page of another site can set.

        Raises:
            RequestError: The page is of another site.
        """
        origin = headers.get("origin")
        if origin is None or self._everybody:
            return
        hosts = {headers.get("host", ""), *headers.get("x-forwarded-host", "").replace(" ", "").split(",")} - {""}
        came_from = netloc(origin)
        if came_from in self._origins or any(same_host(came_from, origin, host) for host in hosts):
            return
        hint = "Open the page at the server's own address, or name this one to the server: --origin ADDRESS."
        raise RequestError("origin", f"Pages of {origin:.100} may not come in.", hint, 403)

    def check_avatar(self, who: Who, avatar_id: str) -> None:
        """Refuse an avatar that is somebody else's; asks the database now and then.

        Raises:
            AvatarError: It is.
        """
        if self._owners and avatar_id:
            self._owners.check_avatar(who, avatar_id)

    def check_voice(self, who: Who, name: str) -> None:
        """Refuse a voice that is somebody else's; asks the database now and then.

        Raises:
            RequestError: It is.
        """
        try:
            if self._owners:
                self._owners.check_voice(who, name)
        except VoiceError as e:
            raise RequestError("unknown_voice", e.what, e.hint, 422) from e

    def check_rate(self, address: str) -> None:
        """Count an opening by ``address``.

        Raises:
            RequestError: It opens too many.
        """
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = Bucket(self._options.opens_per_second, self._options.opens_at_once)
            while len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        if not bucket.take():
            raise RequestError("flood", "Your address opens too many connections.", "Wait a few seconds.", 429)

    def enter(self, address: str) -> None:
        """Count an open socket of ``address``.

        Raises:
            RequestError: There are too many.
        """
        if self._open[address] >= self._options.sockets_per_address:
            raise RequestError("flood", "Your address has too many connections open.", "Close some of them.", 429)
        if self._open.total() >= self._options.sockets:
            raise RequestError("busy", "Too many viewers are here.", "Try again in a minute.", 503)
        self._open[address] += 1

    def exit(self, address: str) -> None:
        """A socket of ``address`` was closed."""
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]


def netloc(origin: str) -> str:
    """Host and port of an origin, in lower case; the port is left out where it is the scheme's own."""
    try:
        parts = urlsplit(origin.strip())
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "").lower()
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return host if port is None or port == usual else f"{host}:{port}"


def same_host(came_from: str, origin: str, host: str) -> bool:
    """True when a ``Host`` header names the host and port that an origin has."""
    scheme = origin.partition(":")[0]
    return bool(came_from) and came_from == netloc(f"{scheme}://{host}")
