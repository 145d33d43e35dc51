"""One worker and one job: what happens when others get between making it and saying so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.service.conftest import until
from visema.errors import Cancelled, FaceError
from visema.service import worker as worker_module
from visema.service.desk import Desk
from visema.service.files import ORPHAN_S, SOUND
from visema.service.jobs import Job, State
from visema.service.kinds import Made, Work
from visema.service.order import Order
from visema.service.schema import DELIVERIES
from visema.service.settings import Settings
from visema.service.sweeper import Sweeper
from visema.service.who import Who
from visema.service.worker import Worker
from visema.web.film_errors import as_request_error

SPEECH = {"text": "Hello there.", "voice": "espeak:en-us"}
LONG = "This is a long text that takes a while to be said and to be drawn. " * 40


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Settings(folder=tmp_path / "outputs", workers=0, attempts=1, offline=True))
    yield made
    made.store.close()


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Work], Made]], None]:
    """Have jobs made by a function of the test."""

    def use(make: Callable[[Work], Made]) -> None:
        monkeypatch.setattr(worker_module, "kind_of", lambda name: make)

    return use


def ask(desk: Desk, **more: object) -> Job:
    name = desk.begin()
    (desk.files.work(name) / SOUND).write_bytes(b"as it was sent")
    return desk.submit(name, Order("speak", Who(), {**SPEECH, **more}, webhook="https://93.184.216.34/hook"))


def row(desk: Desk, job: Job) -> Job:
    found = desk.store.get(job.id)
    assert found
    return found


def told(desk: Desk, job: Job) -> int:
    with desk.store.reading() as connection:
        wanted = sa.select(sa.func.count()).where(DELIVERIES.c.job == job.id)
        return int(connection.scalar(wanted) or 0)


def test_what_another_worker_has_published_meanwhile_stays(
    desk: Desk, kind: Callable[[Callable[[Work], Made]], None]
) -> None:
    job, withdrawn = ask(desk), []

    def make(work: Work) -> Made:
        def publish() -> None:  # this process stood still; the job was given to another, who was quicker
            with desk.store.writing() as connection:
                connection.execute(sa.text("UPDATE jobs SET owner = 'other'"))
            desk.files.film(job.id).write_bytes(b"the other's")
            assert desk.store.finish(job.id, "other", message="", duration=1.0, size=11)

        return Made(publish=publish, withdraw=lambda: withdrawn.append(1))

    kind(make)
    assert Worker(desk.settings, "slow").make_next(("render",))
    assert row(desk, job).state is State.DONE and not withdrawn and told(desk, job) == 1
    assert desk.files.film(job.id).read_bytes() == b"the other's"


def test_what_is_cancelled_at_the_last_moment_is_withdrawn(
    desk: Desk, kind: Callable[[Callable[[Work], Made]], None]
) -> None:
    job, withdrawn = ask(desk), []

    def make(work: Work) -> Made:
        def publish() -> None:
            desk.files.film(job.id).write_bytes(b"film")
            desk.store.cancel(job.id)

        return Made(publish=publish, withdraw=lambda: withdrawn.append(1))

    kind(make)
    assert Worker(desk.settings, "w").make_next(("render",))
    assert row(desk, job).state is State.CANCELLED and withdrawn and told(desk, job) == 1
    assert not desk.files.film(job.id).exists()


@pytest.fixture
def broken_off(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Codes with which a worker ended its process; it is quick to do so here."""
    codes: list[int] = []
    monkeypatch.setattr(worker_module, "PATIENCE_S", 0.05)
    monkeypatch.setattr(worker_module, "BEAT_S", 0.02)
    monkeypatch.setattr("os._exit", codes.append)
    return codes


