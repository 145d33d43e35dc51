"""The films that were given out: a row for each, found by the id inside the film."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from visema.provenance import Mark
from visema.service.schema import OUTPUTS


def film_row(mark: Mark, film: Path, job: str, key: str) -> dict[str, Any]:
    """The row of a film, to be added by who ends its job.

    Args:
        mark: What the film was given.
        film: The file.
        job: Whose film it is.
        key: Whose job it is.
    """
    whole = hashlib.sha256()
    with film.open("rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
    return {
        "id": mark.id,
        "job": job,
        "key": key,
        "created": time.time(),
        "sha256": whole.hexdigest(),
        "facts": {**mark.facts.record(), "signed": mark.signed},
    }


def keep(connection: sa.Connection, row: dict[str, Any]) -> None:
    """Add a film's row; the film of a job that is made a second time takes the place of the first."""
    connection.execute(OUTPUTS.delete().where(sa.or_(OUTPUTS.c.id == row["id"], OUTPUTS.c.job == row["job"])))
    connection.execute(OUTPUTS.insert().values(**row))


def look_up(engine: sa.Engine, film: str) -> dict[str, Any] | None:
    """What is known of a film: ``id``, ``job``, ``key``, ``created`` (ISO 8601), ``sha256`` and ``facts``."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(OUTPUTS).where(OUTPUTS.c.id == film)).mappings().first()
    if row is None:
        return None
    when = datetime.fromtimestamp(row["created"], timezone.utc).isoformat(timespec="seconds")
    return {**row, "created": when}


def look_up_here(film: str) -> dict[str, Any] | None:
    """The same, in the database that the settings name; None where there is none yet.

    Raises:
        InputError: A setting makes no sense.
    """
    from visema.service.settings import settings_from

    settings = settings_from(os.environ)
    if not settings.database and not (settings.folder / "jobs.db").is_file():
        return None
    engine = sa.create_engine(settings.database_url)
    try:
        if not sa.inspect(engine).has_table(OUTPUTS.name):
            return None
        return look_up(engine, film)
    finally:
        engine.dispose()
