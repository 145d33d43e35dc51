"""Wav2Lip before viewers: its face comes through the live stage, every other one a mean where that is slow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.neural.conftest import NEEDS_TORCH

pytest.importorskip("torch", reason=NEEDS_TORCH)

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.conftest import ROOT
from tests.live.conftest import Collector, eventually, tone_voice
from visema.avatar import Avatar
from visema.live.crew import Crew
from visema.live.loop_file import LoopFile
from visema.live.patch import PatchMaker
from visema.live.seats import Seats
from visema.live.stage import Stage
from visema.mouth.heard import Heard
from visema.mouth.wav2lip import Wav2LipEngine
from visema.neural.lips import open_painter
from visema.setup import prepare_avatar
from visema.types import Image
from visema.visemes.articulation import TARGETS


@pytest.fixture
def avatar(tmp_path: Path, wav2lip_weights: Path) -> Avatar:
    photo = tmp_path / "small.png"
    cv2.imwrite(str(photo), cv2.resize(cv2.imread(str(ROOT / "assets" / "presenter.png")), (384, 384)))
    return prepare_avatar(photo, engine="wav2lip")


@pytest.fixture
def maker(avatar: Avatar, tmp_path: Path) -> PatchMaker:
    made = PatchMaker(LoopFile(avatar, tmp_path / "live"))
    made.warm(1)
    return made


@pytest.fixture
def painted(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[Heard], list[Image]]]:
    """The moments that were asked for, and the faces that the network drew."""
    painter = open_painter()
    engine = avatar.mouth()
    assert isinstance(engine, Wav2LipEngine) and engine._painter is painter and painter._slow
    moments: list[Heard] = []
    faces: list[Image] = []
    paint, run = painter.paint, painter._run

    def painting(crop: Image, heard: Heard, who: object) -> Image:
        moments.append(heard)
        return paint(crop, heard, who)

    def running(mel: NDArray[np.float32], crop: Image) -> Image:
        faces.append(run(mel, crop))
        return faces[-1]

    monkeypatch.setattr(painter, "paint", painting)
    monkeypatch.setattr(painter, "_run", running)
    yield moments, faces


def test_a_live_stage_gives_its_mouth_the_sound(avatar: Avatar, maker: PatchMaker, painted, tmp_path: Path) -> None:
    crew = Crew(speak=tone_voice, seats=Seats(1))
    stage = Stage(LoopFile(avatar, tmp_path / "live"), maker, crew, "espeak:tone")
    try:
        watched = Collector(stage)
        stage.attach(watched)
        stage.say(" ".join(["ma"] * 12))
        eventually(lambda: painted[0] and painted[1], 60)
    finally:
        stage.close()
        crew.close()
    heard = painted[0][0]
    assert heard.live and np.abs(heard.samples).max() > 0.1


def test_every_other_picture_is_drawn_and_all_show_the_networks_face(maker: PatchMaker, painted) -> None:
    moments, faces = painted
    speech = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) / 10
    patches = [
        maker.draw(number, TARGETS["Sil"], Heard(speech, 48_000, number, 25.0, live=True)) for number in range(9)
    ]
    assert len(moments) == 9 and len(faces) == 5
    for patch in patches:
        assert patch is not None
        seen = cv2.imdecode(np.frombuffer(patch.jpeg, np.uint8), cv2.IMREAD_COLOR)
        height, width = seen.shape[:2]
        shown = seen[height // 3 : -height // 4, width // 4 : -width // 4].reshape(-1, 3).mean(0)
        # A face by formula is nothing like skin.
        drawn = faces[0][64:84, 24:72].reshape(-1, 3).mean(0)
        assert np.abs(shown - drawn).max() < 30
