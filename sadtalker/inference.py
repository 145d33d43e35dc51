"""The chains: speech to coefficients, coefficients to key points, key points to frames."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sadtalker.alignment import FaceCrop, align
from sadtalker.expression import ExpressionNet, expressions
from sadtalker.generator import FaceGenerator
from sadtalker.keypoints import KeyPointDetector, pose_key_points
from sadtalker.mapping import MappingNet
from sadtalker.pose import LATENT, PoseNet, pose_of, smooth_pose
from sadtalker.reconstruction import FaceCoefficients, FaceReconstruction
from sadtalker.semantics import Semantics
from sadtalker.speech import blink_track, speech_windows

Picture = NDArray[np.uint8]
#: Degrees by axis ("yaw", "pitch", "roll") that replace the predicted ones, (batch, t).
Overrides = Mapping[str, Tensor]


class HeadTrack(NamedTuple):
    """Head pose from speech, (n, t, 6) each: relative to the source, absolute, and smoothed."""

    motion: Tensor
    pose: Tensor
    smoothed: Tensor


def head_track(network: PoseNet, mels: Tensor, rows: Tensor, style: int, draw: Callable[[], Tensor]) -> HeadTrack:
    """Head motion of a speech.

    Args:
        network: audio-to-pose.
        mels: (n, t, 1, 80, 16).
        rows: the source's row for every frame, of which the pose of the first is read, (n, t, >= 70).
        style: 0 to 45.
        draw: gives a latent vector (n, 64) for every block.
    """
    reference = pose_of(rows)[:, 0]
    motion = network(mels, reference, style, draw)
    pose = reference[:, None] + motion
    return HeadTrack(motion, pose, smooth_pose(pose))


def follow_reference(pose: Tensor, clip: Tensor) -> Tensor:
    """Add the head movement of a reference clip (m, 6), repeated if short, to a track (t, 6)."""
    index = torch.arange(len(pose), device=pose.device) % len(clip)
    return pose + clip[index] - clip[0]


def cut_square(picture: Picture, crop: FaceCrop, size: int, extended: bool = False) -> Picture:
    """The animated square of a whole picture, (size, size, 3), whatever its aspect."""
    width, height = (int(v) for v in crop.size)
    if (width, height) != (picture.shape[1], picture.shape[0]):
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    left, top, right, bottom = crop.rectangle(extended)
    return np.asarray(cv2.resize(picture[top:bottom, left:right], (size, size)), dtype=np.uint8)


@torch.inference_mode()
def source_row(network: FaceReconstruction, picture: Picture, landmarks: NDArray[np.float64]) -> NDArray[np.float32]:
    """Face-model row (1, 73) of the source crop.

    Args:
        network: the reconstruction.
        picture: RGB crop, 256 x 256.
        landmarks: 68 points of it, (68, 2).
    """
    aligned = align(picture, landmarks)
    weight = next(network.parameters())
    pixels = torch.from_numpy(aligned.picture).permute(2, 0, 1)[None].to(weight) / 255.0
    found = FaceCoefficients.split(network(pixels))
    row = found.row(torch.from_numpy(aligned.parameters[None, 2:]).to(weight))
    return row.float().cpu().numpy()


@torch.inference_mode()
def speech_rows(
    expression_net: ExpressionNet,
    pose_net: PoseNet,
    wave: NDArray[np.float32],
    source: NDArray[np.float32],
    style: int = 0,
    seed: int = 0,
    eyes: NDArray[np.float32] | None = None,
    head: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Expression and pose rows of a speech, (t, 70).

    Blinks and head motion are drawn at random; the seed makes a performance repeatable.

    Args:
        expression_net: audio-to-expression.
        pose_net: audio-to-pose.
        wave: mono speech at 16 kHz, (n,).
        source: the source's row, (1, 73).
        style: pose style, 0 to 45.
        seed: of blinks and latent vectors.
        eyes: rows of a clip whose expressions stand in for the source's, repeated if short, (m, >= 64).
        head: rows of a clip whose head movement is added, repeated if short, (m, >= 70).
    """
    weight = expression_net.mapping1.weight
    mels = torch.from_numpy(speech_windows(wave).windows).to(weight)
    frames = mels.shape[1]
    rows = torch.from_numpy(source[:1]).to(weight).expand(frames, -1)[None]
    blink = torch.from_numpy(blink_track(frames, random.Random(seed)))[None].to(weight)
    noise = torch.Generator().manual_seed(seed)
    looks = rows if eyes is None else torch.from_numpy(eyes[np.arange(frames) % len(eyes)])[None].to(weight)
    expression = expressions(expression_net, mels, looks, blink)
    track = head_track(pose_net, mels, rows, style, lambda: torch.randn(1, LATENT, generator=noise).to(weight))
    pose = track.smoothed[0]
    if head is not None:
        pose = follow_reference(pose, pose_of(torch.from_numpy(head).to(weight)))
    return torch.cat([expression[0], pose], dim=1).float().cpu().numpy()


