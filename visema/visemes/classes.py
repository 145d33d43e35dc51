"""The 22 mouth shapes of speech, and BLINK, which only mouth libraries hold."""

from __future__ import annotations

from typing import Final

#: In the order of the library and of the contact sheet.
VISEMES: Final[tuple[str, ...]] = (
    "M", "Aa", "Ax", "Ao", "Eh", "Er", "Iy", "Ih", "W", "Oh", "Oy",
    "Ay", "H", "R", "L", "S", "Sh", "Th", "F", "T", "K", "Sil",
)  # fmt: skip
SILENCE: Final = "Sil"
BLINK: Final = "BLINK"
#: Shapes whose closure is always reached: both lips, or lower lip to upper teeth.
CLOSURES: Final = ("M", "F")
