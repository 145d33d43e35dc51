"""Who sent a request, as a dependency of the addresses that need to know."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from visema.service.who import Who


def asks(scope: str) -> Callable[[Request], Who]:
    """A dependency: who asks, where the key allows ``scope``.

    Use as ``who: Annotated[Who, Depends(asks("films"))]``.
    """

    def found(request: Request) -> Who:
        return Who(address=request.client.host if request.client else "")

    return found
