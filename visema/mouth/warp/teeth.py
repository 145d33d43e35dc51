"""Painting a row of teeth: shapes, gaps, edges and light. Lengths in U."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from visema.mouth.warp.points import Floats, smoothstep

#: Exponents of blue, green and red by which a shade darkens a tooth: shadows in a mouth are warm.
_WARM: Final = np.array([1.26, 1.17, 0.90], np.float32)
#: A tooth is painted so far from its middle, in half-widths.
REACH: Final = 1.06


@dataclass(frozen=True)
class Row:
    """One row of teeth, mirrored about the middle.

    Attributes:
        centres, half_widths: Of each tooth from the middle outwards.
        offsets: How far each edge falls short of the row's line.
        corners: (amount, power) of the rounding of each tooth's corners.
        length: From edge to gum.
        gap: Width of the shadow between two teeth.
        upper: The row hangs down.
    """

    centres: tuple[float, ...]
    half_widths: tuple[float, ...]
    offsets: tuple[float, ...]
    corners: tuple[tuple[float, float], ...]
    length: float
    gap: float
    upper: bool


#: Central and lateral incisor, canine, premolar.
UPPER: Final = Row(
    (0.0675, 0.184, 0.281, 0.366),
    (0.0675, 0.0495, 0.049, 0.040),
    (0.0, -0.009, -0.002, -0.012),
    ((0.010, 5), (0.014, 3.5), (0.017, 1.7), (0.014, 2)),
    length=0.160,
    gap=0.0054,
    upper=True,
)
LOWER: Final = Row(
    (0.041, 0.123, 0.210, 0.296),
    (0.041, 0.041, 0.044, 0.041),
    (0.0, 0.001, 0.004, -0.008),
    ((0.006, 5), (0.007, 4), (0.012, 1.8), (0.010, 2)),
    length=0.125,
    gap=0.0050,
    upper=False,
)


@dataclass(frozen=True)
class PaintedRow:
    """Per pixel: coverage, shade (1 is the tooth's own colour), depth inside the edge and gum (0 to 1)."""

    alpha: Floats
    shade: Floats
    depth: Floats
    gum: Floats


def paint_row(
    row: Row, x: Floats, y: Floats, edge: Floats, *, soft: float, crisp: float, from_right: float, seed: int
) -> PaintedRow:
    """Paint one row.

    Args:
        row: Its shape.
        x: Pixel positions across, from the middle of the row.
        y: And down.
        edge: y of the row's edge at ``x``.
        soft: Half the width of an antialiased edge.
        crisp: 0 to 1, how sharp gaps and highlights are.
        from_right: Positive where the light comes from the right.
        seed: Of the small irregularities that make one person's teeth differ from another's.
    """
    alpha, shade, gum = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    depth = np.full_like(x, -1.0)
    chance = np.random.default_rng(seed)
    light_at = 0.25 * np.sign(from_right + 0.01)
    sense = 1 if row.upper else -1
    for centre, half, offset, (amount, power) in zip(
        row.centres, row.half_widths, row.offsets, row.corners, strict=True
    ):
        for side in (-1, 1):
            shift, tilt, tone = chance.normal(0, 1, 3)
            # Only the columns that this tooth stands in.
            near = np.flatnonzero((np.abs(x - side * centre) <= REACH * half).any(0))
            if not len(near):
                continue
            part = np.s_[:, near[0] : near[-1] + 1]
            across = (x[part] - side * centre) / half
            outward = across * side
            mine = np.abs(across) <= REACH
            rounding = amount * np.minimum(np.abs(across), 1.2) ** power * np.where(outward > 0, 1.25, 0.8)
            tip = edge[part] + (offset + 0.0014 * shift + 0.0016 * tilt * outward - rounding) * sense
            inside = (tip - y[part]) * sense
            t = inside / row.length
            covered = smoothstep(-soft, soft, inside) * smoothstep(-0.07, 0.05, 1.0 - np.abs(across))
            gap_depth = 0.45 + 0.55 * smoothstep(0.10, 0.75, t)  # the line between two teeth deepens towards the gum
            between = np.exp(-((np.maximum(0, 1 - np.abs(across)) * half / row.gap) ** 2))
            light = 1 - 0.14 * np.abs(across) ** 2.6 - (0.15 + 0.17 * crisp) * gap_depth * between
            translucent = np.exp(-np.maximum(inside, 0) / 0.013) * (1 if row.upper else 0.3)
            light = light - 0.11 * translucent - 0.15 * smoothstep(0.50, 1.05, t)  # clear edge, darker neck
            broad = np.exp(-(((across - light_at) / 0.42) ** 2) - ((t - 0.42) / 0.24) ** 2)
            spot = np.exp(-(((across - 0.9 * light_at) / 0.15) ** 2) - ((t - 0.40) / 0.13) ** 2)
            spot_fades = 1 - float(smoothstep(0.10, 0.24, centre))
            light = light + (0.07 * broad + 0.13 * crisp * spot * spot_fades) * (1 if row.upper else 0.6)
            light = light * (1 + 0.018 * tone)
            gummy = smoothstep(-0.02, 0.02, inside - row.length * (0.98 - 0.14 * across**2))
            alpha[part][mine] = np.maximum(alpha[part], covered)[mine]
            for whole, own in ((shade, light), (gum, gummy), (depth, inside)):
                whole[part][mine] = own[mine]
    return PaintedRow(alpha, shade, depth, gum)


def tint(colour: Floats, shade: Floats) -> Floats:
    """``colour`` (3,) under a shade (h, w): (h, w, 3)."""
    return np.asarray(colour * np.clip(shade, 0.01, 1.25)[..., None] ** _WARM)
