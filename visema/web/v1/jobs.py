"""Videos: asked for, looked after, given out, removed."""

from __future__ import annotations

import asyncio
import shutil
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from visema.live.requests import RequestError
from visema.message import Message
from visema.service.desk import Standing
from visema.service.jobs import State
from visema.service.order import Order
from visema.service.uploads import take_in
from visema.service.who import Who
from visema.web.film_errors import NO_STORE, language_of
from visema.web.giving import KINDS, give
from visema.web.v1 import answers
from visema.web.v1.asked import digest, film_or_speech, once_of
from visema.web.v1.context import Api, FilmReader, Films, JobId, JobOwner, JobReader, Server
from visema.web.v1.errors import Explained, not_found, problems
from visema.web.v1.intake import digests, form_or_json, is_form, read_form, read_json
from visema.web.v1.requests import Generate
from visema.web.v1.telling import BASE, CAPTIONS, refuse_unfinished, told

router = APIRouter(prefix=BASE, route_class=Explained, tags=["videos"])

#: A cursor is the number of the last job of a page.
_CURSOR: Final = "^[0-9]{1,18}$"
IDEMPOTENCY: Final = Header(
    alias="Idempotency-Key", max_length=200, pattern="^[!-~][ -~]*$", examples=["5f0c8f6e-order-77"],
    description="The same request under the same key is done once: sent again, it answers with the same job",
)  # fmt: skip
Once = Annotated[str | None, IDEMPOTENCY]
_FILE: Final = {"type": "string", "format": "binary"}
_BODY: Final = form_or_json(
    Generate,
    {
        "image": "JPEG, PNG or WebP of a face, in place of an avatar",
        "audio": "Recording of speech; with a text, that is what is said in it",
    },
)


@router.post(
    "/generate",
    status_code=202,
    response_model=answers.Job,
    responses=problems(400, 404, 408, 409, 413, 415, 507),
    openapi_extra=_BODY,
    summary="Make a video of an avatar and a text",
)
async def generate(request: Request, api: Server, who: Films, once: Once = None) -> Response:
    """A prepared avatar says a text or, as a form with files, what is said in a recording.

    A photo that is sent in place of an avatar speaks as well. The answer comes at once, with the job to ask about.
    """
    key = once_of(request.headers)
    job_id = await asyncio.to_thread(api.desk.begin)
    folder = api.desk.files.work(job_id)
    try:
        files: dict[str, str] = {}
        if is_form(request):
            settings = api.desk.settings
            asked, received = await read_form(
                request, folder, Generate, max_bytes=settings.max_bytes, max_field=4 * settings.max_text
            )
            files = await digests(folder, received) if key else dict.fromkeys(received.files, "")
        else:
            asked = await read_json(request, Generate)
        kind, options = await asyncio.to_thread(film_or_speech, api, who, asked, frozenset(files))
        if files:
            async with api.opening:
                await asyncio.to_thread(
                    take_in, folder, picture="image" in files, sound="audio" in files,
                    most_seconds=api.desk.settings.max_seconds,
                )  # fmt: skip
        order = Order(
            kind=kind, who=who, options=options, priority=asked.priority, webhook=asked.webhook, once=key,
            asked=digest("generate", asked.model_dump(), files),
        )  # fmt: skip
        job = await asyncio.to_thread(api.desk.submit, job_id, order)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    if job.id != job_id:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    standing = await asyncio.to_thread(found, api, who, job.id)
    headers = {**NO_STORE, "Location": f"{BASE}/status/{job.id}"}
    if job.id != job_id:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(told(standing, language_of(request), api.desk.files), 202, headers)


@router.get(
    "/status/{job_id}", response_model=answers.Job, responses=problems(404), summary="How far a job is",
)  # fmt: skip
async def status(job_id: JobId, request: Request, api: Server, who: JobReader) -> Response:
    """The job with that id: how far it is, what it cost, why it failed, and where its video is."""
    standing = await asyncio.to_thread(found, api, who, job_id)
    return JSONResponse(told(standing, language_of(request), api.desk.files), headers=NO_STORE)


_VIDEO: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The video", "content": {"video/mp4": {"schema": _FILE}}},
    206: {"description": "A part of it", "content": {"video/mp4": {"schema": _FILE}}},
}


