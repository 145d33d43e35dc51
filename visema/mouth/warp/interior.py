"""What shows between the lips in one frame: the painted layers shifted with the jaw, put together and lit."""

from __future__ import annotations

from typing import Final

import numpy as np

from visema.mouth.warp.bases import BaseFrame
from visema.mouth.warp.cavity import LOWER_DEPTH, UPPER_DEPTH, UPPER_EDGE, Layers, layer_origin
from visema.mouth.warp.points import step
from visema.mouth.warp.raster import (
    EXTEND,
    NOTHING,
    Bytes,
    affine,
    blur,
    colour_and_alpha,
    lay_over,
    look_up,
    mix,
    multiply,
    unit_share,
)
from visema.types import Box, FloatArray

#: How far rows that a pose does not show are drawn back behind their lips, U.
UPPER_HIDES, LOWER_HIDES = 0.080, 0.055
#: The lip's shade falls on what is within about this of its edge, U.
SHADE_WIDTH = 0.017
#: Share of the light that pursed lips keep out.
PURSED_DARKER = 0.10
#: For th the upper row makes room for the tip, U, and the tip before it takes so much more light.
TIP_LIFTS, TIP_LIGHT = 0.022, 0.14


class Interior:
    """Draws the inside of one face's mouth.

    Args:
        layers: Painted pictures.
        rim: BGR of the lips' wet inner edge.
    """

    def __init__(self, layers: Layers, rim: FloatArray) -> None:
        self._layers = layers
        self._rim = rim.astype(np.float32)
        self._origin = np.array(layer_origin(layers.density), np.float32)

    def draw(self, frame: BaseFrame, pose: FloatArray, jaw: float, box: Box, opening: Bytes) -> Bytes:
        """The colours inside the mouth over a box.

        Args:
            frame: The base frame.
            pose: (N_FIELDS,) articulation.
            jaw: How far the jaw hangs, U.
            box: Where, in the region's pixels.
            opening: (h, w) coverage by the opening, 0-255.

        Returns:
            (h, w, 3) uint8.
        """
        size = (box.width, box.height)
        protrude = min(max(float(pose[2]), 0.0), 1.0)
        tongue, upper_shows, lower_shows = (float(v) for v in pose[7:10])
        layers, down = self._layers, frame.matrix[:, 1]
        anchor = frame.middle - (frame.box.x0 + box.x0, frame.box.y0 + box.y0)
        # For l the tip stands between the rows, so the lower one gives way; for th it comes out over it.
        lifted, out = step(0.40, 0.80, tongue), step(0.90, 1.0, tongue)
        give_way = 0.030 * step(0.80, 0.90, tongue) * (1 - out)

        matrix = np.empty((2, 3))
        matrix[:, :2] = frame.matrix[:, :2] / layers.density
        anchor -= matrix[:, :2] @ self._origin

        def place(picture: Bytes, depth: float, drop: float, outside: int = NOTHING) -> Bytes:
            matrix[:, 2] = anchor + frame.matrix[:, 2] * depth + down * drop
            return affine(picture, matrix, size, outside=outside)

        hidden = LOWER_HIDES * (1 - lower_shows) + give_way
        inside, teeth = colour_and_alpha(place(layers.jaw, LOWER_DEPTH, jaw + hidden, EXTEND))
        raised = -(UPPER_HIDES + 1.2 * layers.longer) * (1 - upper_shows) - TIP_LIFTS * out
        if lifted > 0:
            top = (1 - lifted) * (jaw - 0.02) + lifted * (UPPER_EDGE - 0.022 + 0.10 * jaw - 0.034 * out)
            tip, cover = colour_and_alpha(place(layers.tongue, LOWER_DEPTH, top))
            shows = lifted * (1 - (1 - out) * unit_share(teeth))
            inside = mix(lay_over(inside, tip, cover), inside, shows)
        light = 1 - PURSED_DARKER * protrude + TIP_LIGHT * out
        inside = multiply(inside, place(layers.shadow, UPPER_DEPTH, raised, EXTEND), light)
        inside = lay_over(inside, *colour_and_alpha(place(layers.upper, UPPER_DEPTH, raised)))
        return self._lit(inside, opening, frame, jaw + float(pose[3] + pose[4]), protrude)

    def _lit(self, inside: Bytes, opening: Bytes, frame: BaseFrame, apart: float, protrude: float) -> Bytes:
        """Let light fall off towards the lips, more under the upper one; the rim takes the lip's colour."""
        h, w = opening.shape
        near = blur(opening, max(0.6, SHADE_WIDTH * frame.scale))
        down = 0.020 * frame.matrix[:, 1]
        under = affine(near, [[1, 0, down[0]], [0, 1, down[1]]], (w, h))
        # A thin slit is all edge: there the lips shade less, or its teeth would be grey.
        thin = (1 - step(0.02, 0.10, apart)) * (1 - protrude)
        least = 0.40 + 0.38 * thin
        light = (((1 - least) * _THROUGH_SHADE + least) * (1 - 0.06 * protrude))[:, None]
        shade = np.minimum(255 * (_WARM_AT[0] * light + _WARM_AT[1] * light**2), 255).astype(np.uint8)
        lit = multiply(inside, look_up(under, shade))
        rim = np.empty_like(lit)
        rim[:] = self._rim * np.float32(1 - 0.25 * protrude)
        return mix(rim, lit, look_up(near, _RIM * np.float32(0.85 - 0.45 * thin)))


_LEVELS: Final = np.arange(256, dtype=np.float32) / 255
#: Shade is warm: each channel takes the first row of the light and the second of its square.
_WARM_AT: Final = np.array(((0.86, 0.92, 1.08), (0.14, 0.08, -0.08)), np.float32)
#: By blurred coverage: how much light comes through, and how much of the rim shows.
_THROUGH_SHADE: Final = np.minimum(_LEVELS * 1.30, 1).astype(np.float32)
_RIM: Final = np.clip(1.9 - 2.35 * _LEVELS, 0, 1).astype(np.float32)
