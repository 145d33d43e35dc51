"""``visema avatars``: who can speak; makes, shows and removes avatars."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from visema.cli import api
from visema.errors import InputError

WHAT: Final = ("list", "show", "train", "delete")


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("what", nargs="?", default="list", choices=WHAT, help="list, if nothing is said")
    parser.add_argument("target", nargs="?", metavar="ID|FILE", help="show and delete: which; train: video or photo")
    parser.add_argument("--name", help="of a new one, for people")
    parser.add_argument("--consent", help="of a new one: who agreed to the use of the face, in a sentence")
    parser.add_argument("--consent-by", metavar="NAME", help="who that is")
    api.add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it.

    Raises:
        InputError: It is not said with which, or the file is not there.
    """
    if arguments.what != "list" and not arguments.target:
        raise InputError(f"It is not said what to {arguments.what}.", "Give an avatar's id, or a video or photo.")
    with api.connect(arguments) as server:
        if arguments.what == "show":
            avatar = server.avatar(arguments.target)
            api.tell(arguments, avatar.raw, facts_text(avatar.raw))
        elif arguments.what == "delete":
            server.delete_avatar(arguments.target)
        elif arguments.what == "train":
            source = Path(arguments.target).expanduser()
            if not source.is_file():
                raise InputError(f"There is no file {source}.", "Give a video or a photo of a face.")
            with api.job_bar("Making the avatar") as bar:
                asked = server.train(
                    source, name=arguments.name, consent=arguments.consent, consent_by=arguments.consent_by
                )
                job = server.wait(asked, progress=bar).check()
            api.tell(arguments, job.raw, f"{api.job_text(job)}\n{facts_text(job.result)}")
        else:
            found = server.avatars()
            api.tell(arguments, [avatar.raw for avatar in found], api.columns([(a.id, a.name) for a in found]))
    return 0


def facts_text(facts: Mapping[str, Any]) -> str:
    """What is known of an avatar, with the report on its quality as a table: what was judged, how good, measured."""
    told = api.plain({name: value for name, value in facts.items() if name != "report"})
    report = facts.get("report")
    if not report:
        return told
    rows = [
        (f"  {name}", f"{judged['score']:.0%}", f"{judged['value']:g} {judged['unit']}", judged["advice"] or "")
        for name, judged in report.items()
        if isinstance(judged, Mapping)
    ]
    return f"{told}\nquality: {report['score']:.0%}\n{api.columns(rows)}"
