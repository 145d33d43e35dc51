"""The queue under fire: workers are killed while they work, and the server is asked while films are made.

    python benchmarks/jobs.py [--quick] [--json] [--backend sqlite|postgresql] [--jobs N] [--kill-every S]

Every job is a real film of a prepared avatar saying two words. Several clients ask for as many each; two workers make
them, of which one (each in its turn) is killed by SIGKILL every so often, children and all. ``lost`` counts the jobs
that have not ended well or whose film is not whole, ``doubled`` those that were finished, or told of, more than once,
``unfair`` is by how many jobs one client was ahead of another at most. Then a real server is asked over HTTP how a job
is: ``status_p95_ms`` while films are made, ``status_per_s`` by some connections at once while none are, and
``cancel_s`` is how long a running job lives on after it was cancelled. With ``--backend postgresql`` the workers are
Celery's, over real Redis and PostgreSQL servers on loopback; with ``sqlite`` they look into the database themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import httpx  # noqa: E402
import numpy as np  # noqa: E402
import sqlalchemy as sa  # noqa: E402

from tests.servers import free_port, postgres_running, redis_running  # noqa: E402
from visema.paths import ASSETS  # noqa: E402
from visema.service.desk import Desk  # noqa: E402
from visema.service.jobs import State  # noqa: E402
from visema.service.order import Order  # noqa: E402
from visema.service.schema import DELIVERIES  # noqa: E402
from visema.service.settings import Settings, settings_from  # noqa: E402
from visema.service.who import Who  # noqa: E402
from visema.setup import prepare_avatar  # noqa: E402

TARGETS = {
    "lost": ("<=", 0),
    "doubled": ("<=", 0),
    "status_p95_ms": ("<=", 30),
    "status_per_s": (">=", 500),
    "cancel_s": ("<=", 2),
}
CLIENTS = 5
WORKERS = 2
#: With --quick a lost worker's job comes back sooner than usual, or a minute would not do.
QUICK_LEASE_S = 3.0
TEXT = "Hello there."
LONG = "This is a long text that takes a while to be said and to be drawn. " * 60
#: Nothing is sent, for no courier runs: what counts is how often it would have been.
WEBHOOK = "https://example.org/hook"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few jobs, a kill every few seconds; under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), default="sqlite", help="(%(default)s)")
    parser.add_argument("--jobs", type=int, help="films to make (1000; 30 with --quick)")
    parser.add_argument("--kill-every", type=float, metavar="S", help="seconds (20; 5 with --quick)")
    options = parser.parse_args()
    jobs = options.jobs or (30 if options.quick else 1000)
    kill_every = options.kill_every or (5.0 if options.quick else 20.0)
    with tempfile.TemporaryDirectory(prefix="visema-bench-") as name, contextlib.ExitStack() as stack:
        os.chmod(name, 0o755)  # noqa: PTH101  # PostgreSQL's account has to get in
        folder = Path(name)
        os.environ |= {"VISEMA_CACHE": str(folder / "cache"), "VISEMA_OUTPUTS": str(folder / "outputs")}
        os.environ |= {"VISEMA_OFFLINE": "1", "VISEMA_MAX_QUEUE": "100000"}
        os.environ |= {"VISEMA_MAX_QUEUE_CLIENT": "100000"}
        if options.quick:
            os.environ["VISEMA_LEASE_SECONDS"] = str(QUICK_LEASE_S)
        if options.backend == "postgresql":
            os.environ["VISEMA_DATABASE"] = stack.enter_context(postgres_running()).url
            os.environ["VISEMA_BROKER"] = stack.enter_context(redis_running()).url
        avatar = prepare_avatar(ASSETS / "Video04.mp4").id
        found = under_fire(folder / "outputs", avatar, jobs, kill_every)
        found |= asked(folder / "outputs", avatar, 4.0 if options.quick else 20.0)
    found = {key: round(value, 3) for key, value in found.items()}
    if options.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        relation, bound = TARGETS.get(key, ("", 0))
        good = not relation or (value <= bound if relation == "<=" else value >= bound)
        target = f"target {relation} {bound:g}   {'ok' if good else 'MISSED'}" if relation else ""
        print(f"{key:<20}{value:12.2f}   {target}")


def settings(folder: Path) -> Settings:
    """As the processes read them from the environment; a server that makes nothing itself."""
    return replace(settings_from(os.environ), folder=folder, workers=0)


def under_fire(folder: Path, avatar: str, jobs: int, kill_every: float) -> dict[str, float]:
    """Make films with workers that are killed."""
    desk = Desk(settings(folder))
    desk.open()
    options = {"avatar": avatar, "text": TEXT, "voice": "espeak:en-us"}
    names = []
    for number in range(jobs):
        who = Who(key=f"client{number % CLIENTS}")
        names.append(desk.submit(desk.begin(), Order("speak", who, options, webhook=WEBHOOK)).id)
    began, kills, killed_at = time.monotonic(), 0, time.monotonic()
    workers = [start_worker(folder) for _ in range(WORKERS)]
    while (counts := desk.store.counts())[State.QUEUED] + counts[State.RUNNING]:
        time.sleep(0.2)
        for worker in workers:
            assert worker.poll() is None, (folder / "workers.txt").read_text(errors="replace")[-3000:]
        if time.monotonic() - killed_at > kill_every:
            kill(workers[kills % WORKERS])
            workers[kills % WORKERS] = start_worker(folder)
            killed_at, kills = time.monotonic(), kills + 1
    took = time.monotonic() - began
    for worker in workers:
        kill(worker)
    found = judged(desk, names)
    desk.close()
    return found | {"jobs": jobs, "kills": kills, "jobs_per_s": jobs / took}


def judged(desk: Desk, names: list[str]) -> dict[str, float]:
    """What became of the jobs, by their rows, their films and their logs."""
    lost = doubled = again = 0
    begun = []
    for name in names:
        job = desk.store.get(name)
        whole = (
            job is not None and desk.files.film(name).is_file() and desk.files.film(name).stat().st_size == job.bytes
        )
        lost += job is None or job.state is not State.DONE or not whole
        again += job is not None and job.attempts > 1
        done = len(re.findall(" Done: ", desk.files.log(name).read_text(encoding="utf-8")))
        with desk.store.reading() as connection:
            told = sa.select(sa.func.count()).where(DELIVERIES.c.job == name)
            doubled += done > 1 or int(connection.scalar(told) or 0) != 1
        if job and job.started and job.attempts == 1:
            begun.append((job.started, job.key))
    ahead, counted = 0, Counter({f"client{n}": 0 for n in range(CLIENTS)})
    # Only while all of them have jobs left, and of those that were begun once: a retried one's first turn is not kept.
    for _, key in sorted(begun)[: len(begun) - 2 * CLIENTS]:
        counted[key] += 1
        ahead = max(ahead, max(counted.values()) - min(counted.values()))
    return {"lost": lost, "doubled": doubled, "made_again": again, "unfair": ahead}


def asked(folder: Path, avatar: str, seconds: float) -> dict[str, float]:
    """Ask a real server about a job."""
    with serving(folder) as address, httpx.Client(base_url=address, timeout=30) as api:
        # A film that takes all of this time, and another to cancel.
        body = {"avatar": avatar, "text": LONG, "voice": "espeak:en-us"}
        worker = start_worker(folder)
        try:
            running = [api.post("/api/v1/generate", json=body).raise_for_status().json()["job_id"] for _ in range(2)]
            until(lambda: api.get(f"/api/v1/status/{running[0]}").json()["state"] == "running")
            busy = asyncio.run(ask(address, f"/api/v1/status/{running[0]}", seconds, connections=1, pause=0.01))
            began = time.monotonic()
            api.delete(f"/api/v1/jobs/{running[0]}").raise_for_status()
            until(lambda: api.get(f"/api/v1/status/{running[0]}").json()["state"] != "running")
            cancelled = time.monotonic() - began
            api.delete(f"/api/v1/jobs/{running[1]}").raise_for_status()
        finally:
            kill(worker)
        idle = asyncio.run(ask(address, f"/api/v1/status/{running[0]}", seconds, connections=8))
    return {
        "status_p95_ms": 1000 * float(np.percentile(busy, 95)),
        "status_median_ms": 1000 * float(np.median(busy)),
        "status_per_s": len(idle) / seconds,
        "cancel_s": cancelled,
    }


async def ask(address: str, path: str, seconds: float, *, connections: int, pause: float = 0.0) -> list[float]:
    """Ask again and again over connections that stay open; how long each answer took, seconds.

    By bare sockets: a client library would take more of the machine than the server that is measured.
    """
    host, port = address.removeprefix("http://").split(":")
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n".encode()
    end = time.monotonic() + seconds
    took: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.monotonic() < end:
            began = time.monotonic()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert found
            await reader.readexactly(int(found[1]))
            took.append(time.monotonic() - began)
            if pause:
                await asyncio.sleep(pause)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return took


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server that leaves its films to workers."""
    port = free_port()
    command = [sys.executable, "-m", "visema", "serve", "--port", str(port), "--workers", "0", "--offline"]
    with (folder / "server.txt").open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:

        def answers() -> bool:
            assert process.poll() is None, (folder / "server.txt").read_text(errors="replace")
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{address}/health").is_success
            return False

        until(answers)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def start_worker(folder: Path) -> subprocess.Popen[bytes]:
    """A worker with one process."""
    command = [sys.executable, "-m", "visema", "worker", "--processes", "1"]
    with (folder / "workers.txt").open("ab") as out:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)


def kill(worker: subprocess.Popen[bytes]) -> None:
    """A worker and its children, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def until(condition: object, seconds: float = 120) -> None:
    """Wait for something.

    Raises:
        TimeoutError: It does not come.
    """
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come in time")
        time.sleep(0.05)


if __name__ == "__main__":
    if not shutil.which("setsid") and os.name != "posix":
        sys.exit("This benchmark kills process groups, which only POSIX systems have.")
    main()
