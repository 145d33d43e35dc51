"""Workers of other processes: Celery over a real Redis, a real PostgreSQL, workers killed in mid-work."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import Postgres, Redis
from visema.paths import ROOT
from visema.service.desk import Desk
from visema.service.jobs import State
from visema.service.order import Order
from visema.service.settings import Settings
from visema.service.who import Who

SPEECH = {"text": "Hello there.", "voice": "espeak:en-us"}


class Pool:
    """Worker processes, started as an administrator would."""

    def __init__(self, desk: Desk, cache: Path) -> None:
        self._env = {
            **os.environ, "VISEMA_OUTPUTS": str(desk.settings.folder), "VISEMA_DATABASE": desk.settings.database,
            "VISEMA_BROKER": desk.settings.broker, "VISEMA_CACHE": str(cache), "VISEMA_LEASE_SECONDS": "2",
            "VISEMA_OFFLINE": "1",
        }  # fmt: skip
        self.log = desk.settings.folder / "workers.txt"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "visema", "worker", "--processes", "1", *arguments]
        with self.log.open("ab") as out:
            made = subprocess.Popen(
                command, cwd=ROOT, env=self._env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.processes.append(made)
        return made

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """As a power cut would: the worker and its children at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        for process in self.processes:
            self.kill(process)


@pytest.fixture
def desk(tmp_path: Path, redis_server: Redis, postgres_server: Postgres) -> Iterator[Desk]:
    postgres_server.empty()
    settings = Settings(
        folder=tmp_path / "outputs", database=postgres_server.url, broker=redis_server.url, lease_s=2.0, offline=True
    )
    made = Desk(settings)
    made.open()
    yield made
    made.close()


@pytest.fixture
def pool(desk: Desk, avatar_cache: Path) -> Iterator[Pool]:
    made = Pool(desk, avatar_cache)
    yield made
    made.end()


def ask(desk: Desk, avatar_cache: Path, client: str = "a", text: str = "") -> str:
    avatar = next(path.name for path in avatar_cache.glob("video04-*"))
    name = desk.begin()
    options = {**SPEECH, "avatar": avatar, **({"text": text} if text else {})}
    return desk.submit(name, Order("speak", Who(key=client), options)).id


def wait(condition: Callable[[], bool], what: str, log: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}\n{log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.1)


def state(desk: Desk, name: str) -> State:
    job = desk.store.get(name)
    assert job
    return job.state


def test_a_worker_elsewhere_makes_the_film(desk: Desk, pool: Pool, avatar_cache: Path) -> None:
    names = [ask(desk, avatar_cache) for _ in range(3)]
    pool.start("--queues", "render")
    wait(lambda: all(state(desk, n) is State.DONE for n in names), "not done", pool.log)
    for name in names:
        job = desk.store.get(name)
        assert job and job.attempts == 1 and desk.files.film(name).stat().st_size == job.bytes > 10_000


def test_what_a_killed_worker_was_making_is_made_again_once(desk: Desk, pool: Pool, avatar_cache: Path) -> None:
    first = pool.start()
    long = ask(desk, avatar_cache, text="This is a long text that takes a while to be said and to be drawn. " * 14)
    wait(lambda: state(desk, long) is State.RUNNING, "not begun", pool.log)
    pool.kill(first)
    pool.start()
    wait(lambda: state(desk, long) is State.DONE, "not done", pool.log)
    job = desk.store.get(long)
    assert job and job.attempts == 2 and job.tries and job.tries[0]["error"] == "crashed"
    assert [path.name for path in desk.files.folder.glob(f"{long}*.mp4")] == [f"{long}.mp4"]
    assert not desk.files.work(long).exists()


def test_a_running_job_is_cancelled_within_two_seconds(desk: Desk, pool: Pool, avatar_cache: Path) -> None:
    pool.start()
    name = ask(desk, avatar_cache, text="This is a long text that takes a while to be said and to be drawn. " * 80)
    wait(lambda: state(desk, name) is State.RUNNING, "not begun", pool.log)
    began = time.monotonic()
    desk.cancel(name)
    wait(lambda: state(desk, name) is State.CANCELLED, "not cancelled", pool.log)
    assert time.monotonic() - began < 2 or os.getloadavg()[0] > 4
    after = ask(desk, avatar_cache)
    wait(lambda: state(desk, after) is State.DONE, "the worker is of no more use", pool.log)


