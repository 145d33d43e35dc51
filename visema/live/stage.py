"""A stage: one avatar that lives on a media time of its own, and says what it is asked to."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final

from visema.errors import InputError, VisemaError
from visema.live.crew import Crew, shared_crew
from visema.live.loop_file import LoopFile
from visema.live.messages import RATE, Kind, LiveEvent, Standing
from visema.live.patch import PatchMaker
from visema.live.pieces import Piece, Pieces
from visema.live.pool import Task
from visema.live.streams import Text, pour
from visema.live.timeline import Job
from visema.live.utterance import (
    Segment,
    Utterance,
    check_length,
    events_of,
    make_segment,
    remaining_texts,
    rest_of,
)
from visema.live.watchable import Watchable
from visema.speech.types import SpeechSettings

if TYPE_CHECKING:
    from visema.avatar import Avatar

log = logging.getLogger(__name__)

DEFAULT_VOICE: Final = "en-US-JennyNeural"
#: From the stage's clock to the first sound: what the way to the browser and the decoding there may take.
LEAD_S: Final = 0.1
LEADS: Final = (0.05, 1.0)
#: Speech is made so far ahead, and no further: a book takes no more memory than a page.
SPEECH_AHEAD_S: Final = 12.0
#: The next utterance is made when what is before it ends within this: a cloud voice needs a second or two. Until then
#: it can be dropped.
NEXT_AHEAD_S: Final = 2.0
#: A stream of text whose sound ends sooner than this goes on with half a sentence.
HUNGRY_S: Final = 0.6
#: Utterances that may wait on one stage.
MAX_WAITING: Final = 16
#: A stage with nothing to draw is looked after so often at most.
STEP_S: Final = 0.01


class Stage(Watchable):
    """One avatar, live. For use by many threads.

    Args:
        loop: The avatar's loop for browsers.
        maker: Draws its mouth; shared by all stages of an avatar.
        crew: Threads, voices, seats and counters.
        voice: Speaks where nobody chooses a voice.
    """

    def __init__(
        self, loop: LoopFile, maker: PatchMaker | None = None, crew: Crew | None = None, voice: str = DEFAULT_VOICE
    ) -> None:
        self.loop = loop
        self.avatar = loop.avatar
        self.voice = voice
        self.lead = LEAD_S
        super().__init__(loop, crew or shared_crew())
        self._maker = maker or PatchMaker(loop)
        self._task = Task(self._step)
        self._line: list[Utterance] = []
        self._count = 0
        self._voicing: Utterance | None = None  # for whom a voice is at work
        self._place: int | None = None  # in the line for a seat; 0: it is ours; None: not asked for
        self._held = False
        self._unseen: Utterance | None = None  # whose first picture is yet to come

    @classmethod
    def open(cls, avatar: Avatar, *, voice: str = DEFAULT_VOICE, crew: Crew | None = None) -> Stage:
        """A stage for an avatar; its loop is made where it is not there yet, which takes a few seconds.

        Raises:
            VisemaError: The avatar cannot be shown.
        """
        from visema.paths import cache_dir

        return cls(LoopFile(avatar, cache_dir() / "live"), crew=crew, voice=voice)

    # -- what others ask of it ------------------------------------------------------------------------------------

    def say(
        self,
        text: Text,
        voice: str = "",
        settings: SpeechSettings | None = None,
        *,
        queue: bool = False,
        interrupt: bool = True,
    ) -> Utterance:
        """Take in words to speak; returns at once.

        Args:
            text: The words; or an iterator or asynchronous iterator of pieces of them, spoken as they come.
            voice: Who speaks them.
            settings: How.
            queue: Speak them after those that wait, instead of dropping those.
            interrupt: Without ``queue``, stop what is being said too.

        Raises:
            InputError: There is nothing to say, too much, or too many wait.
        """
        if not isinstance(text, str):
            utterance = self.begin("", voice, settings, queue=queue, interrupt=interrupt)
            pour(self, utterance, text)
            return utterance
        if not any(c.isalnum() for c in text):
            raise InputError("There is nothing to say.", "Give a text with words.")
        return self.begin(text, voice, settings, queue=queue, interrupt=interrupt, complete=True)

    def begin(
        self,
        text: str,
        voice: str = "",
        settings: SpeechSettings | None = None,
        *,
        queue: bool = False,
        interrupt: bool = True,
        complete: bool = False,
    ) -> Utterance:
        """Take in the beginning of a text; `add` brings more, `finish` its end.

        Raises:
            InputError: The text is too long, or too many wait.
        """
        check_length(text)
        with self._lock:
            self._check_open()
            if not queue:
                self._drop(all_of_it=interrupt)
            if len(self._line) > MAX_WAITING:
                raise InputError("Too many texts wait already.", "Wait until some have been said, or interrupt.")
            self._count += 1
            pieces = Pieces(text, complete=complete)
            utterance = Utterance(self._count, pieces, voice or self.voice, settings or SpeechSettings(), self.now)
            place = len(self._line)
            self._line.append(utterance)
            self._crew.metrics.count("utterances_total")
            self._tell("queued", utterance, text=text, voice=utterance.voice, place=place)
            self._held = False
            self._feed()
        self._wake()
        return utterance

    def add(self, utterance: Utterance, text: str) -> None:
        """More of a text that was begun; nothing happens when it is over already.

        Raises:
            InputError: It is too long, or complete.
        """
        with self._lock:
            if utterance.over:
                return
            if utterance.pieces.complete:
                raise InputError("That text is complete.", "Begin another one.")
            check_length(utterance.text, text)
            utterance.pieces.add(text)
            self._feed()
        self._wake()

    def finish(self, utterance: Utterance) -> None:
        """A text that was begun is complete."""
        with self._lock:
            utterance.pieces.finish()
            self._feed()
        self._wake()

    def fail(self, utterance: Utterance, error: VisemaError) -> None:
        """A text does not go on; what was made of it is still said."""
        with self._lock:
            utterance.failure = error
            utterance.pieces.finish()
            self._feed()
        self._wake()

    def interrupt(self) -> None:
        """Fall silent: the sound stops, the mouth closes, what waits is dropped."""
        with self._lock:
            self._drop(all_of_it=True)
        self._wake()

    def clear(self) -> None:
        """Drop what waits; what is being said goes on."""
        with self._lock:
            self._drop(all_of_it=False)
        self._wake()

    def close(self, reason: str = "") -> None:
        """Free everything."""
        with self._lock:
            if self._closed:
                return
            for utterance in self._line:
                utterance.conclude()
                utterance.segments.clear()
            self._closed = True
            self._line.clear()
            self._voicing = self._unseen = None
            self._fan.close(reason)
            # A stage refers to itself, so it stays until Python looks for such; its sound, of megabytes, must not.
            self._timeline.clear()
        self._crew.pool.cancel(self._task)
        self._leave_seat()

    # -- losing and finding the watcher ---------------------------------------------------------------------------

    def hold(self) -> None:
        """Nobody watches, perhaps for a moment only: sound and pictures wait."""
        with self._lock:
            if self._line and not self._held:
                self._held = True
                self._timeline.cut(self.now)

    def go_on(self, heard: float) -> None:
        """Somebody watches again: speak on, at the word that was being said at media time ``heard``."""
        with self._lock:
            if not self._held:
                return
            self._held = False
            now = self.now
            for utterance in self._line:
                segments, utterance.segments = utterance.segments, []
                for segment in segments:
                    rest = rest_of(segment, heard, RATE)
                    if rest is not None:
                        self._put(utterance, rest, now, again=True)
                if utterance.fed:
                    utterance.end = max(utterance.end, now) if utterance.segments else now
                    self._tell("finished", utterance, at=utterance.end)
            self._feed()
        self._wake()

    def remaining(self, heard: float) -> list[tuple[str, str, SpeechSettings]]:
        """Text, voice and settings of what is still to be said at media time ``heard``."""
        with self._lock:
            return remaining_texts(self._line, heard)

    # -- the line; all under the lock -----------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("The stage is closed.", "Open another one.")

    def _drop(self, *, all_of_it: bool) -> None:
        """Drop the utterances that have not begun, or all of them, with a cut."""
        now = self.now
        dropped = [u for u in self._line if all_of_it or not u.started]
        if not dropped:
            return
        self._line = [u for u in self._line if u not in dropped]
        if all_of_it:
            for utterance in dropped:
                utterance.segments = [s for s in utterance.segments if s.start < now]
            self._timeline.cut(now)
        for utterance in dropped:
            utterance.conclude()
            self._crew.metrics.count("interrupted_total")
            self._tell("interrupted", utterance, at=now, text=utterance.said(now) if utterance.started else "")
        if self._voicing in dropped:
            self._voicing = None
        self._stand()

    def _tell(self, kind: Kind, utterance: Utterance, at: float | None = None, **more: Any) -> None:
        t = self.now if at is None else at
        self._fan.events([LiveEvent(kind, t, utterance.number, self._timeline.epoch, more)])

    def _stand(self) -> None:
        """Tell the state where it has changed."""
        place = self._place or 0
        if not self._line:
            standing = Standing("listening")
        elif place:
            standing = Standing("waiting", place)
        else:
            speaking = any(u.started for u in self._line) and not self._held
            standing = Standing("speaking" if speaking else "preparing")
        self._fan.standing(standing)

    def _feed(self) -> None:
        """Have the next piece spoken, if a voice, a seat and words are there."""
        if self._closed or self._held:
            return
        if self._line and self._place != 0:
            self._place = self._crew.seats.ask(self, self._wake)
        self._stand()
        if self._voicing is not None or self._place != 0:
            return
        ahead = self._timeline.ahead - self.now
        if ahead > SPEECH_AHEAD_S:
            return
        for utterance in self._line:
            if utterance.fed:
                continue
            if utterance is not self._line[0] and not utterance.started and ahead > NEXT_AHEAD_S:
                return
            piece = utterance.pieces.next(hungry=ahead < HUNGRY_S)
            if piece is not None:
                self._voicing = utterance
                self._crew.voices.submit(self._voice, utterance, piece)
                return
            if not utterance.pieces.done:
                return
            self._all_fed(utterance)

    def _all_fed(self, utterance: Utterance) -> None:
        if utterance.failure is not None:
            self._fail(utterance, utterance.failure)
            return
        utterance.fed = True
        utterance.end = max(utterance.end, self.now) if not utterance.started else utterance.end
        self._tell("finished", utterance, at=max(utterance.end, self.now))

    def _leave_seat(self) -> None:
        if self._place is not None:
            self._place = None
            self._crew.seats.leave(self)

    # -- voices ---------------------------------------------------------------------------------------------------

    def _voice(self, utterance: Utterance, piece: Piece) -> None:
        """Make the speech of a piece; runs in a thread of the crew."""
        if utterance.over:
            return
        began = time.monotonic()
        failure: VisemaError | None = None
        try:
            speech = self._crew.speak(piece.text, utterance.voice, utterance.settings)
            segment = make_segment(speech, piece, utterance.settings)
        except VisemaError as e:
            failure = e
        except Exception:
            log.exception("Speech could not be made.")
            failure = VisemaError("Speech could not be made.", "The server's log has the details.")
        self._crew.metrics.observe("synthesis_seconds", time.monotonic() - began)
        with self._lock:
            if utterance.over or self._closed:
                return  # whoever took its place has set a voice to work already
            self._voicing = None
            if failure is not None:
                self._fail(utterance, failure)
            elif self._held:
                utterance.segments.append(segment._replace(start=math.inf))
            else:
                self._put(utterance, segment, self.now)
            if not self._held and utterance.pieces.done and not utterance.fed:
                self._all_fed(utterance)
            self._feed()
        self._wake()

    def _put(self, utterance: Utterance, segment: Segment, now: float, *, again: bool = False) -> None:
        """Place a segment on media time, and tell its events."""
        speech = segment.speech
        start, visemes = self._timeline.put(speech, segment.samples, now, self.lead)
        segment = segment._replace(start=start)
        utterance.segments = [s for s in utterance.segments if s.end > now - 5] + [segment]
        utterance.end = segment.end
        epoch, number = self._timeline.epoch, utterance.number
        events = []
        if not utterance.started:
            utterance.started = True
            self._unseen = utterance
            events.append(LiveEvent("started", start, number, epoch, {"voice": speech.voice, "notes": speech.notes}))
            if not again:
                self._crew.metrics.observe("first_sound_seconds", now - utterance.asked_at)
        events += events_of(segment, visemes, number, epoch, last=utterance.pieces.done)
        events.sort(key=lambda e: e.t)
        self._fan.events(events)
        self._timeline.send_sound(now, more=not utterance.pieces.done)

    def _fail(self, utterance: Utterance, error: VisemaError) -> None:
        """The voice failed: what was made is said, and nothing more."""
        if utterance.over or utterance.fed:
            return
        utterance.fed = True
        at = max(utterance.end, self.now)
        utterance.end = at
        self._crew.metrics.count("failed_total")
        code = "text" if isinstance(error, InputError) else "voice"
        self._tell("failed", utterance, at=at, error=code, detail=error.what, hint=error.hint)
        self._feed()

    # -- the stage's own motion; in a thread of the pool ----------------------------------------------------------

    def _wake(self) -> None:
        self._crew.pool.schedule(self._task, self._crew.now())

    def _step(self) -> float | None:
        """Send what is due, draw at most one picture; monotonic time when it is to be called again."""
        with self._lock:
            if self._closed or self._held:
                return None
            now = self.now
            self._retire(now)
            self._feed()
            self._timeline.send_sound(now, more=any(not u.fed for u in self._line))
            job = self._timeline.job(now)
        if job is not None:
            self._draw(job)
        with self._lock:
            now = self.now
            times = [u.end for u in self._line[:1] if u.fed]
            if any(not u.fed for u in self._line):
                times.append(max(self._timeline.ahead - SPEECH_AHEAD_S, now + 0.1))
            due = self._timeline.due(now)
            if due is not None:
                times.append(due)
            elif not self._line and self._place is not None:
                times.append(self._timeline.still_at)
            self._count_skipped()
        if not times:
            return None
        return self._origin + (min(times) if job is not None else max(min(times), now + STEP_S))

    def _draw(self, job: Job) -> None:
        began = time.monotonic()
        patch = self._maker.draw(job.frame % self.loop.count, job.pose, job.heard)
        metrics = self._crew.metrics
        metrics.observe("draw_seconds", time.monotonic() - began)
        with self._lock:
            if self._closed:
                return
            shown = self._timeline.deliver(job, patch, self.now)
            if shown and patch is not None and self._unseen is not None:
                metrics.observe("first_picture_seconds", self.now - self._unseen.asked_at)
                self._unseen = None
        metrics.count("pictures_drawn_total")

    def _retire(self, now: float) -> None:
        """Take leave of what has been said."""
        while self._line and self._line[0].fed and self._line[0].end <= now:
            self._line.pop(0).conclude()
        if not self._line and self._timeline.still_at <= now:
            self._leave_seat()
        self._stand()

    def _count_skipped(self) -> None:
        if self._timeline.skipped:
            self._crew.metrics.count("pictures_skipped_total", self._timeline.skipped)
            self._timeline.skipped = 0