def test_a_worker_may_take_its_time_to_tidy_up(
    desk: Desk,
    kind: Callable[[Callable[[Work], Made]], None],
    broken_off: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done, failed, cancelled = ask(desk), ask(desk), ask(desk)
    monkeypatch.setattr("visema.service.files.Files.clear", lambda *_: time.sleep(0.5))
    monkeypatch.setattr("visema.service.files.Files.remove", lambda *_, **__: time.sleep(0.5))

    def make(work: Work) -> Made:
        if work.job.id == failed.id:
            raise FaceError("No face.", "Another one.")
        if work.job.id == cancelled.id:
            desk.store.cancel(work.job.id)
            assert work.stop.wait(10)
            raise Cancelled
        work.draft.write_bytes(b"film")
        return Made()

    kind(make)
    worker = Worker(desk.settings, "w")
    while worker.make_next(("render",)):
        pass
    assert [row(desk, job).state for job in (done, failed, cancelled)] == [State.DONE, State.FAILED, State.CANCELLED]
    assert not broken_off


def test_what_is_cancelled_while_it_is_put_in_its_place_is_taken_back(
    desk: Desk, kind: Callable[[Callable[[Work], Made]], None], broken_off: list[int]
) -> None:
    job, withdrawn = ask(desk), []

    def make(work: Work) -> Made:
        def publish() -> None:
            desk.store.cancel(job.id)
            assert work.stop.wait(10)
            time.sleep(0.5)  # a slow upload

        return Made(publish=publish, withdraw=lambda: withdrawn.append(1))

    kind(make)
    assert Worker(desk.settings, "w").make_next(("render",))
    assert row(desk, job).state is State.CANCELLED and withdrawn and not broken_off


def test_a_database_that_is_away_when_a_film_is_done_is_asked_again(
    desk: Desk, kind: Callable[[Callable[[Work], Made]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, times, made = ask(desk), [], []

    def make(work: Work) -> Made:
        made.append(1)
        work.draft.write_bytes(b"film")
        return Made(duration=1.0)

    kind(make)
    maker = Worker(desk.settings, "w")
    finish = maker._store.finish

    def late(*values: object, **more: object) -> bool:
        times.append(1)
        if len(times) < 3:
            raise sa.exc.OperationalError("COMMIT", None, Exception("the server closed the connection"))
        return finish(*values, **more)

    monkeypatch.setattr(maker._store, "finish", late)
    assert maker.make_next(("render",))
    found = row(desk, job)
    assert found.state is State.DONE and found.bytes == 4 and len(times) == 3 and len(made) == 1
    assert desk.files.film(job.id).read_bytes() == b"film" and told(desk, job) == 1


def test_a_dead_job_keeps_what_was_sent_until_it_is_tried_again(
    desk: Desk, kind: Callable[[Callable[[Work], Made]], None]
) -> None:
    job = ask(desk)

    def fail(work: Work) -> Made:
        raise RuntimeError("something unexpected")

    kind(fail)
    assert Worker(desk.settings, "w").make_next(("render",))
    assert row(desk, job).dead and [one.id for one in desk.jobs(Who(), dead=True)] == [job.id]
    old = time.time() - 2 * ORPHAN_S
    os.utime(desk.files.work(job.id), (old, old))
    Sweeper(desk.settings, desk.store, desk.files).sweep()
    assert desk.retry(job.id, Who())

    def make(work: Work) -> Made:
        assert (work.folder / SOUND).read_bytes() == b"as it was sent"
        work.draft.write_bytes(b"film")
        return Made(duration=1.0)

    kind(make)
    assert Worker(desk.settings, "w").make_next(("render",))
    assert row(desk, job).state is State.DONE and not desk.files.work(job.id).exists()


def test_a_job_that_broke_its_worker_can_be_tried_again(
    tmp_path: Path, avatar_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISEMA_CACHE", str(avatar_cache))
    desk = Desk(Settings(folder=tmp_path / "outputs", workers=1, attempts=1, offline=True))
    desk.open()
    try:
        avatar = next(path.name for path in avatar_cache.glob("video04-*"))
        job = ask(desk, avatar=avatar, text=LONG)
        until(lambda: row(desk, job).percent > 21, "it to be drawn")  # so that its process is there for sure
        os.kill(desk.crew._members[0]._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
        until(lambda: row(desk, job).state is State.FAILED, "it to fail")
        until(lambda: desk.crew._members[0].alive, "another worker")  # type: ignore[union-attr]
        assert row(desk, job).error == "crashed" and (desk.files.work(job.id) / SOUND).exists()
        assert desk.retry(job.id, Who())
        until(lambda: row(desk, job).percent > 21, "it to be drawn again")
    finally:
        desk.close()


def test_a_batch_whose_jobs_are_made_before_the_answer_is_given(
    desk: Desk, kind: Callable[[Callable[[Work], Made]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(work: Work) -> Made:
        work.draft.write_bytes(b"film")
        return Made(duration=1.0)

    kind(make)
    submit = desk.store.submit_many

    def quick(*values: object, **more: object) -> list[Job]:
        made = submit(*values, **more)  # type: ignore[arg-type]
        assert Worker(desk.settings, "w").make_next(("render",))
        desk.files.fetch(made[1].id)  # and the second is begun
        return made

    monkeypatch.setattr(desk.store, "submit_many", quick)
    made = desk.submit_many({"id": "b", "key": "", "items": 2}, [Order("speak", Who(), SPEECH) for _ in range(2)])
    assert row(desk, made[0]).state is State.DONE and not desk.files.work(made[0].id).exists()


def test_a_server_takes_no_job_from_a_worker_beside_it(desk: Desk) -> None:
    from visema.service.crew import Crew

    beside = Crew(desk.settings, desk.store, desk.files, alone=False)
    own = Crew(desk.settings, desk.store, desk.files)
    mine, other = ask(desk), ask(desk)
    for crew in (own, beside):
        assert desk.store.claim(f"{crew._name}0-abc", 60, 5)
    assert Crew(desk.settings, desk.store, desk.files)._take_charge()
    assert row(desk, mine).state is State.FAILED, "its server is gone"
    assert row(desk, other).state is State.RUNNING, "its worker is well"


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.TimeoutError("QueuePool limit of size 5 overflow 20 reached"),
        sa.exc.OperationalError("SELECT 1", None, Exception("the database system is starting up")),
        sa.exc.InterfaceError("SELECT 1", None, Exception("connection already closed")),
    ],
)
def test_a_database_that_cannot_answer_is_no_fault_of_the_server(error: Exception) -> None:
    assert as_request_error(error).status == 503
