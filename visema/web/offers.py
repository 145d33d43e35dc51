"""What a server does not offer, by its settings: such addresses answer as if they were not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from visema import settings
from visema.errors import InputError
from visema.live.requests import RequestError
from visema.message import Message
from visema.settings import Setting
from visema.web.film_errors import NO_STORE, problem
from visema.web.texts import preferred_language

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

#: The switches, and the method and path of what they switch off.
_ADDRESSES: Final[tuple[tuple[Setting[bool], re.Pattern[str]], ...]] = (
    (settings.DOCS, re.compile(r"\w+ (/docs|/docs/.*|/openapi\.json)")),
    (settings.BATCH, re.compile(r"POST /api/v1/batch")),
    (settings.TRAINING, re.compile(r"POST /api/v1/avatars/train")),
    (settings.CLONING, re.compile(r"POST /api/v1/voices/clone")),
    (settings.LIVE, re.compile(r"\w+ (/live|/live/.*|/api/v1/live|/api/v1/live/.*)")),
)


class Offers:
    """The middleware; what is switched off when it is made stays so.

    Args:
        app: What answers the rest.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._off = [address for switch, address in _ADDRESSES if not switch.of()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] in ("http", "websocket") and self._off:
            method = "WS" if scope["type"] == "websocket" else scope["method"]
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if any(address.fullmatch(f"{method} {path}") for address in self._off):
                await _refuse(scope, receive, send)
                return
        await self._app(scope, receive, send)


def check_training() -> None:
    """Refuse to make an avatar for a visitor where that is switched off.

    Raises:
        InputError: It is.
    """
    if not settings.TRAINING.of():
        raise InputError("Visitors make no avatars here.", "Choose one of those that there are.")


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "not offered"})
        return
    error = RequestError("not_offered", Message("This server does not offer that."), Message("Ask who runs it."), 404)
    language = preferred_language(Headers(scope=scope).get("accept-language", ""))
    await JSONResponse(problem(error.code, error, language), error.status, NO_STORE)(scope, receive, send)
