"""Warping the region by both sides' maps, cut along the moved lip line."""

from __future__ import annotations

import numpy as np

from visema.mouth.warp.bases import BaseFrame
from visema.mouth.warp.field import CoarseMaps
from visema.mouth.warp.raster import CUBIC, blur, mix, polygon, sample, sample_into, unit_share
from visema.types import Box, FloatArray, Image

#: The two sides differ up to this far (U) beyond the mouth's corners.
BEYOND = 0.15
#: Margin around the lips' edges, U, within which sampling is cubic: there a second sampling would be seen to blur.
SHARP_SIDE, SHARP_UP = 0.20, 0.26


def around(points: FloatArray, across: float, along: float, limit: Box) -> Box:
    """The box of points with margins to the sides and up and down, within a region of ``limit``'s size."""
    x0, y0 = points.min(0)
    x1, y1 = points.max(0)
    return Box(
        max(int(x0 - across), 0),
        max(int(y0 - along), 0),
        min(int(x1 + across) + 2, limit.width),
        min(int(y1 + along) + 2, limit.height),
    )


def warp_region(
    source: Image, maps: CoarseMaps, frame: BaseFrame, edges: tuple[FloatArray, FloatArray], softness: float
) -> Image:
    """Warp a region.

    Args:
        source: (h, w, 3) its pixels.
        maps: Of both sides.
        frame: The base frame.
        edges: (n, 2) the moved upper and lower lips' edges in the region.
        softness: Of the picture, pixels.
    """
    height = len(source)
    line = (edges[0] + edges[1]) / 2
    axis = frame.matrix[:, 0]
    line = np.concatenate(((line[0] - BEYOND * axis,), line, (line[-1] + BEYOND * axis,)))
    # Where an open mouth was shut, maps may not be mixed (the mix would look between the lips), but colours may.
    mix_colours = frame.opening is not None
    seam = max(0.45, 0.010 * frame.scale * (0.5 + 0.42 * softness)) if mix_colours else max(0.6, 0.008 * frame.scale)
    strip = around(line, 0, 3 * seam + 1, frame.box)
    from_upper = maps.pixels(0, 0, strip.y1)
    from_lower = maps.pixels(1, strip.y0, height)
    out = np.empty_like(source)
    sample_into(out[: strip.y1], source, from_upper)
    sample_into(out[strip.y1 :], source, from_lower[strip.height :])
    sharp = around(np.concatenate(edges), SHARP_SIDE * frame.scale, SHARP_UP * frame.scale, frame.box)
    x = slice(sharp.x0, sharp.x1)
    if sharp.y0 < strip.y0:
        y = slice(sharp.y0, strip.y0)
        sample_into(out[y, x], source, from_upper[y, x], CUBIC)
    if sharp.y1 > strip.y1:
        y = slice(strip.y1, sharp.y1)
        sample_into(out[y, x], source, from_lower[strip.height : sharp.y1 - strip.y0, x], CUBIC)
    y, x = slice(strip.y0, strip.y1), slice(strip.x0, strip.x1)
    above, below = from_upper[y, x], from_lower[: strip.height, x]
    is_lower = _side_mask(line, strip, seam)
    if mix_colours:
        out[y, x] = mix(sample(source, below, CUBIC), sample(source, above, CUBIC), is_lower)
    else:
        sample_into(out[y, x], source, mix(below, above, is_lower), CUBIC)
    return out


def _side_mask(line: FloatArray, strip: Box, softness: float) -> FloatArray:
    """1 below the line, 0 above, softly, over the strip."""
    left, right, far = strip.x0 - 99, strip.x1 + 99, strip.y1 + 99
    sides = ((right, line[-1, 1]), (right, far), (left, far), (left, line[0, 1]))
    shape: FloatArray = np.concatenate((line, sides)) - np.array((strip.x0, strip.y0), np.float32)
    return unit_share(blur(polygon(shape, strip.width, strip.height), softness))
