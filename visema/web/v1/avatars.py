"""Avatars: listed, shown, prepared from a video or photo, deleted."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from visema.avatar import SHEET, THUMBNAIL
from visema.live.requests import RequestError
from visema.message import Message
from visema.service import faces
from visema.service.order import Order
from visema.service.who import Who
from visema.web.film_errors import NO_STORE, language_of
from visema.web.texts import in_language
from visema.web.v1 import answers
from visema.web.v1.asked import check_priority, digest, once_of
from visema.web.v1.choices import avatar_row, checked_avatar, usable_avatars
from visema.web.v1.context import Api, AvatarId, Avatars, Reader, Server
from visema.web.v1.errors import Explained, not_found, problems
from visema.web.v1.intake import digests, form_only, read_form
from visema.web.v1.jobs import Once, found
from visema.web.v1.requests import Train
from visema.web.v1.telling import BASE, spoken_report, told, when

router = APIRouter(prefix=f"{BASE}/avatars", route_class=Explained, tags=["avatars"])

#: The file of a form, and what it is called in the job's folder; its kind is found out by the job.
SOURCE: Final = {"source": "source"}
_BODY: Final = form_only(Train, {"source": "Video of a face, or a photo; JPEG, PNG, WebP, MP4, MOV, WebM"}, ["source"])
_PNG: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The picture", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("", response_model=answers.Avatars, responses=problems(), summary="The avatars that you may use")
async def avatars(request: Request, api: Server, who: Reader) -> Response:
    """Those of the server and your own, the newest first."""
    language = language_of(request)
    mine = await asyncio.to_thread(usable_avatars, api, who)
    return JSONResponse({"avatars": [_told(api, who, facts, row, language) for facts, row in mine]}, headers=NO_STORE)


@router.post(
    "/train", status_code=202, response_model=answers.Job, responses=problems(400, 408, 409, 413, 415, 507),
    openapi_extra=_BODY, summary="Prepare an avatar from a video or photo",
)  # fmt: skip
async def train(request: Request, api: Server, who: Avatars, once: Once = None) -> Response:
    """The job finds the face in every frame and judges it: sharpness, light, pose, occlusion, mouth.

    Its result holds the avatar's id and that report.
    """
    key = once_of(request.headers)
    job_id = await asyncio.to_thread(api.desk.begin)
    folder = api.desk.files.work(job_id)
    try:
        settings = api.desk.settings
        asked, received = await read_form(
            request, folder, Train, max_bytes=settings.max_bytes, max_field=8192, files=SOURCE
        )
        check_priority(who, asked.priority)
        if "source" not in received.files:
            raise RequestError(
                "missing",
                Message("There is no video or photo."),
                Message("Send it as the field 'source', a file."),
                422,
            )
        consent = consent_of(asked, who)
        files = await digests(folder, received, SOURCE) if key else {}
        options = {"name": asked.name or "", "engine": asked.engine, "face": asked.face, "consent": consent}
        order = Order(
            kind="train", who=who, options=options, priority=asked.priority, webhook=asked.webhook, once=key,
            asked=digest("train", asked.model_dump(), files),
        )  # fmt: skip
        job = await asyncio.to_thread(api.desk.submit, job_id, order)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    headers = {**NO_STORE, "Location": f"{BASE}/status/{job.id}"}
    if job.id != job_id:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        headers["Idempotent-Replayed"] = "true"
    standing = await asyncio.to_thread(found, api, who, job.id)
    return JSONResponse(told(standing, language_of(request), api.desk.files), 202, headers)


@router.get("/{avatar_id}", response_model=answers.Avatar, responses=problems(404), summary="An avatar")
async def avatar(avatar_id: AvatarId, request: Request, api: Server, who: Reader) -> Response:
    """What is known of it; of your own also the consent and the report on its quality."""
    facts = await asyncio.to_thread(checked_avatar, api, who, avatar_id)
    row = await asyncio.to_thread(avatar_row, api.desk.store.engine, avatar_id)
    return JSONResponse(_told(api, who, facts, row, language_of(request)), headers=NO_STORE)


@router.get(
    "/{avatar_id}/thumbnail.png", response_class=FileResponse, responses={**_PNG, **problems(404)},
    summary="Its picture, small",
)  # fmt: skip
async def thumbnail(avatar_id: AvatarId, api: Server, who: Reader) -> Response:
    """The face at rest."""
    return await _picture(api, who, avatar_id, THUMBNAIL)


@router.get(
    "/{avatar_id}/contact_sheet.png", response_class=FileResponse, responses={**_PNG, **problems(404)},
    summary="Its mouth in every viseme",
)  # fmt: skip
async def contact_sheet(avatar_id: AvatarId, api: Server, who: Reader) -> Response:
    """One picture with the mouth of each viseme."""
    return await _picture(api, who, avatar_id, SHEET)


@router.delete(
    "/{avatar_id}", status_code=204, response_class=Response, responses=problems(404, 409), summary="Delete an avatar"
)
async def delete(avatar_id: AvatarId, api: Server, who: Avatars) -> Response:
    """Your own avatar, with the consent and all pictures; those of the server only its owner deletes."""
    await asyncio.to_thread(_delete, api, who, avatar_id)
    return Response(status_code=204)


async def _picture(api: Api, who: Who, avatar_id: str, name: str) -> Response:
    await asyncio.to_thread(checked_avatar, api, who, avatar_id)
    path = api.cache / avatar_id / name
    if not path.is_file():
        raise not_found("picture")
    return FileResponse(path, media_type="image/png", headers={"Cache-Control": "private, max-age=300"})


def _delete(api: Api, who: Who, avatar_id: str) -> None:
    """Delete an avatar, and put another one on stage where somebody watches it.

    Raises:
        RequestError: There is none, it is somebody else's or everybody's, or it is the one on stage.
    """
    checked_avatar(api, who, avatar_id)
    row = avatar_row(api.desk.store.engine, avatar_id)
    if row is None and not who.owns(""):
        raise RequestError(
            "forbidden",
            Message("This avatar is the server's own."),
            Message("Only who runs the server deletes it."),
            403,
        )
    if avatar_id == api.default_avatar:
        hint = Message("Choose another one to begin with when the server is started, then delete it.")
        raise RequestError("on_stage", Message("This avatar is the one on stage."), hint, 409)
    faces.delete(api.desk.store.engine, api.desk.files, avatar_id, api.cache / avatar_id)
    if api.house:
        api.house.drop(avatar_id, api.house.first)


def consent_of(asked: Train, who: Who) -> dict[str, str] | None:
    """The consent that is kept with an avatar; None where nothing is said."""
    if asked.consent is None:
        return None
    return {
        "text": asked.consent.strip(),
        "who": (asked.consent_by or who.name).strip(),
        "when": when(time.time()) or "",
    }


def _told(api: Api, who: Who, facts: dict[str, Any], row: Any, language: str) -> dict[str, Any]:
    """An avatar as `answers.Avatar` has it."""
    from visema.message import from_json

    base = f"{BASE}/avatars/{facts['id']}"
    return {
        "id": facts["id"],
        "name": facts["name"],
        "engine": facts["engine"],
        "width": facts["width"],
        "height": facts["height"],
        "fps": facts["fps"],
        "seconds": round(facts["frames"] / facts["fps"], 3),
        "kind": facts["source"]["kind"],
        "created": facts["created"],
        "own": row is not None or who.owns(""),
        "default": facts["id"] == api.default_avatar,
        "notes": [in_language(from_json(note), language) for note in facts["notes"]],
        "consent": None if row is None else row.consent,
        "report": None if row is None else spoken_report(row.report, language),
        "thumbnail": f"{base}/thumbnail.png",
        "contact_sheet": f"{base}/contact_sheet.png",
    }
