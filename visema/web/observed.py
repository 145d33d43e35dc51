"""Watches the requests of a server: a span, numbers and a line of the log for each; `/metrics` tells the numbers."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response

from visema.ops import logs, traces
from visema.ops.numbers import REQUEST_BOUNDS, Counter, Histogram

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("visema.requests")

#: How Prometheus' text format calls itself.
FORMAT: Final = "text/plain; version=0.0.4"
#: Requests that say nothing when they are well: they come every few seconds, or for each picture.
_QUIET: Final = ("/health", "/ready", "/metrics", "/avatars/", "/stage/", "/poster.jpg", "/favicon.ico", "/ui/")


class RequestNumbers:
    """Requests by route and answer. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = Counter("visema_http_requests_total", "Requests, by method, route and status.")
        self._seconds = Histogram(
            "visema_http_request_seconds", "Until the answer began, by method and route.", REQUEST_BOUNDS
        )

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        with self._lock:
            self._count.add({"method": method, "route": route, "status": str(status)})
            self._seconds.observe({"method": method, "route": route}, seconds)

    def text(self) -> str:
        """In Prometheus' text format."""
        with self._lock:
            return self._count.text() + self._seconds.text()


class Observed:
    """Watches what ``app`` answers.

    A request may bring its id (``X-Request-Id``) and its trace (``traceparent``); the id goes back with the answer.

    Args:
        app: What answers.
        numbers: Counted up.
    """

    def __init__(self, app: ASGIApp, numbers: RequestNumbers) -> None:
        self._app, self._numbers = app, numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get(b"x-request-id", "")
        request = given if 0 < len(given) <= 64 and given.isascii() and given.isalnum() else secrets.token_hex(8)
        method, path = scope["method"], scope["path"]
        began = time.perf_counter()
        status, first = 500, 0.0

        async def answer(message: Message) -> None:
            nonlocal status, first
            if message["type"] == "http.response.start":
                status, first = message["status"], time.perf_counter() - began
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request.encode())]}
            await send(message)

        quiet = path.startswith(_QUIET)
        with logs.about(request=request):
            if quiet:
                await self._app(scope, receive, answer)
            else:
                facts = {"http.request.method": method, "url.path": path, "request": request}
                parent = headers.get(b"traceparent", "")
                with traces.span(f"{method} request", role="server", parent=parent, **facts) as span:
                    await self._app(scope, receive, answer)
                    if span is not None:
                        span.update_name(f"{method} {route_of(scope)}")
                        span.set_attribute("http.response.status_code", status)
                    log.info(
                        "%s %s %d",
                        method,
                        path,
                        status,
                        extra={"facts": {"status": status, "seconds": round(first, 4)}},
                    )
        self._numbers.add(method, route_of(scope), status, first)


def route_of(scope: Scope) -> str:
    """The route that answered, with names in place of values; few, whatever strangers ask for."""
    route = scope.get("route")
    path = getattr(route, "path", "")
    return path or ("/ui" if scope["path"].startswith("/ui") else "other")


def add_metrics(app: FastAPI, *told: Callable[[], str]) -> Callable[[], str]:
    """Put ``/metrics`` on ``app``: all that ``told`` give, one after the other; gives what tells it."""

    def text() -> str:
        return "".join(part() for part in told)

    @app.get("/metrics", tags=["server"], summary="Numbers for Prometheus", response_class=PlainTextResponse)
    def metrics() -> Response:
        return Response(text(), media_type=FORMAT, headers={"Cache-Control": "no-store"})

    return text
