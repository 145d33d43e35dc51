"""The live performer: words in, pictures out, in step with the sound that somebody hears.

Two daemon threads: the *speech worker* turns texts into speech and mouth curves, the *avatar thread* draws the
current picture, idling while nobody speaks. A newer text discards those that wait; queueing is the option.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

import numpy as np

from visema.avatar import Avatar
from visema.errors import VisemaError
from visema.message import Message
from visema.mouth.heard import Heard
from visema.speech.speak import speak
from visema.speech.types import Speech, SpeechSettings
from visema.stage.base import BaseLoop, mouth_moves
from visema.stage.clock import Clock, WallClock
from visema.stage.compositor import Compositor
from visema.stage.events import Event, EventKind, LiveFrame, State, Utterance
from visema.stage.render import with_tail
from visema.types import FloatArray
from visema.visemes.articulation import TARGETS
from visema.visemes.classes import SILENCE
from visema.visemes.plan import Plan, plan

log = logging.getLogger(__name__)

DEFAULT_VOICE = "en-US-JennyNeural"
#: Pictures a second while nobody speaks; a still face needs no more.
IDLE_FPS = 12.0
#: A mouth that is stopped mid-word takes this long to close, about a quick real closing.
CLOSE_S = 0.16
#: A player that has not begun by then has lost its listener: the picture goes on alone.
START_PATIENCE_S = 4.0
#: A clock that stands for so long belongs to a player that is gone.
STALL_PATIENCE_S = 5.0
#: Nobody has looked for so long: drawing pauses until somebody does.
UNWATCHED_S = 5.0
#: A clock that has not begun is asked this often.
CLOCK_POLL_S = 0.005
#: After an error in drawing, so long until the next attempt.
RETRY_S = 1.0
#: Makes speech of a text, voice and settings.
Speaker = Callable[[str, str, SpeechSettings], Speech]
Listener = Callable[[Event], None]


class Performer:
    """One avatar on stage.

    Args:
        avatar: Who performs.
        clock: Makes the clock of an utterance, by its number; the picture follows it. The default is a wall clock.
        on_event: First listener; others by `listen`. Called from the performer's threads: be quick.
        speaker: Makes the speech; the default is `visema.speech.speak.speak`.
        idle_fps: Pictures a second while nobody speaks.
        lead: Seconds by which pictures are drawn ahead of the clock, to make up for a slow way to the viewer.
        start: Loop frame to begin with, where somebody else has shown the idle loop before.
    """

    def __init__(
        self,
        avatar: Avatar,
        *,
        clock: Callable[[int], Clock] | None = None,
        on_event: Listener | None = None,
        speaker: Speaker = speak,
        idle_fps: float = IDLE_FPS,
        lead: float = 0.0,
        start: int = 0,
    ) -> None:
        self.avatar = avatar
        self._clock_for = clock or (lambda number: WallClock())
        self._listeners: list[Listener] = [on_event] if on_event else []
        self._speaker = speaker
        self._idle_fps = min(idle_fps, avatar.fps)
        self._lead = lead
        self._compositor = Compositor(avatar)
        self._base = BaseLoop(avatar, start)
        self._idle_pose = TARGETS[SILENCE] if mouth_moves(avatar) else None

        self._changed = threading.Condition()
        self._texts: deque[Utterance] = deque()
        self._ready: deque[Utterance] = deque()
        self._preparing: Utterance | None = None
        self._current: Utterance | None = None
        self._sounding = False
        self._count = 0
        self._closed = False
        self._asked_at = time.monotonic()

        self._new_frame = threading.Condition()
        self._frame: LiveFrame | None = None
        self._began = time.monotonic() - start / avatar.fps

        self._threads = [
            threading.Thread(target=self._work, name="speech-worker", daemon=True),
            threading.Thread(target=self._draw, name="avatar", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    # -- what others ask of it ------------------------------------------------------------------------------------

    def say(
        self,
        text: str,
        voice: str = DEFAULT_VOICE,
        settings: SpeechSettings | None = None,
        *,
        queue: bool = False,
        interrupt: bool = False,
    ) -> int:
        """Take in words to speak; returns at once.

        Args:
            text: The words.
            voice: Who speaks them.
            settings: How.
            queue: Speak them after those that wait, instead of discarding those.
            interrupt: Stop the one that is being spoken now.

        Returns:
            The utterance's number, by which events name it.
        """
        return self._enqueue(text, voice, settings or SpeechSettings(), None, queue, interrupt)

    def perform(self, speech: Speech, *, queue: bool = False, interrupt: bool = False) -> int:
        """As `say`, for speech that is there already, such as a recording."""
        return self._enqueue(speech.text, speech.voice, SpeechSettings(), speech, queue, interrupt)

    def stop(self) -> None:
        """Fall silent: what waits is discarded, what is spoken now is interrupted, and the mouth closes."""
        with self._changed:
            dropped = self._cancel_waiting()
            if self._current:
                self._current.cancelled = True
            self._changed.notify_all()
        for utterance in dropped:
            self._emit("discarded", utterance)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; call what is returned to remove it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    @property
    def state(self) -> State:
        """``speaking`` while sound is heard, ``preparing`` while words are on their way to it, else ``listening``."""
        with self._changed:
            if self._sounding:
                return "speaking"
            busy = self._texts or self._ready or self._preparing or self._current
            return "preparing" if busy else "listening"

    def current_frame(self, timeout: float = 5.0) -> LiveFrame | None:
        """The latest picture; waits for the very first one. None after `timeout` seconds without any."""
        return self.wait_frame(0, timeout)

    def wait_frame(self, after: int, timeout: float = 5.0) -> LiveFrame | None:
        """The latest picture whose number is above ``after``, as soon as there is one; None after ``timeout`` s."""
        with self._changed:
            asleep = time.monotonic() - self._asked_at > UNWATCHED_S
            self._asked_at = time.monotonic()
            if asleep:
                self._changed.notify_all()
        with self._new_frame:
            self._new_frame.wait_for(
                lambda: self._closed or (self._frame is not None and self._frame.number > after), timeout
            )
            frame = self._frame
        return frame if frame is not None and frame.number > after else None

    def close(self) -> None:
        """Stop, and end the threads; returns when they have ended (a speech in the making may take its time)."""
        self.stop()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with self._new_frame:
            self._new_frame.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=10)

    def __enter__(self) -> Performer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- queues ---------------------------------------------------------------------------------------------------

    def _enqueue(
        self, text: str, voice: str, settings: SpeechSettings, speech: Speech | None, queue: bool, interrupt: bool
    ) -> int:
        with self._changed:
            if self._closed:
                raise VisemaError("This performer has left the stage.", "Start another one.")
            dropped = [] if queue else self._cancel_waiting()
            if interrupt and self._current:
                self._current.cancelled = True
            self._count += 1
            utterance = Utterance(self._count, text, voice, settings, speech)
        for old in dropped:
            self._emit("discarded", old)
        self._emit("queued", utterance)
        with self._changed:
            self._texts.append(utterance)
            self._changed.notify_all()
        return utterance.number

    def _cancel_waiting(self) -> list[Utterance]:
        """Cancel all that has not begun to speak; the lock is held."""
        waiting = [*self._ready, *([self._preparing] if self._preparing else []), *self._texts]
        if self._current and not self._sounding:
            waiting.append(self._current)
        dropped = [u for u in waiting if not u.cancelled]
        for utterance in dropped:
            utterance.cancelled = True
        self._texts.clear()
        self._ready.clear()
        return dropped

    def _emit(self, kind: EventKind, utterance: Utterance, detail: str = "") -> None:
        event = utterance.event(kind, detail)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                log.exception("A listener failed on '%s'.", kind)

    # -- speech worker --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._texts)
                if self._closed:
                    return
                utterance = self._preparing = self._texts.popleft()
            self._prepare(utterance)
            with self._changed:
                self._preparing = None
                if utterance.plan is not None and not utterance.cancelled:
                    self._ready.append(utterance)
                self._changed.notify_all()

    def _prepare(self, utterance: Utterance) -> None:
        self._emit("preparing", utterance)
        try:
            speech = utterance.speech or self._speaker(utterance.text, utterance.voice, utterance.settings)
            utterance.speech = with_tail(speech)
            planned = plan(utterance.speech, self.avatar.fps)
        except VisemaError as e:
            self._fail(utterance, e.message)
        except Exception:
            log.exception("Speech could not be made.")
            self._fail(utterance, Message("Speech could not be made; the log has the details."))
        else:
            utterance.plan = planned
            if not utterance.cancelled:
                self._emit("ready", utterance, " ".join(utterance.speech.notes))

    def _fail(self, utterance: Utterance, detail: Message) -> None:
        if not utterance.cancelled:
            utterance.cancelled = True
            self._emit("failed", utterance, detail)

    # -- avatar thread --------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        with self._base:
            while not self._closed:
                try:
                    with self._changed:
                        self._current = self._ready.popleft() if self._ready else None
                    if self._current:
                        self._perform(self._current)
                    else:
                        self._idle()
                except Exception as e:
                    log.exception("The picture could not be drawn.")
                    unknown = Message("The picture could not be drawn.")
                    self._recover(e.message if isinstance(e, VisemaError) else unknown)

    def _recover(self, detail: Message) -> None:
        with self._changed:
            broken, self._current, self._sounding = self._current, None, False
        if broken:
            self._fail(broken, detail)
        self._base.reset()
        with self._changed:
            self._changed.wait_for(lambda: self._closed, RETRY_S)

    def _idle(self) -> None:
        """Show one idle picture and sleep until the next is due, speech is ready, or somebody looks."""
        if time.monotonic() - self._asked_at > UNWATCHED_S:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or self._ready or time.monotonic() - self._asked_at <= UNWATCHED_S
                )
            return
        self._show(self._wall_position(), self._idle_pose)
        tick = 1 / self._idle_fps
        now = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._ready, tick - (now - self._began) % tick)

    def _wall_position(self) -> int:
        """Where the loop stands while nobody speaks; never behind what was shown."""
        return max(self._base.position, math.floor((time.monotonic() - self._began) * self.avatar.fps))

    def _perform(self, utterance: Utterance) -> None:
        """Follow the clock of one utterance from its first sound to its end or its stop."""
        if utterance.speech is None or utterance.plan is None:
            return
        clock = self._begin(utterance, utterance.speech)
        if clock is None:
            return
        pose = self._follow(utterance, clock, utterance.speech, utterance.plan)
        clock.stop()
        with self._changed:
            self._current, self._sounding = None, False
        self._emit("interrupted" if utterance.cancelled else "finished", utterance)
        self._close_mouth(pose)

    def _begin(self, utterance: Utterance, speech: Speech) -> Clock | None:
        """Start the sound and idle until it is heard; None when it was given up before that."""
        clock = self._clock_for(utterance.number)
        clock.start(speech)
        asked = time.monotonic()
        next_picture = asked
        while clock.time() is None:
            now = time.monotonic()
            if utterance.cancelled or self._closed:
                clock.stop()
                with self._changed:
                    self._current = None
                return None
            if now - asked > START_PATIENCE_S:
                log.warning("Nobody plays the sound; the picture goes on without it.")
                clock.stop()
                clock = WallClock()
                clock.start(speech)
            elif now >= next_picture:
                self._show(self._wall_position(), self._idle_pose)
                next_picture = now + 1 / self._idle_fps
            else:
                time.sleep(CLOCK_POLL_S)
        with self._changed:
            if utterance.cancelled:
                self._current = None
            else:
                self._sounding = True
        if utterance.cancelled:
            clock.stop()
            return None
        self._emit("started", utterance)
        return clock

    def _follow(self, utterance: Utterance, clock: Clock, speech: Speech, planned: Plan) -> FloatArray:
        """Draw until the speech ends or is stopped; the last pose."""
        fps, poses = planned.curve.fps, planned.curve.poses
        first = self._base.position + 1
        drawn, pose = -1, TARGETS[SILENCE]
        last_time, moved = -1.0, time.monotonic()
        while not (utterance.cancelled or self._closed):
            t = clock.time()
            if t is None or t >= speech.duration:
                break
            if t != last_time:
                last_time, moved = t, time.monotonic()
            elif time.monotonic() - moved > STALL_PATIENCE_S:
                log.warning("The player of the sound is gone; the speech ends early.")
                break
            number = max(0, math.floor((t + self._lead) * fps))
            if number != drawn:
                drawn = number
                pose = poses[min(number, len(poses) - 1)]
                heard = Heard(speech.samples, speech.rate, number, fps, live=True)
                self._show(first + number, pose, utterance.number, number / fps, heard)
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or utterance.cancelled, max((number + 1) / fps - self._lead - t, 0.001)
                )
        return pose

    def _close_mouth(self, pose: FloatArray) -> None:
        """Ease from ``pose`` to rest; at once when it is there already."""
        rest = TARGETS[SILENCE]
        if np.abs(pose - rest).max() > 0.01:
            steps = math.ceil(CLOSE_S * self.avatar.fps)
            for step in range(1, steps):
                share = np.float32(step / steps)
                share = share * share * (3 - 2 * share)
                self._show(self._base.position + 1, pose + (rest - pose) * share)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, 1 / self.avatar.fps)
        self._began = time.monotonic() - self._base.position / self.avatar.fps

    def _show(
        self,
        position: int,
        pose: FloatArray | None,
        utterance: int | None = None,
        audio_time: float | None = None,
        heard: Heard | None = None,
    ) -> None:
        index, picture = self._base.frame(position)
        self._compositor.compose(picture, index, pose, heard)
        with self._new_frame:
            number = self._frame.number + 1 if self._frame else 1
            self._frame = LiveFrame(number, index, picture, self.avatar.size, utterance, audio_time)
            self._new_frame.notify_all()
