"""Errors of the API: whatever goes wrong at an address is answered as ``{error, detail, hint}``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from visema.live.requests import RequestError
from visema.message import Message
from visema.service.order import Conflict
from visema.web.film_errors import NO_STORE, as_request_error, language_of, problem
from visema.web.film_models import Problem

#: Seconds after which a client may try again, where nothing better is known.
_AGAIN: Final = {429: "30", 503: "10"}
#: What the numbers mean here.
_WORDS: Final[Mapping[int, str]] = {
    400: "The request is damaged.",
    401: "There is no key, or it does not count.",
    403: "The key does not allow this, or pages of that site may not use this server.",
    404: "There is no such thing, or it is somebody else's.",
    406: "What is wanted cannot be made of this.",
    408: "Nothing came for a minute.",
    409: "Not now: it is not finished, has failed, or was asked for differently under the same Idempotency-Key.",
    410: "It was kept long enough and is gone.",
    413: "The request is too large.",
    415: "The body is of a kind that is not taken here.",
    416: "The file has no such range.",
    422: "A field or file cannot be used.",
    429: "Too many requests, or the key's quota is used up; Retry-After tells when to try again.",
    500: "Something unexpected went wrong; the server's log has the details.",
    503: "Too much waits, or the database does not answer; Retry-After tells when to try again.",
    507: "The server's disk is full.",
}
_PARTS: Final = ("body", "query", "header")
_MISSING: Final[Mapping[str, Message]] = {
    "job": Message("There is no such job."),
    "batch": Message("There is no such batch."),
    "video": Message("There is no such video."),
    "avatar": Message("There is no such avatar."),
    "voice": Message("There is no such voice."),
    "picture": Message("There is no such picture."),
    "file": Message("There is no such file."),
    "thing": Message("There is no such thing."),
}
#: What every address may answer with.
ALWAYS: Final = (401, 403, 422, 429, 500, 503)


def about(code: int) -> str:
    """What one of HTTP's numbers means here."""
    return _WORDS[code]


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """What an address may answer with instead, for its description: ``codes`` and what any address may."""
    return {code: {"model": Problem, "description": _WORDS[code]} for code in sorted({*codes, *ALWAYS})}


def not_found(what: str = "thing") -> RequestError:
    """The error for what does not exist, and for what is somebody else's: the two look the same.

    Args:
        what: ``job``, ``batch``, ``video``, ``avatar``, ``voice``, ``picture``, ``file`` or ``thing``.
    """
    hint = Message("It may be gone, or its name is mistyped.")
    return RequestError("not_found", _MISSING[what], hint, 404)


class Explained(APIRoute):
    """An address whose errors are answered in our form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler; see `APIRoute`."""
        inner = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await inner(request)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it
            except Exception as e:
                return refusal(e, request)

        return answer


def refusal(error: Exception, request: Request | None) -> Response:
    """An error as an answer."""
    found = as_problem(error)
    headers = dict(NO_STORE)
    if found.status in _AGAIN:
        headers["Retry-After"] = str(getattr(error, "retry_after", "") or _AGAIN[found.status])
    if found.status in (400, 408, 413, 415):
        headers["Connection"] = "close"  # the body may not have been read to its end
    return JSONResponse(problem(found.code, found, language_of(request)), found.status, headers)


def as_problem(error: Exception) -> RequestError:
    """Any error with a code and HTTP's number."""
    if isinstance(error, RequestValidationError):
        return of_fields(error.errors())
    if isinstance(error, HTTPException):
        return RequestError("malformed", Message("The request cannot be read."), Message("Send it again."), 400)
    if isinstance(error, Conflict):
        what = Message("Another request came under the same Idempotency-Key.")
        return RequestError("conflict", what, Message("Use a key of its own for each."), 409)
    return as_request_error(error)


def of_fields(errors: Sequence[Any]) -> RequestError:
    """What is wrong with the fields of a request, by the first of them."""
    first = errors[0]
    place = [str(part) for part in first["loc"]]
    kind = str(first["type"])
    if place[:1] == ["path"] and kind != "extra_forbidden":
        return not_found()
    if kind == "json_invalid":
        hint = Message("Send one object, with Content-Type: application/json.")
        return RequestError("malformed", Message("The body is not JSON."), hint, 400)
    name = ".".join(place[1:] if place and place[0] in _PARTS else place)[:100]
    if not name:
        hint = Message("Send one object, with Content-Type: application/json.")
        return RequestError("unusable", Message("The body is no JSON object."), hint, 422)
    see = Message("The fields are described at /docs.")
    if kind == "missing":
        return RequestError("missing", Message("'{name}' is missing.", name=name), see, 422)
    if kind == "extra_forbidden":
        return RequestError("unknown_field", Message("There is no field '{name}'.", name=name), see, 422)
    why = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return RequestError("unusable", Message("'{name}' cannot be used: {why}.", name=name, why=why), see, 422)
