"""The service as a server sees it: settings, jobs, files and workers, and what is told about a job."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from visema.paths import cache_dir
from visema.service import files as service_files
from visema.service.broker import Broker
from visema.service.courier import Courier
from visema.service.crew import Crew
from visema.service.destinations import check_url
from visema.service.files import Files
from visema.service.herald import Herald
from visema.service.housekeeping import tidy
from visema.service.jobs import ID, Job, State, new_id
from visema.service.order import Order
from visema.service.quotas import expected_seconds
from visema.service.secret import server_secret
from visema.service.settings import Settings
from visema.service.storage import storage_of
from visema.service.store import JobStore
from visema.service.who import Who

log = logging.getLogger(__name__)

#: How long jobs usually take is asked anew after so long, seconds.
_USUAL_S: Final = 1.0
#: Progress below this says too little about how long the rest will take, percent.
_TELLING = 8.0


#: Jobs of one batch, at most.
MOST_AT_ONCE: Final = 1000
#: A job is looked at this often for those who wait for news of it, seconds.
_LOOK_S: Final = 0.2


def moved(job: Job) -> tuple[str, str, float]:
    """What changes of a job while it is made."""
    return job.state.value, job.stage, job.percent


@dataclass(frozen=True)
class Standing:
    """A job and what follows from it.

    Attributes:
        job: The row.
        place: Its place in the queue, from 1; 0 where it does not wait.
        seconds_left: A guess at when it will be over; None where nothing is known.
    """

    job: Job
    place: int
    seconds_left: float | None


class Desk:
    """Takes jobs, tells about them, gives the films out.

    Args:
        settings: Of the service.

    Raises:
        OutputError: The folder or the database cannot be made.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.files = Files(settings.folder, storage_of(settings.storage))
        self.store = JobStore(settings.database_url)
        self._usually: tuple[float, float | None] = (-math.inf, None)
        self.crew: Crew | Herald = (
            Herald(settings, self.store, self.files, Broker(settings.broker) if settings.broker else None)
            if settings.broker or not settings.workers
            else Crew(settings, self.store, self.files)
        )
        self.courier = courier_of(settings, self.store)

    def open(self) -> None:
        """Begin: the workers start now where the settings say so or something waits, else with the first job."""
        self.courier.start()
        counts = self.store.counts()
        distributed = isinstance(self.crew, Herald)
        if distributed or self.settings.eager or counts[State.QUEUED] or counts[State.RUNNING]:
            self.crew.start()

    def close(self) -> None:
        """End the workers."""
        self.courier.close()
        self.crew.close()
        self.store.close()

    def health(self) -> dict[str, int]:
        """How much there is to do, and by how many."""
        counts = self.store.counts()
        return {
            "queued": counts[State.QUEUED], "running": counts[State.RUNNING], "workers": self.settings.workers,
        }  # fmt: skip

    def begin(self) -> str:
        """The name of a new job, whose folder for uploads is made.

        Raises:
            NoSpace: The disk is full.
        """
        self.files.check_space(0, self.settings.min_free_bytes)
        job_id = new_id()
        self.files.work(job_id).mkdir()
        return job_id

    def submit(self, job_id: str, order: Order) -> Job:
        """Put a job whose files are there into the queue; where it was asked for before, it is that one.

        Raises:
            QueueFull: Too many wait.
            OverQuota: Its key has used what it may.
            InputError: Its webhook is no public address.
            Conflict: Something else was asked for under the same idempotency key.
            StorageError: The storage cannot be used.
        """
        limits = {"most": self.settings.max_waiting, "most_own": self.settings.max_waiting_client}
        if order.webhook:
            check_url(order.webhook, self.settings.webhook_hosts)
        order = replace(order, expected=self._expected(order, job_id))
        self._share(order)
        try:
            self.files.send(job_id)
            job = self.store.submit(order, job_id=job_id, **limits)
        except BaseException:
            self.files.clear(job_id)
            raise
        if job.id == job_id:
            service_files.note(self.files.log(job_id), "Taken in.")
            self.crew.poke()
        else:
            self.files.clear(job_id)
        return job

    def submit_many(self, batch: Mapping[str, Any], orders: Sequence[Order]) -> list[Job]:
        """Put many jobs without files into the queue, all or none.

        Raises:
            QueueFull: Too many would wait.
        """
        # Who may ask for a thousand at once may have them wait.
        most = self.settings.max_waiting + MOST_AT_ONCE
        for webhook in {batch.get("webhook"), *(order.webhook for order in orders)}:
            if webhook:
                check_url(webhook, self.settings.webhook_hosts)
        orders = [replace(order, expected=self._expected(order)) for order in orders]
        for order in {str(order.options.get("avatar", "")): order for order in orders}.values():
            self._share(order)
        made = self.store.submit_many(batch, orders, most=most, most_own=most)
        self.crew.poke()
        return made

    def _share(self, order: Order) -> None:
        """Let other machines have the avatar that a job speaks with."""
        if self.files.storage and (avatar := order.options.get("avatar")):
            self.files.send_avatar(cache_dir().absolute() / str(avatar))

    def jobs(
        self,
        who: Who,
        state: State | None = None,
        kind: str | None = None,
        batch: str | None = None,
        before: int | None = None,
        limit: int = 50,
        *,
        dead: bool = False,
    ) -> list[Job]:
        """One's jobs, the newest first; who administers sees everybody's. See `JobStore.jobs`."""
        return self.store.jobs(None if who.may("admin") else who.key, state, kind, batch, before, limit, dead=dead)

    def look(self, job_id: str, who: Who | None = None) -> Standing | None:
        """What is to be told about a job; None where there is none of that name, or it is somebody else's."""
        job = self.store.get(job_id) if ID.fullmatch(job_id) else None
        if job is None or (who is not None and not who.owns(job.key)):
            return None
        return self.stand(job)

    def stand(self, job: Job) -> Standing:
        """A job and what follows from it."""
        place = self.store.place(job.id) if job.state is State.QUEUED else 0
        return Standing(job, place, self._seconds_left(job, place))

    def stand_all(self, jobs: Sequence[Job]) -> list[Standing]:
        """Many jobs and what follows from them, with few questions to the database."""
        if all(job.state.over for job in jobs):
            return [Standing(job, 0, 0.0) for job in jobs]
        places, usual = self.store.places(), self._usual()
        return [
            Standing(job, place, self._left(job, place, usual))
            for job in jobs
            for place in (places.get(job.id, 0) if job.state is State.QUEUED else 0,)
        ]

    def cancel(self, job_id: str, who: Who | None = None) -> Standing | None:
        """Cancel a job; see `JobStore.cancel`. None where there is none, or it is somebody else's."""
        if self.look(job_id, who) is None:
            return None
        job = self.store.cancel(job_id)
        if job is None:
            return None
        if job.state is State.CANCELLED:
            self.files.remove(job_id, log=False)
        self.crew.poke()
        return self.look(job_id)

    def cancel_batch(self, batch: str) -> None:
        """Cancel all jobs of a batch; see `JobStore.cancel_batch`."""
        for job_id in self.store.cancel_batch(batch):
            self.files.remove(job_id, log=False)
        self.crew.poke()

    def remove(self, job_id: str, who: Who | None = None) -> bool:
        """Remove a finished film before its time; False where it is not finished."""
        if self.look(job_id, who) is None or not self.store.remove(job_id):
            return False
        if self.files.remove(job_id):  # else the sweeper tries again
            self.store.removed([job_id])
        return True

    def wait(
        self, job_id: str, since: tuple[str, str, float] | None, seconds: float, who: Who | None = None
    ) -> Job | None:
        """A job, once it has moved on from ``since`` (`moved`) or ``seconds`` are over; None where there is none."""
        end = time.monotonic() + seconds
        while True:
            job = self.store.get(job_id) if ID.fullmatch(job_id) else None
            if job is None or (who is not None and not who.owns(job.key)):
                return None
            if moved(job) != since or time.monotonic() >= end:
                return job
            time.sleep(_LOOK_S)

    def retry(self, job_id: str, who: Who) -> bool:
        """Try a dead job again (see `JobStore.jobs`); False where it is none."""
        if self.look(job_id, who) is None or not self.store.retry(job_id):
            return False
        self.crew.poke()
        return True

    def _expected(self, order: Order, job_id: str = "") -> float:
        sound = self.files.work(job_id) / service_files.SOUND if job_id else None
        return expected_seconds(order.kind, order.options, sound)

    def _seconds_left(self, job: Job, place: int) -> float | None:
        if job.state.over:
            return 0.0
        return self._left(job, place, self._usual())

    def _usual(self) -> float | None:
        """How long the last jobs took; asked of the database once in a while."""
        asked, found = self._usually
        if time.monotonic() - asked > _USUAL_S:
            found = self.store.usual_seconds()
            self._usually = time.monotonic(), found
        return found

    def _left(self, job: Job, place: int, usual: float | None) -> float | None:
        if job.state.over:
            return 0.0
        if job.state is State.QUEUED:
            rounds = 1 + (place - 1) // max(self.settings.workers, 1)
            return None if usual is None else round(usual * (1 + rounds), 1)
        took = time.time() - (job.started or time.time())
        if job.percent >= _TELLING:
            return round(took * (100 - job.percent) / job.percent, 1)
        return None if usual is None else round(max(usual - took, 1.0), 1)


def courier_of(settings: Settings, store: JobStore) -> Courier:
    """Who sends the news of a service; not started."""

    def clean() -> int:
        return tidy(store.engine, time.time(), settings.audit_days)

    return Courier(store.engine, server_secret(settings.folder), settings.webhook_hosts, tidy=clean)
