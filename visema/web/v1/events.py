"""A job as it goes on, as Server-Sent Events."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError

from visema.service.jobs import State
from visema.service.who import Who
from visema.web.film_errors import NO_STORE, language_of
from visema.web.v1.context import Api, JobId, JobReader, Server
from visema.web.v1.errors import Explained, problems
from visema.web.v1.jobs import found
from visema.web.v1.telling import BASE, told

router = APIRouter(prefix=BASE, route_class=Explained, tags=["videos"])

#: The job is looked at this often, seconds.
LOOK_S: Final = 0.4
#: A line that says nothing, so that nobody on the way takes the connection for dead; proxies wait a minute.
HEARTBEAT_S: Final = 15.0
#: A client that lost the connection comes back after so long, milliseconds.
_RETRY_MS: Final = 2000
#: What changes by itself and is no news.
_NO_NEWS: Final = ("seconds_left",)
_HEADERS: Final = {**NO_STORE, "X-Accel-Buffering": "no"}
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["progress", "done", "failed", "cancelled", "expired"]},
        "id": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        },
    },
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events: 'progress' with the job as JSON, at last one named by the state in which it ended",
        "content": {"text/event-stream": {"schema": _EVENT}},
    },
    204: {"description": "The end has been told already: do not come back"},
}
LastId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=64, description="Of the last event that was heard; it is not told again"),
]


@router.get(
    "/jobs/{job_id}/events", response_class=StreamingResponse, responses={**_STREAM, **problems(404)},
    summary="A job as it goes on (Server-Sent Events)",
)  # fmt: skip
async def events(job_id: JobId, request: Request, api: Server, who: JobReader, last: LastId = None) -> Response:
    """Each event is the whole job, so none that was missed is missed for long; the stream ends with the job."""
    language = language_of(request)
    standing = await asyncio.to_thread(found, api, who, job_id)
    first = told(standing, language, api.desk.files)
    if standing.job.state.over and last == _tag(first):
        return Response(status_code=204, headers=NO_STORE)
    return StreamingResponse(
        _watched(api, who, job_id, language, first, last or ""), media_type="text/event-stream", headers=_HEADERS
    )


async def _watched(
    api: Api, who: Who, job_id: str, language: str, first: dict[str, Any], last: str
) -> AsyncIterator[str]:
    """Events until the job is over."""
    yield f"retry: {_RETRY_MS}\n\n"
    spoken = time.monotonic()
    now: dict[str, Any] | None = first
    while now is not None:
        tag, over = _tag(now), State(now["state"]).over
        if tag != last:
            last, spoken = tag, time.monotonic()
            yield _event(now["state"] if over else "progress", tag, now)
        elif time.monotonic() - spoken > HEARTBEAT_S:
            spoken = time.monotonic()
            yield ": still here\n\n"
        if over:
            return
        await asyncio.sleep(LOOK_S)
        now = await asyncio.to_thread(_look, api, who, job_id, language, now)


def _look(api: Api, who: Who, job_id: str, language: str, before: dict[str, Any]) -> dict[str, Any] | None:
    """The job now; as it was before where the database does not answer, None where it is gone."""
    try:
        standing = api.desk.look(job_id, who)
    except SQLAlchemyError:
        return before
    return told(standing, language, api.desk.files) if standing else None


def _tag(now: dict[str, Any]) -> str:
    """The id of an event: what was told, in short."""
    news = {name: value for name, value in now.items() if name not in _NO_NEWS}
    return hashlib.sha256(json.dumps(news, sort_keys=True).encode()).hexdigest()[:16]


def _event(name: str, tag: str, now: dict[str, Any]) -> str:
    return f"event: {name}\nid: {tag}\ndata: {json.dumps(now, ensure_ascii=False)}\n\n"
