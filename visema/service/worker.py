"""A process that makes films: it claims jobs one after the other until its parent goes. Run by `visema.service.crew`.

Standard input is its lifeline: a byte there means that a job may be waiting or was cancelled, its end that the parent
is gone. A picture or recording that crashes it takes only the job with it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from visema.errors import FaceError, InputError, MediaError, OutputError, VisemaError, VoiceError
from visema.media.guard import trust
from visema.ops import logs, traces
from visema.ops.traces import Stages
from visema.paths import cache_dir
from visema.service.claims import ALL_QUEUES
from visema.service.files import PICTURE, SOUND, Files, session_log
from visema.service.jobs import Job, State, pack
from visema.service.kinds import Work, kind_of
from visema.service.observing import observed
from visema.service.provenance import film_row
from visema.service.settings import Settings
from visema.service.storage import StorageAway, StorageError, storage_of
from visema.service.store import JobStore

log = logging.getLogger("visema.service.worker")

#: A job is looked after this often while it is made: its lease, its progress, whether it was cancelled.
BEAT_S: Final = 0.4
#: The queue is looked at this often where nobody says that a job waits.
IDLE_S: Final = 2.0
#: A cancelled job that has not stopped by itself after so long is broken off with its process.
PATIENCE_S: Final = 1.0
#: A database that is away when a film is made is waited for so long, seconds.
AWAY_S: Final = 30.0
#: Share of a film from which on there is only the rest of the encoding to wait for.
DRAWN: Final = 0.99
#: Exit codes that the parent understands: broken off, to be started again at once.
BROKEN_OFF: Final = 75
#: Failures after which another attempt may go well.
_PASSING: Final = ("memory", "internal", "storage")


class Worker:
    """Claims and makes jobs.

    Args:
        settings: Of the service.
        owner: Its name in the rows.
        queues: Whose jobs it makes.
    """

    def __init__(self, settings: Settings, owner: str, queues: Sequence[str] = ALL_QUEUES) -> None:
        self._settings = settings
        self._owner = owner
        self._queues = queues
        self._files = Files(settings.folder, storage_of(settings.storage))
        self._store = JobStore(settings.database_url)
        self._poked = threading.Event()
        self._cache = cache_dir().absolute()
        # Films of other engines are made with a cache of their own, and are signed as all the others.
        os.environ.setdefault("VISEMA_PROVENANCE", str(self._cache / "provenance"))

    def listen(self) -> None:
        """Follow the parent; ends the process with it."""
        while os.read(0, 64):
            self._poked.set()
        os._exit(1)

    def run(self) -> None:
        """Make films for ever."""
        while True:
            self._poked.clear()
            if not self.make_next(self._queues):
                self._poked.wait(IDLE_S)

    def make_next(self, queues: Sequence[str]) -> bool:
        """Claim and make the next job of some queues; False where none waits."""
        try:
            job = self._store.claim(self._owner, self._settings.lease_s, self._settings.attempts, queues)
            if job:
                self._make(job)
                return True
        except SQLAlchemyError as e:  # a full disk, a database that is away: what was begun is begun again
            log.warning("The database could not be used: %s", e)
        return False

    def _make(self, job: Job) -> None:
        handler = session_log(self._files.log(job.id))
        root = logging.getLogger("visema")
        root.addHandler(handler)
        watch = Watch(self._store, self._files, job, self._owner, self._settings, self._poked)
        try:
            watch.start()
            with observed(job) as stages:
                watch.stages = stages
                self._film(job, watch)
        finally:
            watch.end()
            root.removeHandler(handler)
            handler.close()

    def _film(self, job: Job, watch: Watch) -> None:
        began = time.monotonic()
        log.info("Attempt %d begins.", job.attempts)
        store, files = self._store, self._files
        draft = files.draft(job.id, job.attempts)
        withdraw: Callable[[], None] | None = None
        try:
            files.fetch(job.id)
            made = kind_of(job.kind)(
                Work(
                    job,
                    files.work(job.id),
                    draft,
                    self._settings,
                    watch.progress,
                    watch.stop,
                    self._cache,
                    store,
                    files,
                )
            )
            watch.keeping()
            if watch.stop.is_set() or not patiently(watch.report).mine:
                return self._stopped(job, watch)
            output = film_row(made.mark, draft, job.id, job.key) if made.mark else None
            size = draft.stat().st_size if draft.is_file() else 0
            withdraw = made.withdraw
            if made.publish:
                made.publish()
            else:
                files.publish(job.id, draft)
            facts: dict[str, Any] = {"result": made.told(), "cost": made.cost, "size": size, "output": output}
            message = pack(*made.notes)
            if not patiently(
                lambda: store.finish(job.id, self._owner, message=message, duration=made.duration, **facts)
            ):
                return self._stopped(job, watch, withdraw)
            watch.settled()
            files.clear(job.id)
            log.info("Done: %.1f s of film in %.1f s.", made.duration, time.monotonic() - began)
        except Exception as e:
            if watch.stop.is_set():
                return self._stopped(job, watch, withdraw)
            error, detail, hint = reason(e)
            log.error("Failed: %s", e, exc_info=None if isinstance(e, VisemaError) else e)
            attempts = self._settings.attempts if error in _PASSING else 0
            ended = store.fail(job.id, self._owner, error, pack(detail), pack(hint), attempts=attempts)
            watch.settled()
            if ended is State.FAILED and not (attempts or job.tries):  # a dead one may be tried once more by hand
                files.clear(job.id)

    def _stopped(self, job: Job, watch: Watch, withdraw: Callable[[], None] | None = None) -> None:
        """The job was cancelled, or is another worker's by now: then what that one has published stays."""
        log.info("Stopped: %s.", watch.why)
        self._store.give_up(job.id, self._owner)
        watch.settled()
        now = self._store.get(job.id)
        if now and now.state is State.CANCELLED:
            self._files.remove(job.id, log=False)
            if withdraw:
                withdraw()


