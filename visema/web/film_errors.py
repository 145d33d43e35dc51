"""Errors of the film API: ``{error, detail, hint}``, HTTP's number for each, and no path of this machine in any."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from visema.errors import InputError, MediaError, OutputError, VisemaError, VoiceError
from visema.live.requests import RequestError
from visema.service.files import NoSpace
from visema.service.store import QueueFull

log = logging.getLogger(__name__)

NO_STORE: Final = {"Cache-Control": "no-store"}
#: A path of at least two folders; addresses of the web are none.
_PATH: Final = re.compile(r"(?<![\w:/.])(?:[A-Za-z]:)?[\\/](?:[^\s\\/'\";,]+[\\/])+([^\s\\/'\";,]*)")
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
            headers = {**NO_STORE, "Retry-After": "30"} if error.status in (429, 503) else NO_STORE
            return JSONResponse(problem(error.code, error), error.status, headers)

    return answer


def as_request_error(error: Exception) -> RequestError:
    """Any error with a code and HTTP's number; what is not the user's goes to the log in full."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, QueueFull):
        code, status = ("busy_client", 429) if error.own else ("busy", 503)
        return RequestError(code, error.what, error.hint, status)
    if isinstance(error, NoSpace):
        return RequestError("disk_full", error.what, error.hint, 507)
    if isinstance(error, OutputError):
        log.error("%s", error)
        if "full" in error.what:
            return RequestError("disk_full", "The server's disk is full.", "Try again later.", 507)
        return RequestError("output", "The server cannot keep files.", "Tell who runs the server.", 500)
    if isinstance(error, MediaError):
        return RequestError("bad_media", error.what, error.hint, 422)
    if isinstance(error, (InputError, VoiceError)):
        return RequestError("unusable", error.what, error.hint, 422)
    log.error("A request of the film API failed.", exc_info=error)
    return RequestError("internal", "Something unexpected went wrong.", "The server's log has the details.", 500)


def problem(code: str, error: VisemaError) -> dict[str, str]:
    """An error as it is sent."""
    return {"error": code, "detail": clean(error.what), "hint": clean(error.hint)}


def clean(sentence: str) -> str:
    """A sentence without paths of this machine: of each, its last part."""
    return _PATH.sub(r"\1", sentence)
