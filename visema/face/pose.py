"""Head pose by a weighted Procrustes fit of the mean face mesh, for many frames at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from visema.types import FloatArray

#: Vertices of the mesh: 468 of the skin and 5 for each iris, as MediaPipe's face mesh has them.
N_POINTS = 478
MOUTH_CORNERS = (61, 291)


@cache
def canonical_mesh() -> tuple[FloatArray, FloatArray]:
    """The mean face and the weight of each vertex in the fit.

    Returns:
        points (478, 3), x right, y down, z away from the viewer, pupils one unit apart, origin between the mouth
        corners; weights (478,), zero below the nose base (so that speech does not turn the head), low at the eyes.
    """
    with np.load(Path(__file__).with_name("canonical_mesh.npz"), allow_pickle=False) as data:
        return data["points"], data["weights"]


@dataclass(frozen=True)
class HeadPoses:
    """Similarity transforms from the mean face to n frames: ``p = scale * rotation @ canonical + offset``.

    Attributes:
        scale: (n,) distance between the pupils in pixels, corrected for the pose. Written U elsewhere.
        rotation: (n, 3, 3).
        offset: (n, 3) pixels.
        residual: (n,) weighted RMS distance of the fit, in units of U; large where it is no human face.
    """

    scale: FloatArray
    rotation: FloatArray
    offset: FloatArray
    residual: FloatArray

    @property
    def yaw(self) -> FloatArray:
        """Degrees, (n,)."""
        return _degrees(np.arctan2(self.rotation[:, 0, 2], self.rotation[:, 2, 2]))

    @property
    def pitch(self) -> FloatArray:
        """Degrees, (n,)."""
        return _degrees(np.arcsin(np.clip(-self.rotation[:, 1, 2], -1, 1)))

    @property
    def roll(self) -> FloatArray:
        """Degrees, (n,)."""
        return _degrees(np.arctan2(self.rotation[:, 1, 0], self.rotation[:, 0, 0]))


def _degrees(radians: FloatArray) -> FloatArray:
    return np.asarray(np.degrees(radians), np.float32)


def fit_poses(landmarks: FloatArray) -> HeadPoses:
    """Fit the mean face to each of n meshes.

    Args:
        landmarks: (n, 478, 3) pixels.
    """
    points, weights = canonical_mesh()
    used = np.flatnonzero(weights > 0)
    w = (weights[used] / weights[used].sum()).astype(np.float64)
    src = points[used].astype(np.float64)
    src_mean = w @ src
    src = src - src_mean
    dst = np.asarray(landmarks, np.float64)[:, used]
    dst_mean = np.einsum("k,fkc->fc", w, dst)
    dst = dst - dst_mean[:, None]
    u, d, vt = np.linalg.svd(np.matmul((src * w[:, None]).T, dst))
    v, ut = vt.transpose(0, 2, 1).copy(), u.transpose(0, 2, 1)
    sign = np.sign(np.linalg.det(v @ ut))
    v[:, :, 2] *= sign[:, None]
    rotation = v @ ut
    scale = (d[:, 0] + d[:, 1] + sign * d[:, 2]) / (w[:, None] * src * src).sum()
    fitted = scale[:, None, None] * np.matmul(src, rotation.transpose(0, 2, 1))
    residual = np.sqrt((w[None, :, None] * (dst - fitted) ** 2).sum((1, 2))) / scale
    offset = dst_mean - scale[:, None] * np.einsum("fij,j->fi", rotation, src_mean)
    f32 = np.float32
    return HeadPoses(scale.astype(f32), rotation.astype(f32), offset.astype(f32), residual.astype(f32))
