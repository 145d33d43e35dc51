"""A moving source: a video whose every frame is driven, its motion smoothed so that two jitters do not add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from liveportrait.inference import Options, Source
from liveportrait.keypoints import Face, absolute_motion, relative_motion
from liveportrait.model import Networks
from liveportrait.retargeting import EyeNet, video_eye_target

#: Variance of a value's change from frame to frame, and of the error of reading it.
PROCESS_VARIANCE = 1e-5
OBSERVATION_VARIANCE = 3e-7
#: Variance of the first frame's value, known by nothing but itself.
START_VARIANCE = 1.0


def smooth_track(values: Tensor) -> Tensor:
    """Kalman smoother for values that wander: forward filter, then backward pass, along the first axis of (t, ..)."""
    count = len(values)
    filtered, variances = [values[0]], [START_VARIANCE]
    for i in range(count):
        predicted = filtered[-1]
        variance = variances[-1] + (PROCESS_VARIANCE if i else 0.0)
        gain = variance / (variance + OBSERVATION_VARIANCE)
        filtered.append(predicted + gain * (values[i] - predicted))
        variances.append((1.0 - gain) * variance)
    filtered, variances = filtered[1:], variances[1:]
    smoothed = filtered[-1:]
    for value, variance in zip(reversed(filtered[:-1]), reversed(variances[:-1]), strict=True):
        pull = variance / (variance + PROCESS_VARIANCE)
        smoothed.append(value + pull * (smoothed[-1] - value))
    return torch.stack(smoothed[::-1])


@torch.inference_mode()
def drive_video(
    networks: Networks,
    sources: Sequence[Source],
    driver: Face,
    options: Options | None = None,
    eyes: tuple[EyeNet, Tensor] | None = None,
) -> Tensor:
    """Key points of a driven source video, as long as the shorter of the two.

    Args:
        networks: the networks.
        sources: the prepared frames of the source.
        driver: the driver's frames, (t).
        options: how to drive; the scaling of "expression-friendly" is for single pictures and has no effect.
        eyes: the eye network and both eyes' ratios in every source frame (t, 2), to hold the eyes open evenly.

    Returns:
        (t, 21, 3).
    """
    options = options or Options()
    count = min(len(sources), len(driver.scale))
    if not count:
        raise ValueError("a source video and a driver need at least one frame each")
    moved = []
    for i in range(count):
        face, now = sources[i].face, driver[i : i + 1]
        if options.relative:
            moved.append(relative_motion(face, now, driver[:1], options.region))
        else:
            moved.append(absolute_motion(face, now, options.region))
    expression = smooth_track(torch.cat([face.expression for face in moved]))
    rotation = smooth_track(torch.cat([face.rotation for face in moved]))
    target = None if eyes is None else video_eye_target(eyes[1][0].cpu().numpy())
    out = []
    for i, face in enumerate(moved):
        source = sources[i].points
        points = replace(face, expression=expression[i : i + 1], rotation=rotation[i : i + 1]).points()
        if options.stitching:
            points = networks.stitching.stitch(source, points)
        if eyes is not None and target is not None:
            network, ratios = eyes
            points = points + network.delta(source, torch.cat([ratios[i : i + 1], ratios.new_tensor([[target]])], 1))
        out.append(source + (points - source) * options.multiplier)
    return torch.cat(out)
