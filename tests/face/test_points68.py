"""The mesh from 68 points, against meshes that are known."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from tests.face.people import posed, presenter, presenter_mesh, turned
from visema.errors import EngineError
from visema.face.alignment import Landmarker68
from visema.face.points68 import MESH_68, to_68, to_mesh
from visema.face.pose import fit_poses
from visema.types import FloatArray, Image


def test_the_table() -> None:
    assert len(MESH_68) == len(set(MESH_68.tolist())) == 68
    mesh = posed(100)
    points = to_68(mesh)
    assert (np.diff(points[:17, 0]) > 0).all(), "the jaw runs from left to right"
    assert points[8, 1] == points[:, 1].max(), "the chin is lowest"
    assert points[36, 0] < points[39, 0] < points[42, 0] < points[45, 0], "the eyes' corners in order"
    assert points[48, 0] < points[51, 0] < points[54, 0] and points[51, 1] < points[57, 1]
    assert points[62, 1] <= points[66, 1] and points[51, 1] < points[62, 1]


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, 0, 0), (-25, 5, 8), (10, -12, -20)])
def test_the_pose_survives(angles: tuple[float, float, float]) -> None:
    mesh = posed(80, turned(*angles), (300, 200))
    back = to_mesh(to_68(mesh))
    assert np.abs(to_68(back) - to_68(mesh)).max() < 0.05, "it goes through the points"
    assert np.abs(back - mesh)[:, :2].max() < 1
    was, now = fit_poses(mesh[None]), fit_poses(back[None])
    assert abs(float(now.scale[0] / was.scale[0]) - 1) < 0.01
    assert abs(float(now.yaw[0] - was.yaw[0])) < 1 and abs(float(now.roll[0] - was.roll[0])) < 0.5


def test_a_real_face_comes_close() -> None:
    mesh = presenter_mesh()
    back = to_mesh(to_68(mesh))
    unit = float(fit_poses(mesh[None]).scale[0])
    assert np.abs(back - mesh)[:, :2].mean() < 0.03 * unit


class Network:
    """Stands for the real one, which needs weights: says where two faces are."""

    def __init__(self, kind: object, device: str, flip_input: bool) -> None:
        assert kind == "2d" and device == "cpu"

    def get_landmarks_from_image(self, image: Image) -> list[FloatArray] | None:
        assert np.array_equal(image, presenter()[:, :, ::-1]), "RGB"
        return [to_68(posed(30, at=(90, 90))), to_68(posed(80, at=(300, 300)))]


def test_the_network_as_a_landmarker(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("face_alignment")
    package.FaceAlignment = Network  # type: ignore[attr-defined]
    package.LandmarksType = types.SimpleNamespace(TWO_D="2d")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "face_alignment", package)
    with Landmarker68() as landmarker:
        faces = landmarker.find(presenter())
    assert [f.shape for f in faces] == [(478, 3)] * 2
    assert abs(float(fit_poses(faces[0][None]).scale[0]) - 80) < 1, "the largest first"


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(EngineError, match="68-point") as caught:
        Landmarker68()
    assert "neural" in caught.value.hint
