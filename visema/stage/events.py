"""What a performer tells its listeners, and the picture that it shows."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Literal

import cv2

from visema.media.colour import i420_to_bgr
from visema.speech.types import Speech, SpeechSettings
from visema.types import I420, Image
from visema.visemes.plan import Plan

#: `queued`: words were taken in. `preparing`: they are being turned into speech. `ready`: sound and mouth are
#: there, a player may begin. `started`: the first sound is heard. `finished`: the last one was. `interrupted`:
#: stopped while speaking. `discarded`: given up before speaking, for newer words or a stop. `failed`: see `detail`.
EventKind = Literal["queued", "preparing", "ready", "started", "finished", "interrupted", "discarded", "failed"]
State = Literal["listening", "preparing", "speaking"]


@dataclass(frozen=True)
class Event:
    """Something that happened to an utterance.

    Attributes:
        kind: What happened.
        utterance: Number that `Performer.say` returned.
        at: Monotonic time, seconds.
        after: Seconds since the utterance was queued.
        detail: For `failed`, what went wrong and what to do; for `ready`, the speech's notes.
        speech: The sound, from `ready` on.
        plan: The mouth, from `ready` on.
    """

    kind: EventKind
    utterance: int
    at: float
    after: float
    detail: str = ""
    speech: Speech | None = field(default=None, repr=False)
    plan: Plan | None = field(default=None, repr=False)


class Utterance:
    """Words on their way through a performer.

    Attributes:
        number: Counts the utterances of the performer, from 1.
        cancelled: Given up; whoever has it next drops it.
        speech: The sound, once it is made.
        plan: The mouth, once it is planned.
    """

    def __init__(
        self, number: int, text: str, voice: str, settings: SpeechSettings, speech: Speech | None = None
    ) -> None:
        self.number = number
        self.text = text
        self.voice = voice
        self.settings = settings
        self.speech = speech
        self.plan: Plan | None = None
        self.cancelled = False
        self._queued_at = time.monotonic()

    def event(self, kind: EventKind, detail: str = "") -> Event:
        """What has just happened to it."""
        now = time.monotonic()
        return Event(kind, self.number, now, now - self._queued_at, detail, self.speech, self.plan)


class LiveFrame:
    """A picture on stage. Its JPEG is made once, by the first viewer that asks.

    Attributes:
        number: Counts the pictures of this performer, from 1.
        index: Which frame of the loop it is drawn on.
        i420: (h * 3 // 2, w) uint8; not to be changed.
        size: Width and height.
        utterance: Which utterance it belongs to; None while nobody speaks.
        time: Its audio time in seconds; None while nobody speaks.
        at: Monotonic time when it was drawn.
    """

    def __init__(
        self,
        number: int,
        index: int,
        i420: I420,
        size: tuple[int, int],
        utterance: int | None = None,
        audio_time: float | None = None,
    ) -> None:
        self.number = number
        self.index = index
        self.i420 = i420
        self.size = size
        self.utterance = utterance
        self.time = audio_time
        self.at = time.monotonic()
        self._lock = threading.Lock()
        self._jpeg: dict[int, bytes] = {}

    def bgr(self) -> Image:
        """(h, w, 3) uint8, the caller's own."""
        return i420_to_bgr(self.i420)

    def jpeg(self, quality: int = 80) -> bytes:
        """The picture as JPEG; the same bytes for every viewer of one quality."""
        with self._lock:
            if quality not in self._jpeg:
                _, data = cv2.imencode(".jpg", self.bgr(), [cv2.IMWRITE_JPEG_QUALITY, quality])
                self._jpeg[quality] = data.tobytes()
            return self._jpeg[quality]
