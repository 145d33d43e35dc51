"""``visema generate``: a film by the server."""

from __future__ import annotations

import argparse
from pathlib import Path

from visema.cli import api
from visema.cli.words import read_words


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    face = parser.add_mutually_exclusive_group()
    face.add_argument(
        "--avatar", metavar="ID", help="who speaks, as `visema avatars` lists them; else the server's own"
    )
    face.add_argument("--image", type=Path, metavar="FILE", help="or a photo of a face")
    parser.add_argument("--text", help="what to say; @FILE reads it")
    parser.add_argument("--audio", type=Path, metavar="FILE", help="or a recording")
    parser.add_argument("--voice", help="who says the text; `visema voices` lists them")
    parser.add_argument("--output", "--save", "-o", type=Path, metavar="FILE", help="wait, and write the film here")
    parser.add_argument("--webhook", metavar="URL", help="an address that hears of the end")
    parser.add_argument("--priority", type=int, help="-10 to 10; greater comes first; above 0 with an admin key")
    api.add_options(parser)
    api.add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask for the film; with ``--output``, wait for it and fetch it."""
    with api.connect(arguments) as server, api.job_bar("Making the film") as bar:
        job = server.generate(
            avatar=arguments.avatar,
            image=arguments.image,
            text=read_words(arguments.text) if arguments.text else None,
            audio=arguments.audio,
            voice=arguments.voice,
            webhook=arguments.webhook,
            priority=arguments.priority,
            **api.options_of(arguments),
        )
        if arguments.output:
            job = server.wait(job, progress=bar).check()
            server.download(job, arguments.output)
    saved = f"\n  saved: {arguments.output}" if arguments.output else ""
    api.tell(arguments, job.raw, api.job_text(job) + saved)
    return 0
