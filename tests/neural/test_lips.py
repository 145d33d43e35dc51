"""Wav2Lip in the product: what it hears, who it draws for at once, and what happens when it cannot."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.neural.conftest import NEEDS_TORCH

pytest.importorskip("torch", reason=NEEDS_TORCH)

from facenets.mel import melspectrogram
from tests.conftest import ROOT
from visema.face.landmarks import MediaPipeLandmarker
from visema.face.track import FaceTrack
from visema.media.audio import resample
from visema.mouth.engine import draw_mouth
from visema.mouth.heard import Heard
from visema.mouth.warp import WarpEngine
from visema.mouth.wav2lip import Wav2LipEngine
from visema.neural.lips import LipPainter, mel_window
from visema.neural.store import VARIABLE
from visema.visemes.articulation import TARGETS
from wav2lip.inference import mel_chunks


def sound(seconds: float, rate: int) -> np.ndarray:
    t = np.arange(int(seconds * rate)) / rate
    swell = np.sin(2 * np.pi * 3 * t) ** 2
    return (0.3 * swell * (np.sin(2 * np.pi * 220 * t) + np.sin(2 * np.pi * 1300 * t))).astype(np.float32)


class TestMel:
    def test_each_picture_hears_what_it_would_of_the_whole_speech(self) -> None:
        wave = sound(1.3, 16_000)
        whole = mel_chunks(wave, 25.0)
        for number, chunk in enumerate(whole):
            assert np.array_equal(mel_window(Heard(wave, 16_000, number, 25.0), number), chunk), number

    @pytest.mark.parametrize("rate", [22_050, 24_000, 44_100, 48_000])
    def test_at_any_rate(self, rate: int) -> None:
        wave = sound(1.0, rate)
        whole = mel_chunks(resample(wave, rate, 16_000), 25.0)
        for number in (0, 5, 12, 19):
            window = mel_window(Heard(wave, rate, number, 25.0), number)
            assert np.abs(window - whole[number]).mean() < 0.02, number

    def test_outside_of_a_speech_its_ends_are_heard(self) -> None:
        wave = sound(0.8, 16_000)
        last = mel_chunks(wave, 25.0)[-1]
        assert np.array_equal(mel_window(Heard(wave, 16_000, 99, 25.0), 99), last)
        assert mel_window(Heard(wave[:900], 16_000, 0, 25.0), 0).shape == (1, 80, 16)
        assert np.isfinite(mel_window(Heard(np.zeros(10, np.float32), 22_050, 0, 25.0), 0)).all()

    def test_a_speech_that_begins_between_pictures(self) -> None:
        wave = sound(1.0, 16_000)
        shifted = Heard(wave, 16_000, 3, 25.0, shift=0.025)
        mel = melspectrogram(wave, "reflect")
        assert np.allclose(mel_window(shifted, 3)[0], mel[:, 11:27], atol=1e-4)  # (.12 + .025) s at 80 columns


class Draws:
    """In place of the network: the brightness says what was heard."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, mels: np.ndarray, crops: np.ndarray) -> np.ndarray:
        self.gate.wait(5)
        self.batches.append(len(mels))
        level = (mels.mean((1, 2, 3)) + 4) * 30
        return np.broadcast_to(level[:, None, None, None], crops.shape).astype(np.uint8)


CROP = np.zeros((96, 96, 3), np.uint8)


