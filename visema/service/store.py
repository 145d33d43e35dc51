"""The jobs as those who ask see them: asked for, looked up, cancelled, removed. The truth about every job is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from visema.errors import VisemaError
from visema.service import batches
from visema.service.claims import FIELDS, Claims, job_of
from visema.service.endings import ended
from visema.service.jobs import Job, State, new_id
from visema.service.order import Conflict, Order
from visema.service.quotas import admit
from visema.service.schema import JOBS

_C: Final = JOBS.c
#: Made once: this is asked more often than all else, and putting the question takes longer than the answer.
_ONE: Final = sa.select(*FIELDS).where(_C.id == sa.bindparam("name"))
#: Jobs whose length tells how long the next will take.
_RECENT: Final = 20
#: PostgreSQL's lock under which jobs are put into the queue, one after the other: any number nobody else uses.
_LOCK: Final = 0x7669_7366


class QueueFull(VisemaError):
    """Too many jobs wait; ``own`` tells whether they are the client's."""

    def __init__(self, what: str, hint: str, *, own: bool) -> None:
        super().__init__(what, hint)
        self.own = own


class JobStore(Claims):
    """The jobs in a database; for any number of threads and processes.

    Args:
        url: SQLAlchemy address.
        now: The clock, seconds since 1970.

    Raises:
        OutputError: The database cannot be opened or made.
    """

    def submit(self, order: Order, *, job_id: str = "", most: int = 10**9, most_own: int = 10**9) -> Job:
        """Ask for something; the job that was asked for under the same ``once`` already, where there is one.

        Each client's jobs have turns one after the other, beginning with the turn that is now being served: so the
        clients are served in rotation, however many jobs one of them has, and each of them in the order of asking.

        Raises:
            QueueFull: ``most`` jobs wait already, or ``most_own`` of this client.
            OverQuota: Its key has used what it may.
            Conflict: Something else was asked for under the same ``once``.
        """
        with self.writing() as connection:
            self._lock(connection)
            if (found := self._repeated(connection, order)) is not None:
                return found
            self._check_room(connection, order, 1, most, most_own)
            admit(connection, order.who.key, 1, order.expected, self.now())
            name = job_id or new_id()
            connection.execute(JOBS.insert().values(self._row(order, name, self._turn(connection, order))))
            return job_of(connection.execute(sa.select(*FIELDS).where(_C.id == name)).one())

    def submit_many(
        self, batch: Mapping[str, Any], orders: Sequence[Order], *, most: int = 10**9, most_own: int = 10**9
    ) -> list[Job]:
        """Ask for many things of one client at once: all or nothing.

        Args:
            batch: Columns of its row: id, key, items, webhook.
            orders: What is asked for; at least one.
            most: Jobs that may wait.
            most_own: Jobs of this client that may wait.

        Returns:
            The jobs, in order; those of the batch asked for under the same ``once`` already, where there is one.

        Raises:
            QueueFull: They are too many.
            OverQuota: They are more than their key may ask for.
            Conflict: Something else was asked for under the same ``once``.
        """
        with self.writing() as connection:
            self._lock(connection)
            known = batches.repeated(connection, orders[0].who.key, batch.get("once"), batch.get("asked"))
            if known is not None:
                same = sa.select(*FIELDS).where(_C.batch == known).order_by(_C.number)
                return [job_of(row) for row in connection.execute(same)]
            self._check_room(connection, orders[0], len(orders), most, most_own)
            admit(connection, orders[0].who.key, len(orders), sum(order.expected for order in orders), self.now())
            batches.write(connection, batch, self.now())
            turns: dict[tuple[str, int], int] = {}
            rows = []
            for order in orders:
                lane = (order.queue, order.priority)
                turns[lane] = turns[lane] + 1 if lane in turns else self._turn(connection, order)
                rows.append(self._row(order, new_id(), turns[lane]) | {"batch": batch["id"]})
            connection.execute(JOBS.insert(), rows)
            names = [row["id"] for row in rows]
            made = sa.select(*FIELDS).where(_C.batch == batch["id"]).order_by(_C.number)
            found = {row.id: job_of(row) for row in connection.execute(made)}
        return [found[name] for name in names]

    def get(self, job_id: str) -> Job | None:
        """A job by its name."""
        with self.reading() as connection:
            row = connection.execute(_ONE, {"name": job_id}).one_or_none()
        return job_of(row) if row else None

    def jobs(
        self,
        key: str | None,
        state: State | None = None,
        kind: str | None = None,
        batch: str | None = None,
        before: int | None = None,
        limit: int = 50,
        *,
        dead: bool = False,
    ) -> list[Job]:
        """Jobs, the newest first; a page goes on ``before`` the number of the last job of the page before it.

        Args:
            key: Whose; None for everybody's.
            state: Only those in it.
            kind: Only those of it.
            batch: Only those of it.
            before: Only those with a smaller number.
            limit: At most so many.
            dead: Only those that failed for good after they had been tried several times.
        """
        wanted = sa.select(*FIELDS).order_by(_C.number.desc()).limit(limit)
        for column, value in ((_C.key, key), (_C.state, state and state.value), (_C.kind, kind), (_C.batch, batch)):
            if value is not None:
                wanted = wanted.where(column == value)
        if before is not None:
            wanted = wanted.where(_C.number < before)
        if dead:
            wanted = wanted.where(_C.state == State.FAILED.value, _C.tries.is_not(None))
        with self.reading() as connection:
            return [job_of(row) for row in connection.execute(wanted)]

    def retry(self, job_id: str) -> bool:
        """Put a dead job (see `jobs`) into the queue again, as if it were new; False where it is none."""
        again = {
            "state": State.QUEUED.value, "stage": "queued", "error": "", "detail": "", "hint": "", "attempts": 0,
            "due": 0.0, "percent": 0.0, "ended": None, "started": None, "cancel": False,
        }  # fmt: skip
        with self.writing() as connection:
            changed = connection.execute(
                JOBS.update()
                .where(_C.id == job_id, _C.state == State.FAILED.value, _C.tries.is_not(None))
                .values(**again)
            )
        return bool(changed.rowcount)

    def repeated_batch(self, key: str, once: str | None, asked: str) -> str | None:
        """The batch that a key asked for under the same Idempotency-Key, if any.

        Raises:
            Conflict: Something else was asked for under it.
        """
        with self.reading() as connection:
            return batches.repeated(connection, key, once, asked)

    def batch_counts(self, batch: str) -> dict[State, int]:
        """How many jobs of a batch are in each state."""
        return self._counted(_C.batch == batch)

    def places(self) -> dict[str, int]:
        """The place in the queue of every job that waits, from 1."""
        place = sa.func.row_number().over(partition_by=_C.queue, order_by=(_C.priority.desc(), _C.turn, _C.number))
        with self.reading() as connection:
            rows = connection.execute(sa.select(_C.id, place).where(_C.state == State.QUEUED.value))
            return {str(name): int(number) for name, number in rows}

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        return self._counted()

    def waiting(self) -> dict[str, int]:
        """How many jobs of each queue wait and could be begun now."""
        wanted = sa.select(_C.queue, sa.func.count()).where(_C.state == State.QUEUED.value, _C.due <= self.now())
        with self.reading() as connection:
            return {str(queue): int(count) for queue, count in connection.execute(wanted.group_by(_C.queue))}

    def place(self, job_id: str) -> int:
        """How many jobs come before a waiting one, and it; 0 where it does not wait."""
        with self.reading() as connection:
            row = connection.execute(
                sa.select(_C.turn, _C.number, _C.queue, _C.priority).where(
                    _C.id == job_id, _C.state == State.QUEUED.value
                )
            ).one_or_none()
            if row is None:
                return 0
            earlier = sa.or_(_C.turn < row.turn, sa.and_(_C.turn == row.turn, _C.number <= row.number))
            before = sa.or_(_C.priority > row.priority, sa.and_(_C.priority == row.priority, earlier))
            waiting = sa.select(sa.func.count()).where(_C.state == State.QUEUED.value, _C.queue == row.queue)
            return int(connection.scalar(waiting.where(before)) or 0)

    def usual_seconds(self) -> float | None:
        """How long the last jobs took, in the mean; None where there were none."""
        recent = (
            sa.select((_C.ended - _C.started).label("took"))
            .where(_C.state == State.DONE.value)
            .order_by(_C.ended.desc())
            .limit(_RECENT)
            .subquery()
        )
        with self.reading() as connection:
            mean = connection.scalar(sa.select(sa.func.avg(recent.c.took)))
        return None if mean is None else float(mean)

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job: a waiting one at once, a running one as soon as its worker hears of it."""
        with self.writing() as connection:
            at_once = connection.execute(
                JOBS.update()
                .where(_C.id == job_id, _C.state == State.QUEUED.value)
                .values(state=State.CANCELLED.value, stage="cancelled", ended=self.now(), cancel=True)
            )
            if at_once.rowcount:
                ended(connection, job_id, self.now())
            connection.execute(
                JOBS.update().where(_C.id == job_id, _C.state == State.RUNNING.value).values(cancel=True)
            )
            row = connection.execute(sa.select(*FIELDS).where(_C.id == job_id)).one_or_none()
        return job_of(row) if row else None

    def cancel_batch(self, batch: str) -> list[str]:
        """Cancel all jobs of a batch in one transaction; the names of those that waited and are cancelled now."""
        of_it = _C.batch == batch
        with self.writing() as connection:
            self._lock(connection)
            waiting = JOBS.update().where(of_it, _C.state == State.QUEUED.value)
            now = self.now()
            over = waiting.values(state=State.CANCELLED.value, stage="cancelled", ended=now, cancel=True)
            names = list(connection.scalars(over.returning(_C.id)))
            connection.execute(JOBS.update().where(of_it, _C.state == State.RUNNING.value).values(cancel=True))
            for name in names:
                ended(connection, name, now, last=name == names[-1])
        return names

    # -- housekeeping ---------------------------------------------------------------------------------------------

    def expire(self, ended_before: float, *, key: str | None = None, but: Sequence[str] = ()) -> list[str]:
        """Mark what ended before a time as expired.

        Args:
            ended_before: The time, seconds since 1970.
            key: Only jobs of this key.
            but: No jobs of these.

        Returns:
            Their names, whose files can go; `remains` has them until that is done.
        """
        whose = _C.key.not_in(but) if key is None else _C.key == key
        over = [state.value for state in State if state.over and state is not State.EXPIRED]
        with self.writing() as connection:
            rows = connection.execute(
                JOBS.update()
                .where(_C.state.in_(over), _C.ended < ended_before, whose)
                .values(**_EXPIRED)
                .returning(_C.id)
            ).all()
        return [row.id for row in rows]

    def remove(self, job_id: str) -> bool:
        """Mark one job that is done or has failed as expired, whose files can go; False where it is neither."""
        ended = (State.DONE.value, State.FAILED.value)
        with self.writing() as connection:
            changed = connection.execute(JOBS.update().where(_C.id == job_id, _C.state.in_(ended)).values(**_EXPIRED))
        return bool(changed.rowcount)

    def remains(self) -> list[str]:
        """The names of expired jobs whose files are still to go."""
        with self.reading() as connection:
            wanted = sa.select(_C.id).where(_C.state == State.EXPIRED.value, _C.bytes > 0).order_by(_C.ended)
            return [row.id for row in connection.execute(wanted)]

    def removed(self, job_ids: Sequence[str]) -> None:
        """Write down that nothing is left of expired jobs."""
        if job_ids:
            this = JOBS.update().where(_C.id == sa.bindparam("name"), _C.state == State.EXPIRED.value)
            with self.writing() as connection:
                connection.execute(this.values(bytes=0), [{"name": name} for name in job_ids])

    def forget(self, ended_before: float) -> int:
        """Delete the rows of jobs that ended before a time and of which nothing is left, and of batches without any.

        Returns:
            How many jobs.
        """
        gone = JOBS.delete().where(_C.state == State.EXPIRED.value, _C.bytes == 0, _C.ended < ended_before)
        with self.writing() as connection:
            count = int(connection.execute(gone).rowcount)
            batches.forget_empty(connection, ended_before)
        return count

    # -- inside ---------------------------------------------------------------------------------------------------

    def _counted(self, *conditions: sa.ColumnElement[bool]) -> dict[State, int]:
        with self.reading() as connection:
            rows = connection.execute(sa.select(_C.state, sa.func.count()).where(*conditions).group_by(_C.state)).all()
        found = {State(state): int(count) for state, count in rows}
        return {state: found.get(state, 0) for state in State}

    def _lock(self, connection: Connection) -> None:
        """Let nobody else put jobs into the queue meanwhile; on SQLite, whoever writes is alone anyway."""
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})

    def _repeated(self, connection: Connection, order: Order) -> Job | None:
        if order.once is None:
            return None
        same = sa.and_(_C.key == order.who.key, _C.once == order.once)
        row = connection.execute(sa.select(*FIELDS).where(same)).one_or_none()
        if row is None:
            return None
        if row.asked != (order.asked or None):
            raise Conflict("Another request came under the same Idempotency-Key.", "Use a key of its own for each.")
        return job_of(row)

    def _check_room(self, connection: Connection, order: Order, count: int, most: int, most_own: int) -> None:
        waiting = sa.select(sa.func.count()).where(_C.state == State.QUEUED.value)
        if int(connection.scalar(waiting.where(_C.client == order.who.client)) or 0) + count > most_own:
            raise QueueFull("You have too many jobs waiting.", "Wait for some of them, then ask again.", own=True)
        if int(connection.scalar(waiting) or 0) + count > most:
            raise QueueFull("Too many jobs are waiting.", "Try again in a few minutes.", own=False)

    def _turn(self, connection: Connection, order: Order) -> int:
        lane = sa.and_(_C.queue == order.queue, _C.priority == order.priority)
        newest = sa.select(_C.turn).where(lane).order_by(_C.turn.desc()).limit(1)
        served = connection.scalar(newest.where(_C.started.is_not(None)))
        last = connection.scalar(newest.where(_C.client == order.who.client))
        return max(0 if served is None else served, 0 if last is None else last + 1)

    def _row(self, order: Order, name: str, turn: int) -> dict[str, Any]:
        state = {"state": State.QUEUED.value, "stage": "queued", "options": order.options, "created": self.now()}
        return {"id": name, "client": order.who.client, "turn": turn, **state, **order.columns()}


#: What is kept of a job whose files are gone: nothing that somebody wrote. Its Idempotency-Key is free again.
_EXPIRED: Final[dict[str, Any]] = {
    "state": State.EXPIRED.value, "stage": "expired", "options": {}, "client": "", "once": None, "asked": None,
    "webhook": None,
    # More than nothing until its files are gone; of one without a film there may be uploads or a log.
    "bytes": sa.case((_C.bytes > 0, _C.bytes), else_=1),
}  # fmt: skip
