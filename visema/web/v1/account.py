"""What a key has used, what its webhooks were told, and what is known of a video by the id inside it."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from visema.service.courier import key_secret
from visema.service.jobs import State
from visema.service.schema import AVATARS, DELIVERIES, JOBS, OUTPUTS, USAGE
from visema.service.who import Who
from visema.web.film_errors import NO_STORE
from visema.web.v1 import answers
from visema.web.v1.context import ID_PATTERN, Api, FilmReader, Reader, Server
from visema.web.v1.errors import Explained, not_found, problems
from visema.web.v1.telling import BASE, when

router = APIRouter(prefix=BASE, route_class=Explained, tags=["account"])

OutputId = Annotated[str, Path(pattern="^[A-Za-z0-9-]{1,64}$", examples=["1c0ffee0a1b2c3d4e5f60718"])]


@router.get("/usage", response_model=answers.Usage, responses=problems(), summary="What your key has used")
async def usage(api: Server, who: Reader) -> Response:
    """In this month, in this minute, and now."""
    return JSONResponse(await asyncio.to_thread(_usage, api, who), headers=NO_STORE)


@router.get("/webhooks", response_model=answers.Deliveries, responses=problems(), summary="What webhooks were told")
async def webhooks(
    request: Request,
    api: Server,
    who: FilmReader,
    job: Annotated[str | None, Query(pattern=ID_PATTERN, description="Only of this job")] = None,
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="'next' of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Deliveries of a page")] = 50,
) -> Response:
    """The delivery log: each attempt with what came of it. And the secret by which your news are signed."""
    access = getattr(request.app.state, "access", None)

    def read() -> dict[str, Any]:
        c = DELIVERIES.c
        asked = sa.select(DELIVERIES).order_by(c.number.desc()).limit(limit + 1)
        asked = asked if who.may("admin") else asked.where(c.key == who.key)
        asked = asked if job is None else asked.where(c.job == job)
        asked = asked if cursor is None else asked.where(c.number < int(cursor))
        with api.desk.store.engine.connect().execution_options(reads=True) as connection:
            rows = connection.execute(asked).all()
        following = str(rows[limit - 1].number) if len(rows) > limit else None
        secret = key_secret(access.secret, who.key) if access else None
        return {"deliveries": [_delivery(row) for row in rows[:limit]], "next": following, "secret": secret}

    return JSONResponse(await asyncio.to_thread(read), headers=NO_STORE)


@router.get(
    "/outputs/{output_id}", response_model=answers.Output, responses=problems(404), summary="Where a video came from"
)
async def output(output_id: OutputId, api: Server, who: Reader) -> Response:
    """By the id inside a video: that it is synthetic, when it was made, and its checksum; of your own, everything."""

    def read() -> dict[str, Any]:
        with api.desk.store.engine.connect().execution_options(reads=True) as connection:
            row = connection.execute(sa.select(OUTPUTS).where(OUTPUTS.c.id == output_id)).one_or_none()
        if row is None:
            raise not_found("video")
        own = who.owns(row.key)
        return {
            "id": row.id,
            "synthetic": True,
            "created": when(row.created),
            "sha256": row.sha256,
            "job": row.job if own else None,
            "facts": row.facts if own else None,
        }

    return JSONResponse(await asyncio.to_thread(read), headers=NO_STORE)


def _usage(api: Api, who: Who) -> dict[str, Any]:
    now = time.time()
    month = time.strftime("%Y%m", time.gmtime(now))
    with api.desk.store.engine.connect().execution_options(reads=True) as connection:

        def used(what: str, span: int) -> float:
            c = USAGE.c
            mine = sa.select(c.amount).where(c.key == who.key, c.what == what, c.span == span)
            return float(connection.scalar(mine) or 0.0)

        def total(column: sa.Column[Any], *conditions: sa.ColumnElement[bool]) -> int:
            return int(connection.scalar(sa.select(sa.func.sum(column)).where(*conditions)) or 0)

        active = [state.value for state in State if not state.over]
        waiting = sa.select(sa.func.count()).where(JOBS.c.key == who.key, JOBS.c.state.in_(active))
        kept = total(JOBS.c.bytes, JOBS.c.key == who.key, JOBS.c.state == State.DONE.value)
        return {
            "key": who.key,
            "month": f"{month[:4]}-{month[4:]}",
            "video_seconds": round(used("video_s", int(month)), 3),
            "characters": used("characters", int(month)),
            "money": round(used("money", int(month)), 6),
            "requests_this_minute": used("requests", int(now // 60 * 60)),
            "storage_bytes": kept + total(AVATARS.c.bytes, AVATARS.c.key == who.key),
            "waiting": int(connection.scalar(waiting) or 0),
            "limits": _limits(api, who),
        }


def _limits(api: Api, who: Who) -> dict[str, Any]:
    access = api.access
    key = access.keys.get(who.key) if access and who.key else None
    return key.limits.json() if key else {}


def _delivery(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "job": row.job,
        "event": row.event,
        "url": row.url,
        "state": row.state,
        "attempts": row.attempts,
        "tries": row.tries or [],
        "created": when(row.created),
        "due": when(row.due) if row.state == "waiting" else None,
    }
