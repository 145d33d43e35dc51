"""The worker processes of a server: started, poked when there is work, replaced when they die, ended with it."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final, cast

from sqlalchemy.exc import SQLAlchemyError

from visema.paths import ROOT, explain_os_error
from visema.service.claims import ALL_QUEUES
from visema.service.files import Files
from visema.service.settings import Settings
from visema.service.store import JobStore
from visema.service.sweeper import Sweeper

log = logging.getLogger(__name__)

#: Workers are looked after this often.
BEAT_S: Final = 0.25
#: A worker that dies within so many seconds of its start is started again only after as many.
QUICK_DEATH_S: Final = 5.0


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Settings that came as JSON."""
    lists = {name: tuple(values[name]) for name in ("origins", "webhook_hosts")}
    return Settings(**{**values, "folder": Path(values["folder"]), **lists})


class Crew:
    """As many workers as the settings say, from the first call of `start` on.

    Of several servers on one folder (gunicorn with ``-w``), one has the workers; another takes over when it goes.

    Args:
        settings: Of the service.
        store: The jobs.
        files: The folder.
        queues: Whose jobs are made.
        alone: Be the only crew of the folder, so that the jobs of earlier workers of this machine can be taken from
            them at once; else others may be there, and lost workers' jobs come back when their leases run out.
    """

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        files: Files,
        queues: Sequence[str] = ALL_QUEUES,
        *,
        alone: bool = True,
    ) -> None:
        self._settings, self._store, self._files = settings, store, files
        self._queues, self._alone = ",".join(queues), alone
        self._sweeper = Sweeper(settings, store, files)
        # Of a name that no server of this machine begins with: one that starts takes only its own workers' jobs back.
        self._host = f"{'' if alone else 'worker@'}{socket.gethostname()[:40]}:"
        self._name = f"{self._host}{os.getpid()}-{secrets.token_hex(3)}:"
        self._members: list[_Member | None] = [None] * settings.workers
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._woken = threading.Event()
        self._holding: IO[bytes] | None = None

    def start(self) -> None:
        """Begin to make what waits; where that has begun, nothing."""
        with self._lock:
            if self._thread is None and not self._over.is_set():
                self._thread = threading.Thread(target=self._look_after, name="film-crew", daemon=True)
                self._thread.start()

    def poke(self) -> None:
        """There is a new job, or one was cancelled."""
        self.start()
        for member in list(self._members):
            if member:
                member.poke()

    @property
    def busy(self) -> bool:
        """Whether it has begun."""
        return self._thread is not None

    def close(self) -> None:
        """End the workers; what they were making goes back into the queue."""
        self._over.set()
        self._woken.set()
        if self._thread:
            self._thread.join(timeout=10)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        try:
            while not self._over.is_set():
                try:
                    pause = self._look()
                except Exception:  # a full disk, a database that is away: it will be better later
                    log.exception("The workers could not be looked after.")
                    pause = 1.0
                self._woken.wait(pause)
        finally:
            self._end_all()

    def _look(self) -> float:
        """Look once; seconds until the next time."""
        if self._alone and self._holding is None and not self._take_charge():
            return 1.0
        for place in range(len(self._members)):
            self._replace(place)
        self._sweeper.look()
        return BEAT_S

    def _take_charge(self) -> bool:
        """Be the one server of this folder that has workers; False where another is."""
        path = self._files.folder / "crew.lock"
        try:
            handle = path.open("ab")
        except OSError as e:
            raise explain_os_error(e, path) from e
        if not _lock_now(handle):
            handle.close()
            return False
        self._holding = handle
        # Whatever workers of this machine had begun is broken off: they went with the server that had them.
        for job_id in self._store.release(self._host, self._settings.attempts):
            log.warning("The film %s is begun again, for the server was stopped.", job_id)
        return True

    def _replace(self, place: int) -> None:
        member = self._members[place]
        if member and member.alive:
            return
        if member:
            for job_id in self._store.release(member.owner, self._settings.attempts):
                log.warning("The film %s broke its worker (%s).", job_id, member.code)
                if (job := self._store.get(job_id)) and job.state.over and not job.dead:
                    self._files.clear(job_id)
            member.close()
            if time.monotonic() - member.born < QUICK_DEATH_S and not member.expected:
                self._woken.wait(1.0)
        self._members[place] = _Member(self._settings, f"{self._name}{place}-{secrets.token_hex(3)}", self._queues)

    def _end_all(self) -> None:
        for member in filter(None, self._members):
            member.end()
        for member in filter(None, self._members):
            member.close()
            try:
                self._store.release(member.owner, self._settings.attempts, counted=False)
            except SQLAlchemyError as e:
                log.warning("A film stays with its ended worker until its lease has run out: %s", e)
        if self._holding:
            self._holding.close()
            self._holding = None


class _Member:
    """One worker process."""

    def __init__(self, settings: Settings, owner: str, queues: str) -> None:
        self.owner = owner
        self.born = time.monotonic()
        values = {**asdict(settings), "folder": str(settings.folder.absolute())}
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "visema.service.worker", owner, queues, values["folder"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=_terminal(),
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "OPENBLAS_NUM_THREADS": "1",
                # Not among the arguments, which everybody on the machine can read: passwords are in it.
                "VISEMA_WORKER_SETTINGS": json.dumps(values),
            },
            start_new_session=os.name == "posix",  # a Ctrl-C is the parent's to handle
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def code(self) -> str:
        code = self._process.returncode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    @property
    def expected(self) -> bool:
        from visema.service.worker import BROKEN_OFF

        return self._process.returncode == BROKEN_OFF

    def poke(self) -> None:
        try:
            pipe = cast(IO[bytes], self._process.stdin)
            pipe.write(b".")
            pipe.flush()
        except (OSError, ValueError):
            log.debug("A worker has just ended.")  # it is replaced at the next look

    def end(self) -> None:
        self._process.terminate()

    def close(self) -> None:
        pipe = self._process.stdin
        try:
            if pipe:
                pipe.close()
        except OSError:
            log.debug("A worker's pipe was broken.")
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _terminal() -> int | None:
    """Where this process writes its errors; its own file 2 may go nowhere (`visema.cli.main.quiet_libraries`)."""
    try:
        return sys.stderr.fileno() if sys.stderr else None
    except (OSError, ValueError):  # under a test, or without a terminal
        return None


if sys.platform == "win32":
    import msvcrt

    def _lock_now(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock_now(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
