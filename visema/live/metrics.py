"""What the live view measures of itself, as Prometheus text and as JSON."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable
from typing import Any, Final

#: Upper bounds of the histograms' buckets, seconds (`_ms` names: milliseconds).
BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

#: Name to what it means; counters end in ``_total``.
COUNTERS: Final = {
    "sessions_opened_total": "Sessions opened.",
    "sockets_opened_total": "WebSockets opened.",
    "sockets_lost_total": "WebSockets that broke off or fell silent.",
    "sockets_resumed_total": "WebSockets that went on with a session.",
    "refused_total": "Sockets and requests refused, for their origin, number or size.",
    "malformed_total": "Messages that made no sense.",
    "utterances_total": "Texts taken in.",
    "interrupted_total": "Texts cut off.",
    "failed_total": "Texts whose voice failed.",
    "pictures_drawn_total": "Mouths drawn.",
    "pictures_skipped_total": "Pictures left out because they would have come too late.",
    "pictures_dropped_total": "Pictures left out for one slow reader.",
    "picture_bytes_total": "Bytes of pictures sent.",
    "sound_bytes_total": "Bytes of sound sent.",
    "other_bytes_total": "Bytes of messages sent.",
    "loop_bytes_total": "Bytes of idle loops sent.",
    "player_late_total": "Pictures that a player showed late.",
    "player_skipped_total": "Pictures that a player left out.",
    "player_dropouts_total": "Gaps in the sound that a player noticed.",
}
HISTOGRAMS: Final = {
    "first_sound_seconds": "From asking to the first sound sent.",
    "first_picture_seconds": "From asking to the first moved mouth sent.",
    "synthesis_seconds": "Making one piece of speech.",
    "draw_seconds": "Drawing and encoding one picture.",
    "player_skew_seconds": "Picture against sound in a player, either way.",
    "player_first_sound_seconds": "From asking to the first sound heard.",
    "player_first_picture_seconds": "From asking to the first moved mouth seen.",
}


class Metrics:
    """Counters, histograms and gauges. For use by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(COUNTERS, 0.0)
        self._buckets = {name: [0] * (len(BOUNDS) + 1) for name in HISTOGRAMS}
        self._sums = dict.fromkeys(HISTOGRAMS, 0.0)
        self._recent: dict[str, list[float]] = {name: [] for name in HISTOGRAMS}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def count(self, name: str, more: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counts[name] += more

    def observe(self, name: str, value: float) -> None:
        """Add to a histogram."""
        with self._lock:
            self._buckets[name][bisect.bisect_left(BOUNDS, value)] += 1
            self._sums[name] += value
            recent = self._recent[name]
            recent.append(value)
            if len(recent) > 512:
                del recent[:256]

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Have ``read`` called whenever somebody looks."""
        self._gauges[name] = (meaning, read)

    def value(self, name: str) -> float:
        """A counter, or a gauge."""
        if name in self._gauges:
            return self._gauges[name][1]()
        with self._lock:
            return self._counts[name]

    def text(self) -> str:
        """In Prometheus' text format, version 0.0.4."""
        lines: list[str] = []
        for name, (meaning, read) in self._gauges.items():
            lines += [f"# HELP visema_live_{name} {meaning}", f"# TYPE visema_live_{name} gauge"]
            lines.append(f"visema_live_{name} {read():g}")
        with self._lock:
            for name, meaning in COUNTERS.items():
                lines += [f"# HELP visema_live_{name} {meaning}", f"# TYPE visema_live_{name} counter"]
                lines.append(f"visema_live_{name} {self._counts[name]:.15g}")
            for name, meaning in HISTOGRAMS.items():
                lines += [f"# HELP visema_live_{name} {meaning}", f"# TYPE visema_live_{name} histogram"]
                total = 0
                for bound, n in zip((*BOUNDS, "+Inf"), self._buckets[name], strict=True):
                    total += n
                    lines.append(f'visema_live_{name}_bucket{{le="{bound}"}} {total}')
                lines += [f"visema_live_{name}_sum {self._sums[name]:.9g}", f"visema_live_{name}_count {total}"]
        return "\n".join(lines) + "\n"

    def json(self) -> dict[str, Any]:
        """The same for a panel: counters and gauges as numbers, histograms as median and 95th percentile."""
        found: dict[str, Any] = {name: read() for name, (_, read) in self._gauges.items()}
        with self._lock:
            found.update(self._counts)
            for name, recent in self._recent.items():
                values = sorted(recent[-256:])
                found[name] = {
                    "count": sum(self._buckets[name]),
                    "median": values[len(values) // 2] if values else None,
                    "p95": values[min(len(values) - 1, int(len(values) * 0.95))] if values else None,
                }
        return found
