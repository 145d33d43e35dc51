"""The audit log: who did what, when, from where, and whether they might. Rows are only added, and go by age."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from sqlalchemy.engine import Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from visema.service.schema import AUDIT
from visema.service.who import Who

log = logging.getLogger(__name__)

_TARGET: Final = 128


def note(
    engine: Engine,
    who: Who,
    action: str,
    target: str = "",
    outcome: str = "ok",
    detail: dict[str, Any] | None = None,
) -> None:
    """Write a row; where the database refuses, the log gets it, for what was done cannot be undone.

    Args:
        engine: The database.
        who: Who did it.
        action: What, such as ``job.create``.
        target: To what: an id.
        outcome: ``ok``, ``refused`` or ``failed``.
        detail: More of it; never a secret.
    """
    values = {
        "time": time.time(), "key": who.key, "address": who.address[:64], "action": action[:32],
        "target": target[:_TARGET], "outcome": outcome, "detail": detail,
    }  # fmt: skip
    try:
        with engine.begin() as connection:
            connection.execute(AUDIT.insert().values(**values))
    except SQLAlchemyError as e:
        log.error("The audit log cannot be written (%s): %s", e, values)


def rows(engine: Engine, *, key: str | None = None, limit: int = 100) -> list[Row[Any]]:
    """The latest rows, the newest first; of one key where it is given."""
    asked = AUDIT.select().order_by(AUDIT.c.number.desc()).limit(limit)
    with engine.connect().execution_options(reads=True) as connection:
        return list(connection.execute(asked if key is None else asked.where(AUDIT.c.key == key)))


def forget(engine: Engine, before: float) -> int:
    """Remove rows that are older than a time; how many."""
    with engine.begin() as connection:
        return int(connection.execute(AUDIT.delete().where(AUDIT.c.time < before)).rowcount)
