"""Which vertices of the face mesh make the lips and the eyes; small functions that every module here uses."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Floating-point arrays whose precision does not matter to the reader.
Floats: TypeAlias = NDArray[np.floating[Any]]

#: From the viewer's left corner of the mouth to the right one.
INNER_UPPER: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_UPPER: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
INNER_CORNERS: Final = (78, 308)
OUTER_CORNERS: Final = (61, 291)
#: Middle of the inner lips; their distance is the opening.
LIP_MIDDLES: Final = (13, 14)
CHIN: Final = 152
#: The face's outline from ear to chin, on both sides.
JAW_LEFT: Final = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
JAW_RIGHT: Final = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152)
#: (upper lid, lower lid, iris centre) of each eye; the vertex after the iris centre lies on the iris' rim.
EYES: Final = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133), 468),
    ((362, 398, 384, 385, 386, 387, 388, 466, 263), (362, 382, 381, 380, 374, 373, 390, 249, 263), 473),
)
#: The skin of the mesh, without the irises.
N_SKIN: Final = 468
#: Weights of blue, green and red in luma.
LUMA: Final = np.array([0.114, 0.587, 0.299], np.float32)


def smoothstep(low: float | Floats, high: float | Floats, x: ArrayLike) -> Floats:
    """0 up to ``low``, 1 from ``high`` on, with a smooth cubic between."""
    t = np.clip((np.asarray(x) - low) / (np.asarray(high) - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def luma(colour: ArrayLike) -> Floats:
    """Brightness of BGR colours, along the last axis."""
    return np.asarray(np.asarray(colour, np.float32) @ LUMA)


def step(low: float, high: float, x: float) -> float:
    """`smoothstep` of one number, quickly."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)
