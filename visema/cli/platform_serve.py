"""``visema serve``: the page, the API and the live view, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from visema.cli.live_arguments import add as add_live
from visema.cli.live_arguments import live_arguments

HOST: Final = "127.0.0.1"
PORT: Final = 8000


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--host", default=HOST, help="address to listen on (this machine alone)")
    parser.add_argument("--port", type=int, default=PORT, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="films made at once by this server; 0: `visema worker` makes them"
    )
    parser.add_argument("--avatar", metavar="FILE", help="video or photo of who is on stage (the default avatar)")
    parser.add_argument("--offline", action="store_true", help="ask no cloud voice")
    parser.add_argument(
        "--first-key", action="store_true", help="where no key works yet, make one for everything and show it once"
    )
    add_live(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve.

    Raises:
        VisemaError: The port is taken, the avatar cannot be made, a setting makes no sense.
    """
    serving = live_arguments(arguments)
    tls = serving.tls
    if arguments.workers is not None:
        os.environ["VISEMA_WORKERS"] = str(arguments.workers)
    # Who starts this wants films: what makes them is loaded before the first one is asked for.
    os.environ.setdefault("VISEMA_EAGER", "1")
    from visema.cli.arguments import DEFAULT_VIDEO
    from visema.cli.commands import find_video
    from visema.cli.main import quiet_libraries
    from visema.setup import prepare_avatar
    from visema.web.server import serve

    quiet_libraries(verbose=False)
    if arguments.first_key:
        make_first_key()
    source = find_video(arguments.avatar or DEFAULT_VIDEO)

    serve(
        lambda: prepare_avatar(source),
        host=arguments.host,
        port=arguments.port,
        browser=False,
        offline=arguments.offline,
        live=serving.live,
        tls=tls,
    )
    return 0


def make_first_key() -> None:
    """Make a key where none works, and say it: of a container nobody can ask for one before it serves."""
    from visema.service.access import access_from
    from visema.service.settings import settings_from
    from visema.service.store import JobStore

    settings = settings_from(os.environ)
    settings.folder.mkdir(parents=True, exist_ok=True)
    store = JobStore(settings.database_url)
    try:
        env = {name: value for name, value in os.environ.items() if name != "VISEMA_REQUIRE_KEY"}
        keys = access_from(store.engine, settings.folder, env).keys
        if not keys.usable:
            _, secret = keys.create("first", ["admin"])
            sys.stderr.write(f"The key of this server, shown this once: {secret}\n")
    finally:
        store.close()
