"""The default avatar's files."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from tests.portrait.conftest import ROOT, eye_openness
from visema.face.landmarks import MediaPipeLandmarker
from visema.types import Image

ASSETS = ROOT / "assets"


@pytest.fixture(scope="module")
def video() -> list[Image]:
    with av.open(str(ASSETS / "Video04.mp4")) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def test_they_are_small_and_say_where_they_come_from() -> None:
    size = sum((ASSETS / name).stat().st_size for name in ("presenter.png", "Video04.mp4"))
    assert size < 3_000_000
    readme = (ASSETS / "README.md").read_text(encoding="utf-8")
    assert "fictional" in readme and "MIT" in readme and "make_default_avatar.py" in readme


def test_the_picture_is_large_enough() -> None:
    image = cv2.imread(str(ASSETS / "presenter.png"), cv2.IMREAD_UNCHANGED)
    assert image.dtype == np.uint8 and image.shape[2] == 3 and min(image.shape[:2]) >= 768


def test_the_video_is_what_a_loop_must_be() -> None:
    with av.open(str(ASSETS / "Video04.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert len(container.streams) == 1
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_range) == (6, 1)  # BT.601, limited
        assert stream.average_rate == Fraction(25) and stream.frames == 200
        assert context.width % 2 == context.height % 2 == 0 and min(context.width, context.height) >= 512
        keys = [i for i, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert max(np.diff([*keys, 200])) <= 25


def test_it_loops_blinks_and_tracks_well_with_the_mouth_shut(video: list[Image]) -> None:
    # what can be seen: key frames renew the grain, by half a grey level
    seen = [cv2.GaussianBlur(frame, (0, 0), 1.5).astype(int) for frame in video]
    steps = [float(np.abs(a - b).mean()) for a, b in pairwise(seen)]
    assert np.abs(seen[0] - seen[-1]).mean() < np.percentile(steps, 99)
    with MediaPipeLandmarker(video=True) as landmarker:
        found = [landmarker.find(frame) for frame in video]
    assert all(found)
    landmarks = np.stack([faces[0] for faces in found])
    unit = np.linalg.norm(landmarks[:, 468, :2] - landmarks[:, 473, :2], axis=1)
    gap = np.linalg.norm(landmarks[:, 13, :2] - landmarks[:, 14, :2], axis=1) / unit
    assert gap.max() < 0.02
    openness = np.array([eye_openness(face) for face in landmarks])
    shut = openness < 0.15
    assert np.count_nonzero(shut[1:] & ~shut[:-1]) == 2
    assert not shut[:12].any() and not shut[-12:].any() and not shut[95:106].any()
