"""All stages of a server: who has one, who has lost theirs for a moment, and what everybody shares."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from visema.errors import VisemaError
from visema.live.crew import Crew
from visema.live.loop_file import LoopFile, edition
from visema.live.messages import Output
from visema.live.patch import PatchMaker
from visema.live.stage import DEFAULT_VOICE, Stage
from visema.speech.types import SpeechSettings

if TYPE_CHECKING:
    from visema.avatar import Avatar

log = logging.getLogger(__name__)

#: A stage whose watcher was lost is held for so long.
GRACE_S: Final = 1.5
#: What was still to be said is kept for so long, of so many sessions.
PARKED_S: Final = 120.0
MAX_PARKED: Final = 1000
#: A session that was opened by HTTP ends after so long without watcher and words.
UNWATCHED_S: Final = 60.0
TICK_S: Final = 0.5
#: What is being made for later is given up within a frame; loading libraries cannot be.
CLOSING_S: Final = 10.0
#: Loops that stay in memory when nobody watches them.
SPARE_LOOPS: Final = 2


class Full(VisemaError):
    """No more sessions can be opened."""


@dataclass(frozen=True)
class LiveOptions:
    """How a server's live view is run.

    Attributes:
        shared: One stage for all visitors.
        seats: How many may talk at once; 0 for as many as the machine bears.
        record: Folder for recordings of every talk; None for none.
        origins: Other sites that may embed the live view, such as ``https://example.org``; ``*`` is every site.
        sessions: How many stages there may be.
        sockets: How many sockets may be open.
        sockets_per_address: How many of one address.
        opens_per_second: Sockets and sessions that one address may open a second, after the first `opens_at_once`.
        opens_at_once: See there.
    """

    shared: bool = False
    seats: int = 0
    record: Path | None = None
    origins: tuple[str, ...] = ()
    sessions: int = 1000
    sockets: int = 2000
    sockets_per_address: int = 512
    opens_per_second: float = 50.0
    opens_at_once: int = 600


class Session:
    """A stage and who watches it. Guarded by the lock of its theatre.

    Attributes:
        id: A secret by which its visitor is known.
        owner: Whose key opened it; nobody else's finds it. Empty for this machine's own user.
        stage: Where the avatar is.
        lasting: It does not end with its last watcher: opened by HTTP, or shared by all.
        watchers: How many outputs watch it.
        lost_at: Monotonic time when its only watcher broke off; None while nobody is missed.
        left_at: Monotonic time when the last watcher left.
    """

    def __init__(self, session_id: str, stage: Stage, *, lasting: bool, owner: str = "") -> None:
        self.id = session_id
        self.owner = owner
        self.stage = stage
        self.lasting = lasting
        self.watchers = 0
        self.lost_at: float | None = None
        self.lost_media = 0.0
        self.left_at = time.monotonic()


@dataclass(frozen=True)
class Parked:
    """What was still to be said in a session whose visitor was lost."""

    avatar_id: str
    owner: str
    rest: tuple[tuple[str, str, SpeechSettings], ...]
    at: float


class Theatre:
    """The stages of a server. For use by many threads.

    Args:
        find: Gives an avatar by its id.
        first: Gives the avatar of those who name none.
        folder: Where loops for browsers are kept.
        crew: Threads, voices, seats and counters.
        options: How it is run.
    """

    def __init__(
        self,
        find: Callable[[str], Avatar],
        first: Callable[[], Avatar],
        folder: Path,
        crew: Crew,
        options: LiveOptions | None = None,
    ) -> None:
        self.options = options or LiveOptions()
        self.crew = crew
        self.sockets = 0
        self._find, self._first, self._folder = find, first, folder
        self._lock = threading.RLock()
        self._making = threading.Lock()
        self._loops: OrderedDict[str, tuple[LoopFile, PatchMaker]] = OrderedDict()
        self._sessions: dict[str, Session] = {}
        self._parked: OrderedDict[str, Parked] = OrderedDict()
        self._shared: Session | None = None
        self._stop = threading.Event()
        gauge = crew.metrics.gauge
        gauge("sessions", "Stages that are open.", lambda: len(self._sessions))
        gauge("viewers", "WebSockets that are open.", lambda: self.sockets)
        gauge("parked", "Sessions whose rest is kept.", lambda: len(self._parked))
        gauge("seats", "Talking seats.", lambda: crew.seats.total)
        gauge("seats_taken", "Talking seats in use.", lambda: crew.seats.taken)
        gauge("waiting", "Stages that wait for a seat.", lambda: crew.seats.waiting)
        self._ready: list[threading.Thread] = []
        threading.Thread(target=self._care, name="live-care", daemon=True).start()

    def get_ready(self) -> None:
        """Have everything that the first visitor would wait for made beside: the loop on stage, the voice."""
        for name, work in (("live-warm", self.crew.warm), ("live-loop", self._first_loop)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._ready.append(thread)
            thread.start()

    def _first_loop(self) -> None:
        try:
            self.loop()
        except VisemaError as e:
            log.info("The live view is not ready yet: %s", e)  # whoever comes is told why

    def loop(self, avatar_id: str = "") -> tuple[LoopFile, PatchMaker]:
        """The loop of an avatar and who draws on it; made when they are not there, which takes a while.

        Raises:
            AvatarError: There is no such avatar, or it is damaged.
            Stopped: The theatre closes.
        """
        avatar = self._find(avatar_id) if avatar_id else self._first()
        kept = self._loops.get(avatar.id)
        if kept is not None and kept[0].edition == edition(avatar):
            return kept
        with self._making:
            kept = self._loops.get(avatar.id)
            if kept is None or kept[0].edition != edition(avatar):
                loop = LoopFile(avatar, self._folder, self._stop)
                maker = PatchMaker(loop)
                maker.warm(self.crew.pool.threads)
                kept = self._loops[avatar.id] = loop, maker
            self._loops.move_to_end(avatar.id)
            used = {session.stage.avatar.id for session in list(self._sessions.values())}
            spare = [name for name in self._loops if name not in used]
            for name in spare[:-SPARE_LOOPS]:
                del self._loops[name]
            return kept

    def open(self, avatar_id: str = "", *, voice: str = "", lasting: bool = False, owner: str = "") -> Session:
        """A new session of ``owner``; with a shared stage, that one.

        Raises:
            AvatarError: There is no such avatar.
            Full: There are too many sessions.
        """
        if self.options.shared:
            avatar_id = ""
        loop, maker = self.loop(avatar_id)
        with self._lock:
            if self.options.shared and self._shared is not None:
                return self._shared
            return self._add(secrets.token_urlsafe(18), loop, maker, voice, lasting, owner)

    def _add(self, name: str, loop: LoopFile, maker: PatchMaker, voice: str, lasting: bool, owner: str) -> Session:
        if len(self._sessions) >= self.options.sessions:
            raise Full("Too many visitors are here.", "Try again in a minute.")
        stage = Stage(loop, maker, self.crew, voice or DEFAULT_VOICE)
        session = Session(name, stage, lasting=lasting or self.options.shared, owner=owner)
        self._sessions[name] = session
        if self.options.shared:
            self._shared = session
        if self.options.record is not None:
            from visema.live.record import Recorder

            stage.attach(Recorder(stage, self.options.record))
        self.crew.metrics.count("sessions_opened_total")
        return session

    def find(self, name: str) -> Session | None:
        """The session of that name."""
        with self._lock:
            return self._sessions.get(name)

    def resume(self, name: str, heard: float | None, voice: str = "", owner: str = "") -> Session | None:
        """The session that a lost visitor asks for again; opened anew where only its words are left.

        Args:
            name: Its id.
            heard: Media time of the last sound that was heard there; None when nothing was.
            voice: See `open`.
            owner: Who asks; somebody else's session is not found.

        Returns:
            None when nothing is known of it. What was being said goes on with `go_on`, once somebody watches.
        """
        with self._lock:
            session = self._sessions.get(name)
            if session is not None:
                if session.owner != owner and not self.options.shared:
                    return None
                if session.lost_at is not None:
                    self.crew.metrics.count("sockets_resumed_total")
                return session
            if name in self._parked and self._parked[name].owner != owner:
                return None
            parked = self._parked.pop(name, None)
        if parked is None:
            return None
        try:
            loop, maker = self.loop(parked.avatar_id)
        except VisemaError:
            return None  # the avatar is gone meanwhile
        with self._lock:
            session = self._sessions.get(name)
            if session is None:
                session = self._add(name, loop, maker, voice, False, owner)
                for text, voice_name, settings in parked.rest:
                    session.stage.say(text, voice_name, settings, queue=True)
            self.crew.metrics.count("sockets_resumed_total")
            return session

    def join(self, session: Session, output: Output, heard: float | None = None) -> None:
        """Have ``output`` watch a session."""
        with self._lock:
            session.watchers += 1
            lost, session.lost_at = session.lost_at, None
            session.stage.attach(output)
            if lost is not None:
                at = session.lost_media if heard is None else min(heard, session.lost_media)
                session.stage.go_on(at)

    def leave(self, session: Session, output: Output, *, lost: bool = False) -> None:
        """``output`` no longer watches; ``lost`` says that it did not mean to go."""
        session.stage.detach(output)
        with self._lock:
            session.watchers -= 1
            session.left_at = time.monotonic()
            if session.watchers > 0 or session.lasting or session.stage.closed:
                return
            if lost:
                session.lost_at = session.left_at
                session.lost_media = session.stage.now
                session.stage.hold()
                return
        self.close(session)

    def close(self, session: Session, reason: str = "") -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(session.id, None)
            if self._shared is session:
                self._shared = None
        session.stage.close(reason)

    def close_all(self) -> None:
        """Everybody out; the crew goes home too."""
        self._stop.set()
        for session in list(self._sessions.values()):
            self.close(session, "The server shuts down.")
        self.crew.close()
        # A thread that is inside a library when the interpreter ends takes the process down with it.
        for thread in self._ready:
            thread.join(CLOSING_S)

    def _care(self) -> None:
        """Look after sessions that nobody watches any more."""
        while not self._stop.wait(TICK_S):
            now = time.monotonic()
            with self._lock:
                lost = [s for s in self._sessions.values() if s.lost_at is not None and now - s.lost_at > GRACE_S]
                idle = [s for s in self._sessions.values() if self._forgotten(s, now)]
                for session in lost:
                    self._park(session, now)
                while self._parked and (
                    len(self._parked) > MAX_PARKED or next(iter(self._parked.values())).at < now - PARKED_S
                ):
                    self._parked.popitem(last=False)
            for session in lost + idle:
                self.close(session)

    def _forgotten(self, session: Session, now: float) -> bool:
        idle = session.lasting and session is not self._shared and session.watchers == 0
        quiet = session.stage.standing.state == "listening"
        return idle and quiet and now - session.left_at > UNWATCHED_S

    def _park(self, session: Session, now: float) -> None:
        rest = tuple(session.stage.remaining(session.lost_media))
        if rest:
            self._parked[session.id] = Parked(session.stage.avatar.id, session.owner, rest, now)
