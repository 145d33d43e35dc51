"""The film API on the application: its addresses, who may use it from where, and errors in one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from visema.live.theatre import LiveOptions
from visema.web.film_api import add_film_api
from visema.web.film_errors import NO_STORE
from visema.web.live_gate import Gate

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from visema.service.desk import Desk

#: Where pages of the sites that were named may read.
_OPEN: Final = ("/generate", "/status/", "/download/", "/config", "/health", "/ready", "/api/v1/")

#: Headers that such a page may send, and see.
_SENT: Final = ("Authorization", "X-API-Key", "Idempotency-Key", "Last-Event-ID", "Range", "Content-Type")
_TOLD: Final = (
    "Content-Range", "Content-Length", "Accept-Ranges", "ETag", "Retry-After", "Location", "Idempotent-Replayed",
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
)  # fmt: skip


def add_film_routes(app: FastAPI, desk: Desk, origins: tuple[str, ...] = ()) -> Callable[[Mapping[str, str]], None]:
    """Put the film API on ``app``; gives what refuses pages of other sites by the headers of their request.

    Args:
        app: The application.
        desk: The service.
        origins: Sites whose pages may use it; ``*`` is every site.
    """
    check_origin = Gate(LiveOptions(origins=origins)).check_origin
    add_film_api(app, desk, check_origin)
    if origins:
        app.add_middleware(ApiCors, origins=origins)

    @app.exception_handler(HTTPException)
    async def explain(request: Request, error: HTTPException) -> Response:
        words = {404: ("not_found", "There is nothing at this address."), 405: ("method", "That cannot be done here.")}
        code, detail = words.get(error.status_code, ("http", str(error.detail)))
        found = {"error": code, "detail": detail, "hint": "GET / lists the addresses."}
        return JSONResponse(found, error.status_code, {**NO_STORE, **(error.headers or {})})

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: RequestValidationError) -> Response:
        found = {
            "error": "unusable",
            "detail": "A value in the address is of another kind.",
            "hint": "See /openapi.json.",
        }
        return JSONResponse(found, 422, NO_STORE)

    return check_origin


class ApiCors:
    """Lets pages of other sites read the APIs, and nothing else of the server.

    Args:
        app: What answers.
        origins: The sites.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST", "DELETE"),
            allow_headers=_SENT,
            expose_headers=_TOLD,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        chosen = self._open if scope["type"] == "http" and scope["path"].startswith(_OPEN) else self._app
        await chosen(scope, receive, send)
