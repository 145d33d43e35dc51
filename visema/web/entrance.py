"""Puts the door, the login page and the errors of both on the application."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from visema.live.requests import RequestError
from visema.service.access import Access, access_from
from visema.web.door import Door
from visema.web.film_errors import NO_STORE, language_of, problem
from visema.web.hosts import hosts_of
from visema.web.login import add_login
from visema.web.session import Sessions

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


def add_door(app: FastAPI, engine: Engine, folder: Path, origins: Iterable[str] = ()) -> Access:
    """Let nobody pass to ``app`` who may not; its ``state.access`` from now on.

    Args:
        app: The application.
        engine: The database, migrated.
        folder: Where the server's secret is.
        origins: Sites that were named: without a key the server may be asked by their names as well.

    Raises:
        InputError: The environment holds a key that is not safe, or requires one and there is none.
    """
    access = access_from(engine, folder)
    sessions = Sessions(access.secret)
    app.state.access = access
    app.add_middleware(Door, access=access, sessions=sessions, hosts=hosts_of(origins))
    add_login(app, access, sessions)

    @app.exception_handler(RequestError)
    async def explain(request: Request, error: RequestError) -> Response:
        return JSONResponse(problem(error.code, error, language_of(request)), error.status, NO_STORE)

    return access
