"""What the commands that speak with a server share: where it is, how progress is shown, how results are written."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from visema.cli.progress import progress_bar

if TYPE_CHECKING:
    from visema.client import Job, Visema

log = logging.getLogger(__name__)

#: Options of a film, with what makes a value of the words of a command line.
OPTIONS: Final[dict[str, tuple[Callable[[str], Any], str]]] = {
    "rate": (float, "how fast, 0.5 to 2.5"),
    "pitch": (float, "how high, -6 to 6 semitones"),
    "volume": (float, "how loud, 0 to 4"),
    "language": (str, "of a recording"),
    "style": (str, "how the head of a photo moves: calm, lively, still"),
    "expression": (str, "of a photo: neutral, smile, serious; smile:0.5"),
    "face": (int, "which face of a photo speaks, from 1"),
    "fps": (float, "pictures a second"),
    "resolution": (str, "512x512, 720p, …"),
    "crop": (str, "16:9, 9:16 or 1:1"),
    "engine": (str, "what draws the mouth"),
}


def add_server(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that speaks with a server."""
    parser.add_argument("--server", metavar="URL", help="the server (VISEMA_URL, else http://127.0.0.1:8000)")
    parser.add_argument("--key", help="API key (VISEMA_KEY); a server on this machine may need none")
    parser.add_argument("--ca", metavar="FILE", help="certificate to trust, of a server that made its own")
    parser.add_argument("--json", action="store_true", help="write what the server said, as JSON")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The arguments that say how a film is made."""
    for name, (kind, about) in OPTIONS.items():
        parser.add_argument(f"--{name}", type=kind, help=about)
    parser.add_argument("--mark", action="store_true", default=None, help="show that the film is synthetic")


def options_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What of `add_options` was given."""
    given = {name: getattr(arguments, name) for name in (*OPTIONS, "mark")}
    return {name: value for name, value in given.items() if value is not None}


def connect(arguments: argparse.Namespace) -> Visema:
    """A client of the server.

    Raises:
        InputError: Its address is none, or the certificate cannot be read.
    """
    from visema.client import Visema

    return Visema(arguments.server, arguments.key, verify=arguments.ca or True)


@contextmanager
def job_bar(title: str) -> Iterator[Callable[[Job], None] | None]:
    """Shows how far a job is."""
    with progress_bar(title, "%") as bar:
        yield (lambda job: bar(round(job.percent), 100)) if bar else None


def say(text: str) -> None:
    """Write a line of the result."""
    sys.stdout.write(f"{text}\n")


def tell(arguments: argparse.Namespace, raw: Any, text: str) -> None:
    """Write a result: as JSON where that was asked for, else as text."""
    say(json.dumps(raw, indent=2, ensure_ascii=False, default=dict) if arguments.json else text)


def job_text(job: Job) -> str:
    """A job in a line, with its notes and why it failed."""
    lines = [f"{job.id}  {job.state:<9} {job.percent:5.1f} %  {job.kind}"]
    lines += [f"  note: {note}" for note in job.notes]
    if job.error:
        lines.append(f"  {job.error}: {job.detail} {job.hint}".rstrip())
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows under one another."""
    if not rows:
        return "(none)"
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def plain(facts: Mapping[str, Any]) -> str:
    """Facts by name, one in a line."""
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value not in ("", None, {}, [], ()))
