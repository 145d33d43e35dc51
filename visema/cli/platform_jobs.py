"""``visema jobs``: your jobs, newest first."""

from __future__ import annotations

import argparse

from visema.cli import api


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--state", help="only those: queued, running, done, failed, cancelled, expired")
    parser.add_argument("--kind", help="only those: film, speak, train")
    parser.add_argument("--batch", metavar="ID", help="only those of a batch")
    parser.add_argument("--limit", type=int, default=20, help="how many (%(default)s)")
    parser.add_argument("--delete", metavar="ID", help="cancel this job, or remove what it made")
    api.add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them, or delete one."""
    with api.connect(arguments) as server:
        if arguments.delete:
            server.delete_job(arguments.delete)
            return 0
        page = server.jobs(state=arguments.state, kind=arguments.kind, batch=arguments.batch, limit=arguments.limit)
    text = "\n".join(api.job_text(job) for job in page.items) or "(none)"
    api.tell(arguments, [job.raw for job in page.items], text)
    return 0
