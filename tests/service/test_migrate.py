"""The tables: made anew, brought up from an earlier release, the same as the migrations make."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from visema.errors import OutputError
from visema.service import migrate as m
from visema.service.schema import META
from visema.service.store import JobStore


def _engine(path: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{path}")


def test_the_migrations_make_what_the_schema_says(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    engine = _engine(tmp_path / "a.db")
    m.migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), META) == []
    assert ScriptDirectory(str(m.FOLDER)).get_current_head() == m.HEAD == m.current(engine)


def test_a_database_of_an_earlier_release_keeps_its_jobs(tmp_path: Path) -> None:
    engine = _engine(tmp_path / "jobs.db")
    m.migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
        connection.execute(
            sa.text(
                "INSERT INTO jobs (id, client, turn, state, stage, percent, message, error, detail, hint, options,"
                " created, attempts, owner, lease, cancel)"
                " VALUES ('old', 'me', 0, 'queued', '', 0, '', '', '', '', '{}', 1, 0, '', 0, 0)"
            )
        )
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    job = store.claim("worker", 10, 3)
    store.close()
    assert job is not None and job.id == "old"


def test_a_database_of_a_later_release_is_refused(tmp_path: Path) -> None:
    engine = _engine(tmp_path / "later.db")
    m.migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OutputError, match="later release"):
        m.migrate(engine)


def test_back_and_forth(tmp_path: Path) -> None:
    from alembic import command

    engine = _engine(tmp_path / "b.db")
    m.migrate(engine)
    config = m._config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    m.migrate(engine)
    assert m.current(engine) == m.HEAD
