"""What can go wrong between a client and a server, each with what went wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from visema.errors import VisemaError


class ApiError(VisemaError):
    """The server refused.

    Attributes:
        status: HTTP's number; 0 where there was no answer.
        code: The server's word for it, such as ``unusable``.
        retry_after: Seconds after which it may be tried again; None where the server says nothing.
    """

    def __init__(self, what: str, hint: str = "", *, status: int = 0, code: str = "") -> None:
        super().__init__(what, hint)
        self.status, self.code = status, code
        self.retry_after: float | None = None


class Unreachable(ApiError):
    """No answer: no server there, or the connection broke."""


class Unauthorised(ApiError):
    """401: no key, or one that does not count."""


class Forbidden(ApiError):
    """403: the key does not allow this."""


class NotFound(ApiError):
    """404 or 410: there is no such thing, or no more."""


class Conflict(ApiError):
    """409: not finished yet, or another request with the same idempotency key."""


class Invalid(ApiError):
    """400, 413, 415, 422: what was sent cannot be used."""


class RateLimited(ApiError):
    """429: too much in too short a time, or the quota is used up."""


class Unavailable(ApiError):
    """500 and above: the server cannot just now."""


class JobFailed(ApiError):
    """The job ended without a result; ``code`` says why."""


class TimedOut(ApiError):
    """It was waited for long enough; the job goes on."""


_KINDS: Final[Mapping[int, type[ApiError]]] = {
    401: Unauthorised,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    429: RateLimited,
}


def error_of(status: int, body: Any, headers: Mapping[str, str]) -> ApiError:
    """The error that an answer tells.

    Args:
        status: HTTP's number, 300 or above.
        body: The answer as JSON; anything.
        headers: Of the answer.
    """
    told = body if isinstance(body, dict) else {}
    what = str(told.get("detail") or f"The server answered {status}.")
    kind = _KINDS.get(status) or (Unavailable if status >= 500 else Invalid)
    error = kind(what, str(told.get("hint") or ""), status=status, code=str(told.get("error") or ""))
    try:
        error.retry_after = max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        error.retry_after = None
    return error


def unreachable(url: str, error: Exception) -> Unreachable:
    """That there was no answer, in our words."""
    hint = "Is it running, and is the address right?"
    return Unreachable(f"{url} does not answer ({type(error).__name__}: {error}).", hint, code="unreachable")