@router.get(
    "/video/{job_id}", response_class=FileResponse, responses={**_VIDEO, **problems(404, 409, 410, 416)},
    summary="The video, whole or in ranges",
)  # fmt: skip
@router.head("/video/{job_id}", include_in_schema=False)
async def video(
    job_id: JobId,
    request: Request,
    api: Server,
    who: FilmReader,
    inline: Annotated[bool, Query(description="To be played in a browser rather than saved")] = False,
) -> Response:
    """The mp4 of a finished job. Answers ranges and If-Range, so that players can seek and downloads can go on."""
    standing = await asyncio.to_thread(found, api, who, job_id)
    refuse_unfinished(standing.job)
    if standing.job.kind == "train":
        raise not_found("video")
    return await give(api.desk.files, f"{job_id}.mp4", request, inline=inline)


_TEXTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The captions",
        "content": {
            kind: {"schema": {"type": "string"}} for kind in (KINDS[form].partition(";")[0] for form in CAPTIONS)
        },
    }
}


@router.get(
    "/video/{job_id}/captions.{form}", response_class=Response, responses={**_TEXTS, **problems(404, 409, 410)},
    summary="The captions of a video, SRT or WebVTT",
)  # fmt: skip
async def captions(job_id: JobId, form: str, request: Request, api: Server, who: FilmReader) -> Response:
    """What is said in a finished video, with times."""
    standing = await asyncio.to_thread(found, api, who, job_id)
    if form not in CAPTIONS:
        raise not_found("file")
    refuse_unfinished(standing.job)
    if not standing.job.options.get("captions"):
        raise not_found("file")
    return await give(api.desk.files, f"{job_id}.{form}", request, inline=True)


@router.get("/jobs", response_model=answers.Jobs, responses=problems(), summary="Your jobs, the newest first")
async def jobs(
    request: Request,
    api: Server,
    who: JobReader,
    state: Annotated[answers.StateWord | None, Query(description="Only those in this state")] = None,
    kind: Annotated[answers.KindWord | None, Query(description="Only those of this kind")] = None,
    batch: Annotated[str | None, Query(pattern="^[a-z0-9-]{1,64}$", description="Only those of this batch")] = None,
    dead: Annotated[
        bool, Query(description="Only those that failed for good after they had been tried several times")
    ] = False,
    cursor: Annotated[str | None, Query(pattern=_CURSOR, description="'next' of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs of a page")] = 50,
) -> Response:
    """A page of your jobs. Pages do not shift while jobs are added: each goes on where the one before ended."""
    before = int(cursor) if cursor else None
    wanted = State(state) if state else None
    language = language_of(request)

    def read() -> dict[str, Any]:
        page = api.desk.jobs(who, wanted, kind, batch, before, limit + 1, dead=dead)
        shown = [told(standing, language, api.desk.files) for standing in api.desk.stand_all(page[:limit])]
        return {"jobs": shown, "next": str(page[limit - 1].number) if len(page) > limit else None}

    return JSONResponse(await asyncio.to_thread(read), headers=NO_STORE)


@router.delete(
    "/jobs/{job_id}", status_code=204, response_class=Response, responses=problems(404),
    summary="Cancel a job, remove its files",
)  # fmt: skip
async def remove(job_id: JobId, api: Server, who: JobOwner) -> Response:
    """A job that waits or is being made is cancelled, within two seconds; the files of any job are removed."""
    await asyncio.to_thread(found, api, who, job_id)
    await asyncio.to_thread(api.desk.cancel, job_id, who)
    await asyncio.to_thread(api.desk.remove, job_id, who)
    return Response(status_code=204)


@router.post(
    "/jobs/{job_id}/retry", status_code=202, response_model=answers.Job, responses=problems(404, 409),
    summary="Try a failed job again",
)  # fmt: skip
async def retry(job_id: JobId, request: Request, api: Server, who: JobOwner) -> Response:
    """One that failed for good after it had been tried several times, such as when a cloud voice was away for long."""
    await asyncio.to_thread(found, api, who, job_id)
    if not await asyncio.to_thread(api.desk.retry, job_id, who):
        hint = Message("Only a job that was tried several times and failed can be: ask for it anew.")
        raise RequestError("final", Message("This job cannot be tried again."), hint, 409)
    standing = await asyncio.to_thread(found, api, who, job_id)
    return JSONResponse(told(standing, language_of(request), api.desk.files), 202, NO_STORE)


def found(api: Api, who: Who, job_id: str) -> Standing:
    """One's own job.

    Raises:
        RequestError: There is none of that name, or it is somebody else's.
    """
    standing = api.desk.look(job_id, who)
    if standing is None:
        raise not_found("job")
    return standing
