"""Faces at the picture's edge, huge, tiny, turned away and with landmarks gone wild: drawn soundly or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.mouth.conftest import Face
from visema.face.track import FaceTrack
from visema.mouth.engine import MouthEngine
from visema.mouth.patch import PatchEngine
from visema.mouth.warp import WarpEngine
from visema.types import FloatArray
from visema.visemes.articulation import TARGETS


def turned(mesh: FloatArray, axis: int, degrees: float) -> FloatArray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    a, b = [i for i in range(3) if i != axis]
    matrix[a, a], matrix[a, b], matrix[b, a], matrix[b, b] = c, -s, s, c
    middle = mesh.mean(0)
    return np.asarray((mesh - middle) @ matrix.T + middle, np.float32)


def placements(mesh: FloatArray) -> Iterator[FloatArray]:
    for shift in range(-420, 430, 60):
        for direction in ((1, 0, 0), (0, 1, 0), (1, 0.7, 0)):
            yield mesh + np.float32(shift) * np.array(direction, np.float32)
    for factor in (0.05, 0.15, 0.3, 2, 5):
        yield np.asarray((mesh - mesh.mean(0)) * factor + mesh.mean(0), np.float32)
    for axis in range(3):
        for degrees in (-85, -45, 45, 90, 180):
            yield turned(mesh, axis, degrees)
    chance = np.random.default_rng(0)
    for _ in range(4):
        yield np.asarray(mesh + chance.normal(0, 20, mesh.shape), np.float32)


@pytest.mark.parametrize("kind", [WarpEngine, PatchEngine])
def test_any_placement_is_drawn_soundly_or_not_at_all(presenter: Face, kind: type[MouthEngine]) -> None:
    rig = kind.prepare({0: presenter.frames[0]}, presenter.track)
    meshes = np.stack(list(placements(presenter.track.landmarks[0])))
    engine = kind(rig, FaceTrack(meshes, np.ones(len(meshes), bool)), presenter.size)
    drawn = 0
    for index in range(len(meshes)):
        box = engine.region(index)
        if box is None:
            continue
        assert 0 <= box.x0 < box.x1 <= 512 and 0 <= box.y0 < box.y1 <= 512 and not any(v % 2 for v in box)
        base = np.ascontiguousarray(presenter.frames[0][box.y0 : box.y1, box.x0 : box.x1])
        for viseme in ("Aa", "W", "M"):
            out = engine.draw(base, index, TARGETS[viseme])
            assert out.shape == base.shape and out.dtype == np.uint8
            for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
                assert np.array_equal(out[edge], base[edge]), (index, viseme)
        drawn += 1
    assert 20 < drawn < len(meshes)