class Watch:
    """Looks after one job while it is made: keeps its lease, tells its progress, hears of its cancellation."""

    def __init__(
        self, store: JobStore, files: Files, job: Job, owner: str, settings: Settings, poked: threading.Event
    ) -> None:
        self.stop = threading.Event()
        self.stages: Stages | None = None
        self.why = "it is another worker's now"
        self._store, self._files, self._job, self._owner, self._settings = store, files, job, owner, settings
        self._poked = poked
        self._stage, self._percent = "starting", job.percent
        self._keeping = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def keeping(self) -> None:
        """What was made is put in its place from now on: that is taken back after a cancellation, not broken off."""
        self._keeping = True

    def settled(self) -> None:
        """The database knows how the job ended; tidying up may take its time."""
        self._over.set()

    def end(self) -> None:
        """The job is over."""
        self._over.set()
        self._thread.join()

    def progress(self, stage: str, share: float) -> None:
        """Told by who makes the film: the stage, and the share of the whole that is done."""
        self._percent = max(self._percent, 99.0 * share)
        self._stage = stage
        if self.stages:
            self.stages.at("encoding" if stage == "drawing" and share >= DRAWN else stage)

    def report(self) -> Any:
        """Tell the database, and hear."""
        told = self._store.report(self._job.id, self._owner, self._settings.lease_s, self._stage, self._percent)
        if told.cancel:
            self.why = "it was cancelled"
        if told.cancel or not told.mine:
            self.stop.set()
        return told

    def _beat(self) -> None:
        deadline = time.monotonic() + self._settings.max_job_s
        while not self._over.is_set():
            try:
                self.report()
            except SQLAlchemyError as e:  # away for a moment: the lease gives it time to come back
                log.warning("The database could not be told: %s", e)
            if self.stop.is_set() and not self._keeping:
                if self._over.wait(PATIENCE_S):
                    return
                if not self._keeping:
                    self._break_off()
            if time.monotonic() > deadline:
                self._give_in()
            self._poked.wait(BEAT_S)
            self._poked.clear()

    def _break_off(self) -> None:
        """What is being done does not stop by itself: end it with this process."""
        log.info("Broken off: %s.", self.why)
        try:
            if self._store.give_up(self._job.id, self._owner):
                self._files.remove(self._job.id, log=False)
        finally:
            os._exit(BROKEN_OFF)

    def _give_in(self) -> None:
        minutes = self._settings.max_job_s / 60
        log.error("Broken off after %.0f minutes.", minutes)
        detail = pack(f"The film was not finished within {minutes:.0f} minutes.")
        try:
            hint = pack("Try a shorter recording or text.")
            if self._store.fail(self._job.id, self._owner, "too_slow", detail, hint) and not self._job.tries:
                self._files.clear(self._job.id)
        finally:
            os._exit(BROKEN_OFF)


