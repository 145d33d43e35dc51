"""Speech front ends and everything around the networks that needs no weights."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("torch", reason="the networks need torch (pip install 'visema[neural]')")

import torch

from facenets.mel import mel_basis, melspectrogram
from facenets.resample import bicubic
from liveportrait.crop import crop_driver, crop_face, paste_back, soft_mask
from liveportrait.keypoints import KEY_POINTS, Face, absolute_motion, hull_volume, relative_motion
from liveportrait.retargeting import eye_ratios, lip_ratio, video_eye_target
from liveportrait.video import smooth_track
from sadtalker.alignment import align
from sadtalker.alignment import crop_face as crop_head
from sadtalker.inference import cut_square
from sadtalker.pose import smooth_pose
from sadtalker.semantics import head_path, semantics
from sadtalker.speech import blink_track, speech_windows, window_start
from wav2lip.inference import chunk_starts, face_input, frame_indices, pad_boxes, paste_face, smooth_boxes


def tone(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440.0 * np.arange(int(16000 * seconds)) / 16000)).astype(np.float32)


class TestMel:
    def test_shape_and_range(self) -> None:
        mel = melspectrogram(tone(1.0), "zeros")
        assert mel.shape == (80, 81)
        assert mel.dtype == np.float32
        assert mel.min() >= -4 and mel.max() <= 4

    def test_silence_is_the_floor(self) -> None:
        assert (melspectrogram(np.zeros(16000, np.float32), "zeros") == -4).all()

    def test_a_tone_lights_its_band(self) -> None:
        band = int(melspectrogram(tone(1.0), "zeros")[:, 40].argmax())
        assert abs(int(mel_basis()[band].argmax()) * 20 - 440) <= 20

    def test_paddings_differ_at_the_ends_only(self) -> None:
        zeros, reflect = melspectrogram(tone(1.0), "zeros"), melspectrogram(tone(1.0), "reflect")
        assert np.abs(zeros - reflect)[:, 2:-2].max() < 1e-4
        assert np.abs(zeros - reflect)[:, [0, 1, -2, -1]].max() > 0.1

    def test_too_short_to_reflect(self) -> None:
        with pytest.raises(ValueError, match="too few"):
            melspectrogram(np.zeros(400, np.float32), "reflect")


class TestSadTalkerSpeech:
    def test_starts_truncate_toward_zero(self) -> None:
        assert [window_start(i) for i in range(8)] == [-6, -3, 0, 3, 6, 9, 12, 16]

    def test_windows(self) -> None:
        made = speech_windows(tone(0.5))
        assert made.windows.shape == (1, 12, 1, 80, 16)
        assert (made.windows[0, 0, 0, :, 0] == made.windows[0, 0, 0, :, 6]).all()

    def test_blinks(self) -> None:
        assert not any(blink_track(frames, random.Random(1)).any() for frames in (0, 1, 20, 21))
        track = blink_track(500, random.Random(1))[:, 0]
        peaks = np.flatnonzero(track == 1.0)
        assert len(peaks) >= 4
        assert all(np.allclose(track[p - 2 : p + 3], [0.5, 0.9, 1.0, 0.9, 0.5]) for p in peaks)
        assert (np.diff(peaks) >= 15).all()
        assert (track == blink_track(500, random.Random(1))[:, 0]).all()

    @pytest.mark.parametrize("frames", [1, 2, 3, 9, 13, 40])
    def test_smoothing_keeps_a_parabola(self, frames: int) -> None:
        t = torch.arange(frames, dtype=torch.float32)
        pose = (0.01 * t**2 - 0.2 * t)[None, :, None].expand(-1, -1, 6)
        assert torch.allclose(smooth_pose(pose), pose, atol=1e-4)


class TestSemantics:
    source = np.arange(73, dtype=np.float32)[None]
    generated = np.arange(5 * 70, dtype=np.float32).reshape(5, 70)

    def test_the_last_window_fills_the_batch(self) -> None:
        made = semantics(self.source, self.generated, batch=2)
        assert made.target.shape == (2, 3, 70, 27)
        assert made.source.shape == (2, 70, 27)
        assert (made.target[1, 2] == made.target[1, 1]).all()
        assert made.frames == 5

    def test_still_freezes_the_pose(self) -> None:
        made = semantics(self.source, self.generated, 1, "full", still=True)
        assert (made.target[0, :, 64:] == self.source[0, 64:73][:, None]).all()

    def test_paths(self) -> None:
        assert (head_path([7.0], 5, 2) == 7.0).all()
        path = head_path([0.0, 20.0, -10.0], 31, 1)[0]
        assert path[0] == 0.0
        assert np.abs(np.diff(path)).max() == pytest.approx(50 / 30, rel=1e-5)
        assert (head_path([5.0, 5.0], 4, 1) == 5.0).all()
        assert np.isfinite(head_path([0.0, 5.0, 5.0, 9.0], 10, 3)).all()


class TestWav2Lip:
    def test_chunks_end_with_the_speech(self) -> None:
        starts = chunk_starts(81, 25.0)
        assert starts[:4] == [0, 3, 6, 9]
        assert starts[-1] == 81 - 16
        with pytest.raises(ValueError, match="too few"):
            chunk_starts(15, 25.0)

    @pytest.mark.parametrize("count", [1, 3, 4, 5, 12])
    def test_still_boxes_stay(self, count: int) -> None:
        boxes = pad_boxes(np.tile([30, 20, 90, 80], (count, 1)), (0, 10, 0, 0), 85, 100)
        assert (smooth_boxes(boxes) == [20, 85, 30, 90]).all()

    def test_frames_repeat(self) -> None:
        assert frame_indices(3, 5) == [0, 1, 2, 0, 1]
        assert frame_indices(3, 2) == [0, 1]
        assert frame_indices(3, 4, static=True) == [0, 0, 0, 0]

    def test_lower_half_is_hidden(self) -> None:
        face = face_input(np.full((1, 96, 96, 3), 255, np.uint8))
        assert face.shape == (1, 6, 96, 96)
        assert face[0, :3, :48].min() == 1.0 and face[0, :3, 48:].max() == 0.0 and face[0, 3:].min() == 1.0

    def test_paste_leaves_the_rest(self) -> None:
        frame = np.zeros((60, 80, 3), np.uint8)
        out = paste_face(frame, np.full((96, 96, 3), 9, np.uint8), (10, 40, 20, 60))
        assert (out[10:40, 20:60] == 9).all()
        assert out.sum() == 9 * 30 * 40 * 3
        assert not frame.any()


class TestFaceGeometry:
    def landmarks(self) -> np.ndarray:
        points = np.random.RandomState(3).uniform(100, 400, (68, 2))
        points[36:42] = [180, 200]
        points[42:48] = [320, 200]
        points[30], points[48], points[54] = [250, 270], [200, 340], [300, 340]
        return points

    def test_an_aligned_picture_is_its_own_alignment(self) -> None:
        aligned = align(np.full((256, 256, 3), 200, np.uint8), self.landmarks() / 2)
        assert aligned.picture.shape == (224, 224, 3)
        assert aligned.parameters[:2].tolist() == [256, 256]

    def test_without_landmarks_the_mean_face_is_used(self) -> None:
        aligned = align(np.zeros((256, 256, 3), np.uint8), np.full((68, 2), -1.0))
        assert aligned.anchors.shape == (5, 2)
        assert np.isfinite(aligned.parameters).all()

    def test_head_crop_holds_the_face(self) -> None:
        crop = crop_head(self.landmarks(), 500, 500)
        left, top, right, bottom = crop.crop
        assert left < 180 and right > 320 and top < 200 and bottom > 340
        inner, outer = crop.rectangle(), crop.rectangle(extended=True)
        assert outer[0] <= inner[0] < inner[2] <= outer[2]
        assert outer[1] <= inner[1] < inner[3] <= outer[3]
        assert cut_square(np.zeros((500, 500, 3), np.uint8), crop, 256).shape == (256, 256, 3)

    def test_a_large_head_is_shrunk_first(self) -> None:
        crop = crop_head(self.landmarks() * 12, 6000, 6000)
        assert crop.size[0] < 6000
        assert cut_square(np.zeros((6000, 6000, 3), np.uint8), crop, 64).shape == (64, 64, 3)

    def test_resize_keeps_a_flat_picture(self) -> None:
        picture = np.full((50, 70, 3), 123, np.uint8)
        assert (bicubic(picture, 33, 91) == 123).all()
        assert bicubic(picture, 33, 91).shape == (91, 33, 3)

    def test_crop_and_back(self) -> None:
        crop = crop_face(self.landmarks().astype(np.float32))
        assert np.allclose(crop.to_crop @ crop.to_picture, np.eye(3), atol=1e-3)
        picture = np.full((500, 500, 3), 80, np.uint8)
        back = paste_back(picture, np.full((512, 512, 3), 200, np.uint8), crop.to_picture, soft_mask())
        assert back.max() == 200
        assert crop.cut(picture).shape == (512, 512, 3)

    def test_one_crop_for_a_video(self) -> None:
        points = self.landmarks().astype(np.float32)
        crop = crop_driver([points, points + 10])
        assert crop.square.angle == 0.0
        with pytest.raises(ValueError, match="67 landmarks"):
            crop_driver([points[:67]])


class TestLivePortraitMotion:
    def face(self, seed: int) -> Face:
        g = torch.Generator().manual_seed(seed)
        rotation, _ = torch.linalg.qr(torch.randn(1, 3, 3, generator=g))
        points = torch.randn(1, KEY_POINTS, 3, generator=g)
        shift = 0.1 * torch.randn(1, KEY_POINTS, 3, generator=g)
        return Face(points, rotation, shift, torch.randn(1, 3, generator=g), torch.ones(1, 1))

    def test_a_driver_at_its_start_moves_nothing(self) -> None:
        source, driver = self.face(1), self.face(2)
        assert torch.allclose(relative_motion(source, driver, driver).points(), source.points(), atol=1e-5)

    def test_regions(self) -> None:
        source, driver, first = self.face(1), self.face(2), self.face(3)
        lips = relative_motion(source, driver, first, "lip")
        moved = (lips.points() - source.points()).abs().sum(-1)[0].nonzero().flatten().tolist()
        assert moved == [6, 12, 14, 17, 19, 20]
        pose = relative_motion(source, driver, first, "pose")
        assert torch.equal(pose.expression, source.expression)

    def test_absolute_keeps_identity_points(self) -> None:
        source, driver = self.face(1), self.face(2)
        moved = absolute_motion(source, driver)
        assert torch.equal(moved.expression[:, [0, 7, 10]], source.expression[:, [0, 7, 10]])
        assert torch.equal(moved.expression[:, 20], driver.expression[:, 20])
        assert torch.equal(moved.rotation, driver.rotation)

    def test_smoothing_a_source_video(self) -> None:
        g = torch.Generator().manual_seed(1)
        still = torch.ones(30, 4)
        assert torch.allclose(smooth_track(still), still)
        noisy = still + 1e-3 * torch.randn(30, 4, generator=g)
        assert smooth_track(noisy).diff(dim=0).std() < noisy.diff(dim=0).std()
        assert smooth_track(noisy[:1]).shape == (1, 4)

    def test_hull_of_a_cube(self) -> None:
        corners = torch.tensor([[x, y, z] for x in (0.0, 2.0) for y in (0.0, 2.0) for z in (0.0, 2.0)])
        assert hull_volume(corners) == pytest.approx(8.0)

    def test_ratios(self) -> None:
        points = np.zeros((1, 203, 2), np.float32)
        points[0, 12], points[0, 18] = [40, 0], [0, 10]
        points[0, 36], points[0, 42] = [20, 0], [0, 10]
        points[0, 66], points[0, 102] = [50, 0], [0, 5]
        assert np.allclose(eye_ratios(points), [[0.25, 0.5]])
        assert np.allclose(lip_ratio(points), [[0.1]])
        assert video_eye_target(np.array([0.2, 0.3])) == pytest.approx(0.25)
        assert video_eye_target(np.array([0.1, 0.2])) == 0.39
