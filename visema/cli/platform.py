"""The command ``visema``: everything of the platform; ``video.py`` remains the short way to a talking face.

Each command is a module ``visema.cli.platform_<name>`` with ``ABOUT`` (one line), ``add(parser)`` and
``run(arguments) -> int``; it is loaded when it is asked for.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Final

from visema import settings
from visema.errors import VisemaError

#: The commands, with what ``visema --help`` says of each.
COMMANDS: Final[dict[str, str]] = {
    "serve": "the page, the API and the live view",
    "worker": "makes what servers have put into the queue",
    "generate": "a film by a server: avatar or photo, text or recording",
    "status": "how far a job is; waits for it, fetches its film",
    "jobs": "your jobs on a server",
    "avatars": "who can speak; makes, shows and removes avatars",
    "voices": "who can say a text",
    "clone": "a voice like that of a recording",
    "tts": "a text as sound, with the times of its words and visemes",
    "batch": "many films at once, by a table",
    "keys": "who may use the server: make, list, revoke and rotate keys; the audit log",
    "doctor": "what works on this machine, line by line",
    "provenance": "what a film says of where it comes from",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="visema", description="Talking avatars: the platform.")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting (docs/settings.md), before COMMAND"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about in COMMANDS.items():
        commands.add_parser(name, help=about, add_help=False)
    own_from = 1
    while arguments[own_from - 1 : own_from] == ["--set"]:
        own_from += 2
    general = parser.parse_args(arguments[:own_from])
    chosen = general.command
    module = importlib.import_module(f"visema.cli.platform_{chosen}")
    own = argparse.ArgumentParser(prog=f"visema {chosen}", description=COMMANDS[chosen])
    module.add(own)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    for chatty in ("alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        found = own.parse_args(arguments[own_from:])
        settings.load(general.set)
        return int(module.run(found))
    except VisemaError as e:
        sys.stderr.write(f"visema: {e}\n")
        return e.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
