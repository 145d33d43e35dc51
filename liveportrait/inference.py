"""The chain: a source face, prepared once, driven frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from liveportrait.keypoints import (
    Face,
    Region,
    absolute_motion,
    at_rest,
    face_of,
    motion_multiplier,
    relative_motion,
)
from liveportrait.model import Networks
from liveportrait.retargeting import LIP_OPEN, EyeNet, LipNet

Picture = NDArray[np.uint8]
DrivingOption = Literal["expression-friendly", "pose-friendly"]


@dataclass(frozen=True)
class Options:
    """How a driver moves a source.

    Attributes:
        relative: move by the driver's change since its first frame; else take on the driver's own pose.
        driving: "expression-friendly" scales the change to the source's size; relative motion of one picture by a
            video only.
        region: what may move.
        stitching: keep the head on the source's shoulders.
        multiplier: factor on the distance from the source at the very end.
    """

    relative: bool = True
    driving: DrivingOption = "expression-friendly"
    region: Region = "all"
    stitching: bool = True
    multiplier: float = 1.0


@dataclass(frozen=True)
class Source:
    """What is learnt from a source picture, once.

    Attributes:
        face: pose and expression, one.
        points: posed key points, (1, 21, 3).
        volume: features, (1, 32, 16, 64, 64).
        lip_delta: shift that closes lips which are open in the picture, (1, 21, 3), or none.
    """

    face: Face
    points: Tensor
    volume: Tensor
    lip_delta: Tensor | None = None


@torch.inference_mode()
def read_faces(networks: Networks, pictures: Tensor) -> Face:
    """Pose and expression of RGB crops in [0, 1], (n, 3, 256, 256)."""
    return face_of(networks.motion(pictures))


@torch.inference_mode()
def prepare_source(
    networks: Networks, picture: Tensor, lip_net: LipNet | None = None, lip_ratio: float = 0.0
) -> Source:
    """Read a source crop (1, 3, 256, 256).

    Args:
        networks: the networks.
        picture: RGB in [0, 1].
        lip_net: closes lips that are open in the picture, when given.
        lip_ratio: how far they are open, height over width.
    """
    face = read_faces(networks, picture)
    points = face.points()
    delta = None
    if lip_net is not None and lip_ratio >= LIP_OPEN:
        delta = lip_net.delta(points, points.new_tensor([[lip_ratio, 0.0]]))
    return Source(face, points, networks.appearance(picture), delta)


@torch.inference_mode()
def drive(
    networks: Networks, source: Source, driver: Face, options: Options | None = None, video: bool = True
) -> Tensor:
    """Key points of a driven source.

    Args:
        networks: the networks.
        source: the prepared source.
        driver: the driver's frames in order, (t).
        options: how to drive.
        video: whether the frames are a video, moved from its first frame, or pictures, each moved from rest.

    Returns:
        (t, 21, 3).
    """
    options = options or Options()
    scaled = options.driving == "expression-friendly" and options.relative and video
    factor, start = 1.0, source.points
    moved = []
    for i in range(len(driver.scale)):
        now = driver[i : i + 1]
        first = driver[:1] if video else at_rest(now)
        if options.relative:
            points = relative_motion(source.face, now, first, options.region).points()
        else:
            points = absolute_motion(source.face, now, options.region).points()
        if scaled:
            if i == 0:
                start, factor = points, motion_multiplier(source.points, points)
            points = source.points + (points - start) * factor
        if options.stitching:
            points = networks.stitching.stitch(source.points, points)
        if source.lip_delta is not None:
            points = points + source.lip_delta
        moved.append(source.points + (points - source.points) * options.multiplier)
    return torch.cat(moved)


@torch.inference_mode()
def retarget(
    networks: Networks,
    source: Source,
    eye: tuple[EyeNet, Tensor] | None = None,
    lip: tuple[LipNet, Tensor] | None = None,
    stitching: bool = True,
) -> Tensor:
    """The source itself with eyes or lips opened to a target; a driver's motion is left out.

    Args:
        networks: the networks.
        source: the prepared source.
        eye: the eye network and ratios (n, 3): left and right now, wanted.
        lip: the lip network and ratios (n, 2): now, wanted.
        stitching: keep the head on the source's shoulders.

    Returns:
        (n, 21, 3).
    """
    points = source.points
    for part in (eye, lip):
        if part is not None:
            network, ratios = part
            points = points + network.delta(source.points.expand(len(ratios), -1, -1), ratios)
    if stitching:
        points = networks.stitching.stitch(source.points.expand(len(points), -1, -1), points)
    return points


@torch.inference_mode()
def render(networks: Networks, source: Source, points: Tensor) -> Tensor:
    """Pictures of driven key points.

    Args:
        networks: the networks.
        source: the prepared source.
        points: (n, 21, 3).

    Returns:
        RGB in [0, 1], (n, 3, 512, 512).
    """
    count = len(points)
    volume = source.volume.expand(count, -1, -1, -1, -1)
    warped = networks.warping(volume, source.points.expand(count, -1, -1), points)
    out: Tensor = networks.generator(warped.features)
    return out


def to_input(pictures: Picture, like: Tensor) -> Tensor:
    """RGB pictures (n, h, w, 3) as network input in [0, 1], (n, 3, h, w), where and what ``like`` is."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).to(like) / 255.0


def to_pictures(frames: Tensor) -> Picture:
    """Network pictures (n, 3, h, w) to RGB (n, h, w, 3), clipped and truncated."""
    scaled = (frames.float().clamp(0, 1) * 255.0).to(torch.uint8)
    pictures: Picture = scaled.permute(0, 2, 3, 1).cpu().numpy()
    return pictures
