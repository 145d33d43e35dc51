"""``visema voices``: who can say a text."""

from __future__ import annotations

import argparse

from visema.cli import api


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--language", help="only those that speak it, such as de or pt-BR")
    parser.add_argument("--gender", help="female or male")
    parser.add_argument("--engine", help="only those of one engine")
    api.add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    with api.connect(arguments) as server:
        found = server.voices(language=arguments.language, gender=arguments.gender, engine=arguments.engine)
    rows = [(v.name, v.language, v.gender, "cloud" if v.cloud else "the server", v.label) for v in found]
    api.tell(arguments, [voice.raw for voice in found], api.columns(rows))
    return 0
