"""Puts the API on the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from visema.service.desk import Desk
from visema.web.v1 import account, avatars, batch, docs, events, jobs, links, speech, voices, well
from visema.web.v1.context import Api

if TYPE_CHECKING:
    from visema.service.access import Access
    from visema.web.house import House


def add_api(
    app: FastAPI,
    desk: Desk,
    cache: Path,
    check_origin: Callable[[Mapping[str, str]], None],
    house: House | None = None,
    access: Access | None = None,
    *,
    offline: bool = False,
) -> None:
    """Put everything under ``/api/v1`` but the live view on ``app``.

    Args:
        app: The application.
        desk: Jobs and their files.
        cache: Folder of the avatars.
        check_origin: Refuses pages of other sites by the headers of their request.
        house: What visitors of the page share; None where there is no page.
        access: Who may use it; None where everybody may.
        offline: No cloud voice is asked.
    """
    app.state.api = Api(desk, cache, check_origin, house, access, offline)
    for part in (jobs, links, events, batch, avatars, voices, speech, account, well, docs):
        app.include_router(part.router)
    docs.describe(app)
