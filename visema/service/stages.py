"""The stages of a film, in their order, and how much of the whole each of them is."""

from __future__ import annotations

from typing import Final

#: Stage -> where it begins and ends, in percent of the time that a film of 5 s takes.
STAGES: Final[dict[str, tuple[float, float]]] = {
    "queued": (0, 0),
    "starting": (0, 1),
    "portrait": (2, 35),
    "speech": (35, 50),
    "drawing": (50, 99),
}


def overall(stage: str, share: float) -> float:
    """Percent of the whole, where ``share`` of ``stage`` is done; 0 for a stage that is not known."""
    begin, end = STAGES.get(stage, (0, 0))
    return begin + (end - begin) * min(max(share, 0.0), 1.0)
