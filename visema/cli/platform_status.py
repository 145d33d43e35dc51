"""``visema status``: how far a job is."""

from __future__ import annotations

import argparse
from pathlib import Path

from visema.cli import api


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("job", help="its id")
    parser.add_argument("--wait", action="store_true", help="until it is over")
    parser.add_argument("--output", "--save", "-o", type=Path, metavar="FILE", help="wait, and write the film here")
    api.add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    """Tell; 1 where it did not end well."""
    with api.connect(arguments) as server, api.job_bar("Waiting") as bar:
        wait = arguments.wait or arguments.output
        job = server.wait(arguments.job, progress=bar) if wait else server.status(arguments.job)
        if arguments.output:
            server.download(job.check(), arguments.output)
    api.tell(arguments, job.raw, api.job_text(job))
    return int(job.over and job.state != "done")
