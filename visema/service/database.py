"""The database: opened, brought up to date, read and written in transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from visema.service.migrate import migrate

#: Connections that one process keeps to a server; more are opened while more threads ask, and closed after.
_KEPT: Final = 5
#: A machine that is off is waited for so long, and a connection that others use; then who asks is told to come back.
_CONNECT_S: Final = 5
_FREE_S: Final = 10.0


class Database:
    """A database that many threads and processes use.

    Args:
        url: SQLAlchemy address.
        now: The clock, seconds since 1970.

    Raises:
        OutputError: It cannot be opened or made.
    """

    def __init__(self, url: str, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.engine = open_engine(url)
        # Each statement of PostgreSQL sees its own moment anyway: to begin and to end costs more than a question.
        alone = {"isolation_level": "AUTOCOMMIT"} if self.engine.dialect.name == "postgresql" else {"reads": True}
        self._reader = self.engine.execution_options(**alone)
        migrate(self.engine)

    def close(self) -> None:
        """Let the connections go."""
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that changes something; it is undone where the block raises."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that only looks."""
        with self._reader.connect() as connection:
            yield connection


def open_engine(url: str) -> Engine:
    """A database; on SQLite, one that many processes may write to and that a crash does not harm."""
    if not url.startswith("sqlite"):
        address = sa.make_url(_with_driver(url))
        more: dict[str, Any] = {}
        if address.drivername.startswith("postgresql") and "connect_timeout" not in address.query:
            more["connect_args"] = {"connect_timeout": _CONNECT_S}
        # A server that was started anew is noticed before a query is lost on a dead connection.
        return sa.create_engine(
            address, pool_pre_ping=True, pool_size=_KEPT, max_overflow=20, pool_timeout=_FREE_S, **more
        )
    engine = sa.create_engine(url)

    def opened(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # its own way of beginning transactions takes the lock too late
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=20000", "wal_autocheckpoint=200"):
            connection.execute(f"PRAGMA {pragma}").close()

    def begun(connection: Connection) -> None:
        # A writer that has read first could not get the lock any more where another one wrote in between.
        reads = connection.get_execution_options().get("reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    sa.event.listen(engine, "connect", opened)
    sa.event.listen(engine, "begin", begun)
    return engine


def _with_driver(url: str) -> str:
    """``postgres://`` and ``postgresql://`` as hosts give them, with the driver that is installed."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url
