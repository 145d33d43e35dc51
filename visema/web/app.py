"""The HTTP application: the Gradio page at ``/ui`` and our own addresses beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from visema.paths import cache_dir
from visema.service.settings import settings_from
from visema.web.house import House

if TYPE_CHECKING:
    from fastapi import FastAPI

    from visema.avatar import Avatar
    from visema.live.theatre import LiveOptions
    from visema.service.settings import Settings

#: The largest file that Setup and the gallery take.
MAX_UPLOAD = "500mb"


def create_app(
    avatar: Avatar,
    *,
    cache: Path | None = None,
    voice: str | None = None,
    offline: bool = False,
    live: LiveOptions | None = None,
    films: Settings | None = None,
) -> FastAPI:
    """The application, ready for an ASGI server.

    Args:
        avatar: Who is on stage when a visitor comes.
        cache: Folder of the avatars that the gallery shows; None takes `visema.paths.cache_dir`.
        voice: Chosen when a visitor comes; None chooses by the browser's language.
        offline: Never ask a cloud voice.
        live: How the live view is run.
        films: How films are made for those who ask; None takes the environment's word.

    Raises:
        InputError: The environment holds a setting that makes no sense.
        OutputError: The folder of films cannot be made.
    """
    films = films or settings_from(os.environ, offline=offline)
    offline = offline or films.offline
    house = House(avatar, cache or cache_dir(), voice, offline=offline)
    # Read by Gradio when it is imported and when its parts are made.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(house.temp.path)
    os.environ["HF_HUB_OFFLINE"] = "1"

    import gradio as gr
    from fastapi import FastAPI

    from visema.live.theatre import LiveOptions
    from visema.ops import traces
    from visema.ops.listener import listen
    from visema.service.desk import Desk
    from visema.service.numbers import ServiceNumbers
    from visema.web.actions import wire
    from visema.web.entrance import add_door
    from visema.web.film_page import add_film_page
    from visema.web.film_routes import add_film_routes
    from visema.web.giving import add_links
    from visema.web.live_page import add_live_pages
    from visema.web.live_routes import add_live_routes, make_theatre, usual_voice
    from visema.web.observed import Observed, RequestNumbers, add_metrics
    from visema.web.offers import Offers
    from visema.web.owners import Owners
    from visema.web.page import asset, build, translations
    from visema.web.routes import add_routes
    from visema.web.texts import text
    from visema.web.theme import page_theme
    from visema.web.v1.api import add_api

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        traces.start("visema")
        telling = listen(told)
        desk.open()
        theatre.get_ready()
        yield
        await sockets.close()
        theatre.close_all()
        await asyncio.to_thread(desk.close)
        house.close()
        if telling:
            telling.close()
        traces.stop()

    app = FastAPI(title="Visema", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.house = house
    app.add_middleware(Offers)
    options = live or LiveOptions()
    desk = Desk(films)
    app.state.desk = desk
    house.owners = Owners(desk.store.engine, desk.files)
    named = (*options.origins, *films.origins)
    access = add_door(app, desk.store.engine, desk.settings.folder, named)
    add_routes(app, house, desk)
    check_origin = add_film_routes(app, desk, named)
    add_film_page(app, house, desk, check_origin)
    add_links(app, desk.files)
    add_api(app, desk, house.cache, check_origin, house, access, offline=offline)
    theatre = make_theatre(house, replace(options, origins=named))
    app.state.theatre = theatre
    sockets = add_live_routes(app, theatre, usual_voice(house), house.owners)
    add_live_pages(app, house)
    requests = RequestNumbers()
    told = add_metrics(
        app, theatre.crew.metrics.text, requests.text, ServiceNumbers(desk.store.engine, desk.files.free).text
    )
    app.add_middleware(Observed, numbers=requests)
    t = translations()
    page, parts = build(t, text("title", "en"))
    wire(page, parts, house)
    page.queue(default_concurrency_limit=8, max_size=256)
    gr.mount_gradio_app(
        app,
        page,
        path="/ui",
        i18n=t,
        theme=page_theme(),
        css=asset("style.css") + asset("film.css") + asset("jobs.css"),
        head='<link rel="icon" href="../favicon.ico" type="image/svg+xml">',
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
    )
    return app