@dataclass(frozen=True)
class Renderer:
    """The three networks that draw, and what was learnt from one source picture, once.

    Attributes:
        mapping: coefficients to pose.
        generator: the renderer.
        volume: the source's features, (1, 32, 16, h/4, w/4).
        canonical: its key points without pose, (1, 15, 3).
        source: its key points as posed in the picture, (1, 15, 3).
    """

    mapping: MappingNet
    generator: FaceGenerator
    volume: Tensor
    canonical: Tensor
    source: Tensor

    @classmethod
    @torch.inference_mode()
    def prepare(
        cls,
        detector: KeyPointDetector,
        mapping: MappingNet,
        generator: FaceGenerator,
        picture: Tensor,
        window: Tensor,
    ) -> Renderer:
        """Read a source picture (n, 3, h, w) with its semantics (n, c, 27)."""
        canonical = detector(picture)
        posed = pose_key_points(canonical, mapping(window))
        return cls(mapping, generator, generator.encode(picture), canonical, posed.points)

    @torch.inference_mode()
    def driving(self, windows: Tensor, overrides: Overrides | None = None) -> Tensor:
        """Key points of frames: windows (n, t, c, 27) to (n, t, 15, 3)."""
        batch, frames = windows.shape[:2]
        angles = {axis: degrees.reshape(-1) for axis, degrees in (overrides or {}).items()}
        canonical = self.canonical.expand(batch, -1, -1).repeat_interleave(frames, dim=0)
        posed = pose_key_points(canonical, self.mapping(windows.flatten(0, 1)), **angles)
        return torch.unflatten(posed.points, 0, (batch, frames))

    @torch.inference_mode()
    def draw(self, driving: Tensor) -> Tensor:
        """One frame per source: key points (n, 15, 3) to pictures (n, 3, h, w) in [0, 1]."""
        count = len(driving)
        volume = self.volume.expand(count, -1, -1, -1, -1)
        return self.generator.render(volume, self.source.expand(count, -1, -1), driving).picture

    def frames(self, windows: Semantics, overrides: Overrides | None = None, batch: int = 2) -> Iterator[Picture]:
        """All real frames of a speech in order, RGB (h, w, 3).

        Args:
            windows: of one source, any number of stretches.
            overrides: angles laid out as the windows are.
            batch: frames drawn at once.
        """
        target = torch.from_numpy(windows.target).to(self.volume)
        points = self.driving(target, overrides).flatten(0, 1)[: windows.frames]
        for part in torch.split(points, batch):
            yield from to_pictures(self.draw(part))


def to_pictures(frames: Tensor) -> Picture:
    """Network pictures (n, 3, h, w) in [0, 1] to rounded RGB, (n, h, w, 3)."""
    scaled = (frames.float() * 255.0).round().clamp(0, 255).to(torch.uint8)
    pictures: Picture = scaled.permute(0, 2, 3, 1).cpu().numpy()
    return pictures


def restore_aspect(picture: Picture, crop_height: int, crop_width: int) -> Picture:
    """Bring a square frame back to the crop's shape at its own width."""
    size = picture.shape[1]
    return np.asarray(cv2.resize(picture, (size, int(size * crop_height / crop_width))), dtype=np.uint8)


def paste_back(frame: Picture, picture: Picture, box: tuple[int, int, int, int]) -> Picture:
    """Blend an animated crop into the whole picture without a seam.

    Args:
        frame: the whole picture, (h, w, 3).
        picture: the animated crop in the same channel order.
        box: where it belongs: left, top, right, bottom.
    """
    left, top, right, bottom = box
    patch = cv2.resize(picture, (right - left, bottom - top))
    mask = np.full(patch.shape, 255, dtype=np.uint8)
    centre = ((left + right) // 2, (top + bottom) // 2)
    return np.asarray(cv2.seamlessClone(patch, frame, mask, centre, cv2.NORMAL_CLONE), dtype=np.uint8)
