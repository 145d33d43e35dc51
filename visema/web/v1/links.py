"""Links to a video that open it without a key, for a time."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from visema.service.links import LONGEST_S
from visema.web.film_errors import NO_STORE
from visema.web.giving import gone, shown_name
from visema.web.v1 import answers
from visema.web.v1.context import FilmReader, JobId, Server
from visema.web.v1.errors import Explained, not_found, problems
from visema.web.v1.jobs import found
from visema.web.v1.telling import BASE, refuse_unfinished, when

router = APIRouter(prefix=BASE, route_class=Explained, tags=["videos"])

#: Seconds that a link holds where nothing is said.
USUAL_S: Final = 3600


@router.get(
    "/video/{job_id}/link", response_model=answers.Link, responses=problems(404, 409, 410),
    summary="A link to a video that needs no key, for a time",
)  # fmt: skip
async def link(
    job_id: JobId,
    request: Request,
    api: Server,
    who: FilmReader,
    seconds: Annotated[int, Query(ge=1, le=round(LONGEST_S), description="How long it shall hold")] = USUAL_S,
    form: Annotated[Literal["mp4", "srt", "vtt"], Query(description="The video, or its captions")] = "mp4",
) -> Response:
    """To be given to a player or to somebody else. It cannot be taken back but by removing the video."""
    standing = await asyncio.to_thread(found, api, who, job_id)
    refuse_unfinished(standing.job)
    if standing.job.kind == "train" or (form != "mp4" and not standing.job.options.get("captions")):
        raise not_found("file")
    files, name = api.desk.files, f"{job_id}.{form}"
    if not files.storage and not (files.folder / name).is_file():
        raise gone()
    address = await asyncio.to_thread(files.link, name, seconds, shown_name(name))
    if address.startswith("/"):
        address = str(request.base_url).rstrip("/") + address
    return JSONResponse({"url": address, "expires": when(time.time() + seconds)}, headers=NO_STORE)
