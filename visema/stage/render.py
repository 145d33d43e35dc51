"""Renders a speech to an mp4: the live view's drawing, driven by a counter instead of a clock."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from visema.avatar import Avatar
from visema.errors import InputError, OutputError
from visema.media.encode import Mp4Writer
from visema.mouth.heard import Heard
from visema.provenance import Mark, facts_of
from visema.speech.sound import let_go
from visema.speech.types import Speech
from visema.stage.compositor import Compositor
from visema.stage.framing import Framing, choose_framing
from visema.stage.label import draw_label
from visema.stage.mark import draw_mark
from visema.types import I420, FloatArray
from visema.visemes.articulation import TARGETS, ArticulationCurve
from visema.visemes.classes import SILENCE
from visema.visemes.plan import Plan

#: Called with the frames done and the frames to do.
Progress = Callable[[int, int], None]

MIN_FPS, MAX_FPS = 1.0, 120.0
#: A generated speech ends with at least this much silence, in which the lips come to rest.
TAIL_S = 0.3
#: After so many pictures the part of a long sound that was read is let go; 20 s at 25 a second.
LET_GO_FRAMES = 500


@dataclass(frozen=True)
class RenderReport:
    """What a render made.

    Attributes:
        path: The mp4.
        frames: Pictures in it.
        fps: Pictures a second.
        size: Width and height.
        duration: Seconds of sound.
        seconds: How long it took.
        mark: What the film says of itself; its id is found again by `visema.provenance.read_mark`.
    """

    path: Path
    frames: int
    fps: float
    size: tuple[int, int]
    duration: float
    seconds: float
    mark: Mark | None = None

    @property
    def realtime(self) -> float:
        """Seconds of film made in a second."""
        return self.duration / max(self.seconds, 1e-9)


def with_tail(speech: Speech, tail: float = TAIL_S) -> Speech:
    """The speech with silence after its last phone, so that the mouth closes within the film.

    A recording is left as long as it is: whoever brings one expects its length back.
    """
    if speech.recorded:
        return speech
    last = max((p.end for p in speech.phones if p.label), default=speech.duration)
    missing = round((last + tail - speech.duration) * speech.rate)
    if missing <= 0:
        return speech
    return replace(speech, samples=np.concatenate([speech.samples, np.zeros(missing, np.float32)]))


def frame_count(duration: float, fps: float) -> int:
    """Pictures that cover ``duration`` seconds, at least one; less than one longer than the sound."""
    return max(1, math.ceil(duration * fps - 1e-6))


def check_output(path: Path) -> None:
    """Complain about a place where no mp4 can be written, before any work is done.

    Raises:
        OutputError: The folder is missing or read-only, or the name is no mp4.
    """
    if path.suffix.lower() != ".mp4" and not path.is_dir():
        raise OutputError("'{name}' is not the name of an mp4.", "End the name with .mp4.", name=path.name)
    check_folder(path)


def check_folder(path: Path) -> None:
    """Complain about a place where no file can be written.

    Raises:
        OutputError: It is a folder itself, or its folder is missing or read-only.
    """
    if path.is_dir():
        raise OutputError("{path} is a folder.", "Name a file in it.", path=path)
    if not path.parent.is_dir():
        raise OutputError(
            "The folder {folder} does not exist.", "Make it first, or name another one.", folder=path.parent
        )
    if not os.access(path.parent, os.W_OK):
        raise OutputError("The folder {folder} cannot be written.", "Name a folder of your own.", folder=path.parent)


def render_file(
    avatar: Avatar,
    speech: Speech,
    plan: Plan,
    out_path: Path,
    *,
    fps: float | None = None,
    resolution: str | None = None,
    crop: str | None = None,
    label: bool = False,
    mark: bool = False,
    salt: str = "",
    progress: Progress | None = None,
) -> RenderReport:
    """Write ``avatar`` saying ``speech`` to an mp4.

    Decoding, drawing and encoding overlap; the memory taken does not depend on the length. The same arguments give
    the same frames. The file appears under its name only when it is whole.

    Args:
        avatar: Who speaks.
        speech: The sound.
        plan: The mouth; best made at the film's frame rate, else its curve is interpolated.
        out_path: Where to write, ``.mp4``.
        fps: Frame rate of the film; None takes the avatar's. The loop's frames are repeated or skipped to fit.
        resolution: ``1280x720`` or ``720p``.
        crop: ``16:9``, ``9:16`` or ``1:1``.
        label: Draw the viseme's name and the time on the picture.
        mark: Draw a small badge that says the picture is made by software.
        salt: Makes the film's provenance id its own, where the same film is made for several people.
        progress: Called after each frame.

    Raises:
        InputError: An option is out of bounds.
        OutputError: The file cannot be written.
    """
    check_output(out_path)
    fps = avatar.fps if fps is None else fps
    if not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(
            "{fps} frames a second cannot be made.",
            "Choose {low} to {high}.",
            fps=f"{fps:g}",
            low=f"{MIN_FPS:g}",
            high=f"{MAX_FPS:g}",
        )
    framing = choose_framing(avatar.size, avatar.track, resolution=resolution, crop=crop)
    total = frame_count(speech.duration, fps)
    began = time.perf_counter()
    facts = facts_of(
        engine=avatar.engine,
        voice=speech.voice,
        avatar=avatar.id,
        source=avatar.source.sha256,
        consent=avatar.source.consent,
        salt=salt,
        visible=mark,
    )
    with Mp4Writer(out_path, framing.size, fps, speech.rate, facts=facts) as writer:
        written = 0
        for number, frame in enumerate(speaking_frames(avatar, plan.curve, fps, total, framing, speech)):
            if label:
                draw_label(frame, framing.size, plan.track.at(number / fps), number / fps)
            if mark:
                draw_mark(frame, framing.size)
            end = round((number + 1) / fps * speech.rate)
            writer.write_audio(speech.samples[written:end])
            writer.write(frame)
            written = end
            if (number + 1) % LET_GO_FRAMES == 0:
                let_go(speech.samples)
            if progress:
                progress(number + 1, total)
    seconds = time.perf_counter() - began
    return RenderReport(out_path, total, fps, framing.size, speech.duration, seconds, writer.mark)


def speaking_frames(
    avatar: Avatar,
    curve: ArticulationCurve,
    fps: float,
    total: int,
    framing: Framing | None = None,
    speech: Speech | None = None,
) -> Iterator[I420]:
    """The first ``total`` pictures of a speech; each may be changed by who takes it."""
    compositor = Compositor(avatar)
    with avatar.open_loop() as loop:
        for number, (index, frame) in enumerate(_resampled(loop, len(avatar.track), avatar.fps / fps, total)):
            heard = Heard(speech.samples, speech.rate, number, fps) if speech else None
            compositor.compose(frame, index, pose_at(curve, number, fps), heard)
            yield framing.apply(frame) if framing else frame


def pose_at(curve: ArticulationCurve, number: int, fps: float) -> FloatArray:
    """The pose of picture ``number``: the curve's own row where the rates agree, at rest after its end."""
    if curve.fps != fps:
        return curve.at(number / fps)
    pose: FloatArray = curve.poses[number] if number < len(curve) else TARGETS[SILENCE]
    return pose


def _resampled(loop: Iterable[I420], loop_frames: int, step: float, total: int) -> Iterator[tuple[int, I420]]:
    """For every picture of the film, the index of the loop frame shown then, and the frame itself.

    ``step`` is how many loop frames go by in one picture. A frame that is shown more than once is handed out as
    copies, because who takes it draws into it.
    """
    shown = 0
    for position, frame in enumerate(loop):
        until = min(total, _first_picture_of(position + 1, step))
        for number in range(shown, until):
            yield position % loop_frames, frame if number + 1 == until else frame.copy()
        shown = max(shown, until)
        if shown >= total:
            return


def _first_picture_of(position: int, step: float) -> int:
    """Number of the first picture that shows loop frame ``position`` or a later one."""
    return math.ceil((position - 1e-6) / step)