def test_a_broker_that_forgets_everything_loses_no_job(
    desk: Desk, pool: Pool, avatar_cache: Path, redis_server: Redis
) -> None:
    names = [ask(desk, avatar_cache) for _ in range(4)]
    redis_server.kill()
    names += [ask(desk, avatar_cache) for _ in range(2)]
    for path in redis_server.folder.glob("appendonlydir/*"):
        path.unlink()
    pool.start()
    time.sleep(1)
    redis_server.start()
    wait(lambda: all(state(desk, n) is State.DONE for n in names), "not done", pool.log)


def test_a_database_that_restarts_loses_no_job(
    desk: Desk, pool: Pool, avatar_cache: Path, postgres_server: Postgres
) -> None:
    pool.start()
    names = [ask(desk, avatar_cache, text="A text of some length, that takes a moment. " * 4) for _ in range(3)]
    wait(lambda: any(state(desk, n) is State.RUNNING for n in names), "not begun", pool.log)
    postgres_server.stop()
    time.sleep(0.5)
    postgres_server.start()
    wait(lambda: all(state(desk, n) is State.DONE for n in names), "not done", pool.log)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in found.split()]


def test_a_worker_whose_process_dies_while_the_database_is_away_goes_on_after(
    desk: Desk, pool: Pool, avatar_cache: Path, postgres_server: Postgres
) -> None:
    worker = pool.start()
    first = ask(desk, avatar_cache)
    wait(lambda: state(desk, first) is State.DONE, "not done", pool.log)
    (child,) = children(worker)
    postgres_server.stop()
    try:
        os.kill(child, signal.SIGKILL)
        wait(lambda: children(worker) not in ([], [child]), "no new process", pool.log)
        time.sleep(3)  # it finds no database when it begins
    finally:
        postgres_server.start()
    names = [ask(desk, avatar_cache) for _ in range(3)]
    wait(lambda: all(state(desk, n) is State.DONE for n in names), "not done", pool.log)


@pytest.mark.slow
def test_a_broker_that_is_restarted_again_and_again_while_films_are_made(
    desk: Desk, pool: Pool, avatar_cache: Path, redis_server: Redis
) -> None:
    pool.start()
    names = [ask(desk, avatar_cache, text="A text of some length, that takes a moment. " * 4) for _ in range(4)]
    for _ in range(3):
        wait(lambda: any(state(desk, n) is State.RUNNING for n in names), "none is made", pool.log)
        redis_server.kill()
        time.sleep(0.5)
        redis_server.start()
    wait(lambda: all(state(desk, n) is State.DONE for n in names), "not done", pool.log, 300)
    for name in names:
        job = desk.store.get(name)
        assert job and job.attempts == 1, "a broker that is away breaks off no film"
        assert desk.files.log(name).read_text(encoding="utf-8").count(" Done: ") == 1


def test_a_batch_is_made_while_it_is_asked_for(desk: Desk, pool: Pool, avatar_cache: Path) -> None:
    pool.start()
    avatar = next(path.name for path in avatar_cache.glob("video04-*"))
    orders = [Order("speak", Who(), {**SPEECH, "avatar": avatar}) for _ in range(4)]
    made = desk.submit_many({"id": "b", "key": "", "items": len(orders)}, orders)
    assert [job.batch for job in made] == ["b"] * len(orders)
    wait(lambda: desk.store.batch_counts("b")[State.DONE] == len(orders), "not done", pool.log)
    assert not [path for path in desk.files.folder.glob("temp/*/") if path.name in {job.id for job in made}]


def test_workers_without_a_broker_look_for_jobs_themselves(tmp_path: Path, avatar_cache: Path) -> None:
    settings = Settings(folder=tmp_path / "outputs", workers=0, offline=True)
    desk = Desk(settings)
    desk.open()
    pool = Pool(desk, avatar_cache)
    try:
        pool.start()
        pool.start()
        names = [ask(desk, avatar_cache) for _ in range(3)]
        wait(lambda: all(state(desk, n) is State.DONE for n in names), "not done", pool.log)
    finally:
        pool.end()
        desk.close()
