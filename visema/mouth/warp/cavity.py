"""The inside of the mouth, painted once per face as four small pictures that drawing only shifts and puts together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from visema.mouth.warp.colours import Palette
from visema.mouth.warp.lips import Lips
from visema.mouth.warp.points import Floats, smoothstep
from visema.mouth.warp.raster import Bytes
from visema.mouth.warp.raster import blur as soften
from visema.mouth.warp.teeth import LOWER, UPPER, paint_row, tint
from visema.types import FloatArray

#: Reach of the pictures from the middle of the lip line, U.
HALF_WIDTH, ABOVE, BELOW = 0.52, 0.26, 0.34
#: Pixels per U: those of the face, a little finer, so that a second sampling costs no sharpness; within these bounds.
FINER, LEAST_DENSITY, MOST_DENSITY = 1.25, 90.0, 260.0
#: Share of a picture's blur that its painted teeth get (the measure takes lips and nostrils for steps, which are
#: rounder), pixels of blur that sampling them adds, and the least blur, pixels of the layers.
LENS_SHARE, SAMPLING_BLURS, LEAST_BLUR = 0.9, 0.45, 0.3
#: Depth of the rows behind the lips, and how fast the arch recedes: z = depth + arch x^2.
UPPER_DEPTH, LOWER_DEPTH, ARCH = 0.10, 0.13, 0.9
#: The upper row's edge below the rest line, rising to the sides.
UPPER_EDGE, UPPER_EDGE_RISES = 0.058, 0.34
LOWER_EDGE, LOWER_EDGE_FALLS = 0.004, 0.10


@dataclass(frozen=True)
class Layers:
    """Pictures in the material plane.

    Attributes:
        upper: (h, w, 4) uint8 upper teeth, premultiplied, and their coverage.
        jaw: (h, w, 4) uint8 cavity, tongue and lower teeth with the jaw shut, and the coverage of the teeth.
        tongue: (h, w, 4) uint8 the raised tip, premultiplied.
        shadow: (h, w, 3) uint8 what the upper teeth leave of the light behind them, of 255.
        density: Pixels per U.
        longer: How much longer than drawn ones the face's own upper teeth are, U.
    """

    upper: Bytes
    jaw: Bytes
    tongue: Bytes
    shadow: Bytes
    density: float
    longer: float


@dataclass(frozen=True)
class _Plane:
    """Positions on an arch as seen from the front, supersampled: x from the centre, y from the rest line."""

    x: Floats
    y: Floats


def layer_origin(density: float) -> tuple[float, float]:
    """Pixel of the layers' pictures at the middle of the lip line."""
    return HALF_WIDTH * density - 0.5, ABOVE * density - 0.5


def layer_size(density: float) -> tuple[int, int]:
    """(width, height) of the layers' pictures."""
    return round(2 * HALF_WIDTH * density), round((ABOVE + BELOW) * density)


def density_of(scale: float) -> float:
    """Pixels per U of the pictures for a face of that scale."""
    return float(np.clip(FINER * scale, LEAST_DENSITY, MOST_DENSITY))


