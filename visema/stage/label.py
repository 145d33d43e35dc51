"""Writes the viseme's name and the time on a picture (`--label`)."""

from __future__ import annotations

import cv2

from visema.media.colour import frame_planes
from visema.types import I420

#: Height of a capital letter, as a share of the picture's shorter side, and the least that stays legible.
LETTER_SHARE, LEAST_LETTER = 0.045, 12
#: Pixels of a capital at scale 1 of OpenCV's simplex font.
FONT_HEIGHT = 22
#: The widest name takes this many letter heights.
NAME_WIDTH = 3.2
#: Limited-range white and black.
WHITE, BLACK = 235, 16


def draw_label(frame: I420, size: tuple[int, int], viseme: str, seconds: float) -> None:
    """Write ``viseme`` and the time at the upper left of ``frame``, in place, in luma alone."""
    width, height = size
    luma = frame_planes(frame, width, height)[0]
    letter = max(LEAST_LETTER, LETTER_SHARE * min(size))
    scale, margin = letter / FONT_HEIGHT, round(letter * 0.7)
    line = max(1, round(letter / 10))
    # In two columns, so that the time stands still while names of different widths go by.
    for text, column in ((viseme, 0.0), (f"{seconds:.2f} s", NAME_WIDTH * letter)):
        origin = (margin + round(column), margin + round(letter))
        for colour, thickness in ((BLACK, line * 3), (WHITE, line)):
            cv2.putText(luma, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, (colour,), thickness, cv2.LINE_AA)
