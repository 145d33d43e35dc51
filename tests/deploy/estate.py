"""The deployment as processes on loopback: nginx, the app, two workers, Redis and PostgreSQL, as Compose has them."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.deploy.nginx import NGINX, certificate, configuration
from tests.servers import Postgres, Redis, free_port, postgres_running, redis_running
from visema.client import Visema
from visema.paths import ROOT

KEY = "a-key-of-the-deployment-test-0123456789abcdef"
READY_S = 120


@dataclass
class Process:
    """A process that can be killed and started again."""

    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.running = subprocess.Popen(
                self.command, env=self.env, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )

    def stop(self) -> None:
        """As a container is stopped."""
        if self.running and self.running.poll() is None:
            self.running.terminate()
            try:
                self.running.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """As by a power cut: it and all of its children."""
        if self.running:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait(timeout=30)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@dataclass
class Estate:
    """All of it.

    Attributes:
        https, http, direct, metrics: Addresses: of nginx, of the app itself, and of its numbers.
        chain: The certificate that nginx shows.
    """

    folder: Path
    https: str
    http: str
    direct: str
    metrics: str
    chain: Path
    redis: Redis
    postgres: Postgres
    nginx: Process
    app: Process
    workers: list[Process]
    spare: list[Process] = field(default_factory=list)

    def client(self) -> Visema:
        return Visema(self.https, KEY, verify=str(self.chain))

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.chain))

    def http_client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.Client(base_url=self.https, headers=headers, verify=self.tls(), timeout=60)

    def ready(self) -> bool:
        """Whether the app answers through nginx, with its database."""
        try:
            with self.http_client() as http:
                return http.get("/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def logs(self) -> str:
        return "".join(f"--- {p.name}\n{p.said()[-6000:]}" for p in (self.app, *self.workers, self.nginx))


def until(true: Callable[[], bool], about: Callable[[], str], seconds: float = READY_S) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, about()
        time.sleep(0.1)


@contextmanager
def estate(folder: Path, cache: Path) -> Iterator[Estate]:
    """Start everything, wait until it answers, and end it."""
    if NGINX is None:
        pytest.skip("nginx is not here (Debian: nginx-light)")
    pytest.importorskip("celery")
    pytest.importorskip("psycopg")
    shutil.copytree(cache, folder / "cache")
    certificate(folder / "certificates")
    http, https, app, metrics = (free_port() for _ in range(4))
    with ExitStack() as stack:
        redis = stack.enter_context(redis_running())
        postgres = stack.enter_context(postgres_running())
        env = {
            **os.environ, "PYTHONPATH": str(ROOT), "VISEMA_CACHE": str(folder / "cache"),
            "VISEMA_OUTPUTS": str(folder / "outputs"), "VISEMA_DATABASE": postgres.url, "VISEMA_BROKER": redis.url,
            "VISEMA_API_KEY": KEY, "VISEMA_SECRET": "a-secret-of-the-deployment-test-0123456789", "VISEMA_LOG": "json",
            "VISEMA_REQUIRE_KEY": "1", "VISEMA_MAX_MB": "8", "VISEMA_OFFLINE": "1", "VISEMA_LEASE_SECONDS": "5",
        }  # fmt: skip
        python = [sys.executable, "-m", "visema"]
        here = {"FORWARDED_ALLOW_IPS": "127.0.0.1", "VISEMA_METRICS": f"127.0.0.1:{metrics}", "VISEMA_WORKERS": "0"}
        made = Estate(
            folder, f"https://localhost:{https}", f"http://localhost:{http}", f"http://127.0.0.1:{app}",
            f"http://127.0.0.1:{metrics}/metrics", folder / "certificates/fullchain.pem", redis, postgres,
            Process("nginx", [NGINX, "-c", str(configuration(folder, app, http, https))], env, folder / "nginx.log"),
            Process("app", [*python, "serve", "--port", str(app)], {**env, **here}, folder / "app.log"),
            [
                Process(
                    f"worker {number}",
                    [*python, "worker", "--queues", "render,train", "--processes", "1"],
                    {**env, "VISEMA_ALIVE": str(folder / f"alive-{number}")},
                    folder / f"worker-{number}.log",
                )
                for number in (1, 2)
            ],
        )  # fmt: skip
        processes = (made.nginx, made.app, *made.workers)
        try:
            for process in processes:
                process.start()
            until(made.ready, made.logs)
            yield made
        finally:
            for process in processes:
                process.stop()
