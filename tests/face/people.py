"""Faces to test with: the project's own presenter, and landmarks that are known because they were computed."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from tests.conftest import ROOT
from visema.face.landmarks import MediaPipeLandmarker
from visema.face.pose import canonical_mesh
from visema.media.image import read_image
from visema.types import FloatArray, Image


@cache
def presenter(height: int = 512) -> Image:
    """The presenter's portrait, square."""
    picture = read_image(ROOT / "assets" / "presenter.png")
    h, w = picture.shape[:2]
    side = min(h, w)
    picture = picture[(h - side) // 2 : (h + side) // 2, (w - side) // 2 : (w + side) // 2]
    return np.asarray(cv2.resize(picture, (height, height), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def presenter_mesh(height: int = 512) -> FloatArray:
    with MediaPipeLandmarker() as mesh:
        return mesh.find(presenter(height))[0]


def on_grey(picture: Image, size: tuple[int, int], at: tuple[int, int]) -> Image:
    """A picture put at ``at`` (x, y) of a grey one of ``size`` (w, h)."""
    out = np.full((size[1], size[0], 3), 96, np.uint8)
    x, y = at
    h, w = picture.shape[:2]
    out[y : y + h, x : x + w] = picture[: size[1] - y, : size[0] - x]
    return out


def turned(yaw: float = 0, pitch: float = 0, roll: float = 0) -> FloatArray:
    """Rotation by degrees, as `HeadPoses` counts them."""
    a, b, c = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).astype(np.float32)


def posed(unit: float = 100, rotation: FloatArray | None = None, at: tuple[float, float] = (300, 300)) -> FloatArray:
    """The mean face in a pose, (478, 3) pixels."""
    points, _ = canonical_mesh()
    moved = unit * points @ (np.eye(3) if rotation is None else rotation).T
    return (moved + np.array([*at, 0])).astype(np.float32)
