"""The mouth over media time: the poses of every frame, growing sentence by sentence, eased where plans change."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from visema.speech.types import Span, Speech
from visema.types import FloatArray
from visema.visemes.articulation import N_FIELDS, TARGETS
from visema.visemes.classes import SILENCE
from visema.visemes.coarticulation import LEAD, LEAD_RECORDED, articulate
from visema.visemes.loudness import openness_of
from visema.visemes.plan import viseme_track
from visema.visemes.track import VisemeTrack

#: A mouth that is stopped closes within this, about a quick real closing.
CLOSE_S: Final = 0.12
#: Sounds so long before a speech are planned again with it, and what comes of that counts from so long before it: by
#: then neither the missing past nor the new speech has an influence.
CONTEXT_S: Final = 3.0
JOIN_S: Final = 0.4
#: Poses kept of frames that were drawn, for a cut: those of the pictures that are sent ahead, and some more.
KEPT: Final = 50
#: A pose is at rest when no field is further from it than this (of the pupils' distance): a tenth of a pixel.
AT_REST: Final = 1e-3


class _Voice(NamedTuple):
    """How loud a speech is, and when it is heard."""

    start: float
    seconds: float
    openness: Callable[[FloatArray], FloatArray]

    @classmethod
    def of(cls, speech: Speech, start: float) -> _Voice:
        return cls(start, speech.duration, openness_of(speech.samples, speech.rate, speech.recorded))


class MouthLine:
    """Poses by frame number; at rest wherever nothing is planned.

    Args:
        fps: Frames a second; frame n is shown at n / fps.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._first = 0
        self._poses = np.zeros((0, N_FIELDS), np.float32)
        self._spans: list[Span] = []  # of the latest speech, in media time
        self._voices: list[_Voice] = []
        self._residual: FloatArray | None = None
        self._residual_from = 0

    @property
    def end(self) -> int:
        """The first frame from which on the mouth stays at rest."""
        planned = self._first + len(self._poses)
        return max(planned, self._residual_from + self._closing) if self._residual is not None else planned

    def pose(self, frame: int) -> FloatArray | None:
        """The pose of a frame; None at rest."""
        rest = TARGETS[SILENCE]
        pose = _row(self._poses, frame - self._first)
        if self._residual is not None:
            share = (frame - self._residual_from + 1) / self._closing
            if 0 < share < 1:
                weight = np.float32(1 - share * share * (3 - 2 * share))
                pose = np.asarray(pose + self._residual * weight, np.float32)
        return pose if np.abs(pose - rest).max() > AT_REST else None

    def add(self, speech: Speech, start: float, undrawn: int) -> tuple[Span, ...]:
        """Plan a speech that begins at media time ``start``.

        The end of the speech before it is planned anew with it, so that a short pause between them is one of a
        single text. Frames before ``undrawn`` keep their poses, and those after lead over from them.

        Returns:
            Its visemes, in media time.
        """
        own = [Span(s + start, e + start, v) for s, e, v in viseme_track(speech).spans]
        # What was planned after the new one's start is silence.
        before = [Span(s, min(e, start), v) for s, e, v in self._spans if s < start - 1e-6 and e > start - CONTEXT_S]
        spans = before + own
        first = max(0, math.floor(spans[0].start * self.fps))
        origin = first / self.fps
        track = VisemeTrack.of([Span(s - origin, e - origin, v) for s, e, v in spans], spans[-1].end - origin)
        self._voices = [v for v in self._voices if v.start + v.seconds > spans[0].start] + [_Voice.of(speech, start)]
        lead = LEAD_RECORDED if speech.recorded else LEAD
        poses = articulate(track.spans, track.duration, self.fps, lambda t: self._openness(t, origin), lead)
        join = max(undrawn, math.ceil((start - JOIN_S) * self.fps), first)
        kept = range(min(max(self._first, undrawn - KEPT), join - 1), join)
        shown = [self.pose(n) for n in kept]
        actual = [TARGETS[SILENCE] if pose is None else pose for pose in shown]
        self._set_residual(actual[-1] - _row(poses, join - 1 - first), join)
        self._first, self._spans = kept.start, spans
        self._poses = np.concatenate([np.stack(actual), poses[join - first :]])
        return tuple(own)

    def cut(self, frame: int) -> None:
        """Close the mouth from ``frame`` on, beginning at the pose of the frame before; no plan is left."""
        last = self.pose(frame - 1)
        shown = TARGETS[SILENCE] if last is None else last
        self._first, self._poses = frame - 1, shown[None]
        self._spans, self._voices, self._residual = [], [], None
        self._set_residual(shown - TARGETS[SILENCE], frame)

    def _openness(self, times: FloatArray, origin: float) -> FloatArray:
        """How far each sound opens the mouth, by its loudness, at (n,) seconds after media time ``origin``."""
        factor = np.ones(len(times), np.float32)
        for voice in self._voices:
            own = times - np.float32(voice.start - origin)
            inside = (own >= 0) & (own < voice.seconds)
            if inside.any():
                factor[inside] = voice.openness(own[inside])
        return factor

    @property
    def _closing(self) -> int:
        return max(2, round(CLOSE_S * self.fps))

    def _set_residual(self, residual: FloatArray, frame: int) -> None:
        small = np.abs(residual).max() <= AT_REST
        self._residual = None if small else np.asarray(residual, np.float32)
        self._residual_from = frame


def _row(poses: FloatArray, row: int) -> FloatArray:
    """A row of ``poses``; rest outside."""
    pose: FloatArray = poses[row] if 0 <= row < len(poses) else TARGETS[SILENCE]
    return pose
