"""The workers' side of the jobs: claimed with a lease, told about, ended once.

Each change is one transaction whose condition names the state and the owner that it expects, so that two processes
never both believe that a job is theirs, on SQLite as well as on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from visema.service import provenance
from visema.service.database import Database
from visema.service.endings import ended
from visema.service.jobs import Job, State, pack
from visema.service.schema import JOBS

_C: Final = JOBS.c
FIELDS: Final = [_C[name] for name in Job.__dataclass_fields__]
ALL_QUEUES: Final = ("render", "train")
#: Pause before another attempt after a failure that may pass, seconds; the last for all that follow.
BACKOFF_S: Final = (2.0, 15.0, 60.0, 300.0)


@dataclass(frozen=True)
class Told:
    """What a worker hears when it reports.

    Attributes:
        mine: The job is still this worker's.
        cancel: It shall be given up.
    """

    mine: bool
    cancel: bool


def job_of(row: Row[Any]) -> Job:
    """A row as a job."""
    return Job(**{**row._mapping, "state": State(row.state)})


class Claims(Database):
    """The jobs as workers see them."""

    def claim(self, owner: str, lease_s: float, attempts: int, queues: Sequence[str] = ALL_QUEUES) -> Job | None:
        """The next job, which is now ``owner``'s for ``lease_s`` seconds; None where none waits.

        A running one whose lease has run out comes first. One that was begun ``attempts`` times fails instead.
        """
        with self.writing() as connection:
            now = self.now()
            self._release(connection, sa.and_(_C.state == State.RUNNING.value, _C.lease < now), attempts)
            following = (
                sa.select(_C.id)
                .where(_C.state == State.QUEUED.value, _C.queue.in_(queues), _C.due <= now)
                .order_by(_C.priority.desc(), _C.turn, _C.number)
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
                .returning(*FIELDS)
            ).one_or_none()  # fmt: skip
        return job_of(row) if row else None

    def report(self, job_id: str, owner: str, lease_s: float, stage: str, percent: float) -> Told:
        """Keep a job for another ``lease_s`` seconds and tell how far it is."""
        kept = sa.case((_C.percent > percent, _C.percent), else_=percent)
        with self.writing() as connection:
            row = connection.execute(
                JOBS.update()
                .where(_C.id == job_id, _C.owner == owner, _C.state == State.RUNNING.value)
                .values(lease=self.now() + lease_s, stage=stage, percent=kept)
                .returning(_C.cancel)
            ).one_or_none()
        return Told(row is not None, bool(row and row.cancel))

    def finish(
        self,
        job_id: str,
        owner: str,
        *,
        message: str,
        duration: float,
        result: dict[str, Any] | None = None,
        cost: dict[str, Any] | None = None,
        size: int = 0,
        output: dict[str, Any] | None = None,
    ) -> bool:
        """It is made; False where the job is no longer ``owner``'s, or was cancelled.

        Args:
            job_id: Its name.
            owner: Who made it.
            message: Notes, packed.
            duration: Seconds of film.
            result: What was made beside the film.
            cost: Of its speech.
            size: Bytes of the film.
            output: What is kept of where it comes from, as `visema.service.provenance.film_row` has it.
        """
        values = {
            "message": message, "duration": duration, "percent": 100.0, "stage": "done", "result": result,
            "cost": cost, "bytes": size,
        }  # fmt: skip
        return self._end(job_id, owner, State.DONE, values, _C.cancel.is_(False), output=output)

    def fail(self, job_id: str, owner: str, error: str, detail: str, hint: str, *, attempts: int = 0) -> State | None:
        """It cannot be made, or not now.

        Args:
            job_id: Its name.
            owner: Who tried.
            error: Why, as a code.
            detail: What went wrong, packed.
            hint: What to do, packed.
            attempts: It is begun so often in all before it fails for good; 0 where trying again cannot help.

        Returns:
            Its state: failed, or queued again; None where the job is no longer ``owner``'s.
        """
        with self.writing() as connection:
            mine = sa.and_(_C.id == job_id, _C.owner == owner, _C.state == State.RUNNING.value)
            row = connection.execute(sa.select(_C.attempts, _C.tries, _C.cancel).where(mine).with_for_update()).first()
            if row is None:
                return None
            told = {"error": error, "detail": detail, "hint": hint}
            if row.attempts < attempts and not row.cancel:
                pause = BACKOFF_S[min(row.attempts - 1, len(BACKOFF_S) - 1)]
                waits = {"state": State.QUEUED.value, "stage": "queued", "due": self.now() + pause}
                tried = {"tries": self._tried(row, error, detail), "owner": "", "lease": 0.0}
                connection.execute(JOBS.update().where(mine).values(**waits, **tried))
                return State.QUEUED
            tries = self._tried(row, error, detail) if attempts else row.tries
            values = {**told, "state": State.FAILED.value, "stage": "failed", "owner": "", "ended": self.now()}
            connection.execute(JOBS.update().where(mine).values(**values, tries=tries))
            ended(connection, job_id, self.now())
        return State.FAILED

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
        with self.writing() as connection:
            return self._release(connection, mine, attempts, counted=counted)

    def release_lapsed(self, attempts: int) -> list[str]:
        """Give back the jobs whose workers have not been heard of for longer than their lease."""
        with self.writing() as connection:
            lapsed = sa.and_(_C.state == State.RUNNING.value, _C.lease < self.now())
            return self._release(connection, lapsed, attempts)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _end(
        self,
        job_id: str,
        owner: str,
        state: State,
        values: dict[str, Any],
        *conditions: sa.ColumnElement[bool],
        output: dict[str, Any] | None = None,
    ) -> bool:
        with self.writing() as connection:
            changed = connection.execute(
                JOBS.update()
                .where(_C.id == job_id, _C.owner == owner, _C.state == State.RUNNING.value, *conditions)
                .values(**values, state=state.value, ended=self.now(), owner="")
            )
            if changed.rowcount:
                if output:
                    provenance.keep(connection, output)
                ended(connection, job_id, self.now())
        return bool(changed.rowcount)

    def _release(
        self, connection: Connection, which: sa.ColumnElement[bool], attempts: int, *, counted: bool = True
    ) -> list[str]:
        found = sa.select(_C.id, _C.attempts, _C.cancel, _C.tries).where(which).with_for_update(skip_locked=True)
        rows = connection.execute(found).all()
        for row in rows:
            this = JOBS.update().where(_C.id == row.id, which)
            done: dict[str, Any]
            if row.cancel:
                done = {"state": State.CANCELLED.value, "stage": "cancelled", "ended": self.now()}
            elif counted and row.attempts >= attempts:
                detail = pack(f"Making this film broke its process {row.attempts} times.")
                done = {
                    "state": State.FAILED.value,
                    "stage": "failed",
                    "error": "crashed",
                    "detail": detail,
                    "hint": pack("Try another picture or recording; the server's log has the details."),
                    "ended": self.now(),
                    "tries": self._tried(row, "crashed", detail),
                }
            else:
                done = {"state": State.QUEUED.value, "stage": "queued", "attempts": row.attempts - (not counted)}
                if counted:
                    done["tries"] = self._tried(row, "crashed", pack("Its worker was lost."))
            connection.execute(this.values(**done, owner="", lease=0.0))
            if done["state"] != State.QUEUED.value:
                ended(connection, row.id, self.now())
        return [row.id for row in rows]

    def _tried(self, row: Any, error: str, detail: str) -> list[dict[str, Any]]:
        this = {"attempt": row.attempts, "ended": self.now(), "error": error, "detail": detail}
        return [*(row.tries or []), this]
