"""Addresses beside the Gradio page: pictures and sound from memory, the browser's clock, downloads, health."""

from __future__ import annotations

import json
import logging
import math
import re
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError

import visema
from visema.avatar import ID, SHEET, THUMBNAIL
from visema.errors import VisemaError
from visema.web.identity import asker
from visema.web.sound import byte_range

if TYPE_CHECKING:
    from visema.service.desk import Desk
    from visema.web.house import House

log = logging.getLogger(__name__)

#: Pictures of an idle loop never change under their address.
_FOREVER = {"Cache-Control": "private, max-age=86400, immutable"}
_NEVER = {"Cache-Control": "no-store"}
_EVENTS = ("playing", "time", "waiting", "ended", "blocked", "error")
#: A report of the browser's clock is a handful of numbers.
_MAX_REPORT = 1024
_ROOT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Addresses by name"},
    307: {"description": "The page, for browsers"},
}
_MEDIA = {".mp4": "video/mp4", ".srt": "application/x-subrip", ".vtt": "text/vtt"}


def add_routes(app: FastAPI, house: House, desk: Desk | None = None) -> None:
    """Put the addresses on ``app``; ``desk`` tells how many films are being made."""

    def missing(what: str) -> JSONResponse:
        return JSONResponse({"error": f"{what} is not here."}, status_code=404, headers=_NEVER)

    @app.head("/", include_in_schema=False)
    @app.get("/", tags=["server"], summary="What is where; a browser is sent to the page", responses=_ROOT)
    async def root(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"ui/{query}")
        facts = {"name": "visema", "version": visema.__version__, "page": "/ui/", "health": "/health"}
        films = {"config": "/config", "generate": "/generate", "openapi": "/openapi.json"} if desk else {}
        platform = {"docs": "/docs", "api": "/api/v1", "ready": "/ready"} if desk else {}
        return JSONResponse(facts | films | platform)

    @app.get("/health", tags=["server"], summary="Whether the server is well")
    def health() -> dict[str, Any]:
        facts = {"status": "ok", "version": visema.__version__, "visitors": house.visitors}
        try:
            return facts | (desk.health() if desk else {})
        except SQLAlchemyError as e:  # the server itself is well: to start it anew would not help
            log.warning("The database could not be asked: %s", e)
            return facts | {"status": "database away"}

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> Response:
        return Response(ICON, media_type="image/svg+xml", headers=_FOREVER)

    @app.get("/poster.jpg", include_in_schema=False)
    def poster() -> Response:
        return Response(house.idle.jpeg(house.first, 0), media_type="image/jpeg", headers=_NEVER)

    @app.get("/avatars/{avatar_id}/idle/{edition}/{index}.jpg", include_in_schema=False)
    def idle(avatar_id: str, edition: str, index: int, request: Request) -> Response:
        if not ID.fullmatch(avatar_id) or index < 0:
            return missing("That picture")
        try:
            avatar = house.avatar_for(asker(request), avatar_id)
        except VisemaError:
            return missing("That avatar")
        data = house.idle.jpeg(avatar, index % len(avatar.track))
        return Response(data, media_type="image/jpeg", headers=_FOREVER)

    @app.get("/avatars/{avatar_id}/{name}.png", include_in_schema=False)
    def still(avatar_id: str, name: str, request: Request) -> Response:
        path = house.cache / avatar_id / f"{name}.png"
        seen = ID.fullmatch(avatar_id) and (not house.owners or house.owners.sees(asker(request), avatar_id))
        if not seen or path.name not in (THUMBNAIL, SHEET) or not path.is_file():
            return missing("That picture")
        return FileResponse(path, headers=_NEVER)

    @app.get("/avatars/{avatar_id}.zip", include_in_schema=False)
    def export(avatar_id: str, request: Request) -> Response:
        from visema.web.gallery import export_file

        if not ID.fullmatch(avatar_id):
            return missing("That avatar")
        try:
            house.avatar_for(asker(request), avatar_id)
            path = export_file(house, avatar_id)
        except VisemaError as e:
            return JSONResponse({"error": str(e)}, status_code=404, headers=_NEVER)
        return FileResponse(path, media_type="application/zip", filename=f"{avatar_id}.zip", headers=_NEVER)

    @app.post("/stage/{token}/cached", include_in_schema=False)
    async def cached(token: str, request: Request) -> Response:
        viewer = house.by_token(token, asker(request))
        if viewer is None:
            return missing("That visitor")
        viewer.has_cached((await request.body())[:_MAX_REPORT].decode(errors="replace"))
        return Response(status_code=204)

    @app.post("/stage/{token}/view", include_in_schema=False)
    async def view(token: str, request: Request) -> Response:
        viewer = house.by_token(token, asker(request))
        if viewer is None:
            return missing("That visitor")
        viewer.look((await request.body())[:_MAX_REPORT].decode(errors="replace"))
        return Response(status_code=204)

    @app.get("/stage/{token}/sound/{number}.wav", include_in_schema=False)
    async def sound(token: str, number: int, request: Request) -> Response:
        viewer = house.by_token(token, asker(request))
        data = viewer.sound(number) if viewer else None
        if data is None:
            return missing("That sound")
        headers = {**_NEVER, "Accept-Ranges": "bytes"}
        wanted = byte_range(request.headers.get("range", ""), len(data))
        if wanted is None:
            return Response(data, media_type="audio/wav", headers=headers)
        first, last = wanted
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return Response(data[first : last + 1], status_code=206, media_type="audio/wav", headers=headers)

    @app.get("/stage/{token}/saved/{name}", include_in_schema=False)
    async def saved(token: str, name: str, request: Request) -> Response:
        viewer = house.by_token(token, asker(request))
        match = re.fullmatch(r"[\w-]{1,64}(\.mp4|\.srt|\.vtt)", name)
        path = house.saved_folder(viewer) / name if viewer and match else None
        if path is None or match is None or not path.is_file():
            return missing("That file")
        return FileResponse(path, media_type=_MEDIA[match[1]], filename=name, headers=_NEVER)

    @app.post("/stage/{token}/clock", include_in_schema=False)
    async def clock(token: str, request: Request) -> Response:
        viewer = house.by_token(token, asker(request))
        if viewer is None:
            return missing("That visitor")
        body = await request.body()
        try:
            said: Any = json.loads(body) if len(body) <= _MAX_REPORT else None
            number, event = int(said["sound"]), str(said["event"])
            position, skew = float(said["position"]), said.get("skew")
            skew = None if skew is None else float(skew)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return JSONResponse({"error": "That is no report of a clock."}, status_code=422)
        if event not in _EVENTS or not math.isfinite(position) or (skew is not None and not math.isfinite(skew)):
            return JSONResponse({"error": "That is no report of a clock."}, status_code=422)
        viewer.report(number, event, position, skew)
        return Response(status_code=204)


#: Lips on a round ground, in the colours of the page.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" aria-hidden="true">'
    '<rect width="32" height="32" rx="9" fill="#17696f"/>'
    '<path fill="#fff" d="M5 15.5c4-3.6 6.5-5 8.5-5 1 0 1.6.7 2.5.7s1.5-.7 2.5-.7c2 0 4.5 1.4 8.5 5'
    '-3.5 4.3-7 6.2-11 6.2s-7.5-1.9-11-6.2z"/>'
    '<path fill="#17696f" d="M9.5 15.6c2.5-.9 4.5-1.1 6.5-1.1s4 .2 6.5 1.1c-2.5 1.7-4.5 2.3-6.5 2.3s-4-.6-6.5-2.3z"/>'
    "</svg>"
)
