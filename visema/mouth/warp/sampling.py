"""Warping the region by both sides' maps, cut along the moved lip line."""

from __future__ import annotations

import numpy as np

from visema.mouth.warp.bases import BaseFrame
from visema.mouth.warp.field import CoarseMaps
from visema.mouth.warp.raster import CUBIC, LINEAR, blur, mix, polygon, sample, sample_into, unit_share
from visema.types import Box, FloatArray, Image

#: The two sides differ up to this far (U) beyond the mouth's corners.
BEYOND = 0.15
#: Margin around the lips' edges, U, within which sampling is cubic: there a second sampling would be seen to blur.
SHARP_SIDE, SHARP_UP = BEYOND, 0.22


def around(points: FloatArray, across: float, along: float, limit: Box) -> Box:
    """The box of points with margins to the sides and up and down, within a region of ``limit``'s size.

    It holds at least one pixel, be the points outside.
    """
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    x0 = min(max(int(left - across), 0), limit.width - 1)
    y0 = min(max(int(top - along), 0), limit.height - 1)
    x1 = max(min(int(right + across) + 2, limit.width), x0 + 1)
    y1 = max(min(int(bottom + along) + 2, limit.height), y0 + 1)
    return Box(x0, y0, x1, y1)


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
    line = (edges[0] + edges[1]) / 2
    axis = frame.matrix[:, 0]
    line = np.concatenate(((line[0] - BEYOND * axis,), line, (line[-1] + BEYOND * axis,)))
    # Where an open mouth was shut, maps may not be mixed (the mix would look between the lips), but colours may.
    mix_colours = frame.opening is not None
    seam = max(0.45, 0.010 * frame.scale * (0.5 + 0.42 * softness)) if mix_colours else max(0.6, 0.008 * frame.scale)
    # As wide as what is sampled sharply, on a turned head too.
    strip = around(line, max(0.0, SHARP_SIDE * frame.scale - BEYOND * abs(float(axis[0]))), 3 * seam + 1, frame.box)
    sharp = around(np.concatenate(edges), SHARP_SIDE * frame.scale, SHARP_UP * frame.scale, frame.box)
    height, width = source.shape[:2]
    upper, lower = Box(0, 0, width, strip.y1), Box(0, strip.y0, width, height)
    over, under = Box(0, 0, width, strip.y0), Box(0, strip.y1, width, height)
    at_upper, at_lower = maps.pixels(0, upper), maps.pixels(1, lower)
    out = np.empty_like(source)
    for at, whole, linear, cubic in ((at_upper, upper, upper, over), (at_lower, lower, under, under)):
        for box, interpolation in ((linear, LINEAR), (_overlap(cubic, sharp), CUBIC)):
            sample_into(out[_inside(box)], source, at[_inside(box, whole)], interpolation)
    above, below = at_upper[_inside(strip, upper)], at_lower[_inside(strip, lower)]
    is_lower = _side_mask(line, strip, seam)
    if mix_colours:
        out[_inside(strip)] = mix(sample(source, below, CUBIC), sample(source, above, CUBIC), is_lower)
    else:
        sample_into(out[_inside(strip)], source, mix(below, above, is_lower), CUBIC)
    return out


_REGION = Box(0, 0, 0, 0)


def _overlap(a: Box, b: Box) -> Box:
    """What two boxes share; may be empty."""
    x0, y0 = max(a.x0, b.x0), max(a.y0, b.y0)
    return Box(x0, y0, max(min(a.x1, b.x1), x0), max(min(a.y1, b.y1), y0))


def _inside(box: Box, whole: Box = _REGION) -> tuple[slice, slice]:
    """Rows and columns of a box in an array that begins at the corner of ``whole``."""
    return slice(box.y0 - whole.y0, box.y1 - whole.y0), slice(box.x0 - whole.x0, box.x1 - whole.x0)


def _side_mask(line: FloatArray, strip: Box, softness: float) -> FloatArray:
    """1 below the line, 0 above, softly, over the strip."""
    left, right, far = strip.x0 - 99, strip.x1 + 99, strip.y1 + 99
    sides = ((right, line[-1, 1]), (right, far), (left, far), (left, line[0, 1]))
    shape: FloatArray = np.concatenate((line, sides)) - np.array((strip.x0, strip.y0), np.float32)
    return unit_share(blur(polygon(shape, strip.width, strip.height), softness))
