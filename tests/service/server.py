"""The film API as a server of its own, without the page, which takes longer to start: ``python -m …server PORT``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI

from visema.service.desk import Desk
from visema.service.settings import settings_from
from visema.web.film_routes import add_film_routes


def main() -> None:
    desk = Desk(settings_from(os.environ))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        desk.open()
        yield
        desk.close()

    app = FastAPI(lifespan=lifespan)
    add_film_routes(app, desk, desk.settings.origins)

    @app.get("/health")
    def health() -> dict[str, int]:
        return desk.health()

    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
