"""The REST API of VISEMA 2.0: a picture and a recording, or a text, become a film."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response

import visema
from visema.live.requests import RequestError
from visema.service.desk import Desk, Standing
from visema.service.jobs import Job, State, unpack
from visema.service.order import Order
from visema.service.request import FIELDS, Field, check_request
from visema.service.uploads import take_in
from visema.service.who import Who
from visema.web.film_errors import NO_STORE, clean, explained, language_of, problem
from visema.web.film_intake import Received, receive
from visema.web.film_models import Accepted, Config, Status, problems
from visema.web.giving import give
from visema.web.identity import asker
from visema.web.owners import Owners
from visema.web.texts import in_language

#: Uploads that are opened at once; each takes up to two children.
OPENED_AT_ONCE: Final = 2
_WORDS: Final = {
    State.QUEUED: "processing", State.RUNNING: "processing", State.DONE: "completed", State.FAILED: "failed",
    State.CANCELLED: "cancelled", State.EXPIRED: "expired",
}  # fmt: skip
_MESSAGES: Final = {
    "queued": "Waiting in line.",
    "starting": "Beginning.",
    "reading": "Looking at the picture.",
    "speaking": "Turning the words into sound.",
    "listening": "Listening to the recording.",
    "drawing": "Drawing the film.",
    "done": "The film is ready.",
    "failed": "The film could not be made.",
    "cancelled": "Cancelled.",
    "expired": "The film was kept long enough and is gone.",
}
_FILES: Final = {
    "image": {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP of a face"},
    "audio": {"type": "string", "format": "binary", "description": "Recording of speech, of any usual kind"},
}
_TEXTS: Final = {
    name: {"type": "string", "description": field.about, "example": field.example}
    | ({"enum": list(field.choices)} if field.choices else {})
    for name, field in FIELDS.items()
}
_SCHEMA: Final = {"type": "object", "required": ["image"], "properties": {**_FILES, **_TEXTS}}
_FORM: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}
}


def add_film_api(app: FastAPI, desk: Desk, check_origin: Callable[[Any], None]) -> None:
    """Put the API on ``app``.

    Args:
        app: The application.
        desk: The service.
        check_origin: Refuses the pages of other sites by the headers of their request.
    """
    opening = asyncio.Semaphore(OPENED_AT_ONCE)
    owners = Owners(desk.store.engine)

    def found(job_id: str, who: Who) -> Standing:
        standing = desk.look(job_id, who)
        if standing is None:
            raise RequestError("not_found", "There is no such film.", "Use the session_id that /generate gave.", 404)
        return standing

    @app.post(
        "/generate",
        status_code=202,
        response_model=Accepted,
        responses=problems(400, 403, 408, 413, 415, 422, 429, 503, 507),
        openapi_extra=_FORM,
        summary="Make a film of a picture and a recording or text",
        tags=["films"],
    )
    @explained
    async def generate(request: Request) -> Response:
        check_origin(request.headers)
        job_id = await asyncio.to_thread(desk.begin)
        folder = desk.files.work(job_id)
        try:
            received = await receive(
                request.headers, request.stream(), folder, known=frozenset(FIELDS), max_bytes=desk.settings.max_bytes,
                max_field=4 * desk.settings.max_text,
            )  # fmt: skip
            options = await asyncio.to_thread(_checked, received, desk)
            await asyncio.to_thread(owners.check_voice, asker(request), str(options.get("voice") or ""))
            async with opening:
                await asyncio.to_thread(
                    take_in, folder, sound="audio" in received.files, most_seconds=desk.settings.max_seconds
                )
            order = Order("film", asker(request), options)
            await asyncio.to_thread(desk.submit, job_id, order)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        answer = {
            "session_id": job_id,
            "status": "processing",
            "download_url": f"/download/{job_id}",
            "status_url": f"/status/{job_id}",
        }
        return JSONResponse(answer, 202, {**NO_STORE, "Location": f"/status/{job_id}"})

    @app.get(
        "/status/{session_id}",
        response_model=Status,
        responses=problems(404),
        summary="How far a film is",
        tags=["films"],
    )
    @explained
    async def status(session_id: str, request: Request) -> Response:
        standing = await asyncio.to_thread(found, session_id, asker(request))
        return JSONResponse(_status(standing, language_of(request)), headers=NO_STORE)

    @app.delete(
        "/status/{session_id}",
        response_model=Status,
        responses=problems(403, 404, 409, 410),
        summary="Cancel a film that waits or is being made",
        tags=["films"],
    )
    @explained
    async def cancel(session_id: str, request: Request) -> Response:
        check_origin(request.headers)
        await asyncio.to_thread(found, session_id, asker(request))
        standing = await asyncio.to_thread(desk.cancel, session_id) or found(session_id, asker(request))
        _refuse_over(standing, State.CANCELLED, "To remove a finished film, DELETE /download/<id>.")
        return JSONResponse(_status(standing, language_of(request)), headers=NO_STORE)

    @app.head("/download/{session_id}", include_in_schema=False)
    @app.get(
        "/download/{session_id}",
        response_class=FileResponse,
        responses={200: {"content": {"video/mp4": {}}, "description": "The film"}, **problems(404, 409, 410, 416)},
        summary="The film, whole or in ranges",
        tags=["films"],
    )
    @explained
    async def download(session_id: str, request: Request) -> Response:
        standing = await asyncio.to_thread(found, session_id, asker(request))
        _refuse_unfinished(standing)
        return await give(desk.files, f"{session_id}.mp4", request, inline="inline" in request.query_params)

    @app.delete(
        "/download/{session_id}",
        status_code=204,
        response_class=Response,
        responses=problems(403, 404, 409, 410),
        summary="Remove a finished film before its time",
        tags=["films"],
    )
    @explained
    async def remove(session_id: str, request: Request) -> Response:
        check_origin(request.headers)
        _refuse_unfinished(await asyncio.to_thread(found, session_id, asker(request)))
        await asyncio.to_thread(desk.remove, session_id)
        return Response(status_code=204)

    @app.get("/config", response_model=Config, summary="What the service makes, and its limits", tags=["films"])
    @explained
    async def config() -> Response:
        return JSONResponse(_config(desk), headers=NO_STORE)


def _checked(received: Received, desk: Desk) -> dict[str, Any]:
    if "image" not in received.files:
        raise RequestError("missing", "There is no picture.", "Send it as the field 'image', a file.", 422)
    return check_request(received.fields, audio="audio" in received.files, settings=desk.settings)


def _status(standing: Standing, language: str) -> dict[str, Any]:
    job = standing.job
    failed = failure_of(job)
    error = problem(job.error, failed, language) if job.state is State.FAILED else None
    notes = [clean(in_language(note, language)) for note in unpack(job.message)]
    message = " ".join([sentence_of(job.stage), *notes])
    return {
        "session_id": job.id,
        "status": _WORDS[job.state],
        "state": job.state.value,
        "stage": job.stage,
        "percent": round(job.percent, 1),
        "seconds_left": standing.seconds_left,
        "message": f"{error['detail']} {error['hint']}" if error else message,
        "notes": notes,
        "place": standing.place,
        "download_url": f"/download/{job.id}" if job.state is State.DONE else None,
        "duration": job.duration,
        "error": error,
    }


def sentence_of(stage: str) -> str:
    """What a stage is, in a sentence."""
    return _MESSAGES.get(stage, "Making the film.")


def failure_of(job: Job) -> RequestError:
    """Why a job failed."""
    what, hint = (next(iter(unpack(kept)), "") for kept in (job.detail, job.hint))
    return RequestError("failed", what, hint, 409)


def _refuse_unfinished(standing: Standing) -> None:
    job = standing.job
    if job.state is State.FAILED:
        raise failure_of(job)
    if not job.state.over:
        raise RequestError("not_ready", "The film is not finished.", "Ask /status until it says completed.", 409)
    _refuse_over(standing, State.DONE, "Ask for it again by /generate.")


def _refuse_over(standing: Standing, but: State, hint: str) -> None:
    """Refuse a job that is over in another way than ``but``."""
    state = standing.job.state
    if state is but or not state.over:
        return
    if state is State.EXPIRED:
        raise RequestError("gone", "The film was kept long enough and is gone.", "Make it again.", 410)
    words = {State.DONE: "is finished", State.FAILED: "has failed", State.CANCELLED: "was cancelled"}
    raise RequestError(state.value, f"The film {words[state]}.", hint, 409)


def _config(desk: Desk) -> dict[str, Any]:
    from visema.pipeline import Config

    settings = desk.settings
    return {
        "version": visema.__version__,
        "device": Config.DEVICE,
        "fp16": Config.FP16,
        "encoding": dict(Config.FFMPEG_ENCODING),
        "limits": {
            "max_bytes": settings.max_bytes,
            "max_seconds": settings.max_seconds,
            "max_text": settings.max_text,
            "max_waiting": settings.max_waiting,
        },
        "options": {name: _option(field) for name, field in FIELDS.items()},
        "workers": settings.workers,
        "keep_hours": settings.keep_s / 3600,
    }  # fmt: skip


def _option(field: Field) -> dict[str, Any]:
    """A field as `/config` tells it."""
    bounds = dict(zip(("least", "most"), field.bounds, strict=True)) if field.bounds else {}
    return {"about": field.about, "example": field.example, "choices": list(field.choices)} | bounds
