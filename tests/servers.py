"""Real Redis and PostgreSQL servers on loopback, for the tests that need one. Imported once in `tests/conftest.py`."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

START_S = 30.0


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Server:
    """A server process that can be stopped, killed and started again, with its data kept.

    Args:
        command: What starts it, in the foreground.
        port: Where it listens.
        log: What it says goes there.
        account: Of whom it is, where it refuses root.
    """

    def __init__(self, command: list[str], port: int, log: Path, account: str | None = None) -> None:
        self._command, self.port, self._log, self._account = command, port, log, account
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool] | None = None) -> None:
        """Start it and wait until it answers."""
        owner = pwd.getpwnam(self._account) if self._account else None
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, stdout=out, stderr=subprocess.STDOUT,
                user=owner.pw_uid if owner else None, group=owner.pw_gid if owner else None,
                extra_groups=[] if owner else None,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not (ready or self._listens)():
            assert self._process.poll() is None, self._log.read_text(errors="replace")
            assert time.monotonic() < deadline, "the server did not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as its owner would."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False


class Redis(Server):
    """A Redis server that writes every change to its disk.

    Attributes:
        url: Its address.
    """

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("there is no redis-server here; ./test.sh installs it where it may")
        port = free_port()
        settings = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]
        super().__init__([program, *settings, "--save", ""], port, folder / "redis.log")
        self.folder = folder
        self.url = f"redis://127.0.0.1:{port}/0"


class Postgres(Server):
    """A PostgreSQL server with one database.

    Attributes:
        url: Its address.
    """

    def __init__(self, folder: Path) -> None:
        programs = _postgres_programs()
        account = "postgres" if os.geteuid() == 0 else None
        port = free_port()
        data = folder / "data"
        data.mkdir()
        if account:
            owner = pwd.getpwnam(account)
            for path in (folder, data):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        make = [programs / "initdb", "-D", data, "-U", "visema", "--auth=trust", "--no-sync", "-E", "UTF8"]
        as_account = ["runuser", "-u", account, "--"] if account else []
        subprocess.run([*as_account, *map(str, make)], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        settings = [
            "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "fsync=off",
            "-c", "max_connections=200",
        ]  # fmt: skip
        super().__init__([str(programs / "postgres"), *settings], port, folder / "postgres.log", account)
        self.url = f"postgresql://visema@127.0.0.1:{port}/postgres"
        self._ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]

    def start(self, ready: Callable[[], bool] | None = None) -> None:
        """See `Server`."""
        super().start(ready or (lambda: subprocess.call(self._ready) == 0))

    def empty(self) -> None:
        """Drop every table."""
        import sqlalchemy as sa

        engine = sa.create_engine(self.url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        engine.dispose()


def _postgres_programs() -> Path:
    """The folder of the newest PostgreSQL's programs; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parent.parent.name))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        pytest.skip("there is no PostgreSQL server here; ./test.sh installs it where it may")
    return found[-1].parent if found else Path(str(on_path)).parent


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    # Not pytest's: that one's parents are closed to the account that PostgreSQL runs under.
    folder = Path(tempfile.mkdtemp(prefix=f"visema-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redis_running() -> Iterator[Redis]:
    """A server of its own, for a test that stops it."""
    with _folder("redis") as folder:
        server = Redis(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextlib.contextmanager
def postgres_running() -> Iterator[Postgres]:
    """A server of its own, for a test that stops it."""
    with _folder("postgres") as folder:
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server that all tests share; who stops it starts it again."""
    with redis_running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server that all tests share; who uses it empties it first (`Postgres.empty`)."""
    with postgres_running() as server:
        yield server
