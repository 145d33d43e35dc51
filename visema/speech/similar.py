"""Names that somebody may have meant by one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

from visema.message import Message

#: At least this much alike: `germn` and `german` are by .91, but `foo` and `oromo` by .5.
ALIKE: Final = 0.7
#: A part of a name says less than so many letters do.
_SHORTEST_PART: Final = 3


def did_you_mean(near: Sequence[str]) -> Message:
    """The hint that goes with names that may be meant, or with none."""
    if not near:
        return Message("--list-voices shows them all.")
    return Message("Did you mean {names}? --list-voices shows them all.", names=" / ".join(near))


def similar(wanted: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Up to ``count`` of ``names``: those that hold ``wanted`` as a part, then those spelled nearly so."""
    by_lower = {name.lower(): name for name in names}
    low = wanted.lower()
    held = [name for name in by_lower if len(low) >= _SHORTEST_PART and low in name]
    near = difflib.get_close_matches(low, by_lower, count, ALIKE)
    return [by_lower[name] for name in dict.fromkeys([*held, *near])][:count]