def paint_layers(
    palette: Palette,
    lips: Lips,
    rotation: Floats,
    density: float,
    seed: int,
    own: tuple[FloatArray, FloatArray] | None,
) -> Layers:
    """Paint the inside of a mouth.

    Args:
        palette: Its colours.
        lips: The mouth at rest.
        rotation: (3, 3) usual turn of the head: on a turned head the arch is seen from the side.
        density: See `density_of`.
        seed: See `paint_row`.
        own: The face's own upper teeth where a picture shows them, in the layers' plane: (h, w, 3) and mask (h, w).
    """
    fine = int(np.clip(np.ceil(360 / density), 2, 4))
    soft = 0.6 / density
    upper, shadow = _upper_row(palette, _plane(rotation, density, fine), soft, seed)
    jaw, lower_alpha = _jaw(palette, _plane(rotation, density, fine), soft, seed)
    tongue = _raised_tip(palette, _plane(rotation, density, fine))
    size = layer_size(density)
    # What is painted gets the picture's own blur, less what its sampling into a frame adds.
    lens, sampling = LENS_SHARE * palette.spread * density, SAMPLING_BLURS * FINER
    blur = math.sqrt(max(lens**2 - sampling**2, LEAST_BLUR**2)) * fine

    def finish(picture: Floats) -> FloatArray:
        smooth = soften(np.ascontiguousarray(picture, np.float32), blur)
        return np.asarray(cv2.resize(smooth, size, interpolation=cv2.INTER_AREA), np.float32)

    row, alpha, light = finish(upper[..., :3]), finish(upper[..., 3]), finish(shadow)
    longer = 0.0
    if own is not None:
        row, alpha, longer = _with_own_teeth(row, alpha, own, palette, density)
    grain = np.random.default_rng(seed + 1).normal(0, palette.grain * 0.7, (size[1], size[0], 1))
    painted = finish(jaw) + grain * (palette.grain > 0.5)
    row = row + grain[::-1] * alpha[..., None] * (palette.grain > 0.5)
    tip = finish(tongue)
    return Layers(
        upper=_bytes(np.dstack([row, alpha * 255])),
        jaw=_bytes(np.dstack([painted, finish(lower_alpha) * 255])),
        tongue=_bytes(tip * np.array([1, 1, 1, 255])),
        shadow=_bytes(255 * light[..., None] ** np.array([1.15, 1.08, 0.85])),
        density=density,
        longer=longer,
    )


def _bytes(picture: Floats) -> Bytes:
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def _plane(rotation: Floats, density: float, fine: int) -> _Plane:
    width, height = layer_size(density)
    x = (np.arange(width * fine) + 0.5) / (density * fine) - HALF_WIDTH
    y = (np.arange(height * fine) + 0.5) / (density * fine) - ABOVE
    flat_x, flat_y = np.meshgrid(x, y)
    # Depth shifts a point sideways on a turned head: what is seen at (x, y) lies at (x, y) minus its depth's shift.
    shift = np.linalg.solve(rotation[:2, :2], rotation[:2, 2])
    on_x = flat_x
    for _ in range(3):
        depth = ARCH * np.clip(on_x, -0.45, 0.45) ** 2
        on_x = flat_x - depth * shift[0]
    down = flat_y - ARCH * np.clip(on_x, -0.45, 0.45) ** 2 * shift[1]
    return _Plane(on_x.astype(np.float32), down.astype(np.float32))


def _side_light(palette: Palette, x: Floats) -> Floats:
    return np.asarray(1 + 0.5 * palette.from_right * np.clip(x / 0.3, -1, 1))


def _upper_row(palette: Palette, plane: _Plane, soft: float, seed: int) -> tuple[Floats, Floats]:
    """Premultiplied teeth with coverage (h, w, 4), and the light left behind them (h, w)."""
    x, y = plane.x, plane.y
    edge = UPPER_EDGE - UPPER_EDGE_RISES * x * x
    row = paint_row(UPPER, x, y, edge, soft=soft, crisp=palette.crisp, from_right=palette.from_right, seed=seed)
    far = np.abs(x)
    light = (1 - 0.75 * smoothstep(0.10, 0.38, far)) * _side_light(palette, x)
    colour = tint(palette.teeth, row.shade * light * 0.98)
    gum = row.gum[..., None]
    colour = colour * (1 - gum) + palette.gum * light[..., None] * gum
    alpha = row.alpha * (1 - smoothstep(0.37, 0.41, far))
    below = np.maximum(y - edge, 0)
    shadow = 1 - 0.28 * np.exp(-below / 0.030) * (y > edge - 0.02) * (1 - smoothstep(0.28, 0.42, far))
    return np.dstack([colour * alpha[..., None], alpha]), shadow


