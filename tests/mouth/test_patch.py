"""The soft ellipse, the tracking and the morphs of picture libraries."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.mouth.conftest import Detect, Face
from visema.errors import AvatarError
from visema.face.track import FaceTrack
from visema.mouth.engine import mouth_engine
from visema.mouth.patch import (
    SOFTNESS,
    STRENGTH,
    VISEME_SMOOTH_FRAMES,
    PatchEngine,
    blend_patch,
    ellipse_mask,
    nearest_visemes,
    similarities,
)
from visema.mouth.points68 import MOUTH, to_68
from visema.visemes.articulation import TARGETS
from visema.visemes.classes import VISEMES


@pytest.fixture(scope="module")
def engine(presenter: Face) -> PatchEngine:
    return PatchEngine(PatchEngine.prepare({0: presenter.frames[0]}, presenter.track), presenter.track, presenter.size)


def test_is_registered() -> None:
    assert mouth_engine("patch") is PatchEngine


def test_numbers_are_the_designs() -> None:
    assert (STRENGTH, SOFTNESS, VISEME_SMOOTH_FRAMES) == (0.85, 0.40, 1)


def test_mask_is_full_inside_and_falls_by_a_smoothstep() -> None:
    mask = ellipse_mask(1001, 501)
    row = mask[250]
    centre = 500
    at = lambda radius: float(row[round(centre + radius * 500.5)])  # noqa: E731
    assert at(0) == at(0.59) == 1
    assert at(0.8) == pytest.approx(0.5, abs=0.01)  # half-way through the softness of .4
    assert at(0.7) == pytest.approx(0.84375, abs=0.01)  # smoothstep of three quarters
    assert at(0.999) < 1e-4
    assert mask[0].max() < 1e-3 and mask[:, 0].max() < 1e-3
    column = mask[:, 500]
    assert float(column[250 + round(0.8 * 250.5)]) == pytest.approx(0.5, abs=0.02)


def test_blend_is_strength_in_the_middle_and_nothing_outside() -> None:
    base = np.full((60, 80, 3), 40, np.uint8)
    patch = np.full((60, 80, 3), 240, np.uint8)
    out = blend_patch(base, patch, ellipse_mask(80, 60))
    assert out[30, 40].tolist() == [round(40 + 200 * STRENGTH)] * 3
    assert (out[:8, :8] == 40).all() and (out[0] <= 41).all() and (out[:, 0] <= 41).all()
    assert (blend_patch(base, patch, ellipse_mask(80, 60), 0.0) == 40).all()


def test_every_target_shows_its_own_picture() -> None:
    for viseme in VISEMES:
        first, _, share = nearest_visemes(TARGETS[viseme])
        assert (first, share) == (viseme, 0)


def test_there_is_one_picture_between_two_visemes() -> None:
    shares = {nearest_visemes(TARGETS["Aa"] * (1 - t) + TARGETS["Ay"] * t)[2] for t in np.linspace(0, 1, 101)}
    assert shares == {0.0, 0.5}


def test_strength_of_the_picture_in_the_frame(engine: PatchEngine, presenter: Face) -> None:
    box = engine.region(0)
    assert box is not None and all(v % 2 == 0 for v in box)
    base = np.ascontiguousarray(presenter.frames[0][box.y0 : box.y1, box.x0 : box.x1])
    drawn = engine.draw(base, 0, TARGETS["Aa"])
    warped = presenter.picture(TARGETS["Aa"])[box.y0 : box.y1, box.x0 : box.x1]
    x, y = (to_68(presenter.track.landmarks[0])[MOUTH].mean(0) - (box.x0, box.y0)).astype(int)
    middle = (slice(y - 6, y + 7), slice(x - 6, x + 7))
    expected = STRENGTH * warped[middle].astype(float) + (1 - STRENGTH) * base[middle]
    assert np.abs(drawn[middle] - expected).max() <= 2
    edge = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert np.array_equal(edge, np.concatenate([base[0], base[-1], base[:, 0], base[:, -1]]))


def test_similarity_is_found_exactly() -> None:
    points = np.random.default_rng(3).normal(100, 40, (20, 2)).astype(np.float32)
    turn = 1.3 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    found = similarities(points, (points @ turn.T + (7, -5))[None].astype(np.float32))[0]
    assert np.allclose(found, np.c_[turn, (7, -5)], atol=1e-3)


def test_pictures_follow_the_head(engine: PatchEngine, presenter: Face, detect: Detect) -> None:
    turn = np.array([[0.98, -0.12, 50], [0.12, 0.98, -20]])
    moved = np.asarray(
        cv2.warpAffine(presenter.frames[0], turn, (512, 512), flags=cv2.INTER_CUBIC, borderMode=1), np.uint8
    )
    mesh = presenter.track.landmarks[0].copy()
    mesh[:, :2] = mesh[:, :2] @ turn[:, :2].T + turn[:, 2]
    track = FaceTrack(np.stack([presenter.track.landmarks[0], mesh]), np.ones(2, bool))
    two = PatchEngine(PatchEngine.prepare({0: presenter.frames[0]}, track), track, (512, 512))
    box = two.region(1)
    assert box is not None
    moved[box.y0 : box.y1, box.x0 : box.x1] = two.draw(
        np.ascontiguousarray(moved[box.y0 : box.y1, box.x0 : box.x1]), 1, TARGETS["Aa"]
    )
    still = presenter.engine.moved_points(0, TARGETS["Aa"]) @ turn[:, :2].T + turn[:, 2]
    found = detect(moved)[:, :2]
    scale = float(presenter.track.poses.scale[0])
    assert np.linalg.norm(to_68(found)[MOUTH] - to_68(still)[MOUTH], axis=1).mean() < 0.06 * scale


def test_morph_lies_between_and_does_not_double_the_lips(engine: PatchEngine, presenter: Face, detect: Detect) -> None:
    """Half-way from shut to open, the lips are half-way, with as dark an edge as either."""
    half = engine._morph("M", "Aa", 0.5)
    frame = presenter.frames[0].copy()
    box = presenter.box()
    frame[box.y0 : box.y1, box.x0 : box.x1] = half
    lower = detect(frame)[17, 1]
    ends = [presenter.engine.moved_points(0, TARGETS[v])[17, 1] for v in ("M", "Aa")]
    assert ends[0] + 0.25 * np.subtract(*ends[::-1]) < lower < ends[0] + 0.75 * np.subtract(*ends[::-1])


def test_lost_face_has_no_region_and_damage_is_refused(presenter: Face) -> None:
    track = FaceTrack(np.repeat(presenter.track.landmarks, 2, 0), np.array([True, False]))
    rig = dict(PatchEngine.prepare({0: presenter.frames[0]}, track))
    engine = PatchEngine(rig, track, presenter.size)
    assert engine.region(0) is not None and engine.region(1) is None
    rig["pictures"] = rig["pictures"][1:]
    with pytest.raises(AvatarError, match="damaged"):
        PatchEngine(rig, track, presenter.size)
