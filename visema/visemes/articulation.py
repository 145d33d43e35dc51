"""The mouth's parameters, and where each viseme puts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from visema.types import FloatArray

#: Names of an articulation vector's fields, in order. The first five and the rolls are lengths in units of the
#: distance between the pupils; `protrude`, `tongue` and the teeth are fractions. `jaw` drops the chin, `wide`
#: spreads (negative: narrows) the corners, `upper` raises and `lower` depresses the lips, the rolls tuck them in.
FIELDS: Final[tuple[str, ...]] = (
    "jaw", "wide", "protrude", "upper", "lower", "roll_upper", "roll_lower", "tongue", "teeth_upper", "teeth_lower",
)  # fmt: skip
N_FIELDS: Final = len(FIELDS)

#: The visible opening is cut this far into each lip, to hide the dark line where lips touch.
LIP_MARGIN: Final = 0.009
#: Jaw opens the lips' middle by 1 - .03 of itself (the upper lip follows by .03).
JAW_TO_OPENING: Final = 0.97

# Opening between the inner lips instead of jaw, as fitted on 20 clips of real speakers; the rest of the row as FIELDS.
# Speakers show the upper row; the lower one stands behind its lip for all but the widest and the hissed sounds. Both
# rows bared at every vowel look like a grimace.
_OPENINGS: Final[dict[str, tuple[float, ...]]] = {
    "Aa": (0.27, 0.02, 0.0, 0.044, 0.034, 0.0, 0.0, 0.15, 1.0, 0.90),
    "Ay": (0.25, 0.06, 0.0, 0.044, 0.034, 0.0, 0.0, 0.20, 1.0, 0.90),
    "Eh": (0.25, 0.08, 0.0, 0.040, 0.036, 0.0, 0.0, 0.28, 1.0, 0.75),
    "H": (0.21, 0.02, 0.0, 0.034, 0.028, 0.0, 0.0, 0.20, 1.0, 0.45),
    "Ih": (0.15, 0.10, 0.0, 0.032, 0.032, 0.0, 0.0, 0.30, 1.0, 0.40),
    "Iy": (0.15, 0.18, 0.0, 0.038, 0.042, 0.01, 0.0, 0.30, 1.0, 0.60),
    "S": (0.12, 0.11, 0.0, 0.030, 0.040, 0.0, 0.0, 0.20, 1.0, 0.75),
    "Sh": (0.14, -0.20, 0.80, 0.036, 0.048, 0.0, 0.0, 0.20, 1.0, 0.80),
    "K": (0.14, 0.03, 0.0, 0.028, 0.026, 0.0, 0.0, 0.30, 1.0, 0.25),
    "T": (0.10, 0.05, 0.0, 0.020, 0.016, 0.0, 0.0, 0.78, 1.0, 0.60),
    "L": (0.11, 0.03, 0.0, 0.016, 0.003, 0.0, 0.0, 0.90, 1.0, 0.60),
    "Th": (0.10, 0.03, 0.0, 0.016, 0.006, 0.0, 0.0, 1.00, 1.0, 1.0),
    "Ax": (0.12, 0.01, 0.0, 0.026, 0.020, 0.0, 0.0, 0.20, 1.0, 0.25),
    "Ao": (0.15, -0.24, 0.70, 0.022, 0.010, 0.0, 0.0, 0.10, 0.7, 0.5),
    "Oh": (0.13, -0.31, 0.95, 0.026, 0.012, 0.0, 0.0, 0.05, 0.5, 0.3),
    "Er": (0.10, -0.17, 0.60, 0.024, 0.024, 0.0, 0.0, 0.30, 1.0, 0.35),
    "R": (0.09, -0.21, 0.80, 0.022, 0.022, 0.0, 0.0, 0.30, 1.0, 0.30),
    "Oy": (0.09, -0.28, 0.85, 0.016, 0.010, 0.0, 0.0, 0.10, 0.6, 0.4),
    "W": (0.05, -0.38, 1.10, 0.010, 0.006, 0.0, 0.0, 0.0, 0.1, 0.1),
}
#: A pause inside speech: real speakers keep about .11 open and close only in longer ones.
RELAXED_OPENING: Final = 0.11


def _from_opening(row: tuple[float, ...]) -> FloatArray:
    opening, upper, lower = row[0], row[3], row[4]
    return np.array([(opening - 2 * LIP_MARGIN - upper - lower) / JAW_TO_OPENING, *row[1:]], np.float32)


#: Viseme to articulation, (N_FIELDS,) float32.
TARGETS: Final[dict[str, FloatArray]] = {
    "Sil": np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1], np.float32),
    "M": np.array([0, -0.02, 0.05, 0, 0, 0.022, 0.026, 0, 1, 1], np.float32),
    "F": np.array([0.002, 0.03, 0, 0.026, -0.010, 0, 0.055, 0, 1, 0], np.float32),
    **{viseme: _from_opening(row) for viseme, row in _OPENINGS.items()},
}
#: The mouth in a short pause.
RELAXED: Final[FloatArray] = _from_opening((RELAXED_OPENING, 0.0, 0.0, 0.020, 0.018, 0.0, 0.0, 0.15, 1.0, 0.3))


@dataclass(frozen=True)
class ArticulationCurve:
    """The mouth pose of every frame of a speech.

    Attributes:
        fps: Frames a second.
        poses: (n, N_FIELDS) float32; row i is the pose at i / fps seconds.
    """

    fps: float
    poses: FloatArray

    def __len__(self) -> int:
        return len(self.poses)

    def at(self, t: float) -> FloatArray:
        """The pose at ``t`` seconds, interpolated; at rest outside the speech."""
        x = t * self.fps
        if not len(self.poses) or x < 0 or x > len(self.poses):
            return TARGETS["Sil"]
        i = min(int(x), len(self.poses) - 1)
        j = min(i + 1, len(self.poses) - 1)
        f = np.float32(x - i)
        pose: FloatArray = self.poses[i] * (1 - f) + self.poses[j] * f
        return pose


def lip_gap(poses: FloatArray) -> FloatArray:
    """The visible opening between the lips, in distances of the pupils; 0 where they touch.

    Args:
        poses: (..., N_FIELDS).

    Returns:
        (...) float32; negative where the lips press into each other.
    """
    gap: FloatArray = poses[..., 0] * np.float32(JAW_TO_OPENING) + poses[..., 3] + poses[..., 4]
    return gap