def _jaw(palette: Palette, plane: _Plane, soft: float, seed: int) -> tuple[Floats, Floats]:
    """Cavity, tongue body and lower teeth (h, w, 3), and the coverage of the teeth."""
    x, y = plane.x, plane.y
    far = np.abs(x)
    side = _side_light(palette, x)
    edge = LOWER_EDGE + LOWER_EDGE_FALLS * x * x
    row = paint_row(LOWER, x, y, edge, soft=soft, crisp=palette.crisp, from_right=palette.from_right, seed=seed + 7)
    light = (1 - 0.72 * smoothstep(0.12, 0.36, far)) * side
    teeth = tint(palette.teeth, row.shade * light * 0.96 * (1 - 0.16 * smoothstep(0.02, 0.10, row.depth)))
    gum = row.gum[..., None]
    teeth = teeth * (1 - gum) + 0.8 * palette.gum * light[..., None] * gum
    alpha = row.alpha * (1 - smoothstep(0.32, 0.36, far))
    # 0 at the lower edge, negative further up and back.
    depth = y
    glow = 0.075 + 0.15 * smoothstep(0.08, 0.34, far) + 0.06 * smoothstep(-0.16, 0.0, depth)
    inside = palette.cavity * (glow * side)[..., None] + 0.25 * palette.black
    # The tongue's body: a low dome behind the lower row, its far end lost in the dark.
    r = x / 0.235
    dome = smoothstep(-0.045, 0.075, depth - (-0.130 + 0.095 * r * r)) * (1 - smoothstep(0.80, 1.08, np.abs(r)))
    front = smoothstep(-0.12, 0.02, depth)
    shade = (
        (0.17 + 0.68 * front**1.2) * (1 - 0.50 * np.abs(r) ** 2.4) * (1 - 0.16 * np.exp(-((x / 0.016) ** 2)) * front)
    )
    shade = shade + 0.10 * np.exp(-(((far - 0.055) / 0.05) ** 2) - ((depth + 0.035) / 0.025) ** 2)
    body = tint(palette.tongue, shade * side) + 0.25 * palette.black
    inside = inside * (1 - dome[..., None]) + body * dome[..., None]
    return inside * (1 - alpha[..., None]) + teeth * alpha[..., None], alpha


def _raised_tip(palette: Palette, plane: _Plane) -> Floats:
    """The tongue's tip with its top at the rest line, premultiplied (h, w, 4)."""
    x, depth = plane.x, plane.y
    r = x / TIP_HALF_WIDTH
    top = 0.050 * np.abs(np.clip(r, -1.3, 1.3)) ** 2.6
    inside = depth - top
    alpha = smoothstep(-0.008, 0.010, inside) * (1 - smoothstep(0.88, 1.04, np.abs(r)))
    alpha = alpha * (1 - smoothstep(0.20, 0.27, depth))
    shade = 0.62 + 0.34 * smoothstep(0, 0.035, inside) - 0.26 * smoothstep(0.06, 0.18, inside)
    groove = 1 - 0.10 * np.exp(-((x / 0.014) ** 2)) * smoothstep(0.015, 0.05, inside)
    shade = shade * (1 - 0.40 * np.abs(r) ** 2.6) * groove
    wet_at = 0.035 if palette.from_right > 0 else -0.035
    shade = shade + 0.20 * np.exp(-(((x - wet_at) / 0.045) ** 2) - ((inside - 0.032) / 0.013) ** 2)
    colour = tint(palette.tongue * 1.2, shade * _side_light(palette, x))
    return np.dstack([colour * alpha[..., None], alpha])


#: Half-width of the raised tip.
TIP_HALF_WIDTH: Final = 0.165


def _with_own_teeth(
    row: FloatArray, alpha: FloatArray, own: tuple[FloatArray, FloatArray], palette: Palette, density: float
) -> tuple[Floats, Floats, float]:
    """Put the face's own teeth over the painted row; they go on upwards under the lip as flat enamel."""
    picture, mask = own
    reach = max(3, int(0.07 * density))
    up = np.asarray(cv2.dilate(mask, np.ones((reach, 1), np.uint8), anchor=(0, 0)), np.float32)
    teeth = (0.86 * palette.teeth).astype(np.float32)
    covered = np.maximum(up, mask)
    colour = teeth * (1 - mask[..., None]) + picture * mask[..., None]
    rows = np.flatnonzero(mask[:, mask.shape[1] // 2] > 0.5)
    edge = (rows.max() - layer_origin(density)[1]) / density if len(rows) else UPPER_EDGE
    return colour * covered[..., None], covered, float(np.clip(edge - UPPER_EDGE, 0, 0.2))
