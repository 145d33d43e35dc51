"""Recordings of what was live: one mp4 for each talk, picture and sound as they were sent, to the sample."""

from __future__ import annotations

import logging
import math
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from visema.errors import VisemaError
from visema.live.loop_file import decode
from visema.live.messages import RATE, Cut, LiveEvent, Picture, SoundChunk, Standing
from visema.media.colour import bgr_to_i420
from visema.media.encode import Mp4Writer
from visema.provenance import Facts
from visema.types import I420

if TYPE_CHECKING:
    from visema.live.stage import Stage

log = logging.getLogger(__name__)

#: What is older than this is written: no cut can take it back any more.
BEHIND_S: Final = 0.3
#: A talk ends after so long without sound and motion; it begins so long before its first sound.
QUIET_S: Final = 0.7
BEFORE_S: Final = 0.4
TICK_S: Final = 0.1
#: Sound that is cut off is faded over this.
FADE: Final = RATE // 100
#: H.264 wants even sizes; the loop's are. Recordings are made beside live drawing, so cheaply.
PRESET: Final = "ultrafast"


class Recorder:
    """An `Output` that writes every talk of a stage to ``<avatar>-<time>.mp4``.

    Args:
        stage: Whose.
        folder: Where to.
    """

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._folder = folder
        self._lock = threading.Lock()
        self._pictures: dict[int, Picture] = {}
        self._chunks: list[SoundChunk] = []
        self._ends_at = 0.0
        self._stop = False
        self._writing = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    wants_pictures = True

    def picture(self, picture: Picture) -> None:
        """See `Output`."""
        with self._lock:
            self._pictures[picture.frame] = picture
            self._begin(picture.t)

    def sound(self, chunk: SoundChunk) -> None:
        """See `Output`."""
        with self._lock:
            self._chunks.append(chunk)
            self._begin(chunk.end)

    def cut(self, cut: Cut) -> None:
        """See `Output`."""
        with self._lock:
            self._pictures = {n: p for n, p in self._pictures.items() if n < cut.frame}
            self._chunks = [faded(c, cut.t) for c in self._chunks if c.t < cut.t]
            self._ends_at = min(self._ends_at, cut.t)

    def events(self, events: list[LiveEvent]) -> None:
        """See `Output`; a recording has no use for them."""

    def standing(self, standing: Standing) -> None:
        """See `Output`; a recording has no use for it."""

    def closed(self, reason: str) -> None:
        """See `Output`: the file is finished."""
        self._stop = True
        self._wake.set()

    def finish(self, timeout: float = 30.0) -> None:
        """Wait until the file is written."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _begin(self, until: float) -> None:
        """There is something up to media time ``until``; under the lock."""
        self._ends_at = max(self._ends_at, until)
        if not self._writing and not self._stop:
            self._writing = True
            self._thread = threading.Thread(target=self._write, name="record", daemon=True)
            self._thread.start()

    # -- the writer's thread --------------------------------------------------------------------------------------

    def _write(self) -> None:
        try:
            self._write_talk()
        except (VisemaError, OSError) as e:
            log.error("The talk could not be recorded: %s", e)
            with self._lock:
                self._writing = False

    def _write_talk(self) -> None:
        stage = self._stage
        fps = float(stage.loop.fps)
        with self._lock:
            first = min([c.t for c in self._chunks] + [p.t for p in self._pictures.values()])
        frame = max(0, math.floor((first - BEFORE_S) * fps))
        heard = round(frame / fps * RATE)  # samples on media time that are written
        shown: Picture | None = None
        self._folder.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        path = self._folder / f"{stage.avatar.id}-{stamp}Z.mp4"
        avatar = stage.avatar
        consents = {"face": avatar.source.consent} if avatar.source.consent else {}
        facts = Facts(avatar.engine, "live", avatar.id, avatar.source.sha256, consents, live=True, salt=path.stem)
        with Mp4Writer(path, stage.loop.size, fps, RATE, crf=20, preset=PRESET, facts=facts) as writer:
            while True:
                limit = stage.now - BEHIND_S if not self._stop else math.inf
                with self._lock:
                    last = self._ends_at + QUIET_S
                until = math.floor(min(limit, last) * fps)
                while frame < until:
                    with self._lock:
                        for number in [n for n in self._pictures if n <= frame]:
                            shown = self._pictures.pop(number)
                        end = round((frame + 1) / fps * RATE)
                        samples = self._sound_between(heard, end)
                    writer.write_audio(samples)
                    writer.write(self._compose(frame, shown))
                    heard, frame = end, frame + 1
                with self._lock:
                    if frame >= math.floor((self._ends_at + QUIET_S) * fps):
                        self._writing = False
                        break
                self._wake.wait(TICK_S)
        log.info("The talk was recorded: %s", path)

    def _sound_between(self, start: int, end: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """The sound of media samples ``start`` to ``end``; chunks that are over are let go."""
        out = np.zeros(end - start, np.float32)
        kept = []
        for chunk in self._chunks:
            at = round(chunk.t * RATE) - start
            low, high = max(0, at), min(len(out), at + len(chunk.samples))
            if high > low:
                out[low:high] += chunk.samples[low - at : high - at]
            if at + len(chunk.samples) > len(out):
                kept.append(chunk)
        self._chunks = kept
        return out

    def _compose(self, frame: int, shown: Picture | None) -> I420:
        """The picture as a browser shows it."""
        loop = self._stage.loop
        patched = shown is not None and shown.jpeg
        # A frame that was left out shows the one before it.
        index = shown.base if shown is not None and patched else frame % loop.count
        image = loop.picture(index)
        if shown is not None and patched:
            part = decode(shown.jpeg)
            image[shown.y : shown.y + shown.height, shown.x : shown.x + shown.width] = part
        return bgr_to_i420(image)


def faded(chunk: SoundChunk, t: float) -> SoundChunk:
    """A chunk that falls silent at media time ``t``."""
    keep = round((t - chunk.t) * RATE)
    if keep >= len(chunk.samples):
        return chunk
    samples = chunk.samples[: keep + FADE].copy()
    over = samples[keep:]
    over *= np.linspace(1, 0, len(over), dtype=np.float32)
    return SoundChunk(chunk.t, chunk.epoch, chunk.take, chunk.first, samples)
