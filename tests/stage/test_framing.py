"""Crops keep the face where a portrait has it."""

import numpy as np
import pytest

from visema.errors import InputError
from visema.face.pose import canonical_mesh
from visema.face.track import FaceTrack
from visema.stage.framing import choose_framing, parse_resolution
from visema.types import I420


def face_at(x: float, y: float, pupils: float) -> FaceTrack:
    """A track whose pupils' middle is at (x, y)."""
    points = canonical_mesh()[0] * pupils
    points = points - points[[468, 473]].mean(0) + np.array([x, y, 0], np.float32)
    return FaceTrack(points[None].astype(np.float32), np.ones(1, bool))


@pytest.mark.parametrize(
    ("size", "eyes", "crop"),
    [
        ((1280, 720), (640, 280), "9:16"),
        ((1280, 720), (640, 280), "1:1"),
        ((1280, 720), (500, 260), "9:16"),
        ((512, 512), (256, 200), "16:9"),
        ((512, 512), (256, 210), "9:16"),
        ((720, 1280), (360, 400), "16:9"),
        ((720, 1280), (350, 500), "1:1"),
    ],
)
def test_eyes_are_where_a_portrait_has_them(size: tuple[int, int], eyes: tuple[int, int], crop: str) -> None:
    framing = choose_framing(size, face_at(*eyes, pupils=60), crop=crop)
    box = framing.crop
    assert 0.37 <= (eyes[1] - box.y0) / box.height <= 0.43
    assert 0.45 <= (eyes[0] - box.x0) / box.width <= 0.55
    wide, high = map(int, crop.split(":"))
    assert box.width / box.height == pytest.approx(wide / high, rel=0.02)


@pytest.mark.parametrize("eyes", [(20, 20), (1260, 700), (0, 360), (640, 0)])
@pytest.mark.parametrize("crop", ["16:9", "9:16", "1:1"])
def test_crops_stay_inside_and_even(eyes: tuple[int, int], crop: str) -> None:
    box = choose_framing((1280, 720), face_at(*eyes, pupils=60), crop=crop).crop
    assert 0 <= box.x0 < box.x1 <= 1280 and 0 <= box.y0 < box.y1 <= 720
    assert not any(edge % 2 for edge in box)


@pytest.mark.parametrize(
    ("resolution", "crop", "size"),
    [
        (None, None, (1280, 720)),
        ("640x360", None, (640, 360)),
        ("720p", None, (1280, 720)),
        ("360p", "9:16", (360, 640)),  # the shorter side is what is named
        ("1080x1920", "9:16", (1080, 1920)),
        ("512x512", None, (512, 512)),
        ("641x361", None, (640, 360)),
    ],
)
def test_result_sizes(resolution: str | None, crop: str | None, size: tuple[int, int]) -> None:
    framing = choose_framing((1280, 720), face_at(640, 280, 60), resolution=resolution, crop=crop)
    assert framing.size == pytest.approx(size, abs=2)


@pytest.mark.parametrize(
    ("resolution", "crop"),
    [("wide", None), ("0x0", None), ("9999x9999", None), ("1280x720", "9:16"), ("12p", None), (None, "4:3")],
)
def test_what_cannot_be_made_is_said(resolution: str | None, crop: str | None) -> None:
    with pytest.raises(InputError) as caught:
        choose_framing((1280, 720), face_at(640, 280, 60), resolution=resolution, crop=crop)
    assert caught.value.hint


def test_a_whole_frame_is_passed_on_as_it_is_and_a_crop_is_its_pixels() -> None:
    track = face_at(96, 60, 30)
    frame: I420 = np.random.default_rng(2).integers(0, 256, (240, 192), np.uint8)
    assert choose_framing((192, 160), track).apply(frame) is frame
    framing = choose_framing((192, 160), track, crop="1:1")
    box = framing.crop
    cut = framing.apply(frame)
    assert np.array_equal(cut[: box.height], frame[:160][box.y0 : box.y1, box.x0 : box.x1])
    v = frame.reshape(-1)[192 * 160 * 5 // 4 :].reshape(80, 96)
    half = v[box.y0 // 2 : box.y1 // 2, box.x0 // 2 : box.x1 // 2]
    assert np.array_equal(cut.reshape(-1)[-half.size :].reshape(half.shape), half)


def test_resolutions_are_read() -> None:
    assert parse_resolution("1280 x 720") == (1280, 720)
    assert parse_resolution("720P") == 720


@pytest.mark.parametrize(("crop", "size"), [("9:16", (720, 1280)), ("16:9", (1280, 720)), ("1:1", (720, 720))])
def test_a_height_and_a_crop_give_the_usual_sizes(crop: str, size: tuple[int, int]) -> None:
    for loop in ((640, 640), (1280, 720), (704, 704), (432, 768)):
        assert (
            choose_framing(loop, face_at(loop[0] / 2, loop[1] * 0.4, pupils=60), resolution="720p", crop=crop).size
            == size
        )
