"""Jobs as rows: whose turn it is, who has what, and that everything ends once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from visema.service.jobs import Job, State
from visema.service.order import Conflict, Order
from visema.service.schema import BATCHES, DELIVERIES, USAGE
from visema.service.store import JobStore, QueueFull
from visema.service.who import Who


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[JobStore]:
    made = JobStore(url, clock)
    yield made
    made.close()


def submit(store: JobStore, client: str, options: dict[str, Any], **how: Any) -> Job:
    """Ask for a film as somebody who comes from that address."""
    limits = {name: how.pop(name) for name in ("most", "most_own") if name in how}
    return store.submit(Order("film", Who(address=client), options, **how), **limits)


def claims(store: JobStore, count: int) -> list[str]:
    """Clients in the order in which their jobs are begun."""
    found = []
    for _ in range(count):
        job = store.claim("w", 10, 3)
        assert job
        found.append(job.client)
    return found


def test_one_client_is_served_in_its_order(store: JobStore) -> None:
    names = [submit(store, "a", {"n": n}).id for n in range(5)]
    assert [store.place(name) for name in names] == [1, 2, 3, 4, 5]
    begun = [store.claim("w", 10, 3) for _ in names]
    assert [job.id for job in begun if job] == names
    assert [job.options["n"] for job in begun if job] == [0, 1, 2, 3, 4]
    assert store.claim("w", 10, 3) is None


def test_clients_are_served_in_rotation(store: JobStore) -> None:
    for client in "aaaaaa":
        submit(store, client, {})
    assert claims(store, 2) == ["a", "a"]
    for client in "bbcb":
        submit(store, client, {})
    order = "".join(claims(store, 8))
    assert order.index("b") < 2 and order.index("c") < 3, order
    assert sorted(order) == list("aaaabbbc")
    assert order.rindex("a") == 7, order  # who has more waits longer, but not for ever


def test_a_newcomer_does_not_make_up_for_what_it_did_not_ask(store: JobStore) -> None:
    for _ in range(20):
        submit(store, "a", {})
    claims(store, 15)
    for _ in range(5):
        submit(store, "b", {})
    order = "".join(claims(store, 8))
    assert "bbb" not in order, order


def test_a_job_is_claimed_once_by_many(store: JobStore, url: str, clock: Clock) -> None:
    names = {submit(store, "a", {}).id for _ in range(60)}

    def take(number: int) -> list[str]:
        mine = JobStore(url, clock)
        found = []
        while job := mine.claim(f"w{number}", 10, 3):
            found.append(job.id)
        mine.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        taken = [name for names in pool.map(take, range(4)) for name in names]
    assert len(taken) == 60 and set(taken) == names


def test_a_lease_that_runs_out_gives_the_job_to_another(store: JobStore, clock: Clock) -> None:
    name = submit(store, "a", {}).id
    assert store.claim("w1", 10, 3)
    clock.now += 9
    assert store.report(name, "w1", 10, "drawing", 40).mine
    clock.now += 9
    assert store.claim("w2", 10, 3) is None
    clock.now += 2
    again = store.claim("w2", 10, 3)
    assert again and again.id == name and again.attempts == 2
    assert not store.report(name, "w1", 10, "drawing", 80).mine
    assert not store.finish(name, "w1", message="", duration=1)
    assert store.finish(name, "w2", message="", duration=1)
    assert not store.finish(name, "w2", message="", duration=1), "it ended twice"


def test_progress_never_falls(store: JobStore, clock: Clock) -> None:
    name = submit(store, "a", {}).id
    store.claim("w1", 10, 3)
    store.report(name, "w1", 10, "drawing", 60)
    clock.now += 11
    store.claim("w2", 10, 3)
    store.report(name, "w2", 10, "portrait", 5)
    job = store.get(name)
    assert job and (job.percent, job.stage) == (60, "portrait")


def test_a_job_that_kills_its_workers_fails(store: JobStore) -> None:
    name = submit(store, "a", {}).id
    for attempt in range(1, 4):
        job = store.claim(f"host:1:{attempt}", 10, 3)
        assert job and job.attempts == attempt
        assert store.release(f"host:1:{attempt}", 3) == [name]
    job = store.get(name)
    assert job and job.state is State.FAILED and job.error == "crashed" and job.ended
    assert store.claim("w", 10, 3) is None


def test_a_restart_is_no_attempt(store: JobStore) -> None:
    name = submit(store, "a", {}).id
    for _ in range(5):
        assert store.claim("host:1:0", 10, 3)
        store.release("host:1:", 3, counted=False)
    job = store.get(name)
    assert job and job.state is State.QUEUED and job.attempts == 0


def test_a_name_with_a_wildcard_releases_only_its_own(store: JobStore) -> None:
    submit(store, "a", {})
    assert store.claim("host:1", 10, 3)
    assert store.release("%", 3) == [] and store.release("h_st", 3) == []


def test_cancelling(store: JobStore) -> None:
    running = submit(store, "a", {}).id
    assert store.claim("w", 10, 3)
    waiting = submit(store, "a", {}).id
    cancelled = store.cancel(waiting)
    assert cancelled and cancelled.state is State.CANCELLED
    asked = store.cancel(running)
    assert asked and asked.state is State.RUNNING and asked.cancel
    assert store.report(running, "w", 10, "drawing", 50).cancel
    assert not store.finish(running, "w", message="", duration=1), "a cancelled film was finished"
    assert store.give_up(running, "w")
    assert store.cancel("nobody") is None
    assert store.claim("w", 10, 3) is None


def test_a_cancelled_job_whose_worker_dies_is_not_begun_again(store: JobStore) -> None:
    name = submit(store, "a", {}).id
    store.claim("w", 10, 3)
    store.cancel(name)
    store.release("w", 3)
    job = store.get(name)
    assert job and job.state is State.CANCELLED


def test_the_queue_has_an_end(store: JobStore) -> None:
    for n in range(3):
        submit(store, f"c{n}", {}, most=3)
    with pytest.raises(QueueFull) as all_of_them:
        submit(store, "d", {}, most=3)
    assert not all_of_them.value.own
    with pytest.raises(QueueFull) as own:
        submit(store, "c0", {}, most=10, most_own=1)
    assert own.value.own and own.value.hint


def test_results_are_kept_for_a_time(store: JobStore, clock: Clock) -> None:
    done, failed, waiting = (submit(store, "a", {"text": "secret"}).id for _ in range(3))
    store.claim("w", 10, 3)
    store.claim("w", 10, 3)
    store.finish(done, "w", message="", duration=1)
    store.fail(failed, "w", "x", "y", "z")
    assert store.expire(clock.now) == []
    clock.now += 10
    assert set(store.expire(clock.now)) == {done, failed}
    gone, still = store.get(done), store.get(waiting)
    assert gone and gone.state is State.EXPIRED and gone.options == {} and gone.client == ""
    assert still and still.state is State.QUEUED
    assert set(store.remains()) == {done, failed}
    store.removed([done, waiting])
    assert store.remains() == [failed] and store.forget(clock.now) == 1, "what is still to be removed is not forgotten"
    store.removed([failed])
    assert store.forget(clock.now) == 1 and store.get(done) is None and store.get(failed) is None


def test_a_database_that_is_none(tmp_path: Path) -> None:
    from visema.errors import OutputError

    (tmp_path / "jobs.db").write_bytes(b"no database" * 100)
    with pytest.raises(OutputError, match="cannot be used"):
        JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")


def test_how_long_films_take(store: JobStore, clock: Clock) -> None:
    assert store.usual_seconds() is None
    for took in (2.0, 4.0):
        name = submit(store, "a", {}).id
        store.claim("w", 100, 3)
        clock.now += took
        store.finish(name, "w", message="", duration=1)
    assert store.usual_seconds() == 3.0
    assert store.counts()[State.DONE] == 2


def test_greater_priority_comes_first_and_rotation_holds_within_it(store: JobStore) -> None:
    for client, priority in (("a", 0), ("a", 0), ("b", 0), ("c", 5), ("c", 5), ("d", 5), ("e", -3)):
        submit(store, client, {}, priority=priority)
    assert claims(store, 7) == ["c", "d", "c", "a", "b", "a", "e"]


def test_workers_take_from_their_queues_only(store: JobStore) -> None:
    store.submit(Order("train", Who(), {}))
    assert store.waiting() == {"train": 1}
    assert store.claim("w", 10, 3, ["render"]) is None
    found = store.claim("w", 10, 3, ["train"])
    assert found and found.kind == "train"


def test_a_failure_that_may_pass_is_tried_again_later_and_then_is_dead(store: JobStore, clock: Clock) -> None:
    name = submit(store, "a", {}).id
    for attempt in (1, 2):
        assert store.claim("w", 10, 3)
        assert store.fail(name, "w", "storage", "gone", "wait", attempts=3) is State.QUEUED
        assert store.claim("w", 10, 3) is None, "it rests first"
        clock.now += 400
        waiting = store.get(name)
        assert waiting and waiting.tries and [t["attempt"] for t in waiting.tries] == list(range(1, attempt + 1))
    assert store.claim("w", 10, 3)
    assert store.fail(name, "w", "storage", "gone", "wait", attempts=3) is State.FAILED
    dead = store.jobs(None, dead=True)
    assert [job.id for job in dead] == [name] and dead[0].tries and len(dead[0].tries) == 3
    assert store.retry(name) and not store.retry(name)
    again = store.claim("w", 10, 3)
    assert again and again.attempts == 1 and again.error == ""


def test_a_failure_of_the_input_is_final(store: JobStore) -> None:
    name = submit(store, "a", {}).id
    store.claim("w", 10, 3)
    assert store.fail(name, "w", "no_face", "none", "another") is State.FAILED
    assert store.jobs(None, dead=True) == [] and not store.retry(name)
    assert store.fail(name, "w", "no_face", "none", "another") is None


def test_the_same_request_is_one_job_and_another_under_its_key_is_refused(store: JobStore) -> None:
    first = submit(store, "a", {}, once="k1", asked="x")
    assert submit(store, "a", {}, once="k1", asked="x").id == first.id
    with pytest.raises(Conflict):
        submit(store, "a", {}, once="k1", asked="y")
    other = store.submit(Order("film", Who(key="k"), {}, once="k1", asked="y"))
    assert other.id != first.id, "each key has names of its own"


def test_the_same_batch_is_made_once_until_its_films_are_gone(store: JobStore, clock: Clock) -> None:
    def ask(name: str, asked: str = "x", key: str = "k") -> set[str]:
        orders = [Order("film", Who(key=key), {}, batch=name) for _ in range(2)]
        row = {"id": name, "key": key, "items": 2, "once": "k1", "asked": asked}
        return {job.id for job in store.submit_many(row, orders)}

    first = ask("b1")
    assert ask("b2") == first and store.repeated_batch("k", "k1", "x") == "b1"
    with pytest.raises(Conflict):
        ask("b3", asked="y")
    assert not ask("b4", key="other") & first, "each key has names of its own"
    for name in first:
        store.cancel(name)
    clock.now += 10
    store.expire(clock.now, key="k")
    assert store.repeated_batch("k", "k1", "y") is None
    second = ask("b5", asked="y")
    assert not second & first and store.repeated_batch("k", "k1", "y") == "b5"
    clock.now += 10
    store.removed(store.remains())
    assert store.forget(clock.now) == 2
    with store.reading() as connection:
        assert set(connection.scalars(sa.select(BATCHES.c.id))) == {"b4", "b5"}


def test_a_batch_is_all_or_nothing_and_told_when_the_last_is_over(store: JobStore) -> None:
    orders = [Order("film", Who(key="k"), {"n": n}, batch="b1", webhook="http://a/") for n in range(3)]
    row = {"id": "b1", "key": "k", "items": 3, "webhook": "http://b/"}
    with pytest.raises(QueueFull):
        store.submit_many(row, orders, most_own=2)
    assert store.jobs("k") == []
    made = store.submit_many(row, orders)
    assert [job.options["n"] for job in made] == [0, 1, 2]
    for _ in made[:2]:
        job = store.claim("w", 10, 3)
        assert job and store.finish(job.id, "w", message="", duration=2.5, cost={"characters": 7, "money": 0.5})
    assert [event for event, _ in told(store)] == ["job.done", "job.done"]
    assert store.cancel(made[2].id)
    assert told(store)[2:] == [("job.cancelled", "http://a/"), ("batch.done", "http://b/")]
    assert used(store) == {"video_s": 5.0, "characters": 14.0, "money": 1.0}
    assert store.batch_counts("b1")[State.DONE] == 2


def test_pages_do_not_shift_while_jobs_are_added(store: JobStore) -> None:
    names = [submit(store, "a", {}).id for _ in range(5)][::-1]
    first = store.jobs("", limit=2)
    submit(store, "a", {})
    second = store.jobs("", before=first[-1].number, limit=2)
    assert [job.id for job in (*first, *second)] == names[:4]
    assert store.jobs("somebody else") == []


def told(store: JobStore) -> list[tuple[str, str]]:
    with store.reading() as connection:
        rows = connection.execute(sa.select(DELIVERIES.c.event, DELIVERIES.c.url).order_by(DELIVERIES.c.number))
        return [(row.event, row.url) for row in rows]


def used(store: JobStore) -> dict[str, float]:
    with store.reading() as connection:
        return {row.what: row.amount for row in connection.execute(sa.select(USAGE).where(USAGE.c.key == "k"))}


def test_a_batch_is_cancelled_at_once_and_told_of_once(store: JobStore) -> None:
    row = {"id": "many", "key": "k", "items": 4, "webhook": "https://example.org/hook"}
    orders = [Order("speak", Who("k"), {}, webhook=row["webhook"]) for _ in range(4)]
    names = {job.id for job in store.submit_many(row, orders)}
    running = store.claim("w", 60, 3)
    assert running and set(store.cancel_batch("many")) == names - {running.id}

    def events() -> list[str]:
        with store.engine.connect() as connection:
            return sorted(connection.scalars(sa.select(DELIVERIES.c.event)))

    assert events() == ["job.cancelled"] * 3, "one is being made still"
    assert store.report(running.id, "w", 60, "drawing", 1).cancel
    assert store.give_up(running.id, "w")
    assert events() == ["batch.done", *["job.cancelled"] * 4]
    assert store.cancel_batch("many") == [] and len(events()) == 5
