"""From speech to the mouth's motion: phones, visemes, one pose a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from visema.speech.types import Span, Speech
from visema.visemes.arpabet import arpabet_visemes
from visema.visemes.articulation import ArticulationCurve
from visema.visemes.coarticulation import LEAD, LEAD_RECORDED, articulate
from visema.visemes.ipa import ipa_visemes
from visema.visemes.loudness import openness_of
from visema.visemes.track import VisemeTrack

#: A diphthong's first half is the longer one.
DIPHTHONG_SPLIT = 0.55


@dataclass(frozen=True)
class Plan:
    """What the mouth does in a speech.

    Attributes:
        track: Which viseme holds when.
        curve: The pose of every frame; frame i is shown at i / fps seconds.
    """

    track: VisemeTrack
    curve: ArticulationCurve


def plan(speech: Speech, fps: float, timeline: VisemeTrack | None = None) -> Plan:
    """Plan the mouth of a speech. Pure: the same speech gives the same plan.

    Args:
        speech: Sound with timed phones.
        fps: Frames a second of the picture.
        timeline: Visemes to use in place of the phones, edited by a user; cut or filled up to the speech's length.
    """
    track = viseme_track(speech) if timeline is None else VisemeTrack.of(timeline.spans, speech.duration)
    openness = openness_of(speech.samples, speech.rate, speech.recorded)
    lead = LEAD_RECORDED if speech.recorded else LEAD
    poses = articulate(track.spans, speech.duration, fps, openness, lead)
    return Plan(track, ArticulationCurve(fps, poses))


def viseme_track(speech: Speech) -> VisemeTrack:
    """The visemes of a speech's phones; a phone that is only a mark prolongs the one before."""
    return VisemeTrack.of(_spans(speech), speech.duration)


def _spans(speech: Speech) -> Iterator[Span]:
    shapes_of = arpabet_visemes if speech.alphabet == "arpabet" else ipa_visemes
    now, last = 0.0, ""
    for start, end, label in speech.phones:
        start = max(start, now)
        end = min(end, speech.duration)
        if end <= start:
            continue
        shapes = shapes_of(label) or ((last,) if last else ())
        for span in split(start, end, shapes):
            yield span
            last = span.label
        now = end


def split(start: float, end: float, shapes: tuple[str, ...]) -> Iterator[Span]:
    """Share the time of one phone among its visemes: two 55 / 45, more evenly."""
    n = len(shapes)
    cuts = [DIPHTHONG_SPLIT] if n == 2 else [(k + 1) / n for k in range(n - 1)]
    edges = [start, *(start + (end - start) * c for c in cuts), end]
    for k, shape in enumerate(shapes):
        yield Span(edges[k], edges[k + 1], shape)
