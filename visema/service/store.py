"""Jobs as rows: asked for, claimed with a lease, told about, ended once. The truth about every job is here.

Each change is one transaction whose condition names the state and the owner that it expects, so that two processes
never both believe that a job is theirs, on SQLite as well as on PostgreSQL.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from visema.errors import VisemaError
from visema.service.jobs import Job, State, new_id, pack
from visema.service.migrate import migrate
from visema.service.order import Conflict
from visema.service.schema import BATCHES, JOBS

_C: Final = JOBS.c
_FIELDS: Final = [_C[name] for name in Job.__dataclass_fields__]
#: Jobs whose length tells how long the next will take.
_RECENT: Final = 20


class QueueFull(VisemaError):
    """Too many jobs wait; ``own`` tells whether they are the client's."""

    def __init__(self, what: str, hint: str, *, own: bool) -> None:
        super().__init__(what, hint)
        self.own = own


@dataclass(frozen=True)
class Told:
    """What a worker hears when it reports.

    Attributes:
        mine: The job is still this worker's.
        cancel: It shall be given up.
    """

    mine: bool
    cancel: bool


class JobStore:
    """The jobs in a database; for any number of threads and processes.

    Args:
        url: SQLAlchemy address.
        now: The clock, seconds since 1970.

    Raises:
        OutputError: The database cannot be opened or made.
    """

    def __init__(self, url: str, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._engine = _engine(url)
        migrate(self._engine)

    @property
    def engine(self) -> Engine:
        """The database, for what else is kept in it."""
        return self._engine

    def close(self) -> None:
        """Let the connections go."""
        self._engine.dispose()

    # -- those who ask --------------------------------------------------------------------------------------------

    def submit(
        self,
        client: str,
        options: dict[str, Any],
        *,
        job_id: str = "",
        most: int = 10**9,
        most_own: int = 10**9,
        columns: Mapping[str, Any] | None = None,
    ) -> Job:
        """Ask for a film.

        Each client's jobs have turns one after the other, beginning with the turn that is now being served: so the
        clients are served in rotation, however many jobs one of them has, and each of them in the order of asking.

        Raises:
            QueueFull: ``most`` jobs wait already, or ``most_own`` of this client.
        """
        more = dict(columns or {})
        with self._writing() as connection:
            if more.get("once") and (known := self._known(connection, more)):
                return known
            return self._submit(connection, client, options, job_id, most, most_own, more)

    def submit_many(
        self,
        batch: Mapping[str, Any],
        orders: Sequence[tuple[str, Mapping[str, Any], dict[str, Any]]],
        *,
        most: int,
        most_own: int,
    ) -> list[Job]:
        """Ask for many at once: all of them or, where there is no room, none.

        Args:
            batch: The columns of the batch's row.
            orders: Client, columns and options of each.
            most: Jobs that may wait.
            most_own: Jobs of one client that may wait.

        Raises:
            QueueFull: Too many would wait.
        """
        with self._writing() as connection:
            found = connection.execute(sa.select(BATCHES.c.id).where(BATCHES.c.id == batch["id"])).one_or_none()
            if found is None:
                connection.execute(BATCHES.insert().values(**batch, created=self._now()))
            return [
                self._submit(connection, client, options, "", most, most_own, dict(columns))
                for client, columns, options in orders
            ]

    def _known(self, connection: Connection, columns: Mapping[str, Any]) -> Job | None:
        """The job that was asked for under the same idempotency key."""
        same = sa.select(*_FIELDS).where(_C.key == columns["key"], _C.once == columns["once"])
        row = connection.execute(same).one_or_none()
        if row is None:
            return None
        job = _job(row)
        if job.asked != columns["asked"]:
            raise Conflict("Another request came under the same Idempotency-Key.", "Use a key of its own for each.")
        return job

    def _submit(
        self,
        connection: Connection,
        client: str,
        options: dict[str, Any],
        job_id: str,
        most: int,
        most_own: int,
        more: Mapping[str, Any],
    ) -> Job:
        waiting = sa.select(sa.func.count()).where(_C.state == State.QUEUED.value)
        if int(connection.scalar(waiting.where(_C.client == client)) or 0) >= most_own:
            raise QueueFull("You have too many jobs waiting.", "Wait for some of them, then ask again.", own=True)
        if int(connection.scalar(waiting) or 0) >= most:
            raise QueueFull("Too many jobs are waiting.", "Try again in a few minutes.", own=False)
        served = connection.scalar(sa.select(sa.func.max(_C.turn)).where(_C.started.is_not(None)))
        last = connection.scalar(sa.select(sa.func.max(_C.turn)).where(_C.client == client))
        turn = max(0 if served is None else served, 0 if last is None else last + 1)
        name = job_id or new_id()
        values = {"id": name, "client": client, "turn": turn, "state": State.QUEUED.value, "stage": "queued"}
        connection.execute(JOBS.insert().values(**values, **more, options=options, created=self._now()))
        return _one(connection, name)

    def get(self, job_id: str) -> Job | None:
        """A job by its name."""
        with self._reading() as connection:
            row = connection.execute(sa.select(*_FIELDS).where(_C.id == job_id)).one_or_none()
        return _job(row) if row else None

    def jobs(
        self,
        key: str | None,
        state: State | None = None,
        kind: str | None = None,
        batch: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Jobs, the newest first.

        Args:
            key: Whose; None for everybody's.
            state: Only those in it.
            kind: Only those of it.
            batch: Only those of it.
            before: Only those with a smaller number.
            limit: At most so many.
        """
        asked = sa.select(*_FIELDS).order_by(_C.number.desc()).limit(limit)
        for column, value in ((_C.key, key), (_C.state, state and state.value), (_C.kind, kind), (_C.batch, batch)):
            asked = asked if value is None else asked.where(column == value)
        asked = asked if before is None else asked.where(_C.number < before)
        with self._reading() as connection:
            return [_job(row) for row in connection.execute(asked)]

    def place(self, job_id: str) -> int:
        """How many jobs come before a waiting one, and it; 0 where it does not wait."""
        with self._reading() as connection:
            row = connection.execute(
                sa.select(_C.turn, _C.number).where(_C.id == job_id, _C.state == State.QUEUED.value)
            ).one_or_none()
            if row is None:
                return 0
            before = sa.or_(_C.turn < row.turn, sa.and_(_C.turn == row.turn, _C.number <= row.number))
            count = sa.select(sa.func.count()).where(_C.state == State.QUEUED.value, before)
            return int(connection.scalar(count) or 0)

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(_C.state, sa.func.count()).group_by(_C.state)).all()
        found = {State(state): int(count) for state, count in rows}
        return {state: found.get(state, 0) for state in State}

    def usual_seconds(self) -> float | None:
        """How long the last jobs took, in the mean; None where there were none."""
        recent = (
            sa.select((_C.ended - _C.started).label("took"))
            .where(_C.state == State.DONE.value)
            .order_by(_C.ended.desc())
            .limit(_RECENT)
            .subquery()
        )
        with self._reading() as connection:
            mean = connection.scalar(sa.select(sa.func.avg(recent.c.took)))
        return None if mean is None else float(mean)

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job: a waiting one at once, a running one as soon as its worker hears of it."""
        with self._writing() as connection:
            connection.execute(
                JOBS.update()
                .where(_C.id == job_id, _C.state == State.QUEUED.value)
                .values(state=State.CANCELLED.value, stage="cancelled", ended=self._now(), cancel=True)
            )
            connection.execute(
                JOBS.update().where(_C.id == job_id, _C.state == State.RUNNING.value).values(cancel=True)
            )
            row = connection.execute(sa.select(*_FIELDS).where(_C.id == job_id)).one_or_none()
        return _job(row) if row else None

    # -- workers --------------------------------------------------------------------------------------------------

    def claim(self, owner: str, lease_s: float, attempts: int) -> Job | None:
        """The next job, which is now ``owner``'s for ``lease_s`` seconds; None where none waits.

        A running one whose lease has run out comes first. One that was begun ``attempts`` times fails instead.
        """
        with self._writing() as connection:
            now = self._now()
            lapsed = sa.and_(_C.state == State.RUNNING.value, _C.lease < now)
            self._release(connection, lapsed, attempts)
            following = (
                sa.select(_C.id)
                .where(_C.state == State.QUEUED.value)
                .order_by(_C.turn, _C.number)
                .limit(1)
                .with_for_update(skip_locked=True)
                .scalar_subquery()
            )
            row = connection.execute(
                JOBS.update()
                .where(_C.id == following, _C.state == State.QUEUED.value)
                .values(
                    state=State.RUNNING.value, stage="starting", owner=owner, lease=now + lease_s, started=now,
                    attempts=_C.attempts + 1,
                )
                .returning(*_FIELDS)
            ).one_or_none()  # fmt: skip
        return _job(row) if row else None

    def report(self, job_id: str, owner: str, lease_s: float, stage: str, percent: float) -> Told:
        """Keep a job for another ``lease_s`` seconds and tell how far it is."""
        kept = sa.case((_C.percent > percent, _C.percent), else_=percent)
        with self._writing() as connection:
            row = connection.execute(
                JOBS.update()
                .where(_C.id == job_id, _C.owner == owner, _C.state == State.RUNNING.value)
                .values(lease=self._now() + lease_s, stage=stage, percent=kept)
                .returning(_C.cancel)
            ).one_or_none()
        return Told(row is not None, bool(row and row.cancel))

    def finish(self, job_id: str, owner: str, *, message: str, duration: float, **made: Any) -> bool:
        """The film is there; False where the job is no longer ``owner``'s, or was cancelled."""
        values = {"message": message, "duration": duration, "percent": 100.0, "stage": "done", **made}
        return self._end(job_id, owner, State.DONE, values, _C.cancel.is_(False))

    def fail(self, job_id: str, owner: str, error: str, detail: str, hint: str) -> bool:
        """The film cannot be made; False where the job is no longer ``owner``'s."""
        return self._end(
            job_id, owner, State.FAILED, {"error": error, "detail": detail, "hint": hint, "stage": "failed"}
        )

    def give_up(self, job_id: str, owner: str) -> bool:
        """The job was cancelled, and its worker has stopped."""
        return self._end(job_id, owner, State.CANCELLED, {"stage": "cancelled"})

    def release(self, owner: str, attempts: int, *, counted: bool = True) -> list[str]:
        """Give back every job whose owner begins with ``owner``, for that one is no more; their names.

        Args:
            owner: A worker's name, or what the names of all of a machine's begin with.
            attempts: A job that was begun so often fails instead.
            counted: Whether this attempt counts; one that was broken off for a restart does not.
        """
        mine = sa.and_(_C.state == State.RUNNING.value, _C.owner.startswith(owner, autoescape=True))
        with self._writing() as connection:
            return self._release(connection, mine, attempts, counted=counted)

    # -- housekeeping ---------------------------------------------------------------------------------------------

    def expire(self, ended_before: float) -> list[str]:
        """Mark what ended before a time as expired; their names, whose files can go."""
        over = [state.value for state in State if state.over and state is not State.EXPIRED]
        with self._writing() as connection:
            rows = connection.execute(
                JOBS.update()
                .where(_C.state.in_(over), _C.ended < ended_before)
                .values(state=State.EXPIRED.value, stage="expired", options={}, client="")
                .returning(_C.id)
            ).all()
        return [row.id for row in rows]

    def remove(self, job_id: str) -> bool:
        """Mark one finished job as expired, whose files can go; False where it is not finished."""
        with self._writing() as connection:
            changed = connection.execute(
                JOBS.update()
                .where(_C.id == job_id, _C.state == State.DONE.value)
                .values(state=State.EXPIRED.value, stage="expired", options={}, client="")
            )
        return bool(changed.rowcount)

    def forget(self, ended_before: float) -> int:
        """Delete the rows of expired jobs that ended before a time; how many."""
        gone = JOBS.delete().where(_C.state == State.EXPIRED.value, _C.ended < ended_before)
        with self._writing() as connection:
            return int(connection.execute(gone).rowcount)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _end(
        self,
        job_id: str,
        owner: str,
        state: State,
        values: dict[str, Any],
        *conditions: sa.ColumnElement[bool],
    ) -> bool:
        with self._writing() as connection:
            changed = connection.execute(
                JOBS.update()
                .where(_C.id == job_id, _C.owner == owner, _C.state == State.RUNNING.value, *conditions)
                .values(**values, state=state.value, ended=self._now(), owner="")
            )
        return bool(changed.rowcount)

    def _release(
        self, connection: Connection, which: sa.ColumnElement[bool], attempts: int, *, counted: bool = True
    ) -> list[str]:
        rows = connection.execute(sa.select(_C.id, _C.attempts, _C.cancel).where(which)).all()
        for row in rows:
            this = JOBS.update().where(_C.id == row.id, which)
            if row.cancel:
                done = {"state": State.CANCELLED.value, "stage": "cancelled", "ended": self._now()}
            elif counted and row.attempts >= attempts:
                done = {
                    "state": State.FAILED.value,
                    "stage": "failed",
                    "error": "crashed",
                    "detail": pack(f"Making this film broke its process {row.attempts} times."),
                    "hint": pack("Try another picture or recording; the server's log has the details."),
                    "ended": self._now(),
                }
            else:
                done = {"state": State.QUEUED.value, "stage": "queued", "attempts": row.attempts - (not counted)}
            connection.execute(this.values(**done, owner="", lease=0.0))
        return [row.id for row in rows]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(reads=True) as connection:
            yield connection


def _engine(url: str) -> Engine:
    """A database; on SQLite, one that many processes may write to and that a crash does not harm."""
    engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name != "sqlite":
        return engine

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


def _one(connection: Connection, job_id: str) -> Job:
    return _job(connection.execute(sa.select(*_FIELDS).where(_C.id == job_id)).one())


def _job(row: Row[Any]) -> Job:
    return Job(**{**row._mapping, "state": State(row.state)})
