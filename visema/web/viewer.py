"""One visitor of the page: an avatar on a stage of their own, the sound they hear, and what the page shows."""

from __future__ import annotations

import functools
import json
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from visema.errors import VisemaError
from visema.service.who import Who
from visema.speech.types import Speech, SpeechSettings
from visema.web.clock import FIRST_LEAD_S, BrowserClock
from visema.web.idle import cacheable, data_address, idle_address, stride
from visema.web.sound import wav_bytes
from visema.web.texts import in_language, localised, text

if TYPE_CHECKING:
    from visema.avatar import Avatar
    from visema.stage.events import Event
    from visema.stage.performer import Performer
    from visema.types import I420

log = logging.getLogger(__name__)

#: After the sound has ended the mouth closes; by then it has.
CLOSING_S = 0.3

#: Makes a performer: avatar, loop frame to begin at, clock factory and listener.
Hire = Callable[["Avatar", int, Callable[[int], BrowserClock], Callable[["Event"], None]], "Performer"]


@dataclass(frozen=True)
class View:
    """What the page shows beside the picture; sent as a whole whenever it changes.

    Attributes:
        state: ``listening``, ``preparing`` or ``speaking``.
        status: A sentence; ``{t}`` in it is the sound's position, filled in by the browser.
        tone: ``plain``, ``good`` or ``bad``.
        notes: Sentences that the user must see, such as a fallback that was used.
        sound: Number of the sound to play; 0 is silence.
        duration: Its length in seconds.
    """

    state: str = "listening"
    status: str = ""
    tone: str = "plain"
    notes: tuple[str, ...] = ()
    sound: int = 0
    duration: float = 0.0


