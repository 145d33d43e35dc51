"""A labelled contact sheet of a mouth library, to look at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np

from visema.mouth.library import Library
from visema.mouth.points68 import MOUTH
from visema.types import Image
from visema.visemes.classes import BLINK

#: Width and height of a tile, pixels, and how many stand side by side (23 tiles and the resting face make 6 x 4).
TILE: Final = (200, 200)
COLUMNS: Final = 6
_LABEL_HEIGHT: Final = 22
_PAPER, _INK = (248, 248, 248), (40, 40, 40)


def contact_sheet(library: Library, names: Iterable[str] | None = None) -> Image:
    """All mouths in rows, each over its name, cut close around the mouth; the blink around the eyes.

    Args:
        library: To show.
        names: What to show, in this order; everything if not given.
    """
    tiles = []
    for name in names or [*library.pictures, *([BLINK] if library.blink is not None else [])]:
        if name == BLINK and library.blink is not None:
            picture = _fit(library.blink[0])
        else:
            picture = _fit(_close_up(library, name))
        tiles.append(_labelled(picture, name))
    blank = np.full_like(tiles[0], _PAPER[0])
    tiles += [blank] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    return np.vstack(rows)


def _close_up(library: Library, name: str) -> Image:
    """A square around the mouth at rest, as wide as the widest mouth and a half."""
    rest = library.points[MOUTH]
    centre = (rest.min(0) + rest.max(0)) / 2 - (library.box.x0, library.box.y0)
    reach = 0.85 * float(np.ptp(rest[:, 0]))
    picture = library.pictures[name]
    size = round(2 * reach)
    x0, y0 = (round(float(v)) for v in centre - reach)
    square = cv2.copyMakeBorder(picture, size, size, size, size, cv2.BORDER_REPLICATE)
    return np.asarray(square[y0 + size : y0 + 2 * size, x0 + size : x0 + 2 * size], np.uint8)


def _fit(picture: Image) -> Image:
    """Scaled to fit a tile, on paper."""
    h, w = picture.shape[:2]
    scale = min(TILE[0] / w, TILE[1] / h)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    tile = np.full((TILE[1], TILE[0], 3), _PAPER, np.uint8)
    x, y = (TILE[0] - size[0]) // 2, (TILE[1] - size[1]) // 2
    tile[y : y + size[1], x : x + size[0]] = scaled
    return tile


def _labelled(tile: Image, name: str) -> Image:
    label = np.full((_LABEL_HEIGHT, tile.shape[1], 3), _PAPER, np.uint8)
    (width, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    at = ((tile.shape[1] - width) // 2, 15)
    cv2.putText(label, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    return np.vstack([tile, label])
