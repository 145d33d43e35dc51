"""Errors of the film API: ``{error, detail, hint}``, HTTP's number for each, and no path of this machine in any."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.requests import ClientDisconnect, Request

from visema.errors import EngineError, FaceError, InputError, MediaError, OutputError, VisemaError, VoiceError
from visema.live.requests import RequestError
from visema.service.files import NoSpace
from visema.service.order import Conflict
from visema.service.quotas import OverQuota
from visema.service.storage import StorageAway, StorageError
from visema.service.store import QueueFull
from visema.web.texts import in_language, preferred_language

log = logging.getLogger(__name__)

NO_STORE: Final = {"Cache-Control": "no-store"}
#: What looks like a path of two parts or more; addresses of the web do not.
_PATH: Final = re.compile(r"(?<![\w:/.])(?:[A-Za-z]:)?[\\/](?:[^\s\\/'\";,]+[\\/])+([^\s\\/'\";,]*)")
_LATER: Final = {"Retry-After": "30"}
_CLOSE: Final = {"Connection": "close"}
#: What goes with some of the numbers; a body that was not read to its end ends its connection.
_HEADERS: Final = {429: _LATER, 503: _LATER, 400: _CLOSE, 408: _CLOSE, 413: _CLOSE, 415: _CLOSE}
Handler = Callable[..., Awaitable[Response]]


def explained(handler: Handler) -> Handler:
    """Answer what a handler raises as an error in our form."""

    @functools.wraps(handler)
    async def answer(*args: Any, **kwargs: Any) -> Response:
        try:
            return await handler(*args, **kwargs)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception as e:
            error = as_request_error(e)
            language = language_of(kwargs.get("request"))
            headers = {**NO_STORE, **_HEADERS.get(error.status, {})}
            if later := getattr(e, "retry_after", 0):
                headers["Retry-After"] = str(later)
            return JSONResponse(problem(error.code, error, language), error.status, headers)

    return answer


def as_request_error(error: Exception) -> RequestError:
    """Any error with a code and HTTP's number; what is not the user's goes to the log in full."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, QueueFull):
        code, status = ("busy_client", 429) if error.own else ("busy", 503)
        return RequestError(code, error.what, error.hint, status)
    if isinstance(error, OverQuota):
        return RequestError(error.code, error.what, error.hint, 429)
    if isinstance(error, Conflict):
        return RequestError("conflict", error.what, error.hint, 409)
    if isinstance(error, StorageAway):
        return RequestError("busy", error.what, error.hint, 503)
    if isinstance(error, StorageError):
        log.error("%s", error)
        return RequestError("output", "The server cannot keep files.", "Tell who runs the server.", 500)
    if isinstance(error, NoSpace):
        return RequestError("disk_full", error.what, error.hint, 507)
    if isinstance(error, OutputError):
        log.error("%s", error)
        if "full" in error.what:
            return RequestError("disk_full", "The server's disk is full.", "Try again later.", 507)
        return RequestError("output", "The server cannot keep files.", "Tell who runs the server.", 500)
    if isinstance(error, FaceError):
        return RequestError("no_face", error.what, error.hint, 422)
    if isinstance(error, MediaError):
        return RequestError("bad_media", error.what, error.hint, 422)
    if isinstance(error, (InputError, VoiceError, EngineError)):
        return RequestError("unusable", error.what, error.hint, 422)
    if isinstance(error, OperationalError):
        log.error("%s", error)
        if "full" in str(error.orig):
            return RequestError("disk_full", "The server's disk is full.", "Try again later.", 507)
        return RequestError("busy", "The server's database does not answer.", "Try again in a minute.", 503)
    if isinstance(error, (InterfaceError, NoConnection)):  # gone in the midst of it, or more ask than it takes
        log.error("%s", error)
        return RequestError("busy", "The server's database does not answer.", "Try again in a minute.", 503)
    log.error("A request of the film API failed.", exc_info=error)
    return RequestError("internal", "Something unexpected went wrong.", "The server's log has the details.", 500)


def language_of(request: Request | None) -> str:
    """The language that a browser asks for; English for programs, which ask for none."""
    return preferred_language(request.headers.get("accept-language", "")) if request else "en"


def problem(code: str, error: VisemaError, language: str) -> dict[str, str]:
    """An error as it is sent."""
    detail, hint = (clean(in_language(words, language)) for words in (error.what, error.hint))
    return {"error": code, "detail": detail, "hint": hint}


def clean(sentence: str) -> str:
    """A sentence without paths of this machine: of each, its last part."""

    def last(found: re.Match[str]) -> str:
        # Our own addresses look like paths too, but no such folder is on the disk.
        top = Path(*Path(found[0]).parts[:2])
        return found[1] if top.exists() else found[0]

    return _PATH.sub(last, sentence)
