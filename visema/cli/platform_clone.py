"""``visema clone``: a voice like that of a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from visema.cli import api


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("sample", type=Path, help="a recording of the voice, 10 to 60 s, without music")
    parser.add_argument("--name", required=True, help="what it is to be called")
    parser.add_argument("--consent", required=True, help="who agreed to it, in a sentence; it is kept with the voice")
    parser.add_argument("--engine", help="who makes it; without one, a voice of the server is matched to the sample")
    parser.add_argument("--consent-by", metavar="NAME", help="who that is")
    api.add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the voice."""
    with api.connect(arguments) as server:
        voice = server.clone(
            arguments.sample, name=arguments.name, consent=arguments.consent, consent_by=arguments.consent_by,
            engine=arguments.engine,
        )  # fmt: skip
    api.tell(arguments, voice.raw, voice.name)
    return 0
