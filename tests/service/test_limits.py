"""What a key may use: requests a minute over several processes, seconds of film, storage, jobs that wait."""

from __future__ import annotations

import multiprocessing
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from visema.service import limits as service_limits
from visema.service.desk import Desk
from visema.service.endings import month_of
from visema.service.files import SOUND
from visema.service.keys import Key, Keys, Limits
from visema.service.limits import Meter, forget
from visema.service.order import Order
from visema.service.quotas import OverQuota, expected_seconds, month_ends
from visema.service.schema import AVATARS, USAGE
from visema.service.settings import Settings
from visema.service.store import JobStore
from visema.service.tally import used

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC, the begin of a minute


@pytest.fixture
def store(url: str) -> Iterator[JobStore]:
    found = JobStore(url, lambda: NOW)
    yield found
    found.close()


def ask(meter: Meter, key: Key) -> Any:
    while (allowance := meter.take(key)) is None:
        meter.refill(key)
    return allowance


def test_no_more_than_the_limit_passes(store: JobStore) -> None:
    now = [NOW + 10]
    meter = Meter(store.engine, lambda: now[0])
    key, _ = Keys(store.engine).create("a", ["live"], Limits(requests_per_minute=50))
    found = [ask(meter, key) for _ in range(60)]
    assert [a.granted for a in found] == [True] * 50 + [False] * 10
    assert [a.remaining for a in found] == [*range(49, -1, -1), *[0] * 10]
    assert {a.reset_s for a in found} == {51} and found[0].headers()["RateLimit-Policy"] == "50;w=60"
    now[0] += 50
    assert ask(meter, key).granted and ask(meter, key).remaining == 48


def test_several_processes_share_a_limit(store: JobStore) -> None:
    key, _ = Keys(store.engine).create("a", ["live"], Limits(requests_per_minute=200))
    meters = [Meter(store.engine, lambda: NOW) for _ in range(4)]
    granted = [0] * 4

    def run(number: int) -> None:
        for _ in range(150):
            granted[number] += ask(meters[number], key).granted

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # What a process has taken and nobody asked it for is lost: at most a twentieth for each.
    assert 200 * 0.8 <= sum(granted) <= 200
    one, other = Meter(store.engine, lambda: NOW + 60), Meter(store.engine, lambda: NOW + 60)
    assert ask(one, key).granted
    assert 190 <= sum(ask(other, key).granted for _ in range(300)) <= 199


def _in_a_process(url: str, key: Key, found: Any) -> None:
    store = JobStore(url)
    meter = Meter(store.engine, lambda: NOW)
    found.put(sum(ask(meter, key).granted for _ in range(100)))
    store.close()


def test_real_processes_share_a_limit(store: JobStore, url: str) -> None:
    key, _ = Keys(store.engine).create("a", ["live"], Limits(requests_per_minute=60))
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    processes = [context.Process(target=_in_a_process, args=(url, key, found)) for _ in range(2)]
    for process in processes:
        process.start()
    total = found.get(timeout=60) + found.get(timeout=60)
    for process in processes:
        process.join()
    assert 54 <= total <= 60


