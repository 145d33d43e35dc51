"""The material plane: a grid fixed to the skin, and where its nodes lie in a picture, as a matrix on the landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from visema.mouth.warp.displacement import (
    N_WEIGHTS,
    ROLLS,
    SIDES,
    AlongLips,
    along_lips,
    closing_share,
    displacement_fields,
    motion_of,
    pitch_slope,
    sealing_share,
)
from visema.mouth.warp.lips import MIDDLE, Lips, hat_matrix
from visema.mouth.warp.points import (
    INNER_CORNERS,
    INNER_LOWER,
    INNER_UPPER,
    N_SKIN,
    OUTER_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    Floats,
    smoothstep,
)
from visema.types import FloatArray

#: Distance between nodes, U.
STEP = 1 / 20
LEFT, RIGHT, TOP, BOTTOM = -1.30, 1.30, -0.95, 1.45
#: Smoothing of the thin plates: of each side's own, and of the one shared beyond the corners.
SIDE_SMOOTHING, COMMON_SMOOTHING = 2e-3, 1e-2
#: Farther than the first number from the mouth, vertices are used at least the second apart, U.
THINNED_FROM, SPACING = 0.55, 0.13
#: A vertex is used when its outward normal faces the viewer in every sampled pose.
FACING = 0.15


@dataclass(frozen=True)
class Material:
    """Constant for an avatar. N = rows x columns nodes; side 0 is the upper lip's.

    Attributes:
        x, y: (columns,) and (rows,) node coordinates, U, x from the head's middle.
        vertices: Vertices of the mesh that the operators read.
        operators: (2 * N, vertices) from the vertices' pixels to the nodes', upper side first.
        fields: (N_WEIGHTS, 2 * N * 3) displacement, upper side first.
        edge_fields: (N_WEIGHTS, 2 * columns of the lip line * 3) of the lips' edges, without rolls.
        closing: (2, N) share of the gap left by the jaw that each node moves to shut an open mouth.
        sealing: (2, N) share of `Motion.sealing` that each node moves.
        along: (columns,) and `edge_along` (columns of the lip line,): places along the lips.
        columns: (columns, N_COLUMNS) from the lip line's columns to the grid's.
    """

    x: FloatArray
    y: FloatArray
    vertices: NDArray[np.intp]
    operators: FloatArray
    fields: FloatArray
    edge_fields: FloatArray
    closing: FloatArray
    sealing: FloatArray
    along: AlongLips
    edge_along: AlongLips
    columns: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.y), len(self.x)


def build_material(lips: Lips, rotations: Floats) -> Material:
    """Build the grid of a face.

    Args:
        lips: The mouth at rest.
        rotations: (n, 3, 3) extreme or sampled turns of the head in the loop.
    """
    x = np.arange(LEFT, RIGHT + 1e-6, STEP) + lips.centre
    y = np.arange(TOP, BOTTOM + 1e-6, STEP)
    grid_x, grid_y = np.meshgrid(x, y)
    nodes = np.stack([grid_x.ravel(), grid_y.ravel()], 1)
    vertices, is_lower, is_upper = choose_vertices(lips, rotations)
    centres = lips.points[vertices, :2]
    beyond = smoothstep(0.92, 1.2, np.abs(nodes[:, 0] - lips.centre) / lips.inner_half_width)
    plates = [Plate(np.ones(len(vertices), bool), COMMON_SMOOTHING, beyond > 0)]
    plates += [Plate(~other[vertices], SIDE_SMOOTHING, beyond < 1) for other in (is_lower, is_upper)]
    common, *own_of_sides = thin_plates(nodes, centres, plates)
    common *= beyond[:, None]
    operators, fields, edge_fields, closing, sealing = [], [], [], [], []
    slope = pitch_slope(rotations)
    for side, own in zip(SIDES, own_of_sides, strict=True):
        own *= 1 - beyond[:, None]
        operators.append(own + common)
        edge = lips.upper if side == "upper" else lips.lower
        fields.append(displacement_fields(grid_x, grid_y, side, lips, slope).reshape(N_WEIGHTS, -1))
        at_edge = displacement_fields(lips.x, edge, side, lips, slope).reshape(N_WEIGHTS, -1)
        at_edge[ROLLS] = 0
        edge_fields.append(at_edge)
        closing.append(closing_share(grid_x, grid_y, side, lips).ravel())
        sealing.append(sealing_share(grid_x, grid_y, side, lips).ravel())
    columns = np.zeros((len(x), len(lips.x)))
    between = (x >= lips.x[0]) & (x <= lips.x[-1])
    columns[between] = hat_matrix(x[between], lips.x)
    f32 = np.float32
    return Material(
        x=x.astype(f32),
        y=y.astype(f32),
        vertices=vertices,
        operators=np.concatenate(operators).astype(f32),
        fields=np.concatenate(fields, 1).astype(f32),
        edge_fields=np.concatenate(edge_fields, 1).astype(f32),
        closing=np.stack(closing).astype(f32),
        sealing=np.stack(sealing).astype(f32),
        along=AlongLips.of(along_lips(x, lips)),
        edge_along=AlongLips.of(along_lips(lips.x, lips)),
        columns=columns.astype(f32),
    )


def choose_vertices(lips: Lips, rotations: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
    """The vertices to use, and which of all belong to the lower and to the upper lip alone."""
    points = lips.points[:N_SKIN]
    outward = points - np.array([0, -0.6, 1.0])
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    facing = np.einsum("kc,fc->fk", outward, rotations[:, 2]).max(0) < FACING
    vertices = _thinned(np.flatnonzero(facing & (points[:, 1] > TOP)), lips)
    below = points[:, 1] - np.interp(points[:, 0], lips.x, lips.line)
    between = np.abs(points[:, 0] - lips.centre) < lips.inner_half_width * 1.02
    lower = between & (below > 0)
    upper = between & (below <= 0) & (below > -0.28)
    corners = list({*OUTER_CORNERS, *INNER_CORNERS})
    for chain, mine, other in (
        (INNER_UPPER + OUTER_UPPER, upper, lower),
        (INNER_LOWER + OUTER_LOWER, lower, upper),
    ):
        mine[list(chain)] = True
        other[list(chain)] = False
    lower[corners] = upper[corners] = False
    return vertices, lower, upper


def _thinned(vertices: NDArray[np.intp], lips: Lips) -> NDArray[np.intp]:
    """All vertices about the mouth, and of those farther away as many as keep their distance."""
    points = lips.points[:, :2] - (lips.centre, lips.rest)
    kept: list[int] = []
    for i in vertices.tolist():
        far = float(np.linalg.norm(points[i])) > THINNED_FROM
        if not far or np.linalg.norm(points[kept] - points[i], axis=1).min(initial=9) > SPACING:
            kept.append(i)
    return np.array(kept, np.intp)


def thin_plate(at: Floats, centres: Floats, smoothing: float) -> Floats:
    """Matrix from values given at ``centres`` (k, 2) to a smoothing thin-plate spline's at ``at`` (n, 2)."""
    everywhere = np.ones(len(centres), bool), np.ones(len(at), bool)
    return thin_plates(at, centres, [Plate(everywhere[0], smoothing, everywhere[1])])[0]


