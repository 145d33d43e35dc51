"""The whole deployment without containers: what Compose starts, started here, and broken in the midst of its work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests.deploy.estate import KEY, Estate, estate, until
from visema.client import Invalid, Visema
from visema.paths import ASSETS
from visema.service.schema import JOBS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="nginx and Celery's processes are for POSIX")


@pytest.fixture(scope="module")
def running(avatar_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with estate(tmp_path_factory.mktemp("estate"), avatar_cache) as made:
        yield made


def test_nginx_leads_to_tls_and_keeps_numbers_inside(running: Estate) -> None:
    moved = httpx.get(f"{running.http}/ui/?a=1", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (301, "https://localhost/ui/?a=1")
    assert httpx.get(f"{running.http}/nginx-health").text == "ok\n"
    with running.http_client() as http:
        assert http.get("/health").json()["status"] == "ok"
        assert http.get("/metrics").status_code == 404
        assert http.get("/api/v1/jobs", headers={"Authorization": ""}).status_code == 401
        assert "gzip" in http.get("/openapi.json").headers.get("content-encoding", "")
        page = http.get("/ui/", headers={"Accept": "text/html"})
        assert page.status_code == 200 and "Visema" in page.text
    with urllib.request.urlopen(running.metrics, timeout=30) as answer:
        assert b'visema_jobs{queue="render",state="queued"}' in answer.read()


def test_a_film_goes_all_the_way(running: Estate, tmp_path: Path) -> None:
    with running.client() as api:
        sound = tmp_path / "speech.wav"
        sound.write_bytes(api.tts("A recording of some length.", voice="espeak:en-us").audio)
        sent: list[tuple[int, int]] = []
        asked = api.generate(image=ASSETS / "presenter.png", audio=sound, progress=lambda *n: sent.append(n))
        told: list[Any] = []
        job = api.wait(asked, timeout=240, progress=told.append).check()
        path = api.download(job, tmp_path / "film.mp4")
    assert sent[-1][0] == sent[-1][1]
    assert len({t.stage for t in told}) >= 3, "events came one by one, not all at the end"
    with running.http_client() as http:
        video = f"/api/v1/video/{job.id}"
        part = http.get(video, headers={"Range": "bytes=100-299"})
        assert (part.status_code, len(part.content)) == (206, 200)
        assert part.content == path.read_bytes()[100:300]
        assert part.headers["content-range"].endswith(f"/{path.stat().st_size}")
    lines = [json.loads(line) for worker in running.workers for line in worker.said().splitlines() if '"job"' in line]
    mine = [line["message"] for line in lines if line.get("job") == job.id]
    assert any("Attempt 1" in line for line in mine) and any("Done" in line for line in mine)


def test_what_is_too_large_is_refused_with_an_answer(running: Estate, tmp_path: Path) -> None:
    large = tmp_path / "large.wav"
    large.write_bytes(os.urandom(10 << 20))
    with running.client() as api, pytest.raises(Invalid) as refused:
        api.generate(image=ASSETS / "presenter.png", audio=large)
    assert refused.value.status == 413 and refused.value.hint


def test_sockets_and_streams_go_through(running: Estate) -> None:
    from websockets.asyncio.client import connect

    async def hello() -> dict[str, Any]:
        address = running.https.replace("https", "wss") + "/live/ws"
        protocols: Any = ["visema", f"visema.key.{KEY}"]
        async with connect(address, ssl=running.tls(), subprotocols=protocols) as socket:
            await socket.send(json.dumps({"type": "hello", "version": 1, "audio": ["pcm"]}))
            while True:
                data = await asyncio.wait_for(socket.recv(), 60)
                if isinstance(data, str) and (told := json.loads(data))["type"] == "hello":
                    return dict(told)

    assert asyncio.run(hello())["session"]
    with running.http_client() as http:
        session = http.post("/api/v1/live", json={}).json()["session"]
        with http.stream("GET", f"/api/v1/live/{session}/mjpeg") as stream:
            pictures = 0
            for data in stream.iter_raw():
                pictures += data.count(b"Content-Type: image/jpeg")
                if pictures >= 3:
                    break
        http.post(f"/api/v1/live/{session}/close", json={})


def test_workers_say_that_they_are_well(running: Estate) -> None:
    from tests.deploy.files import DOCKER

    for worker in running.workers:
        env = {**os.environ, "VISEMA_ALIVE": worker.env["VISEMA_ALIVE"]}
        check = [sys.executable, str(DOCKER / "health.py"), "worker"]
        until(lambda env=env, check=check: subprocess.call(check, env=env) == 0, running.logs)  # type: ignore[misc]


@pytest.mark.slow
def test_everything_is_restarted_in_the_midst_of_it_and_nothing_is_lost(running: Estate) -> None:
    """A worker is killed; Redis, PostgreSQL, the app and nginx are stopped and started while films are made."""
    texts = [f"Film number {number}, which takes a little while to be said and drawn." for number in range(16)]
    answers: list[int] = []
    over = threading.Event()

    def ask() -> None:
        """Somebody who asks all the time and tries nothing again: hears 503 with Retry-After at worst."""
        with running.http_client() as http:
            while not over.wait(0.05):
                with contextlib.suppress(httpx.TransportError):  # nginx itself is away for a moment
                    answer = http.get("/api/v1/jobs?limit=1")
                    answers.append(answer.status_code)
                    assert answer.status_code != 503 or int(answer.headers["retry-after"]) > 0
                    assert answer.status_code in (200, 429, 503), answer.text

    def made() -> int:
        return sum(job.state == "done" for job in api.batch_status(batch.id).jobs)

    with Visema(running.https, KEY, verify=str(running.chain), timeout=60) as api:
        batch = api.batch([{"text": text, "voice": "espeak:en-us"} for text in texts])
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            until(lambda: made() >= 1, running.logs)
            running.workers[0].kill()
            running.workers[0].start()
            running.redis.kill()
            time.sleep(1)
            running.redis.start()
            late = api.generate(text="Asked for after Redis was away.", voice="espeak:en-us")
            until(lambda: made() >= 3, running.logs)
            running.postgres.stop()
            time.sleep(1)
            running.postgres.start()
            until(running.ready, running.logs)
            until(lambda: made() >= 5, running.logs)
            running.app.kill()
            running.app.start()
            until(running.ready, running.logs)
            running.nginx.stop()
            running.nginx.start()
            until(running.ready, running.logs)
            report = api.wait_batch(batch, timeout=300)
            assert api.wait(late, timeout=120).state == "done"
        finally:
            over.set()
            asking.join()
    assert report.counts["done"] == len(texts), (report.counts, running.logs())
    assert 503 in answers and answers.count(200) > 20
    engine = sa.create_engine(running.postgres.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        rows = connection.execute(sa.select(JOBS.c.id, JOBS.c.state).where(JOBS.c.batch == batch.id)).all()
    engine.dispose()
    assert len(rows) == len(texts) and {row.state for row in rows} == {"done"}
    films = {path.stem for path in (running.folder / "outputs").glob("*.mp4")}
    assert {row.id for row in rows} <= films
    assert not list((running.folder / "outputs").glob("**/*.partial"))
