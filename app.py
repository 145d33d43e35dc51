"""Starts the server on port 5000, and is the ASGI target: ``gunicorn -k uvicorn.workers.UvicornWorker app:app``.

``python app.py`` takes the arguments of ``video.py`` that belong to the page, such as ``--host`` and ``--port``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from visema.speech.access import value_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    app: FastAPI

PORT = 5000
# Who starts this wants films: what makes them is loaded before the first one is asked for.
if not value_of("VISEMA_EAGER"):
    os.environ["VISEMA_EAGER"] = "1"


def make_app() -> Any:
    """The application with the default avatar on stage, prepared now if need be."""
    from visema import settings
    from visema.cli.arguments import DEFAULT_VIDEO
    from visema.cli.commands import find_video
    from visema.ops import logs
    from visema.service.settings import settings_from
    from visema.setup import prepare_avatar
    from visema.speech.voices import PAID_VARIABLE
    from visema.web.app import create_app

    settings.load()
    logs.set_up()
    films = settings_from(os.environ)
    # Who can reach this is the other server's affair.
    os.environ.setdefault(PAID_VARIABLE, "0")
    return create_app(prepare_avatar(find_video(DEFAULT_VIDEO)), films=films, offline=films.offline)


def __getattr__(name: str) -> Any:
    """``app``, made when a server asks for it, so that ``python app.py --help`` answers at once."""
    if name != "app":
        raise AttributeError(name)
    globals()["app"] = found = make_app()
    return found


if __name__ == "__main__":
    from visema.cli.main import main

    sys.exit(main(["--ui", "--headless", "--port", str(PORT), *sys.argv[1:]]))
