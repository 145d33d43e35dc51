"""Brings a database to the tables of today, from whatever an earlier release or nobody has left there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from visema.errors import OutputError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection, Engine

FOLDER: Final = Path(__file__).parent / "migrations"
#: The revision of today; known without Alembic, which takes a while to load.
HEAD: Final = "0002"
#: The tables of releases that made them without migrations.
_FIRST: Final = "0001"
#: PostgreSQL's lock that lets one process migrate while the others wait: any number that nobody else uses.
_LOCK: Final = 0x7669_7365


def migrate(engine: Engine, revision: str = "head") -> None:
    """Make or change the tables; instant where they are right. Of several processes one does it, the others wait.

    Args:
        engine: The database.
        revision: Where to go.

    Raises:
        OutputError: The database is of a later release, cannot be reached, or refuses.
    """
    try:
        if revision in ("head", HEAD) and current(engine) == HEAD:
            return
        from alembic.util import CommandError
    except sa.exc.SQLAlchemyError as e:
        raise _refused(e) from e
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
            _upgrade(connection, revision)
    except CommandError as e:
        raise OutputError(
            "The database was made by a later release of Visema.",
            "Install that release, or set VISEMA_DATABASE to another database.",
        ) from e
    except sa.exc.SQLAlchemyError as e:
        raise _refused(e) from e


def current(engine: Engine) -> str | None:
    """The revision that a database is at; None where it has none."""
    with engine.connect().execution_options(reads=True) as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    if _revision(connection) is None and sa.inspect(connection).has_table("jobs"):
        command.stamp(config, _FIRST)
    command.upgrade(config, revision)


def _refused(error: sa.exc.SQLAlchemyError) -> OutputError:
    return OutputError(
        f"The database of jobs cannot be used ({getattr(error, 'orig', None) or type(error).__name__}).",
        "Check VISEMA_DATABASE, VISEMA_OUTPUTS and the rights of their folder.",
    )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