def patiently(ask: Callable[[], Any]) -> Any:
    """Ask the database, again for a while where it is away: what took long to make is not made anew for that."""
    end = time.monotonic() + AWAY_S
    while True:
        try:
            return ask()
        except OperationalError as e:
            if time.monotonic() > end:
                raise
            log.warning("The database does not answer, it is asked again: %s", e)
            time.sleep(BEAT_S)


def reason(error: BaseException) -> tuple[str, str, str]:
    """Code, sentence and advice of a failure, for the user; what is not of our making stays in the log."""
    kinds: tuple[tuple[type[VisemaError], str], ...] = (
        (FaceError, "no_face"),
        (MediaError, "bad_media"),
        (VoiceError, "voice"),
        (InputError, "unusable"),
    )
    if isinstance(error, StorageAway):
        return "storage", error.what, error.hint
    if isinstance(error, StorageError):
        log.error("%s", error)
        return "storage_refuses", "The server cannot use its storage.", "Tell who runs the server."
    if isinstance(error, OutputError):
        full = "full" in error.what
        what = "The server's disk is full." if full else "The server could not write the film."
        return "disk_full" if full else "output", what, "Try again later, or tell who runs the server."
    if isinstance(error, VisemaError):
        code = next((code for kind, code in kinds if isinstance(error, kind)), "failed")
        return code, error.what, error.hint
    if isinstance(error, MemoryError):
        return "memory", "The server has too little memory for this film.", "Try a smaller picture or shorter sound."
    return "internal", "Something unexpected went wrong.", "The server's log has the details; please report them."


def warm() -> None:
    """Load what every film needs, so that the first one does not wait for it."""
    import visema.hearing.hear
    import visema.mouth.warp
    import visema.stage.film  # noqa: F401
    from visema.face.landmarks import load_model

    load_model()


def _speak_alone() -> None:
    """Keep the terminal for Python: MediaPipe writes to it past every setting."""
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, errors="backslashreplace")
    os.dup2(nowhere, 2)
    os.close(nowhere)


def main() -> int:
    """Work with the parent's settings (JSON) as the owner in ``argv[1]`` for the queues in ``argv[2]``.

    The folder in ``argv[3]`` is for people who look at processes.
    """
    from visema.service.crew import settings_of

    settings = settings_of(json.loads(os.environ.pop("VISEMA_WORKER_SETTINGS")))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's to handle

    def terminate(number: int, frame: FrameType | None) -> None:
        os._exit(1)

    signal.signal(signal.SIGTERM, terminate)
    _speak_alone()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    logging.basicConfig(format="%(message)s", handlers=[terminal])
    logging.getLogger("visema").setLevel(logging.INFO)  # the session's log gets all of it
    logs.set_up()
    traces.start("visema-worker")
    worker = Worker(settings, sys.argv[1], sys.argv[2].split(","))
    # What is in there was decoded by a child and written anew when it was taken in.
    trust(settings.folder / "temp", PICTURE, SOUND)
    threading.Thread(target=worker.listen, name="lifeline", daemon=True).start()
    warm()
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
