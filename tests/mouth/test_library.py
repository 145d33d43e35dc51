"""The picture library and its contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.mouth.conftest import Detect, Face
from visema.errors import AvatarError, FaceError
from visema.face.track import FaceTrack
from visema.mouth.library import read_library, write_library
from visema.mouth.points68 import MOUTH
from visema.mouth.sheet import COLUMNS, TILE, contact_sheet
from visema.mouth.warp import WarpEngine
from visema.types import Image
from visema.visemes.articulation import TARGETS
from visema.visemes.classes import BLINK, VISEMES


@pytest.fixture(scope="module")
def folder(presenter: Face, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("avatar") / "visemes"
    write_library(folder, presenter.engine, presenter.frames[0], 0, presenter.track.landmarks[0])
    return folder


def test_holds_a_picture_of_every_viseme_and_a_blink(folder: Path, presenter: Face) -> None:
    names = {p.name for p in folder.glob("*.png")}
    assert names == {f"mouth_vid_{v}.png" for v in (*VISEMES, BLINK)}
    library = read_library(folder)
    for viseme in VISEMES:
        assert np.array_equal(library.pictures[viseme], presenter.draw(TARGETS[viseme]))


def test_pictures_show_mouth_and_jaw_and_the_blink_the_eyes(folder: Path, presenter: Face) -> None:
    library = read_library(folder)
    mesh = presenter.track.landmarks[0]
    for vertex in (61, 291, 152):  # corners of the mouth, chin
        x, y = mesh[vertex, :2]
        assert library.box.x0 < x < library.box.x1 and library.box.y0 < y < library.box.y1
    assert library.blink is not None
    shut, eyes = library.blink
    for vertex in (33, 133, 362, 263):
        x, y = mesh[vertex, :2]
        assert eyes.x0 < x < eyes.x1 and eyes.y0 < y < eyes.y1
    still_open = presenter.frames[0][eyes.y0 : eyes.y1, eyes.x0 : eyes.x1]
    assert np.abs(shut.astype(int) - still_open).max() > 60


def test_a_blink_that_is_given_is_taken(presenter: Face, tmp_path: Path) -> None:
    grey = np.full_like(presenter.frames[0], 99)
    library = write_library(
        tmp_path, presenter.engine, presenter.frames[0], 0, presenter.track.landmarks[0], blink=grey
    )
    assert library.blink is not None and (library.blink[0] == 99).all()


def test_lip_points_are_where_the_detector_finds_them(folder: Path, presenter: Face, detect: Detect) -> None:
    library = read_library(folder)
    scale = float(presenter.track.poses.scale[0])
    from visema.mouth.points68 import to_68

    for viseme in ("Aa", "Iy", "Eh"):
        found = to_68(detect(presenter.picture(TARGETS[viseme])))[MOUTH]
        assert np.linalg.norm(found - library.mouths[viseme], axis=1).mean() < 0.05 * scale, viseme


def test_mouth_fractions_hold_every_mouth(folder: Path) -> None:
    library = read_library(folder)
    left, top, right, bottom = np.array(library.mouth) * np.tile(library.frame, 2)
    for viseme, mouth in library.mouths.items():
        assert (mouth > (left, top)).all() and (mouth < (right, bottom)).all(), viseme


@pytest.mark.parametrize("damage", ["missing picture", "wrong size", "no json", "half a json", "points"])
def test_damaged_library_is_refused(folder: Path, tmp_path: Path, damage: str) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    landmarks = tmp_path / "landmarks.json"
    if damage == "missing picture":
        (tmp_path / "mouth_vid_Aa.png").unlink()
    elif damage == "wrong size":
        cv2.imwrite(str(tmp_path / "mouth_vid_Aa.png"), np.zeros((8, 8, 3), np.uint8))
    elif damage == "no json":
        landmarks.unlink()
    elif damage == "half a json":
        landmarks.write_text(landmarks.read_text()[:400])
    else:
        about = json.loads(landmarks.read_text())
        about["visemes"]["Aa"]["mouth"] = [[1, 2]]
        landmarks.write_text(json.dumps(about))
    with pytest.raises(AvatarError, match="damaged"):
        read_library(tmp_path)


def test_frame_without_a_face_is_refused(presenter: Face, tmp_path: Path) -> None:
    track = FaceTrack(np.repeat(presenter.track.landmarks, 2, 0), np.array([True, False]))
    engine = WarpEngine(WarpEngine.prepare({0: presenter.frames[0]}, track), track, presenter.size)
    with pytest.raises(FaceError):
        write_library(tmp_path / "none", engine, presenter.frames[0], 1, presenter.track.landmarks[0])
    assert not (tmp_path / "none").exists()


def test_contact_sheet_shows_all_differently(folder: Path) -> None:
    library = read_library(folder)
    sheet: Image = contact_sheet(library)
    rows = -(-23 // COLUMNS)
    tile = sheet.shape[0] // rows
    assert sheet.shape[1] == COLUMNS * TILE[0] and tile > TILE[1]
    tiles = [
        sheet[r * tile : r * tile + TILE[1], c * TILE[0] : (c + 1) * TILE[0]]
        for r in range(rows)
        for c in range(COLUMNS)
    ][:23]
    for i in range(23):
        assert tiles[i].std() > 10
        for j in range(i):
            assert np.abs(tiles[i].astype(int) - tiles[j]).mean() > 0.3, (i, j)
    some = contact_sheet(library, ["Aa", "M"])
    assert some.shape[0] == tile
