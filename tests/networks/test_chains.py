"""Whole paths from speech and pictures to frames, with made-up weights at the smallest sizes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch", reason="the networks need torch (pip install 'visema[neural]')")

import torch

from facenets.appearance import AppearanceEncoder
from facenets.spade import SpadeDecoder
from facenets.synthetic import synthetic
from liveportrait.inference import Options, drive, prepare_source, read_faces, render, retarget
from liveportrait.inference import to_pictures as to_portraits
from liveportrait.model import Networks
from liveportrait.motion import MotionExtractor
from liveportrait.retargeting import EyeNet, LipNet, StitchingNet
from liveportrait.video import drive_video
from liveportrait.warping import WarpingModule
from sadtalker.expression import ExpressionNet
from sadtalker.generator import FaceGenerator
from sadtalker.inference import (
    Renderer,
    follow_reference,
    paste_back,
    restore_aspect,
    source_row,
    speech_rows,
)
from sadtalker.keypoints import KeyPointDetector
from sadtalker.mapping import MappingNet
from sadtalker.pose import PoseNet
from sadtalker.reconstruction import FaceReconstruction
from sadtalker.semantics import semantics
from wav2lip.inference import mel_chunks, pad_boxes, smooth_boxes, speak
from wav2lip.model import Wav2Lip
from wav2lip.syncnet import SyncNet


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.RandomState(seed).standard_normal(int(16000 * seconds))).astype(np.float32)


def picture(side: int, seed: int = 0) -> np.ndarray:
    low = np.random.RandomState(seed).uniform(60, 200, (side // 16, side // 16, 3))
    return np.repeat(np.repeat(low, 16, axis=0), 16, axis=1).astype(np.uint8)


def landmarks(side: int) -> np.ndarray:
    points = np.random.RandomState(4).uniform(0.3, 0.7, (68, 2)) * side
    for rows, x, y in ((slice(36, 42), 0.4, 0.4), (slice(42, 48), 0.6, 0.4)):
        points[rows] = [x * side, y * side]
    points[30], points[48], points[54] = (
        [0.5 * side, 0.5 * side],
        [0.42 * side, 0.65 * side],
        [0.58 * side, 0.65 * side],
    )
    return points


@pytest.fixture(scope="module")
def network() -> Wav2Lip:
    return synthetic(Wav2Lip, "wav2lip")


class TestWav2Lip:
    def test_a_clip_speaks(self, network: Wav2Lip) -> None:
        frames = [picture(160, i) for i in range(4)]
        boxes = smooth_boxes(pad_boxes(np.tile([30, 20, 110, 120], (4, 1)), (0, 10, 0, 0), 160, 160))
        wave = speech(0.4)
        out = list(speak(network, frames, boxes, wave, 25.0, batch=3))
        assert len(out) == len(mel_chunks(wave, 25.0))
        changed = (out[0] != frames[0]).any(axis=2)
        assert changed[20:130, 30:110].any()
        changed[20:130, 30:110] = False
        assert not changed.any()

    def test_batches_do_not_matter(self, network: Wav2Lip) -> None:
        frames = [picture(160)]
        boxes = np.array([[20, 130, 30, 110]])
        one = list(speak(network, frames, boxes, speech(0.3), 25.0, batch=1))
        four = list(speak(network, frames, boxes, speech(0.3), 25.0, batch=4))
        assert max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(one, four, strict=True)) <= 1

    def test_stretches_equal_single_frames(self, network: Wav2Lip) -> None:
        g = torch.Generator().manual_seed(1)
        mel, face = torch.randn(2, 3, 1, 80, 16, generator=g), torch.rand(2, 6, 3, 96, 96, generator=g)
        with torch.inference_mode():
            whole = network(mel, face)
            single = network(mel[:, 1], face[:, :, 1])
        assert torch.allclose(whole[:, :, 1], single, atol=1e-5)

    def test_embeddings_have_no_negative_entry(self) -> None:
        with torch.inference_mode():
            audio, face = synthetic(SyncNet, "syncnet")(torch.zeros(1, 1, 80, 16), torch.rand(1, 15, 48, 96))
        assert audio.min() >= 0 and face.min() >= 0
        assert audio.norm().item() == pytest.approx(1.0, abs=1e-5)

    def test_boxes_must_match_frames(self, network: Wav2Lip) -> None:
        with pytest.raises(ValueError, match="1 frames with 2 face boxes"):
            next(speak(network, [picture(160)], np.zeros((2, 4), np.int64), speech(0.3), 25.0))


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """The source's row and the speech's rows."""
    recon = synthetic(FaceReconstruction, "face_3drecon")
    source = source_row(recon, picture(256), landmarks(256))
    nets = synthetic(ExpressionNet, "audio2exp"), synthetic(PoseNet, "audio2pose")
    return source, speech_rows(*nets, speech(1.6), source, style=3, seed=5)


class TestSadTalker:
    def test_speech_becomes_rows(self, rows: tuple[np.ndarray, np.ndarray]) -> None:
        source, made = rows
        assert source.shape == (1, 73)
        assert made.shape == (40, 70)
        assert np.isfinite(made).all()

    def test_a_seed_repeats_a_performance(self, rows: tuple[np.ndarray, np.ndarray]) -> None:
        nets = synthetic(ExpressionNet, "audio2exp"), synthetic(PoseNet, "audio2pose")
        again = speech_rows(*nets, speech(1.6), rows[0], style=3, seed=5)
        other = speech_rows(*nets, speech(1.6), rows[0], style=3, seed=6)
        assert np.array_equal(again, rows[1])
        led = speech_rows(*nets, speech(1.6), rows[0], style=3, seed=5, eyes=rows[0] + 1, head=rows[1][:7])
        assert not np.array_equal(led[:, :64], again[:, :64])
        assert np.allclose(led[:7, 64:] - again[:7, 64:], rows[1][:7, 64:] - rows[1][0, 64:], atol=1e-5)
        assert not np.array_equal(other[:, 64:], rows[1][:, 64:])

    def test_an_unknown_style(self, rows: tuple[np.ndarray, np.ndarray]) -> None:
        nets = synthetic(ExpressionNet, "audio2exp"), synthetic(PoseNet, "audio2pose")
        with pytest.raises(ValueError, match="pose style 46"):
            speech_rows(*nets, speech(0.3), rows[0], style=46)

    def test_a_reference_clip_moves_the_head(self) -> None:
        clip = torch.tensor([[1.0], [3.0]])
        assert follow_reference(torch.zeros(5, 1), clip).flatten().tolist() == [0, 2, 0, 2, 0]

    @pytest.mark.slow
    def test_rows_become_frames(self, rows: tuple[np.ndarray, np.ndarray]) -> None:
        source, made = rows
        windows = semantics(source, made[:3], batch=2, preprocess="full", still=True)
        networks = (
            synthetic(KeyPointDetector, "kp_extractor"),
            synthetic(partial(MappingNet, 73), "mapping_73"),
            synthetic(FaceGenerator, "generator"),
        )
        small = torch.from_numpy(picture(128)).permute(2, 0, 1)[None] / 255.0
        renderer = Renderer.prepare(*networks, small, torch.from_numpy(windows.source[:1]))
        frames = list(renderer.frames(windows, batch=2))
        assert [frame.shape for frame in frames] == [(128, 128, 3)] * 3
        direct = networks[2](small, renderer.source, renderer.driving(torch.from_numpy(windows.target))[0, :1])
        assert np.abs(direct[0].permute(1, 2, 0).numpy() * 255 - frames[0]).max() <= 1.0
        with pytest.raises(ValueError, match="multiples of 128"):
            networks[2](small[..., :96], renderer.source, renderer.source)

    def test_pasting_keeps_size_and_surroundings(self) -> None:
        frame = picture(320)
        out = paste_back(frame, restore_aspect(picture(128, 1), 100, 80), (80, 100, 160, 200))
        assert out.shape == frame.shape
        assert np.array_equal(out[:90], frame[:90])
        assert not np.array_equal(out[110:190, 90:150], frame[110:190, 90:150])


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks(
        synthetic(AppearanceEncoder, "F"),
        synthetic(MotionExtractor, "M"),
        synthetic(WarpingModule, "W"),
        synthetic(partial(SpadeDecoder, doubled=True), "G"),
        synthetic(StitchingNet, "stitching"),
    )


class TestLivePortrait:
    def crops(self, count: int) -> torch.Tensor:
        return torch.stack([torch.from_numpy(picture(128, i)).permute(2, 0, 1) / 255.0 for i in range(count)])

    def test_motion_without_stitching_starts_at_the_source(self, networks: Networks) -> None:
        source = prepare_source(networks, self.crops(1))
        driver = read_faces(networks, self.crops(3)[1:])
        for driving in ("expression-friendly", "pose-friendly"):
            points = drive(networks, source, driver, Options(driving=driving, stitching=False))
            assert points.shape == (2, 21, 3)
            flat = points[0] - source.points[0]
            assert flat[:, :2].abs().max() < 1e-4
        still = drive(networks, source, driver, Options(multiplier=0.0))
        assert torch.allclose(still, source.points.expand(2, -1, -1), atol=1e-6)

    def test_a_driving_picture_moves_from_rest(self, networks: Networks) -> None:
        source = prepare_source(networks, self.crops(1))
        driver = read_faces(networks, self.crops(2)[1:])
        picture_points = drive(networks, source, driver, Options(stitching=False), video=False)
        video_points = drive(networks, source, driver, Options(stitching=False))
        assert not torch.allclose(picture_points, video_points)

    def test_open_lips_are_closed(self, networks: Networks) -> None:
        lip_net = synthetic(LipNet, "lip")
        assert prepare_source(networks, self.crops(1), lip_net, 0.02).lip_delta is None
        source = prepare_source(networks, self.crops(1), lip_net, 0.03)
        assert source.lip_delta is not None
        driver = read_faces(networks, self.crops(2))
        plain = drive(networks, prepare_source(networks, self.crops(1)), driver)
        assert torch.allclose(drive(networks, source, driver), plain + source.lip_delta, atol=1e-5)

    def test_retargeting_leaves_the_head(self, networks: Networks) -> None:
        source = prepare_source(networks, self.crops(1))
        eye, lip = synthetic(EyeNet, "eye"), synthetic(LipNet, "lip")
        ratios = torch.tensor([[0.3, 0.3, 0.0], [0.3, 0.3, 0.4]])
        points = retarget(networks, source, (eye, ratios), (lip, ratios[:, 1:]), stitching=False)
        expected = source.points + eye.delta(source.points.expand(2, -1, -1), ratios)
        expected = expected + lip.delta(source.points.expand(2, -1, -1), ratios[:, 1:])
        assert torch.allclose(points, expected, atol=1e-6)

    def test_a_source_video(self, networks: Networks) -> None:
        sources = [prepare_source(networks, crop[None]) for crop in self.crops(3)]
        driver = read_faces(networks, self.crops(4)[1:])
        eye = synthetic(EyeNet, "eye")
        plain = drive_video(networks, sources[:2], driver)
        assert plain.shape == (2, 21, 3)
        open_eyes = drive_video(networks, sources[:2], driver, eyes=(eye, torch.full((2, 2), 0.1)))
        expected = eye.delta(sources[1].points, torch.tensor([[0.1, 0.1, 0.39]]))
        assert torch.allclose(open_eyes[1:] - plain[1:], expected, atol=1e-5)
        absolute = drive_video(networks, sources[:1], driver, Options(relative=False, stitching=False))
        single = drive(networks, sources[0], driver[:1], Options(relative=False, stitching=False))
        assert torch.allclose(absolute, single, atol=1e-5)

    @pytest.mark.slow
    def test_points_become_frames(self, networks: Networks) -> None:
        source = prepare_source(networks, self.crops(1))
        frames = render(networks, source, drive(networks, source, read_faces(networks, self.crops(2))))
        pictures = to_portraits(frames)
        assert pictures.shape == (2, 256, 256, 3)
        assert pictures.std() > 1
