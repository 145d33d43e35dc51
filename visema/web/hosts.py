"""By which names a server is asked that needs no key: a page of another site may have its own name lead here.

Such a page is of the server's own origin as far as a browser can tell, for both have that name. So where being on this
machine is all that is asked of somebody, the name in ``Host`` has to be this machine's, or one that the settings name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from visema.live.requests import RequestError
from visema.message import Message

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Scope

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/\\@?#,\[\]]+)(:[0-9]*)?")


def host_of(header: str) -> str:
    """The name or address in a ``Host`` header, in lower case, without port, brackets and a dot at its end.

    Empty where the header holds something else.
    """
    found = _HOST.fullmatch(header.strip().lower())
    return found[1].strip("[]").removesuffix(".") if found else ""


def hosts_of(origins: Iterable[str]) -> frozenset[str]:
    """The names of sites such as ``https://example.org:8443``; ``*`` names none."""
    return frozenset(host_of(origin.partition("://")[2]) for origin in origins) - {""}


def is_this_machine(host: str) -> bool:
    """Whether a name always is that of the machine that asks: no name server can have it lead elsewhere."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback


def check_host(scope: Scope, headers: Headers, named: frozenset[str]) -> None:
    """Refuse who asks a server without a key by a name that may be another site's.

    Args:
        scope: The request.
        headers: Its headers.
        named: Names that may ask beside this machine's own; see `hosts_of`.

    Raises:
        RequestError: The name is neither this machine's nor one of those.
    """
    given = headers.getlist("host")
    if not given and scope.get("http_version") == "1.0":  # a browser always sends one
        return
    if given and all(is_this_machine(name) or name in named for name in map(host_of, given)):
        return
    raise RequestError(
        "host",
        Message(
            "This server has no key and answers this machine alone, not those who ask for '{host}'.",
            host=f"{', '.join(given):.100}",
        ),
        Message(
            "Open it by the name localhost. Behind a proxy, make a key: visema keys create NAME; or let in all whom "
            "the proxy lets in, by naming that site: VISEMA_CORS_ORIGINS=https://NAME, or --origin."
        ),
        403,
    )
