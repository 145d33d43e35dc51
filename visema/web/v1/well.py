"""Whether the server can take work."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from visema.service.files import NoSpace
from visema.web.film_errors import NO_STORE
from visema.web.v1 import answers
from visema.web.v1.context import Api, Server
from visema.web.v1.errors import Explained

router = APIRouter(route_class=Explained, tags=["server"])


@router.get(
    "/ready", response_model=answers.Ready, summary="Whether the server can take work",
    responses={503: {"model": answers.Ready, "description": "It cannot, and why"}},
)  # fmt: skip
async def ready(api: Server) -> Response:
    """Asks the database and looks at the disk; for those who share out requests among servers."""
    checks = await asyncio.to_thread(_checks, api)
    good = all(told == "ok" for told in checks.values())
    headers = NO_STORE if good else {**NO_STORE, "Retry-After": "5"}
    return JSONResponse({"ready": good, "checks": checks}, 200 if good else 503, headers)


def _checks(api: Api) -> dict[str, str]:
    found = {"database": "ok", "disk": "ok"}
    try:
        with api.desk.store.engine.connect().execution_options(reads=True) as connection:
            connection.execute(sa.select(1))
    except SQLAlchemyError:
        found["database"] = "does not answer"
    try:
        api.desk.files.check_space(0, api.desk.settings.min_free_bytes)
    except (NoSpace, OSError):
        found["disk"] = "is full"
    return found
