"""The visible mark (`--mark`): a small badge in the lower right corner that says the picture is made by software."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from visema.media.colour import frame_planes
from visema.types import I420, FloatArray

WORDS: Final = "AI generated"
#: Height of a capital letter as a share of the picture's shorter side, and the least that can be read.
LETTER_SHARE: Final = 0.021
LEAST_LETTER: Final = 9
#: Pixels of a capital at scale 1 of OpenCV's duplex font; letters are drawn so many times larger, then made small.
FONT_HEIGHT: Final = 22
FINER: Final = 8
#: How much of the picture the badge and its letters cover, 0 to 1.
BADGE: Final = 0.42
LETTERS: Final = 0.92
#: Limited-range white and black, and no colour.
WHITE, BLACK, GREY = 235, 16, 128


def draw_mark(frame: I420, size: tuple[int, int]) -> None:
    """Draw the badge on a picture, in place."""
    width, height = size
    x, y, luma, chroma = _badge(width, height)
    h, w = luma.shape[1:]
    bright, *colours = frame_planes(frame, width, height)
    part = bright[y : y + h, x : x + w]
    part[:] = np.rint(part * luma[0] + luma[1])
    for plane in colours:
        part = plane[y // 2 : (y + h) // 2, x // 2 : (x + w) // 2]
        part[:] = np.rint(part * chroma[0] + chroma[1])


@lru_cache(8)
def _badge(width: int, height: int) -> tuple[int, int, FloatArray, FloatArray]:
    """Where it stands, and what the planes there are multiplied by and what is added: (2, h, w) each."""
    letter = max(LEAST_LETTER, round(LETTER_SHARE * min(width, height)))
    scale, thick = letter * FINER / FONT_HEIGHT, round(letter * FINER / 8)
    (long, _), _ = cv2.getTextSize(WORDS, cv2.FONT_HERSHEY_DUPLEX, scale, thick)
    pad = round(letter * 0.85)
    w, h = (2 * round(v / 2) for v in (long / FINER + 2.4 * pad, letter + 2 * pad))
    w, h = min(w, width // 2 * 2), min(h, height // 2 * 2)
    big = np.zeros((h * FINER, w * FINER), np.uint8)
    r = h * FINER // 2
    cv2.rectangle(big, (r, 0), (big.shape[1] - r, big.shape[0]), (255,), cv2.FILLED)
    for centre in (r, big.shape[1] - r):
        cv2.circle(big, (centre, r), r, (255,), cv2.FILLED)
    text = np.zeros_like(big)
    origin = ((big.shape[1] - long) // 2, (big.shape[0] + letter * FINER) // 2)
    cv2.putText(text, WORDS, origin, cv2.FONT_HERSHEY_DUPLEX, scale, (255,), thick, cv2.LINE_AA)
    shape, words = (cv2.resize(m, (w, h), interpolation=cv2.INTER_AREA) / 255 for m in (big, text))
    dark, light = BADGE * shape * (1 - LETTERS * words), LETTERS * words
    keep = 1 - dark - light
    luma = np.stack([keep, BLACK * dark + WHITE * light]).astype(np.float32)
    half = keep.reshape(h // 2, 2, w // 2, 2).mean((1, 3))
    chroma = np.stack([half, GREY * (1 - half)]).astype(np.float32)
    margin = round(letter * 1.2)
    x, y = (max(0, v) // 2 * 2 for v in (width - w - margin, height - h - margin))
    return x, y, luma, chroma
