"""Who sent a request, as a dependency of the addresses that need to know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection

from visema.service.who import Who
from visema.web.door import forbidden


def asks(scope: str) -> Callable[[HTTPConnection], Awaitable[Who]]:
    """A dependency: who asks, where the key allows ``scope``.

    Use as ``who: Annotated[Who, Depends(asks("films"))]``; it raises a `RequestError` with 403 otherwise.
    """

    async def found(connection: HTTPConnection) -> Who:  # one that is not async would be sent to a thread
        who = asker(connection)
        if not who.may(scope):
            raise forbidden(scope)
        return who

    return found


def asker(connection: HTTPConnection) -> Who:
    """Who asks, as `visema.web.door` has found; this machine's own user where there is no door."""
    who = connection.scope.get("state", {}).get("who")
    if isinstance(who, Who):
        return who
    return Who(address=connection.client.host if connection.client else "")