class Plate(NamedTuple):
    """One of `thin_plates`: the centres it goes through (k,), its smoothing, and the places it is needed at (n,)."""

    used: NDArray[np.bool_]
    smoothing: float
    needed: NDArray[np.bool_]


def thin_plates(at: Floats, centres: Floats, plates: list[Plate]) -> list[Floats]:
    """Several `thin_plate` matrices; columns of centres not used and rows of places not needed are zero."""
    among = _kernel(centres, centres)
    to = _kernel(at, centres)
    matrices = []
    for used, smoothing, needed in plates:
        n = int(used.sum())
        affine = np.c_[np.ones(n), centres[used]]
        system = np.zeros((n + 3, n + 3))
        system[:n, :n] = among[np.ix_(used, used)] + smoothing * np.eye(n)
        system[:n, n:] = affine
        system[n:, :n] = affine.T
        matrix = np.zeros((len(at), len(centres)))
        rows = np.c_[to[np.ix_(needed, used)], np.ones(int(needed.sum())), at[needed]]
        matrix[np.ix_(needed, used)] = rows @ np.linalg.inv(system)[:, :n]
        matrices.append(matrix)
    return matrices


def _kernel(a: Floats, b: Floats) -> Floats:
    """r^2 log r between all points of two sets."""
    d2 = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 1e-18)
    return np.asarray(0.5 * d2 * np.log(d2))


def jaw_gain_of(lips: Lips, pose: FloatArray, opening: float, rotation: Floats) -> float:
    """The scale of the jaw at which ``pose`` opens the lips by ``opening`` (U) in the picture of a head so turned."""
    down = rotation[:2, 1] / np.linalg.norm(rotation[:2, 1])
    slope = pitch_slope(rotation[None])
    upper, lower = (
        displacement_fields(lips.x, edge, side, lips, slope)[:, MIDDLE]
        for side, edge in zip(SIDES, (lips.upper, lips.lower), strict=True)
    )

    def opened(gain: float) -> float:
        return float(motion_of(pose, gain).weights @ (lower - upper) @ rotation[:2].T @ down)

    low, high = opened(0.8), opened(1.3)
    return float(np.clip(0.8 + 0.5 * (opening - low) / (high - low), 0.85, 1.25))
