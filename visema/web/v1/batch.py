"""Many videos asked for at once, and one report on all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from visema.errors import VisemaError
from visema.live.requests import RequestError
from visema.message import Message
from visema.service.jobs import Job, State, new_id
from visema.service.order import Order
from visema.service.schema import BATCHES
from visema.service.who import Who
from visema.web.film_errors import NO_STORE, language_of, problem
from visema.web.v1 import answers
from visema.web.v1.asked import digest, film_or_speech, once_of
from visema.web.v1.context import ID_PATTERN, Api, FilmReader, Films, Server
from visema.web.v1.errors import Explained, as_problem, not_found, problems
from visema.web.v1.intake import checked
from visema.web.v1.jobs import Once
from visema.web.v1.requests import MAX_BATCH, Item, ManyVideos
from visema.web.v1.telling import BASE, told, when

router = APIRouter(prefix=f"{BASE}/batch", route_class=Explained, tags=["videos"])

BatchId = Annotated[str, Path(pattern=ID_PATTERN, description="The batch's id", examples=["1c0ffee0a1b2c3d4e5f60718"])]


@router.post(
    "", status_code=202, response_model=answers.Batch, responses=problems(400, 409, 413, 507),
    summary="Make up to 1,000 videos",
)  # fmt: skip
async def create(asked: ManyVideos, request: Request, api: Server, who: Films, once: Once = None) -> Response:
    """Each item is as the body of /generate. One that cannot be used is told in the report and holds up no other.

    Where none of them can be used nothing is made, and the answer is 422.
    """
    key = once_of(request.headers)
    language = language_of(request)
    batch_id = await asyncio.to_thread(_submit, api, who, asked, key, language)
    report = await asyncio.to_thread(_report, api, who, batch_id, language)
    return JSONResponse(report, 202, {**NO_STORE, "Location": f"{BASE}/batch/{batch_id}"})


@router.get("/{batch_id}", response_model=answers.Batch, responses=problems(404), summary="The report of a batch")
async def report(batch_id: BatchId, request: Request, api: Server, who: FilmReader) -> Response:
    """How far its videos are, and which items could not be used."""
    found = await asyncio.to_thread(_report, api, who, batch_id, language_of(request))
    return JSONResponse(found, headers=NO_STORE)


@router.delete(
    "/{batch_id}", status_code=204, response_class=Response, responses=problems(404), summary="Give up a batch"
)
async def delete(batch_id: BatchId, api: Server, who: Films) -> Response:
    """Cancels what waits or is being made, and removes the files of all of its jobs."""
    await asyncio.to_thread(_delete, api, who, batch_id)
    return Response(status_code=204)


def _delete(api: Api, who: Who, batch_id: str) -> None:
    _, jobs = _rows(api, who, batch_id)
    api.desk.cancel_batch(batch_id)
    for job in jobs:
        if job.state in (State.DONE, State.FAILED):
            api.desk.remove(job.id, who)


def _submit(api: Api, who: Who, asked: ManyVideos, key: str | None, language: str) -> str:
    """Put the items into the queue, all that can be used or none; the batch's id."""
    whole = digest("batch", asked.model_dump())
    if (known := api.desk.store.repeated_batch(who.key, key, whole)) is not None:
        return known
    batch_id = new_id()
    orders, refused = [], []
    for index, fields in enumerate(asked.items):
        try:
            item = checked(Item, fields, strict=True)
            kind, options = film_or_speech(api, who, item)
        except VisemaError as e:
            error = as_problem(e)
            refused.append({"index": index, **problem(error.code, error, language)})
            continue
        orders.append(Order(kind, who, {**options, "index": index}, item.priority, asked.webhook, batch=batch_id))
    if not orders:
        first = refused[0]
        raise RequestError(
            "unusable", Message("None of the items can be used; the first: {why}", why=first["detail"]),
            str(first["hint"]), 422,
        )  # fmt: skip
    row = {
        "id": batch_id, "key": who.key, "items": len(orders), "webhook": asked.webhook, "refused": refused,
        "once": key, "asked": whole,
    }  # fmt: skip
    return str(api.desk.submit_many(row, orders)[0].batch)


def _rows(api: Api, who: Who, batch_id: str) -> tuple[Any, list[Job]]:
    """The row of one's own batch and its jobs, in the order of their items.

    Raises:
        RequestError: There is none, or it is somebody else's.
    """
    with api.desk.store.engine.connect().execution_options(reads=True) as connection:
        row = connection.execute(sa.select(BATCHES).where(BATCHES.c.id == batch_id)).one_or_none()
    if row is None or not who.owns(row.key):
        raise not_found("batch")
    return row, list(reversed(api.desk.jobs(who, batch=batch_id, limit=MAX_BATCH)))


def _report(api: Api, who: Who, batch_id: str, language: str) -> dict[str, Any]:
    row, jobs = _rows(api, who, batch_id)
    counts = Counter(job.state.value for job in jobs)
    return {
        "batch_id": row.id,
        "created": when(row.created),
        "items": len(jobs),
        "counts": {state.value: counts[state.value] for state in State},
        "over": all(job.state.over for job in jobs),
        "percent": round(sum(100.0 if job.state.over else job.percent for job in jobs) / max(len(jobs), 1), 1),
        "duration": round(sum(job.duration or 0.0 for job in jobs), 3),
        "jobs": [
            {**told(standing, language, api.desk.files), "index": standing.job.options.get("index", place)}
            for place, standing in enumerate(api.desk.stand_all(jobs))
        ],
        "refused": row.refused or [],
        "status_url": f"{BASE}/batch/{row.id}",
    }
