"""``visema batch``: many films at once, by a table."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visema.cli import api
from visema.cli.progress import progress_bar
from visema.errors import InputError

if TYPE_CHECKING:
    from visema.client import Batch, Visema


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    columns = ", ".join(("avatar", "text", "voice", *api.OPTIONS))
    parser.add_argument("table", type=Path, help=f"CSV with the columns {columns}; or JSON, a list of such objects")
    parser.add_argument("--folder", type=Path, help="wait, and write the films here, as 001.mp4 and so on")
    parser.add_argument("--webhook", metavar="URL", help="an address that hears of the end")
    api.add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask for the films; with ``--folder``, wait and fetch; 1 where one failed."""
    items = read(arguments.table)
    with api.connect(arguments) as server:
        batch = server.batch(items, webhook=arguments.webhook)
        if arguments.folder:
            with progress_bar("Making films", "film") as bar:

                def show(told: Batch) -> None:
                    if bar:
                        bar(sum(told.counts.get(state, 0) for state in ("done", "failed", "cancelled")), told.items)

                batch = server.wait_batch(batch, progress=show)
            fetch(server, batch, arguments.folder)
    for refused in batch.refused:
        api.log.warning("%03d: %s %s", int(refused["index"]) + 1, refused["detail"], refused["hint"])
    counts = ", ".join(f"{count} {state}" for state, count in batch.counts.items() if count)
    api.tell(arguments, batch.raw, f"{batch.id}: {batch.items} films; {counts}".rstrip("; "))
    return int(bool(batch.refused) or (batch.over and batch.counts.get("done", 0) < batch.items))


def read(table: Path) -> list[dict[str, Any]]:
    """The films that a table asks for.

    Raises:
        InputError: It cannot be read, or a column or value makes no sense.
    """
    try:
        text = table.read_text("utf-8-sig")
        if table.suffix.lower() == ".json":
            rows = json.loads(text)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ValueError("it is no list of objects")
            return rows
        return [item(row, number) for number, row in enumerate(csv.DictReader(text.splitlines()), 1)]
    except (OSError, ValueError, csv.Error) as e:
        raise InputError(f"The table {table} cannot be read: {e}.", "Give CSV or JSON in UTF-8.") from e


def item(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A row of a table as the API takes it.

    Raises:
        InputError: A column is unknown, or its value is of another kind.
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        kind = str if name in ("avatar", "text", "voice") else api.OPTIONS.get(name or "", (None, ""))[0]
        if kind is None:
            raise InputError(f"The table has an unknown column '{name}'.", "`visema batch --help` lists them.")
        if value:
            try:
                found[name] = kind(value)
            except ValueError:
                hint = f"Column '{name}': {api.OPTIONS[name][1]}."
                raise InputError(f"Row {number} of the table says '{value}'.", hint) from None
    return found


def fetch(server: Visema, batch: Batch, folder: Path) -> None:
    """Write the films of a batch, by their place in the table."""
    folder.mkdir(parents=True, exist_ok=True)
    for job in batch.jobs:
        number = int(job.raw.get("index", 0)) + 1
        if job.state == "done":
            server.download(job, folder / f"{number:03}.mp4")
        else:
            api.log.warning("%03d: %s", number, api.job_text(job))