class Viewer:
    """One visitor. Its methods are called from Gradio's threads, the performer's threads and the event loop.

    Args:
        avatar: Who is on stage first.
        language: Of the page's texts.
        hire: Makes the performer, when something is to be said for the first time.
        who: Whose key the visitor came with.
    """

    def __init__(self, avatar: Avatar, language: str, hire: Hire, who: Who | None = None) -> None:
        self.who = who or Who()
        self.token = secrets.token_urlsafe(16)
        self.language = language
        self.avatar = avatar
        self.closed = False
        #: The browser shows the live view: it needs no pictures from here.
        self.elsewhere = False
        #: Called from any thread when there is something new to show.
        self.wake: Callable[[], None] = lambda: None
        self._hire = hire
        self._lock = threading.RLock()  # never held for long: the event loop takes it too
        self._hiring = threading.Lock()
        self._view = View(status=text("status_ready", language))
        self._version = 1
        self._performer: Performer | None = None
        self._stage = 0  # counts performers, so that what an old one still says is not believed
        self._clocks: dict[int, BrowserClock] = {}
        self._sounds: OrderedDict[int, bytes] = OrderedDict()
        self._sound_count = 0
        self._sound_of: dict[int, int] = {}  # utterance -> sound
        self._cached = ""  # the idle loop that the browser has as a whole
        self._talking_until: float | None = None  # None: idle; inf: speaking; else the mouth closes till then
        self._frame_number = 0
        self._anchor = (0.0, time.monotonic())  # loop position and when
        self._lead = FIRST_LEAD_S
        self._done = ""  # what the status says when this sound has ended

    # -- what the visitor does ------------------------------------------------------------------------------------

    def say(self, words: str, voice: str, settings: SpeechSettings) -> None:
        """Speak, in place of whatever is being spoken."""
        self._show(replace(View(), state="preparing", status=self.text("status_preparing")))
        try:
            self._on_stage().say(words, voice, settings, interrupt=True)
        except Exception:
            self._show(View())
            raise

    def stop(self, status: str = "") -> None:
        """Fall silent."""
        self._show(View(status=status or self.text("status_stopped")))
        if self._performer:
            self._performer.stop()

    def complain(self, status: str) -> None:
        """Say in the page what the visitor did wrong, and leave the stage as it is."""
        with self._lock:
            self._show(replace(self._view, status=status, tone="bad"))

    def switch(self, avatar: Avatar) -> None:
        """Put another avatar on stage."""
        with self._lock:
            self._dismiss()
            self.avatar = avatar
            self._anchor = (0.0, time.monotonic())
            self._show(View(status=self.text("switched", name=avatar.name), tone="good"))

    def close(self) -> None:
        """The visitor is gone: free everything."""
        with self._lock:
            self.closed = True
            self._dismiss()
            self._sounds.clear()
        self.wake()

    def text(self, key: str, **values: Any) -> str:
        """A text of the page in this visitor's language."""
        return text(key, self.language, **values)

    # -- what the browser reports ---------------------------------------------------------------------------------

    def report(self, sound: int, event: str, position: float, skew: float | None) -> None:
        """Where the sound is in the browser.

        Args:
            sound: Its number.
            event: ``playing``, ``time``, ``waiting``, ``ended``, ``blocked`` or ``error``.
            position: Seconds heard.
            skew: Milliseconds by which the pictures came late, median since the last report.
        """
        with self._lock:
            utterance = next((u for u, s in self._sound_of.items() if s == sound), None)
            clock = self._clocks.get(utterance) if utterance is not None else None
            if clock is None or sound != self._view.sound:
                return
        if event in ("blocked", "error"):
            self.stop(self.text("status_muted"))
        elif event == "ended":
            clock.finish()
        else:
            clock.report(position, skew)

    def sound(self, number: int) -> bytes | None:
        """A sound as WAV."""
        return self._sounds.get(number)

    # -- what the page shows --------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows whenever `message` changes."""
        return self._version

    def message(self) -> str:
        """All that the page shows, as JSON for its script."""
        with self._lock:
            view = self._view
            sound = {
                "id": view.sound,
                "url": f"../stage/{self.token}/sound/{view.sound}.wav",
                "duration": view.duration,
            }
            return json.dumps(
                {
                    "token": self.token,
                    "avatar": self.avatar.id,
                    "language": self.language,
                    "state": view.state,
                    "label": self.text(f"state_{view.state}"),
                    "status": view.status,
                    "tone": view.tone,
                    "notes": localised(view.notes, self.language),
                    "sound": sound if view.sound else None,
                    "focus": focus(self.avatar),
                    "idle": {"loop": idle_address(self.avatar), "indices": cacheable(self.avatar)},
                    "texts": {key: self.text(name) for key, name in _SCRIPT_TEXTS.items()},
                }
            )

    @property
    def talking(self) -> bool:
        """True while pictures come from the performer, false while they come from the idle loop."""
        with self._lock:
            until = self._talking_until
            if until is not None and time.monotonic() > until:
                self._talking_until = None
            return self._talking_until is not None

    def idle_index(self) -> int:
        """Loop frame to show now, while idle."""
        index = int(self._idle_position()) % max(1, len(self.avatar.track))
        return index - index % stride(self.avatar.fps)

    def idle_wait(self) -> float:
        """Seconds until the next idle picture is due."""
        step = stride(self.avatar.fps)
        return (step - self._idle_position() % step) / self.avatar.fps

    def _idle_position(self) -> float:
        position, at = self._anchor
        return position + (time.monotonic() - at) * self.avatar.fps

    def live_picture(self, timeout: float, encode: Callable[[I420], bytes]) -> str | None:
        """Wait for the performer's next picture; its data as an address, or None when none came.

        The time that it is for follows a ``#``, for the page's script.
        """
        performer = self._performer
        frame = performer.wait_frame(self._frame_number, timeout) if performer else None
        if frame is None or self.closed:
            return None
        self._frame_number = frame.number
        self._anchor = (float(frame.index), frame.at)
        at = f"#t={frame.time:.3f}" if frame.time is not None else ""
        return data_address(encode(frame.i420)) + at

    def look(self, view: str) -> None:
        """The browser shows the ``live`` view, or the ``plain`` one."""
        self.elsewhere = view == "live"
        if self.elsewhere and self._performer:
            self._performer.stop()
        self.wake()

    def has_cached(self, loop: str) -> None:
        """The browser has every picture of this idle loop."""
        self._cached = loop

    def needs_data(self, loop: str) -> bool:
        """True while an idle picture must come with its data, because fetching it could take too long."""
        return self._cached != loop

    # -- inside ---------------------------------------------------------------------------------------------------

    def _on_stage(self) -> Performer:
        """The performer, hired when first needed; without holding up what the page shows meanwhile."""
        with self._hiring:
            while True:
                with self._lock:
                    if self._performer:
                        return self._performer
                    self._stage += 1
                    stage, avatar, start = self._stage, self.avatar, self.idle_index()
                performer = self._hire(avatar, start, self._clock, functools.partial(self._hear, stage))
                with self._lock:
                    if stage == self._stage and not self.closed:
                        self._frame_number = 0
                        self._performer = performer
                        return performer
                performer.close()  # another avatar was put on stage, or the visitor has left
                if self.closed:
                    raise VisemaError("The page was closed.", "Open it again.")

    def _dismiss(self) -> None:
        performer, self._performer = self._performer, None
        self._stage += 1
        self._talking_until = None
        self._clocks.clear()
        self._sound_of.clear()
        if performer:  # joining its threads may take as long as a speech in the making
            threading.Thread(target=performer.close, name="leave-stage", daemon=True).start()

    def _clock(self, utterance: int) -> BrowserClock:
        with self._lock:
            clock = self._clocks.get(utterance)
            if clock is None:  # the way to this visitor's eye is as long as it was
                clock = self._clocks[utterance] = BrowserClock(self._lead)
            return clock

    def _hear(self, stage: int, event: Event) -> None:
        """Take in what the performer tells."""
        with self._lock:
            if stage != self._stage:
                return
            if event.kind == "ready" and event.speech is not None:
                self._ready(event, event.speech)
            elif event.kind == "started" and self._sound_of.get(event.utterance) == self._view.sound:
                self._talking_until = float("inf")
                status = self.text("status_speaking", duration=f"{self._view.duration:.1f}")
                self._show(replace(self._view, state="speaking", status=status))
            elif event.kind in ("finished", "interrupted"):
                self._ended(event)
            elif event.kind == "failed":
                self._show(View(status=in_language(event.detail, self.language), tone="bad"))

    def _ready(self, event: Event, speech: Speech) -> None:
        self._clock(event.utterance)
        self._sound_count += 1
        self._sound_of[event.utterance] = self._sound_count
        self._sounds[self._sound_count] = wav_bytes(speech.samples, speech.rate)
        while len(self._sounds) > 2:
            self._sounds.popitem(last=False)
        self._done = self.text(
            "status_done", duration=f"{speech.duration:.1f}", voice=speech.voice, wait=f"{event.after:.2f}"
        )
        self._show(
            View(
                state="preparing",
                status=self.text("status_starting"),
                notes=speech.notes,
                sound=self._sound_count,
                duration=speech.duration,
            )
        )

    def _ended(self, event: Event) -> None:
        clock = self._clocks.pop(event.utterance, None)
        self._lead = clock.lead if clock else self._lead
        sound = self._sound_of.pop(event.utterance, 0)
        self._talking_until = time.monotonic() + CLOSING_S
        if sound == self._view.sound and sound:  # else newer words have taken over
            self._show(View(status=self._done, tone="good", notes=self._view.notes))

    def _show(self, view: View) -> None:
        with self._lock:
            self._view = view
            self._version += 1
        self.wake()


#: Texts that the page's script needs, by its names for them.
_SCRIPT_TEXTS = {"muted": "status_muted", "lost": "lost", "alt": "avatar_alt"}


def focus(avatar: Avatar) -> tuple[float, float]:
    """Which point of the picture a window of another shape keeps in its place, in percent across and down.

    Across it is the middle of the face; down it is the top of the head, a third of the face's height above the
    highest landmark, so that a wide window cuts shoulders and no hair.
    """
    points = avatar.track.landmarks[:, :, :2].reshape(-1, 2)
    width, height = avatar.size
    top, bottom = points[:, 1].min(), points[:, 1].max()
    head = top - (bottom - top) / 3
    across, down = 100 * points[:, 0].mean() / width, 100 * head / height
    return round(min(max(float(across), 0.0), 100.0), 1), round(min(max(float(down), 0.0), 50.0), 1)
