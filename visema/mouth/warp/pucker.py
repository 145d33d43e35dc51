"""Light and shade on lips that push forward: without them a pucker looks like a picture squeezed."""

from __future__ import annotations

import numpy as np

from visema.mouth.warp.cavity import layer_origin, layer_size
from visema.mouth.warp.displacement import along_lips
from visema.mouth.warp.lips import Lips
from visema.mouth.warp.points import OUTER_LOWER, OUTER_UPPER, Floats, smoothstep
from visema.types import FloatArray

#: How far above and below the lip line there is any shade, U.
SHADE_REACH = 0.28
#: Folds across pursed lips: distance between them, U, and depth; drawn only where a pixel shows them.
FOLD, FOLD_DEPTH, FOLD_DENSITY = 0.047, 0.035, 70.0


def pucker_shade(lips: Lips, density: float) -> FloatArray:
    """Relative change of brightness at full protrusion, (h, w) in the layers' plane at rest."""
    width, height = layer_size(density)
    left, top = layer_origin(density)
    x, y = np.meshgrid(
        (np.arange(width) - left) / density + lips.centre, (np.arange(height) - top) / density + lips.rest
    )
    s = along_lips(x, lips)
    bell = np.sqrt(np.clip(1 - s**2, 0, 1))
    upper_edge, lower_edge = np.interp(x, lips.x, lips.upper), np.interp(x, lips.x, lips.lower)
    upper_outer, lower_outer = (_contour(lips, chain, x) for chain in (OUTER_UPPER, OUTER_LOWER))
    # 0 at the opening's edge, 1 at the lip's outline, more on the skin beyond.
    upper = (upper_edge - y) / np.maximum(upper_edge - upper_outer, 0.03)
    lower = (y - lower_edge) / np.maximum(lower_outer - lower_edge, 0.03)
    is_upper, is_lower = upper >= 0, lower > 0
    shade = np.zeros_like(x)
    # The lips curve out: lit on top of their bulge, dark where they turn in to the opening and back under it.
    shade += is_upper * bell * (0.05 * _bump(upper, 0.60, 0.28) - 0.13 * _bump(upper, 0.0, 0.22))
    shade += is_lower * bell * (0.11 * _bump(lower, 0.45, 0.24) - 0.10 * _bump(lower, 0.0, 0.16))
    shade -= is_lower * bell * (0.11 * _bump(lower, 1.12, 0.22) + 0.05 * _bump(lower, 1.7, 0.40))
    shade -= is_upper * bell * 0.05 * _bump(upper, 1.25, 0.30)
    # Corners draw into a shaded hollow.
    along = (np.abs(x - lips.centre) - lips.half_width) / 0.10
    shade -= 0.09 * np.exp(-(along**2) - ((y - lips.rest + lips.smile) / 0.085) ** 2)
    if not lips.closed:
        # Open mouths stretch their lips: bands lie only roughly where they should, and folds would lie beside them.
        shade *= 0.6
    elif density > FOLD_DENSITY:
        wave = np.cos(2 * np.pi * (x - lips.centre) / FOLD + 1.3 * np.sin(9 * x) + 0.8 * is_upper)
        vermilion = np.where(is_upper, _within(upper), _within(lower)) * (is_upper | is_lower)
        shade += FOLD_DEPTH * wave * vermilion * bell
    # It ends within `SHADE_REACH` of the lips and before the plane does.
    high, low = y - lips.rest + SHADE_REACH, lips.rest + SHADE_REACH - y
    edge = np.minimum.reduce([x - x.min(), x.max() - x, y - y.min(), high, low])
    return np.asarray(shade * smoothstep(0.0, 0.05, edge), np.float32)


def _contour(lips: Lips, chain: tuple[int, ...], x: Floats) -> Floats:
    points = lips.points[list(chain)]
    order = np.argsort(points[:, 0])
    return np.asarray(np.interp(x, points[order, 0], points[order, 1]))


def _bump(t: Floats, centre: float, width: float) -> Floats:
    return np.asarray(np.exp(-(((t - centre) / width) ** 2)))


def _within(t: Floats) -> Floats:
    return np.asarray(smoothstep(0.05, 0.3, t) * (1 - smoothstep(0.7, 1.0, t)))
