"""From espeak-ng's raw events to the times when the mouth moves."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from visema.speech.espeak_library import Utterance

#: Sounds whose event marks the burst while the lips or tongue closed about 40 ms before. Voiced stops need no mending:
#: their events stand at the closure, which is voiced.
_VOICELESS_STOPS: Final = frozenset("ptkqcʈʔ")
_STRESS: Final = "ˈˌ"
#: Step of the sound's envelope, seconds.
_STEP: Final = 0.002
#: A closure is below this share of the loudest sound around it: .00-.05 in the plain voice and in the female
#: variants, whose echo fills it; bursts are at .1 and more.
_CLOSED: Final = 0.06
#: Seconds before and after the event in which that loudest sound is sought.
_AROUND: Final = (0.15, 0.08)
#: A closure is at most this long; after a pause, where it can't be heard, it takes `_SILENT_CLOSURE`.
_LONGEST_CLOSURE: Final = 0.09
_SILENT_CLOSURE: Final = 0.06
#: The burst may begin this early before its event.
_EARLY_BURST: Final = 0.008
#: What a repaired stop leaves of the phone before it.
_LEAVE: Final = 0.02
#: A gap is a pause if nearly all of it is below this share of the whole sound's peak, and if it is long enough.
_QUIET: Final = 0.04
_SHORTEST_PAUSE: Final = 0.03


class TimedPhone(NamedTuple):
    """A phone: seconds from the start of the sound, IPA (empty for a pause), and its character in the text."""

    start: float
    end: float
    label: str
    position: int


def timed_phones(utterance: Utterance) -> list[TimedPhone]:
    """Adjacent phones from 0 to the end of the sound; stops start at their closure, gaps are pauses if silent."""
    rate = utterance.rate
    total = len(utterance.samples) / rate
    phones = [
        (e.sample / rate, e.label, e.position)
        for e in utterance.events
        # "(en)" says that the library changes to another language's rules.
        if e.label is not None and not e.label.startswith("(")
    ]
    if not phones:
        return [TimedPhone(0.0, total, "", 0)] if total else []
    envelope = _envelope(utterance.samples, rate)
    starts: list[float] = []
    for i, (time, label, _) in enumerate(phones):
        start = time
        if label.lstrip(_STRESS)[:1] in _VOICELESS_STOPS and label:
            floor = starts[-1] + _LEAVE if i else 0.0
            start = max(min(floor, time), min(time, _closure(envelope, time)))
        starts.append(max(start, starts[-1] if i else 0.0))
    peak = float(envelope.max()) if len(envelope) else 0.0
    out: list[TimedPhone] = [TimedPhone(0.0, starts[0], "", phones[0][2])] if starts[0] > 0 else []
    for (_, label, position), start, end in zip(phones, starts, [*starts[1:], total], strict=True):
        if end <= start:
            continue
        previous = out[-1] if out else None
        if label or previous is None:
            out.append(TimedPhone(start, end, label, position))
        elif not previous.label or not _is_pause(envelope, start, end, peak):
            # The second half of a pause, or the tail of a sound without a name of its own.
            out[-1] = previous._replace(end=end)
        else:
            out.append(TimedPhone(start, end, "", position))
    return out


def _envelope(samples: NDArray[np.int16], rate: int) -> NDArray[np.float32]:
    size = round(_STEP * rate)
    n = len(samples) // size
    loud = np.abs(samples[: n * size].astype(np.float32))
    envelope: NDArray[np.float32] = loud.reshape(n, size).max(axis=1) if n else loud
    return envelope


def _closure(envelope: NDArray[np.float32], time: float) -> float:
    """When the closure before a burst begins; the burst's own time if no silence comes before it."""
    at = min(int(time / _STEP), len(envelope)) - 1
    around = envelope[max(0, at - int(_AROUND[0] / _STEP)) : at + int(_AROUND[1] / _STEP)]
    if at < 0 or not len(around):
        return max(0.0, time - _SILENT_CLOSURE)
    quiet = _CLOSED * float(around.max())
    i = at
    while i > max(0, at - int(_EARLY_BURST / _STEP)) and envelope[i] > quiet:
        i -= 1
    if envelope[i] > quiet:
        return time
    last = max(-1, at - int(_LONGEST_CLOSURE / _STEP))
    while i > last and envelope[i] <= quiet:
        i -= 1
    if i <= last:
        return max(0.0, time - _SILENT_CLOSURE)
    return (i + 1) * _STEP


def _is_pause(envelope: NDArray[np.float32], start: float, end: float, peak: float) -> bool:
    part = envelope[int(start / _STEP) : int(end / _STEP)]
    return end - start >= _SHORTEST_PAUSE and len(part) > 0 and float(np.percentile(part, 75)) < _QUIET * peak