class TestPainter:
    def test_live_on_a_slow_machine_every_other_picture_is_drawn(self) -> None:
        draws, wave = Draws(), sound(1.0, 16_000)
        painter = LipPainter(draws, slow=True)
        faces = [painter.paint(CROP, Heard(wave, 16_000, n, 25.0, live=True), "me") for n in range(11)]
        assert sum(draws.batches) == 6
        middle = (faces[2].astype(int) + faces[4] + 1) // 2
        assert np.array_equal(faces[3], middle)

    def test_a_file_and_a_fast_machine_get_every_picture(self) -> None:
        for slow, live in ((True, False), (False, True)):
            draws, wave = Draws(), sound(1.0, 16_000)
            painter = LipPainter(draws, slow=slow)
            for n in range(6):
                painter.paint(CROP, Heard(wave, 16_000, n, 25.0, live=live), "me")
            assert sum(draws.batches) == 6

    def test_who_waits_is_drawn_together(self) -> None:
        draws, wave = Draws(), sound(1.0, 16_000)
        painter = LipPainter(draws, slow=False)
        draws.gate.clear()
        threads = [
            threading.Thread(target=painter.paint, args=(CROP, Heard(wave, 16_000, n, 25.0), n)) for n in range(9)
        ]
        for thread in threads:
            thread.start()
        while len(painter._waiting) < 8:
            pass
        draws.gate.set()
        for thread in threads:
            thread.join(5)
        assert draws.batches == [1, 8]

    def test_an_error_reaches_everybody_and_ends_nothing(self) -> None:
        def fails(mels: np.ndarray, crops: np.ndarray) -> np.ndarray:
            raise RuntimeError("no memory")

        painter = LipPainter(fails, slow=False)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no memory"):
                painter.paint(CROP, Heard(sound(1.0, 16_000), 16_000, 0, 25.0), "me")

    def test_faces_of_another_speech_are_not_taken(self) -> None:
        draws = Draws()
        painter = LipPainter(draws, slow=True)
        loud = painter.paint(CROP, Heard(sound(1.0, 16_000), 16_000, 4, 25.0, live=True), "me")
        quiet = painter.paint(CROP, Heard(np.zeros(16_000, np.float32), 16_000, 4, 25.0, live=True), "me")
        assert loud.mean() > quiet.mean()


@pytest.fixture(scope="module")
def face() -> tuple[np.ndarray, FaceTrack]:
    picture = cv2.resize(cv2.imread(str(ROOT / "assets" / "presenter.png")), (512, 512), interpolation=cv2.INTER_AREA)
    with MediaPipeLandmarker() as landmarker:
        mesh = landmarker.find(picture)[0]
    return picture, FaceTrack(np.repeat(mesh[None], 6, 0), np.ones(6, bool))


class TestEngine:
    def test_sound_draws_the_lower_face_and_leaves_the_border(self, face, wav2lip_weights: Path) -> None:
        picture, track = face
        engine = Wav2LipEngine(Wav2LipEngine.prepare({0: picture}, track), track, (512, 512))
        box = engine.region(0)
        assert box is not None and all(edge % 2 == 0 for edge in box)
        base = np.ascontiguousarray(picture[box.y0 : box.y1, box.x0 : box.x1])
        before = base.copy()
        heard = Heard(sound(1.0, 22_050), 22_050, 5, 25.0)
        drawn = draw_mouth(engine, base, 0, TARGETS["Sil"], heard)
        assert np.array_equal(base, before) and drawn.shape == base.shape and drawn.dtype == np.uint8
        changed = (drawn != base).any(2)
        assert changed[int(0.6 * box.height) : int(0.85 * box.height)].mean() > 0.3
        assert not changed[: int(0.3 * box.height)].any()
        for border in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
            assert not changed[border].any()
        assert np.array_equal(drawn, draw_mouth(engine, base, 0, TARGETS["Sil"], heard))

    def test_without_sound_the_pose_is_drawn_as_by_the_embedded_engine(self, face, wav2lip_weights: Path) -> None:
        picture, track = face
        rig = Wav2LipEngine.prepare({0: picture}, track)
        engine, warp = Wav2LipEngine(rig, track, (512, 512)), WarpEngine(rig, track, (512, 512))
        for drawer in (engine, warp):
            box = drawer.region(0)
            assert box is not None
            part = picture[box.y0 : box.y1, box.x0 : box.x1]
            whole = picture.copy()
            whole[box.y0 : box.y1, box.x0 : box.x1] = drawer.draw(np.ascontiguousarray(part), 0, TARGETS["Aa"])
            if drawer is engine:
                first = whole
        assert np.array_equal(first, whole)

    def test_weights_that_are_gone_leave_the_embedded_mouth(
        self, face, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        picture, track = face
        monkeypatch.setenv(VARIABLE, str(cache / "nowhere"))
        with caplog.at_level(logging.WARNING):
            engine = Wav2LipEngine(Wav2LipEngine.prepare({0: picture}, track), track, (512, 512))
        assert "The embedded engine draws" in caplog.text
        box = engine.region(0)
        assert box is not None
        base = np.ascontiguousarray(picture[box.y0 : box.y1, box.x0 : box.x1])
        heard = Heard(sound(1.0, 22_050), 22_050, 5, 25.0)
        drawn = draw_mouth(engine, base, 0, TARGETS["Aa"], heard)
        assert np.array_equal(drawn, engine.draw(base, 0, TARGETS["Aa"]))
