"""The 68 points of face alignment and the 478-vertex mesh: one from the other."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from visema.face.pose import canonical_mesh
from visema.types import FloatArray

#: Mesh vertex of each of the 68 points: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67.
MESH_68: Final[NDArray[np.intp]] = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
        *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
        *(168, 197, 5, 4, 75, 97, 2, 326, 305),
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
    ]
)
#: Points that speech does not move: brows, nose, eyes.
_RIGID: Final = np.arange(17, 48)


def to_68(mesh: FloatArray) -> FloatArray:
    """(478, 2 or 3) mesh to (68, 2) points."""
    return np.asarray(mesh[MESH_68, :2], np.float32)


def to_mesh(points: FloatArray) -> FloatArray:
    """A full mesh through 68 points: the mean face, posed, and bent so that it goes through all of them.

    Args:
        points: (68, 2) or (68, 3) pixels, z away from the viewer.

    Returns:
        (478, 3) float32 pixels. Irises lie in the middle of the eyes; what the 68 points say nothing of, such as
        the cheeks, is the mean face's, moved along.
    """
    from scipy.interpolate import RBFInterpolator

    mean, _ = canonical_mesh()
    known = np.asarray(points, np.float64)
    rotation, scale, offset = _pose(mean[MESH_68[_RIGID]].astype(np.float64), known[_RIGID])
    posed = scale * mean @ rotation.T + offset
    at = MESH_68
    bend = np.zeros((68, 3))
    bend[:, : known.shape[1]] = known - posed[at, : known.shape[1]]
    unique = np.unique(at, return_index=True)[1]
    spread = RBFInterpolator(mean[at][unique], bend[unique], kernel="thin_plate_spline", smoothing=1e-6)
    return np.asarray(posed + spread(mean), np.float32)


def _pose(mean: NDArray[np.float64], points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, FloatArray]:
    """Rotation, scale and offset that take mean points to where they are seen: a scaled orthographic camera.

    The two rows of the camera are fitted freely and then made orthogonal; with little noise that is as good as the
    search for the best rotation.
    """
    centre_mean, centre = mean.mean(0), points[:, :2].mean(0)
    camera = np.linalg.lstsq(mean - centre_mean, points[:, :2] - centre, rcond=None)[0].T
    u, d, vt = np.linalg.svd(camera, full_matrices=False)
    rows = u @ vt
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    scale = float(d.mean())
    offset = np.array([*(centre - scale * rows @ centre_mean), 0.0], np.float32)
    return rotation, scale, offset
