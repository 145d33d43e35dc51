"""Where the server may send news: to public addresses only, looked up once and then connected to as looked up.

A user names the address, so it may be any: this machine, its neighbours, the cloud's metadata, or a name that means a
public machine when it is checked and a private one a moment later. So nothing is judged by its name: the address that
a connection is made to is the one that was judged.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from visema.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Of an address that a user names.
MAX_URL: Final = 2000
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
#: IPv6 within which an IPv4 address may hide, or a way into other networks.
_TUNNELS: Final = tuple(map(ipaddress.ip_network, ("::/96", "2002::/16", "2001::/32", "64:ff9b:1::/48", "fec0::/10")))


class Refused(Exception):
    """The server sends nothing there."""


def check_url(url: str, allowed: Iterable[str] = ()) -> None:
    """Refuse an address that nothing can ever be sent to; what its name means is looked at when it is sent.

    Args:
        url: What a user named.
        allowed: Hosts that who runs the server has named, ``host`` or ``host:port``.

    Raises:
        InputError: It is no address of the web, or one of a private network.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    hint = "Give a public address such as https://example.org/hooks."
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if parts.scheme not in ("http", "https") or not host or not plain or len(url) > MAX_URL or port == 0:
        raise InputError("The webhook is no address of the web.", hint)
    if parts.username is not None or parts.password is not None:
        raise InputError("The webhook's address holds a name or a password.", "Its news are signed; leave them out.")
    if is_allowed(host, port or (443 if parts.scheme == "https" else 80), allowed):
        return
    literal = _literal(host)
    own = host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".home.arpa"))
    if own or (literal is not None and not is_public(literal)):
        raise InputError("The webhook is an address of a private network.", hint)


def is_allowed(host: str, port: int, allowed: Iterable[str]) -> bool:
    """Whether who runs the server has named a host, with its port or without."""
    names = {name.strip().lower() for name in allowed}
    shown = f"[{host}]" if ":" in host else host
    return bool({host.lower(), shown.lower(), f"{shown}:{port}".lower()} & names)


def is_public(address: Address) -> bool:
    """Whether an address is one of the whole internet's, and hides none that is not."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(address in tunnel for tunnel in _TUNNELS):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def look_up(host: str, port: int) -> list[Address]:
    """The addresses of a host, all of them public.

    Raises:
        Refused: One of them is not: whoever owns the name can let it mean anything.
        OSError: The name means nothing.
    """
    found: list[Address] = []
    for _, _, _, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        address = ipaddress.ip_address(str(where[0]).partition("%")[0])
        if not is_public(address):
            raise Refused(f"{host} is {address}, which is no public address")
        if address not in found:
            found.append(address)
    if not found:
        raise OSError(f"{host} has no address")
    return found


class PublicBackend(httpcore.NetworkBackend):
    """Connects to public addresses only, and lets nothing take longer than it may.

    Args:
        allowed: Hosts that who runs the server has named.
        seconds: For everything together, from now on.
        resolve: Looks names up; see `look_up`.
    """

    def __init__(
        self,
        allowed: Iterable[str],
        seconds: float,
        resolve: Callable[[str, int], list[Address]] = look_up,
    ) -> None:
        self._allowed, self._resolve = tuple(allowed), resolve
        self._ends = time.monotonic() + seconds
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        """Connect to what the name means now.

        Raises:
            Refused: It is no public address.
        """
        if is_allowed(host, port, self._allowed):
            places = [host]
        else:
            try:
                places = [str(address) for address in self._resolve(host, port)]
            except OSError as e:
                raise httpcore.ConnectError(f"{host} cannot be found") from e
        failed: Exception = httpcore.ConnectError("nowhere to go")
        for place in places[:4]:
            try:
                inner = self._inner.connect_tcp(place, port, _left(self._ends, timeout), None, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as e:
                failed = e
                continue
            return _Stream(inner, self._ends)
        raise failed

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Never.

        Raises:
            Refused: Always.
        """
        raise Refused("a socket of this machine")


class _Stream(httpcore.NetworkStream):
    """A connection that ends at a time, however slowly the other side drips."""

    def __init__(self, inner: httpcore.NetworkStream, ends: float) -> None:
        self._inner, self._ends = inner, ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._ends, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._ends, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, _left(self._ends, timeout))
        return _Stream(inner, self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(ends: float, timeout: float | None) -> float:
    """Seconds that are left."""
    left = ends - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("it took too long")
    return left if timeout is None else min(left, timeout)


def _literal(host: str) -> Address | None:
    """The address that a host is written as, also in the ways in which C reads them: 2130706433, 0x7f.1, 0177.1."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
