"""A lasting expression: a smile or a serious look, by degrees, given to the still before it moves and speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from visema.errors import InputError

NEUTRAL: Final = "neutral"
#: Neutral leaves the photo's own expression as it is.
EXPRESSIONS: Final = (NEUTRAL, "smile", "serious")


@dataclass(frozen=True)
class Expression:
    """An expression and how much of it.

    Attributes:
        name: One of `EXPRESSIONS`.
        degree: 0 (as in the photo) to 1 (as much as looks natural).
    """

    name: str = NEUTRAL
    degree: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in EXPRESSIONS:
            raise InputError(
                f"'{self.name}' is not an expression.",
                f"Choose {', '.join(EXPRESSIONS)}; a degree may follow, as in smile:0.5.",
            )
        if not 0 <= self.degree <= 1:
            raise InputError(f"An expression of degree {self.degree:g} cannot be made.", "Give a degree from 0 to 1.")


def parse_expression(text: str) -> Expression:
    """``smile``, ``smile:0.4`` or ``smile:40%``.

    Raises:
        InputError: It cannot be understood, or its degree is out of bounds.
    """
    found = re.fullmatch(r"\s*(\w+)\s*(?:[:=\s]\s*(\d*\.?\d+)\s*(%?))?\s*", text)
    if not found:
        raise InputError(f"'{text}' is not an expression.", "Write it like smile, smile:0.5 or serious:30%.")
    degree = float(found[2]) if found[2] else 1.0
    return Expression(found[1].lower(), degree / 100 if found[3] else degree)
