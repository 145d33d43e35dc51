"""The warp engine on real faces: what it draws is looked at again with the face detector."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.mouth.conftest import Detect, Face, make_face
from visema.errors import AvatarError, FaceError
from visema.face.pose import fit_poses
from visema.face.track import FaceTrack
from visema.mouth.engine import MouthEngine, mouth_engine
from visema.mouth.warp import WarpEngine
from visema.mouth.warp.lips import openings, to_head
from visema.types import FloatArray, Image
from visema.visemes.articulation import TARGETS
from visema.visemes.classes import VISEMES


def opening(image: Image, detect: Detect) -> float:
    """Between the inner lips, in U, as the detector sees it."""
    mesh = detect(image)[None]
    return float(openings(to_head(mesh, fit_poses(mesh)))[0])


def width(image: Image, detect: Detect) -> float:
    mesh = detect(image)[None]
    head = to_head(mesh, fit_poses(mesh))[0]
    return float(head[291, 0] - head[61, 0])


def border_of(image: Image) -> Image:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def test_is_the_engine_of_auto() -> None:
    engine: type[MouthEngine] = mouth_engine("auto")
    assert engine is WarpEngine


@pytest.mark.parametrize("viseme", VISEMES)
def test_border_of_the_region_stays_and_the_mouth_changes(presenter: Face, viseme: str) -> None:
    base = presenter.base()
    before = base.copy()
    drawn = presenter.draw(TARGETS[viseme])
    assert drawn.shape == base.shape and drawn.dtype == np.uint8
    assert np.array_equal(base, before)
    assert np.array_equal(border_of(drawn), border_of(base))
    if viseme != "Sil":
        assert np.abs(drawn.astype(int) - base).max() > 20


def test_a_shut_mouth_at_rest_is_not_touched(presenter: Face) -> None:
    assert np.array_equal(presenter.draw(TARGETS["Sil"]), presenter.base())


def test_region_is_even_and_inside(presenter: Face) -> None:
    box = presenter.box()
    assert all(v % 2 == 0 for v in box)
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 512 and box.y1 <= 512
    assert 200 < box.width < 300


def test_same_input_same_bits_in_any_order_and_instance(presenter: Face) -> None:
    rig = WarpEngine.prepare({0: presenter.frames[0]}, presenter.track)
    other = WarpEngine(rig, presenter.track, presenter.size)
    first = {v: presenter.draw(TARGETS[v]) for v in ("Aa", "W", "F", "Th")}
    for viseme in ("Th", "F", "W", "Aa"):
        assert np.array_equal(first[viseme], other.draw(presenter.base(), 0, TARGETS[viseme]))


def test_openings_are_those_of_the_targets(presenter: Face, detect: Detect) -> None:
    # The detector itself sees mouths of this size some .02 to .07 U too open.
    for viseme, wanted in (("Aa", 0.27), ("H", 0.21), ("Iy", 0.15), ("T", 0.10)):
        seen = opening(presenter.picture(TARGETS[viseme]), detect)
        assert wanted - 0.02 < seen < wanted + 0.08, viseme
    for viseme in ("M", "Sil"):
        assert abs(opening(presenter.picture(TARGETS[viseme]), detect)) < 0.02, viseme


def test_moved_points_tell_the_opening(presenter: Face) -> None:
    scale = float(presenter.track.poses.scale[0])
    rest = presenter.engine.moved_points(0, TARGETS["Sil"])
    assert np.allclose(rest, presenter.track.landmarks[0, :, :2], atol=1e-3)
    for viseme, wanted in (("Aa", 0.27), ("K", 0.14)):
        points = presenter.engine.moved_points(0, TARGETS[viseme])
        assert abs((points[14, 1] - points[13, 1]) / scale - wanted) < 0.03
    assert np.ptp(presenter.engine.moved_points(0, TARGETS["W"])[[61, 291], 0]) < 0.75 * np.ptp(rest[[61, 291], 0])


def test_rounding_narrows_and_spreading_widens(presenter: Face, detect: Detect) -> None:
    rest = width(presenter.frames[0], detect)
    assert width(presenter.picture(TARGETS["W"]), detect) < 0.75 * rest
    assert width(presenter.picture(TARGETS["Iy"]), detect) > 1.05 * rest


def test_teeth_are_bright_and_the_cavity_dark_red(presenter: Face) -> None:
    points = presenter.engine.moved_points(0, TARGETS["Aa"])
    box, scale = presenter.box(), float(presenter.track.poses.scale[0])
    drawn = presenter.draw(TARGETS["Aa"])
    skin = np.median(presenter.frames[0][points[199, 1].astype(int), points[199, 0].astype(int)])
    x = round(float(points[13, 0])) - box.x0
    top, bottom = (round(float(points[i, 1])) - box.y0 for i in (13, 14))
    beside = x + round(0.06 * scale)
    column = drawn[top:bottom, beside].astype(float) @ (0.114, 0.587, 0.299)
    assert column[: round(0.10 * scale)].max() > 0.95 * skin, "upper teeth"
    assert column.min() < 0.45 * skin, "cavity"
    dark = drawn[top:bottom, beside][int(column.argmin())].astype(int)
    assert dark[2] > dark[1] and dark[2] > dark[0], "cavity is red, not teal"


def test_a_loop_of_moving_heads_moves_the_mouth_with_them(presenter: Face) -> None:
    """A frame shifted and turned with its landmarks gives the same mouth, shifted and turned."""
    turn = np.array([[0.995, -0.0998, 40], [0.0998, 0.995, -30]])
    photo = presenter.frames[0]
    moved = np.asarray(cv2.warpAffine(photo, turn, (512, 512), flags=cv2.INTER_CUBIC, borderMode=1), np.uint8)
    mesh = presenter.track.landmarks[0].copy()
    mesh[:, :2] = mesh[:, :2] @ turn[:, :2].T + turn[:, 2]
    two = make_face([photo, moved], np.stack([presenter.track.landmarks[0], mesh]))
    expected = cv2.warpAffine(two.picture(TARGETS["Eh"], 0), turn, (512, 512), flags=cv2.INTER_CUBIC, borderMode=1)
    box = two.box(1)
    a = two.picture(TARGETS["Eh"], 1)[box.y0 : box.y1, box.x0 : box.x1].astype(float)
    b = expected[box.y0 : box.y1, box.x0 : box.x1].astype(float)
    assert np.abs(a - b).mean() < 2.5
    assert np.percentile(np.abs(a - b), 99) < 30


def test_rig_survives_npz_and_nothing_else_is_needed(presenter: Face) -> None:
    rig = WarpEngine.prepare({0: presenter.frames[0]}, presenter.track)
    file = io.BytesIO()
    np.savez_compressed(file, **rig)
    assert file.tell() < 500_000
    file.seek(0)
    with np.load(file, allow_pickle=False) as data:
        read = {name: data[name] for name in data.files}
    engine = WarpEngine(read, presenter.track, presenter.size)
    assert np.array_equal(engine.draw(presenter.base(), 0, TARGETS["Oh"]), presenter.draw(TARGETS["Oh"]))


@pytest.mark.parametrize("damage", ["missing", "version", "shape"])
def test_damaged_rig_is_refused(presenter: Face, damage: str) -> None:
    rig = dict(WarpEngine.prepare({0: presenter.frames[0]}, presenter.track))
    if damage == "missing":
        del rig["jaw"]
    elif damage == "version":
        rig["version"] = np.array(999)
    else:
        rig["upper"] = rig["upper"][:-3]
    with pytest.raises(AvatarError, match="mouth"):
        WarpEngine(rig, presenter.track, presenter.size)


def shifted(face: Face, dx: int, dy: int) -> tuple[Image, FloatArray]:
    """The photo and its mesh moved so that part of the face leaves the picture."""
    moved = cv2.warpAffine(face.frames[0], np.float32([[1, 0, dx], [0, 1, dy]]), (512, 512), borderMode=1)
    mesh = face.track.landmarks[0] + np.array([dx, dy, 0], np.float32)
    return np.asarray(moved, np.uint8), mesh


def test_lost_face_and_face_outside_have_no_region(presenter: Face) -> None:
    gone = presenter.track.landmarks[0] + np.array([600, 0, 0], np.float32)
    track = FaceTrack(np.stack([presenter.track.landmarks[0]] * 2 + [gone]), np.array([True, False, True]))
    engine = WarpEngine(WarpEngine.prepare({0: presenter.frames[0]}, track), track, presenter.size)
    assert engine.region(0) is not None
    assert engine.region(1) is None
    assert engine.region(2) is None


def test_no_face_in_any_frame_is_said(presenter: Face) -> None:
    track = FaceTrack(presenter.track.landmarks, np.zeros(1, bool))
    with pytest.raises(FaceError, match="shows the face"):
        WarpEngine.prepare({0: presenter.frames[0]}, track)


@pytest.mark.parametrize(("dx", "dy"), [(0, 110), (150, 0), (-150, 40)])
def test_face_cut_by_the_picture(presenter: Face, dx: int, dy: int) -> None:
    photo, mesh = shifted(presenter, dx, dy)
    cut = make_face([photo], mesh[None])
    box = cut.box()
    assert box.x1 <= 512 and box.y1 <= 512 and (box.y1 == 512 or box.x1 == 512 or box.x0 == 0)
    drawn = cut.draw(TARGETS["Aa"])
    assert np.array_equal(border_of(drawn), border_of(cut.base()))
    assert np.abs(drawn.astype(int) - cut.base()).max() > 60


def test_small_face(presenter: Face, detect: Detect) -> None:
    scale = 34 / float(presenter.track.poses.scale[0])
    size = round(512 * scale)
    photo = np.asarray(cv2.resize(presenter.frames[0], (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    small = make_face([photo], presenter.track.landmarks * np.float32(size / 512))
    large = cv2.resize(small.picture(TARGETS["Aa"]), (512, 512), interpolation=cv2.INTER_CUBIC)
    assert opening(np.asarray(large, np.uint8), detect) > 0.18
    assert np.array_equal(border_of(small.draw(TARGETS["Aa"])), border_of(small.base()))


def test_turned_face(photo: Callable[[str], Face], detect: Detect) -> None:
    turned = photo("face_turned.jpg")
    assert float(turned.track.poses.yaw[0]) > 18
    assert 0.2 < opening(turned.picture(TARGETS["Aa"]), detect) < 0.34
    assert abs(opening(turned.picture(TARGETS["M"]), detect)) < 0.02


def test_open_photo_is_shut(photo: Callable[[str], Face], detect: Detect) -> None:
    face = photo("face_frontal_closed.jpg")
    assert opening(face.frames[0], detect) > 0.08
    assert opening(face.picture(TARGETS["Sil"]), detect) < 0.02
    assert opening(face.picture(TARGETS["Aa"]), detect) > 0.22


def test_talking_video_is_shut_and_its_teeth_go(clip: Callable[[str, int, int], Face], detect: Detect) -> None:
    talking = clip("talking_woman.mp4", 6, 14)
    before = [opening(f, detect) for f in talking.frames]
    after = [opening(talking.picture(TARGETS["Sil"], i), detect) for i in range(14)]
    assert np.mean(before) > 0.08
    assert np.mean(after) < 0.02 and max(after) < 0.06
    spoken = [opening(talking.picture(TARGETS["Aa"], i), detect) for i in range(0, 14, 3)]
    assert min(spoken) > 0.18 and np.std(spoken) < 0.05


def test_rounding_is_as_narrow_on_a_grin(clip: Callable[[str, int, int], Face]) -> None:
    talking = clip("talking_woman.mp4", 4, 30)
    widths = []
    for i in range(30):
        points = talking.engine.moved_points(i, TARGETS["W"])
        turned = np.cos(np.radians(float(talking.track.poses.yaw[i])))
        widths.append(float(np.ptp(points[[61, 291], 0]) / talking.track.poses.scale[i] / turned))
    assert max(widths) < 1.15 * np.median(widths)


@pytest.mark.parametrize(("viseme", "bared"), [("K", False), ("Ax", False), ("S", True)])
def test_the_lower_row_stands_behind_its_lip_but_for_hissing(presenter: Face, viseme: str, bared: bool) -> None:
    points = presenter.engine.moved_points(0, TARGETS[viseme])
    drawn, box = presenter.draw(TARGETS[viseme]), presenter.box()
    skin = np.median(presenter.frames[0][points[199, 1].astype(int), points[199, 0].astype(int)])
    top, bottom = (float(points[i, 1]) - box.y0 for i in (13, 14))
    x = round(float(points[13, 0])) - box.x0
    rows = slice(round(top + 0.62 * (bottom - top)), round(top + 0.80 * (bottom - top)))
    low = float(np.median(drawn[rows, x - 12 : x + 13].astype(float) @ (0.114, 0.587, 0.299)))
    assert (low > 0.7 * skin) == bared, f"{low / skin:.2f} of the skin"


def test_a_smiling_photo_keeps_its_own_teeth(clip: Callable[[str, int, int], Face]) -> None:
    """One frame of a laugh taken as a photo: its teeth are found again where the mouth is drawn open."""
    laugh = clip("talking_woman.mp4", 68, 1)
    scale = float(laugh.track.poses.scale[0])
    teeth = laugh.base()[_upper_teeth(laugh, laugh.track.landmarks[0, :, :2], scale)].astype(float)
    drawn = laugh.draw(TARGETS["Aa"])[_upper_teeth(laugh, laugh.engine.moved_points(0, TARGETS["Aa"]), scale)]
    assert np.abs(np.median(teeth, (0, 1)) - np.median(drawn.astype(float), (0, 1))).max() < 25


def _upper_teeth(face: Face, points: FloatArray, scale: float) -> tuple[slice, slice]:
    """A patch below the upper lip's middle, in the region."""
    x, y = (int(v) for v in points[13] - face.box()[:2])
    reach = round(0.10 * scale)
    return slice(y + round(0.025 * scale), y + round(0.06 * scale)), slice(x - reach, x + reach)


def test_closed_clip_at_rest_is_not_touched(clip: Callable[[str, int, int], Face]) -> None:
    still = clip("loop_closed_mouth_720p.mp4", 8, 6)
    for i in range(6):
        assert np.array_equal(still.draw(TARGETS["Sil"], i), still.base(i))


def test_long_loops_do_not_fill_memory(presenter: Face) -> None:
    """Blocks of prepared frames are dropped, and come back the same."""
    n = 1500
    track = FaceTrack(np.repeat(presenter.track.landmarks, n, 0), np.ones(n, bool))
    engine = WarpEngine(WarpEngine.prepare({0: presenter.frames[0]}, track), track, presenter.size)
    base = presenter.base()
    first = engine.draw(base, 0, TARGETS["Aa"])
    for index in range(0, n, 32):
        engine.draw(base, index, TARGETS["Sil"])
    kept = sum(b.residual.nbytes for b in engine._frames._blocks.values())
    assert kept < 32 * 1024 * 1024
    assert np.array_equal(engine.draw(base, 0, TARGETS["Aa"]), first)
