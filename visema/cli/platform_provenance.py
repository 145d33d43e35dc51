"""``visema provenance FILE``: what a film says of where it comes from, and what is known of it here."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from visema.errors import InputError

#: Where a statement was found, in words.
_PLACES: Final = {"comment": "MP4 comment", "xmp": "XMP", "c2pa": "C2PA manifest"}
_STATES: Final = {
    "Valid": "unchanged since it was signed; the signer is on no trust list",
    "Trusted": "unchanged since it was signed by somebody on a trust list",
    "Invalid": "CHANGED since it was signed, or the signature is damaged",
    "unchecked": "not checked: install c2pa-python",
}


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("what", metavar="FILE-OR-ID", help="a film, or the id of one that was made here")
    parser.add_argument("--json", action="store_true", help="one object instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Tell it.

    Raises:
        InputError: The file says nothing, or the id is not known.
        MediaError: The file is no film.
    """
    from visema.provenance import read_mark

    told: dict[str, Any] = {}
    film = arguments.what
    if not (re.fullmatch(r"[0-9a-f]{32}", film) and not Path(film).exists()):
        found = read_mark(Path(film))
        if found is None:
            raise InputError(
                "{name} does not say where it comes from.",
                "It was not made by Visema, or its metadata was removed.",
                name=Path(film).name,
            )
        told, film = asdict(found), found.id
    if known := _known(film):
        told["record"] = known
    if not told:
        raise InputError("No film with the id {id} is known here.", "Ask where it was made.", id=film)
    sys.stdout.write(json.dumps(told, indent=1, ensure_ascii=False) + "\n" if arguments.json else _lines(film, told))
    return 0


def _known(film: str) -> dict[str, Any] | None:
    """The row of the film, where there is a database."""
    from visema.service.provenance import look_up_here

    return look_up_here(film)


def _lines(film: str, told: dict[str, Any]) -> str:
    rows = [("id", film)]
    if told.get("found"):
        rows.append(("said by", ", ".join(_PLACES[name] for name in told["found"])))
        rows.append(("what it is", told["source_type"] or "synthetic"))
        if told["state"]:
            rows.append(("signature", _STATES.get(told["state"], told["state"])))
            rows.append(("signed by", told["signer"]))
        rows += [(name.replace("_", " "), value) for name, value in sorted(told["facts"].items())]
    if record := told.get("record"):
        rows += [("job", record["job"]), ("made", record["created"]), ("sha256", record["sha256"])]
        facts = record["facts"]
        rows += [("avatar", facts.get("avatar", "")), ("voice", facts.get("voice", ""))]
        rows += [(f"consent ({whose})", said) for whose, said in facts.get("consents", {}).items()]
    return "".join(f"{name:<16} {value}\n" for name, value in rows if value)
