"""`VisemeTrack`: which mouth shape holds when."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from visema.errors import InputError
from visema.speech.types import Span
from visema.visemes.classes import SILENCE, VISEMES

#: Two spans that meet within this are taken as touching; JSON written by hand is rounded to milliseconds.
TOUCH = 1.5e-3


@dataclass(frozen=True)
class VisemeTrack:
    """Ordered viseme spans that cover a speech without gap or overlap.

    Build with `VisemeTrack.of`, which fills gaps with silence and merges equal neighbours.
    """

    spans: tuple[Span, ...]

    @classmethod
    def of(cls, spans: Iterable[Span], duration: float) -> VisemeTrack:
        """Order and merge ``spans`` and fill what they leave open, up to ``duration`` seconds, with silence.

        Raises:
            InputError: A viseme is unknown, a span is reversed, or two spans overlap.
        """
        out: list[Span] = []

        def put(start: float, end: float, viseme: str) -> None:
            if out and out[-1].label == viseme:
                out[-1] = Span(out[-1].start, end, viseme)
            elif end > start:
                out.append(Span(start, end, viseme))

        now = 0.0
        for start, end, viseme in sorted(spans, key=lambda s: s[0]):
            if viseme not in VISEMES:
                raise InputError(f"'{viseme}' is not a viseme.", f"Use one of {', '.join(VISEMES)}.")
            if end < start or start < now - TOUCH:
                raise InputError(
                    f"The viseme {viseme} at {start:.3f}-{end:.3f} s is reversed or overlaps the one before.",
                    "Give spans in order, each ending where the next begins.",
                )
            start, end = max(start, now), min(end, duration)
            if start > now + TOUCH:
                put(now, start, SILENCE)
                now = start
            if end > now:
                put(now, end, viseme)
                now = end
        if duration > now:
            put(now, duration, SILENCE)
        return cls(tuple(out))

    @property
    def duration(self) -> float:
        """End of the last span, in seconds."""
        return self.spans[-1].end if self.spans else 0.0

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)

    def at(self, t: float) -> str:
        """The viseme at ``t`` seconds; silence outside the speech."""
        i = bisect_right(self.spans, t, key=lambda s: s.start) - 1
        return self.spans[i].label if i >= 0 and t < self.spans[i].end else SILENCE

    def to_json(self) -> str:
        """``[{start, end, viseme}]``, times in seconds rounded to milliseconds."""
        rows = [{"start": round(s, 3), "end": round(e, 3), "viseme": v} for s, e, v in self.spans]
        return json.dumps(rows, indent=1)

    @classmethod
    def from_json(cls, source: str | Path, duration: float | None = None) -> VisemeTrack:
        """Read an edited timeline from JSON text, or from a file given as a `Path`.

        Raises:
            InputError: It is not a list of ``{start, end, viseme}``, or breaks the rules of `of`.
        """
        name = str(source) if isinstance(source, Path) else "the timeline"
        try:
            text = source.read_text("utf-8") if isinstance(source, Path) else source
            rows = json.loads(text)
            spans = [Span(float(r["start"]), float(r["end"]), str(r["viseme"])) for r in rows]
        except OSError as e:
            raise InputError(f"Cannot read {name}: {e.strerror}.", "Check the path of --timeline-in.") from e
        except (ValueError, TypeError, KeyError) as e:
            raise InputError(
                f"Cannot read {name}: it is not a timeline ({e}).",
                'It must be a JSON list like [{"start": 0.0, "end": 0.12, "viseme": "M"}].',
            ) from e
        end = max((s.end for s in spans), default=0.0)
        return cls.of(spans, end if duration is None else duration)
