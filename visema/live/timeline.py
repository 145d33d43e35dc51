"""The media time of a stage: where sound lies on it, which pictures belong to it, and what is sent when."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from visema.live.fan import Fan
from visema.live.loop_file import LoopFile
from visema.live.messages import RATE, Cut, Picture
from visema.live.mouth_line import MouthLine
from visema.live.patch import Patch
from visema.live.take import Take
from visema.mouth.heard import Heard
from visema.speech.types import Span, Speech
from visema.types import FloatArray, Samples

#: Sound is sent so far ahead, pictures so far: enough to ride out a hiccup, little enough to throw away at a cut.
SOUND_AHEAD_S: Final = 1.0
PICTURE_AHEAD_S: Final = 0.5
#: Sound that would come later than this before its time begins a new take.
LATEST_S: Final = 0.04
#: A cut takes effect this much after it was asked for, at most: a machine that is slow to draw does not delay it.
CUT_LEAD_S: Final = 0.02
#: A picture that is due sooner than this comes too late and is skipped.
TOO_LATE_S: Final = 0.005
#: A take that is about to run dry is given out to its end.
FLUSH_S: Final = 0.15
#: The encoder keeps up to two packets of an unfinished take back.
UNSENT_S: Final = 0.045


class Job(NamedTuple):
    """A picture to be drawn."""

    frame: int
    pose: FloatArray
    epoch: int
    asked: float  # media time
    heard: Heard | None = None


class Timeline:
    """Sound and pictures of one stage. Guarded by the stage's lock; only drawing happens outside of it.

    Args:
        loop: What is seen while nobody speaks.
        fan: Where everything goes.

    Attributes:
        epoch: Cuts so far.
        skipped: Pictures that were left out because they would have come too late.
    """

    def __init__(self, loop: LoopFile, fan: Fan) -> None:
        self._loop = loop
        self._fan = fan
        self.fps = float(loop.fps)
        self.epoch = 0
        self.skipped = 0
        self._takes = 0
        self._take: Take | None = None
        self._mouth = MouthLine(self.fps)
        self._next = 0  # frame
        self._takes_s = 0.0  # what drawing takes on this machine now
        self._bare = True  # the last picture sent was the bare loop
        self._free_from = 0.0  # media time at which the last sound ends
        self._sounds: deque[tuple[float, Samples]] = deque()  # what pictures may be drawn from, with its media time

    def put(self, speech: Speech, samples: Samples, now: float, lead: float) -> tuple[float, tuple[Span, ...]]:
        """Put a speech after what is there, or ``lead`` from now where nothing is sounding.

        Args:
            speech: What is said; its silence at the end may be longer than ``samples``.
            samples: (n,) its sound at `messages.RATE`.
            now: Media time.
            lead: Seconds that the first sound needs on its way.

        Returns:
            Media time of its first sample, and its visemes in media time.
        """
        take = self._take
        if take is None or take.end < now + LATEST_S:
            self._end_take()
            self._takes += 1
            take = self._take = Take(self._takes, max(now + lead, self._free_from), self.epoch)
        start = take.end
        take.append(samples)
        self._sounds.append((start, samples))
        self._free_from = take.end
        undrawn = max(self._next, math.floor(now * self.fps) + 1)
        visemes = self._mouth.add(speech, start, undrawn)
        self._next = undrawn
        return start, visemes

    def send_sound(self, now: float, *, more: bool) -> None:
        """Send what is due; ``more`` says that the take will go on if the voice is ready in time."""
        take = self._take
        if take is None:
            return
        ahead = now + SOUND_AHEAD_S
        for chunk in take.emit(ahead):
            self._fan.sound(chunk)
        if take.end < (now + FLUSH_S if more else ahead):
            self._end_take()

    def _end_take(self) -> None:
        take, self._take = self._take, None
        if take is not None:
            for chunk in take.emit(math.inf, last=True):
                self._fan.sound(chunk)

    @property
    def ahead(self) -> float:
        """Media time up to which there is sound; 0 for none."""
        return self._take.end if self._take else 0.0

    @property
    def still_at(self) -> float:
        """Media time from which on the mouth is at rest."""
        return self._mouth.end / self.fps

    def job(self, now: float) -> Job | None:
        """The next picture to draw, if one is due."""
        earliest = math.ceil((now + TOO_LATE_S + self._takes_s) * self.fps)
        if not self._fan.wants_pictures:
            self._next = max(self._next, min(earliest, self._mouth.end))
            if earliest > self._mouth.end >= self._next:
                self._send_bare(self._next, now)
                self._next += 1
            return None
        while self._next < self._mouth.end + 1:
            if self._next < earliest:
                late = min(earliest, self._mouth.end) - self._next
                if late > 0:
                    self._next += late
                    self.skipped += late
            frame = self._next
            if frame / self.fps > now + PICTURE_AHEAD_S:
                return None
            pose = self._mouth.pose(frame) if frame < self._mouth.end else None
            if pose is not None:
                self._next += 1
                return Job(frame, pose, self.epoch, now, self._heard(frame))
            self._send_bare(frame, now)
            self._next += 1
        return None

    def _heard(self, frame: int) -> Heard | None:
        """What is heard while a picture is seen; those of before it are let go."""
        t = frame / self.fps
        while self._sounds and self._sounds[0][0] + len(self._sounds[0][1]) / RATE < t:
            self._sounds.popleft()
        if not self._sounds or self._sounds[0][0] > t:
            return None
        start, samples = self._sounds[0]
        first = math.ceil(start * self.fps)
        return Heard(samples, RATE, max(0, frame - first), self.fps, first / self.fps - start, live=True)

    def deliver(self, job: Job, patch: Patch | None, now: float) -> bool:
        """Send what was drawn, unless a cut has made it void; False when it came too late to be seen in time."""
        # The last one's time, no mean: a hiccup costs one picture, a slow machine keeps skipping as far as it must;
        # but never so far that no picture would be drawn any more, as this would then stay as it is.
        self._takes_s = max(0.0, min(now - job.asked, PICTURE_AHEAD_S - TOO_LATE_S - 2 / self.fps))
        if job.epoch != self.epoch:
            return True
        t = job.frame / self.fps
        if t < now - 1 / self.fps:
            self.skipped += 1
            return False
        if patch is None:
            self._send_bare(job.frame, now)
        else:
            box = patch.box
            place = (box.x0, box.y0, box.width, box.height)
            base = job.frame % self._loop.count
            self._fan.picture(Picture(job.frame, base, t, self.epoch, *place, patch.jpeg), now)
            self._bare = False
        return True

    def _send_bare(self, frame: int, now: float) -> None:
        if not self._bare:
            self._fan.picture(Picture(frame, frame % self._loop.count, frame / self.fps, self.epoch), now)
            self._bare = True

    def clear(self) -> None:
        """Let go of all sound and of the mouth's plan; nothing more will be asked for."""
        self._take = None
        self._sounds.clear()
        self._mouth = MouthLine(self.fps)

    def due(self, now: float) -> float | None:
        """Media time when there is something to send or to draw; None while there is nothing."""
        times = []
        if self._take is not None:
            times.append(self._take.end - FLUSH_S)
            if self._take.end - self._take.emitted > UNSENT_S:
                times.append(self._take.emitted - SOUND_AHEAD_S)
        if self._next < self._mouth.end + 1:
            ahead = self._next / self.fps - PICTURE_AHEAD_S
            times.append(ahead if self._fan.wants_pictures else max(ahead, now + 0.2))
        return min(times, default=None)

    def cut(self, now: float) -> Cut:
        """Silence from now on, and a closing mouth from the next frame on."""
        # Players show a frame some 40 ms after its time here, enough for its way: the first that can be drawn will do.
        frame = math.ceil((now + TOO_LATE_S + min(self._takes_s, CUT_LEAD_S)) * self.fps)
        self.epoch += 1
        self._take = None
        self._sounds.clear()
        self._mouth.cut(frame)
        self._next = frame
        self._free_from = now
        # Whatever of a later frame was sent is dropped by the watchers, a bare loop among it.
        self._bare = False
        cut = Cut(self.epoch, now, frame)
        self._fan.cut(cut)
        return cut
