"""Numbers in Prometheus' text format (0.0.4): families, and histograms that are counted up."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from typing import Final

Labels = Mapping[str, str]

#: Upper bounds for what takes from a tenth of a second to an hour.
JOB_BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
#: Upper bounds for requests, seconds.
REQUEST_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


def family(name: str, kind: str, meaning: str, samples: Iterable[tuple[Labels, float]]) -> str:
    """A gauge or counter with its samples, as text."""
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{labelled(labels)} {number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def labelled(labels: Labels) -> str:
    """Labels in braces; nothing where there are none."""
    inside = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def escaped(value: str) -> str:
    """A label's value."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """A value."""
    return "+Inf" if math.isinf(value) else f"{value:.15g}"


class Histogram:
    """Counts by bounds, for each set of labels. Not for several threads at once.

    Args:
        name: Of the family.
        meaning: For people.
        bounds: Upper ones, rising.
    """

    def __init__(self, name: str, meaning: str, bounds: tuple[float, ...]) -> None:
        self.name, self.meaning, self.bounds = name, meaning, bounds
        self._rows: dict[tuple[tuple[str, str], ...], list[float]] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Count a value."""
        row = self._rows.setdefault(tuple(labels.items()), [0.0] * (len(self.bounds) + 2))
        row[bisect.bisect_left(self.bounds, value)] += 1
        row[-1] += value

    def text(self) -> str:
        """As text."""
        lines = [f"# HELP {self.name} {self.meaning}", f"# TYPE {self.name} histogram"]
        for labels, row in self._rows.items():
            total = 0.0
            for bound, count in zip((*self.bounds, math.inf), row, strict=False):
                total += count
                lines.append(f"{self.name}_bucket{labelled({**dict(labels), 'le': number(bound)})} {number(total)}")
            lines.append(f"{self.name}_sum{labelled(dict(labels))} {number(row[-1])}")
            lines.append(f"{self.name}_count{labelled(dict(labels))} {number(total)}")
        return "\n".join(lines) + "\n"


class Counter:
    """Counts up, for each set of labels. Not for several threads at once."""

    def __init__(self, name: str, meaning: str) -> None:
        self.name, self.meaning = name, meaning
        self._rows: dict[tuple[tuple[str, str], ...], float] = {}

    def add(self, labels: Labels, more: float = 1.0) -> None:
        """Count."""
        key = tuple(labels.items())
        self._rows[key] = self._rows.get(key, 0.0) + more

    def text(self) -> str:
        """As text."""
        return family(self.name, "counter", self.meaning, ((dict(key), value) for key, value in self._rows.items()))