def test_the_database_is_asked_rarely(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(service_limits.time, "monotonic", lambda: clock[0])
    meter = Meter(store.engine, lambda: NOW)
    keys = Keys(store.engine)
    bounded, _ = keys.create("a", ["live"], Limits(requests_per_minute=100_000))
    free, _ = keys.create("b", ["live"])
    asked: list[str] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    for _ in range(4000):
        ask(meter, bounded)
        ask(meter, free)
    assert len(asked) <= 4, "a twentieth at a time"
    assert not meter.flush_is_due
    clock[0] += service_limits.FLUSH_S + 1
    assert meter.flush_is_due
    meter.flush()
    assert not meter.flush_is_due
    with store.engine.connect() as connection:
        assert used(connection, free.id, "requests", int(NOW)) == 4000
    assert [key.used for key in keys.list()] == [NOW, NOW]


def test_old_minutes_are_forgotten_and_months_are_not(store: JobStore) -> None:
    rows = [("a", "requests", int(NOW) - 7200), ("a", "requests", int(NOW)), ("a", "video_s", 202701),
            ("from 1.2.3.4", "failures", int(NOW) - 7200)]  # fmt: skip
    with store.engine.begin() as connection:
        connection.execute(USAGE.insert(), [{"key": k, "what": w, "span": s, "amount": 1} for k, w, s in rows])
    assert forget(store.engine, NOW) == 2
    with store.engine.connect() as connection:
        assert used(connection, "a", "video_s", 202701) == used(connection, "a", "requests", int(NOW)) == 1


@pytest.fixture
def desk(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    found = Desk(Settings(folder=tmp_path / "outputs", database=url, workers=1))
    monkeypatch.setattr(found.crew, "poke", lambda: None)  # nobody makes them
    yield found
    found.close()


@pytest.fixture
def order(desk: Desk) -> Callable[..., Order]:
    def make(text: str = "x" * 140, limits: Limits | None = None, key: Key | None = None) -> Order:
        key = key or Keys(desk.store.engine).create("a", ["films"], limits)[0]
        return Order("speak", key.who("10.0.0.1"), {"text": text, "audio": False, "avatar": "presenter"})

    return make


def put(desk: Desk, order: Order) -> str:
    return desk.submit(desk.begin(), order).id


def finish(desk: Desk, job_id: str, duration: float, size: int = 0) -> None:
    job = desk.store.claim("me", 60, 3)
    assert job and job.id == job_id
    assert desk.store.finish(job_id, "me", message="", duration=duration, size=size)


def test_jobs_that_wait(desk: Desk, order: Callable[..., Order]) -> None:
    mine = order(limits=Limits(max_waiting=2))
    first = put(desk, mine)
    put(desk, mine)
    with pytest.raises(OverQuota) as refused:
        put(desk, mine)
    assert refused.value.code == "quota_waiting" and refused.value.retry_after
    put(desk, order())
    finish(desk, first, 1.0)
    put(desk, mine)


def test_seconds_of_film_in_a_month(desk: Desk, order: Callable[..., Order]) -> None:
    mine = order(limits=Limits(video_seconds_per_month=25))  # of ten seconds each, by their texts
    first = put(desk, mine)
    put(desk, mine)
    with pytest.raises(OverQuota) as refused:
        put(desk, mine)
    assert refused.value.code == "quota_video", "what waits counts too, or a list of a thousand would pass"
    assert 0 < refused.value.retry_after <= 31 * 86400 + 1
    finish(desk, first, 4.0)
    put(desk, mine)
    with pytest.raises(OverQuota):
        put(desk, mine)
    with desk.store.engine.connect() as connection:
        assert used(connection, mine.who.key, "video_s", month_of(time.time())) == 4.0
    with pytest.raises(OverQuota):
        desk.submit_many({"id": "b", "items": 3, "key": mine.who.key}, [mine] * 3)
    assert len(desk.jobs(mine.who)) == 3, "all or none"


def test_a_film_that_fails_costs_nothing(desk: Desk, order: Callable[..., Order]) -> None:
    mine = order(limits=Limits(video_seconds_per_month=11))
    job_id = put(desk, mine)
    assert desk.store.claim("me", 60, 3) and desk.store.fail(job_id, "me", "no_face", "", "")
    put(desk, mine)


def test_storage(desk: Desk, order: Callable[..., Order]) -> None:
    mine = order(limits=Limits(storage_bytes=1000))
    first = put(desk, mine)
    finish(desk, first, 1.0, 600)
    second = put(desk, mine)
    with desk.store.engine.begin() as connection:
        connection.execute(
            AVATARS.insert().values(id="face", key=mine.who.key, name="a", created=NOW, bytes=400, report={})
        )
    with pytest.raises(OverQuota) as refused:
        put(desk, mine)
    assert refused.value.code == "quota_storage"
    put(desk, order())
    desk.remove(first, mine.who)
    put(desk, mine)
    assert second


def test_this_machines_own_user_has_no_bounds(desk: Desk) -> None:
    from visema.service.who import Who

    for _ in range(5):
        put(desk, Order("speak", Who(), {"text": "x" * 10_000, "avatar": "a"}))


def test_two_servers_do_not_let_more_through_together(url: str, tmp_path: Path) -> None:
    desks = [Desk(Settings(folder=tmp_path / "outputs", database=url)) for _ in range(2)]
    key, _ = Keys(desks[0].store.engine).create("a", ["films"], Limits(video_seconds_per_month=55))
    passed: list[str] = []

    def run(desk: Desk) -> None:
        desk.crew.poke = lambda: None  # type: ignore[method-assign]
        for _ in range(8):
            try:
                passed.append(put(desk, Order("speak", key.who(""), {"text": "x" * 140, "avatar": "a"})))
            except OverQuota:
                continue

    threads = [threading.Thread(target=run, args=(desk,)) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for desk in desks:
        desk.close()
    assert len(passed) == 5


def test_how_long_a_film_will_be(tmp_path: Path) -> None:
    sound = tmp_path / SOUND
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 8000 * 3))
    assert expected_seconds("film", {"text": "x" * 1000}, sound) == 3.0
    assert expected_seconds("speak", {"text": "x" * 140}, None) == 10.0
    assert expected_seconds("speak", {"text": "x" * 140, "rate": 2.0}, None) == 5.0
    assert expected_seconds("train", {}, sound) == 0.0
    sound.write_bytes(b"RIFF")
    assert expected_seconds("film", {}, sound) == 0.0


def test_months() -> None:
    assert month_of(NOW) == 202701
    assert month_of(month_ends(NOW) - 1) == 202701 and month_of(month_ends(NOW)) == 202702
    december = 1_797_000_000.0
    assert month_of(december) == 202612 and month_of(month_ends(december)) == 202701
