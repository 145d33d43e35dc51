"""A source becomes a base: the loop video on disk, the face in each of its frames, and what setup looks at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from visema.errors import FaceError, InputError
from visema.face.track import FaceTrack
from visema.media.colour import i420_to_bgr
from visema.media.guard import Child, VideoChild, photo_of, trusted
from visema.media.image import limit_size, read_image
from visema.mouth.engine import Loop, MakesLoops
from visema.types import I420, Image

if TYPE_CHECKING:
    from visema.face.tracking import Tracking

log = logging.getLogger(__name__)

#: Takes steps done and steps in all.
Progress = Callable[[int, int], None]
#: Of a video, at most so much becomes the loop: nobody sees a minute repeat.
MAX_SECONDS = 60.0
#: Frames that an engine learns a face from.
SAMPLES = 60
#: Longest side of a photo's loop, and of one whose face would be small in that: 200 frames of 640 x 640 take .7 s of
#: CPU to make, of 1024 x 1024 2.0, of 512 x 512 .5. 640 is sharp on the page's 480 pixels.
LONGEST_PHOTO, LARGEST_PHOTO = 640, 1920
#: Pixels between the pupils from which a larger picture shows no better mouth.
PLENTY_U = 64.0
#: Rate of a photo's loop.
PHOTO_FPS = Fraction(25)


@dataclass(frozen=True)
class Base:
    """What setup makes of a source.

    Attributes:
        kind: What the source was.
        fps: Of the loop.
        size: (width, height) of the loop.
        track: The face in the loop.
        mirrored: Whether the loop plays its video forward and then backward.
        frames: Some loop frames (BGR) by index.
        reference: Index of the reference frame, which is among ``frames``.
        measured: The face as measured, before smoothing and mirroring; for a diagnosis.
        faces: How many faces were seen.
        notes: What was changed, in sentences.
    """

    kind: Literal["photo", "video"]
    fps: Fraction
    size: tuple[int, int]
    track: FaceTrack
    mirrored: bool
    frames: Mapping[int, Image]
    reference: int
    measured: FaceTrack
    faces: int
    notes: tuple[str, ...]


class FrameSamples(Mapping[int, Image]):
    """Up to 120 evenly spread frames of a stream of unknown length, kept as I420 and given as BGR.

    Args:
        expected: About how many frames will come.
        wanted: Index of a frame to keep in any case.
    """

    def __init__(self, expected: int, wanted: int = -1) -> None:
        self._stride = max(1, expected // SAMPLES)
        self._wanted = wanted
        self._kept: dict[int, I420] = {}

    def offer(self, index: int, frame: I420) -> None:
        """The next frame of the stream; it is kept, not copied."""
        if index % self._stride == 0 or index == self._wanted:
            self._kept[index] = frame
        if len(self._kept) > 2 * SAMPLES:
            self._stride *= 2
            self._kept = {i: f for i, f in self._kept.items() if i % self._stride == 0 or i == self._wanted}

    def __getitem__(self, index: int) -> Image:
        return i420_to_bgr(self._kept[index])

    def __iter__(self) -> Iterator[int]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


@contextmanager
def video_base(path: Path, loop: Path, frame: str, progress: Progress, face: int = 1) -> Iterator[Base]:
    """Decode, track and write the loop of a video; the loop file is complete when the block ends.

    A video of one frame becomes a photo's base.

    Args:
        path: The user's video.
        loop: Where the loop video goes.
        frame: Reference frame: an index, "-1" for the middle or "auto" for the best.
        progress: Told after every frame.
        face: Which face, where there are several; 1 is the largest.

    Raises:
        MediaError: The video cannot be used.
        FaceError: Its face cannot be used.
        OutputError: The loop cannot be written.
    """
    with VideoChild(path, loop, MAX_SECONDS) as child:
        # The models load while the child starts.
        from visema.face.tracking import FaceTracker

        with FaceTracker(face) as tracker:
            child.open()
            wanted = child.expected // 2 if frame == "-1" else -1 if frame == "auto" else int(frame)
            samples = FrameSamples(child.expected, wanted)
            count, rgb = 0, None
            for count, i420 in enumerate(child.frames(), 1):
                samples.offer(count - 1, i420)
                # Always into the same memory: fresh pages cost as much as the conversion.
                rgb = np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420, dst=rgb), np.uint8)
                tracker.add(rgb)
                progress(count, max(count, child.expected))
            if count > 1:
                tracking = tracker.finish()
        if count == 1:
            child.finish()
            loop.unlink(missing_ok=True)
            with _still_base(samples[0], loop, frame, progress, face=face) as base:
                yield base
            return
        yield _tracked(child, tracking, samples, frame)
        child.finish()


def read_portrait(path: Path) -> Image:
    """A photo no larger than setup and films need, decoded in a child unless this program wrote the file itself.

    Raises:
        MediaError: It cannot be used.
    """
    if trusted(path):
        return limit_size(read_image(path), LARGEST_PHOTO)
    with Child("picture", path, "picture", longest=LARGEST_PHOTO) as child:
        # The models load while the child starts.
        from visema.face.landmarks import load_model

        load_model()
        return photo_of(child)


@contextmanager
def photo_base(
    path: Path, loop: Path, frame: str, progress: Progress, maker: MakesLoops | None = None, face: int = 1
) -> Iterator[Base]:
    """Make the loop of a photo, by ``maker`` where one is given; the loop file is complete when the block ends.

    Raises:
        MediaError: The photo cannot be used.
        FaceError: Its face cannot be used.
        OutputError: The loop cannot be written.
    """
    with _still_base(read_portrait(path), loop, frame, progress, maker, face) as base:
        yield base


def _tracked(child: VideoChild, tracking: Tracking, samples: FrameSamples, frame: str) -> Base:
    from visema.face.diagnose import best_neutral
    from visema.face.tracking import mirrored

    count = len(tracking.found)
    measured = FaceTrack(tracking.landmarks, tracking.found)
    track = tracking.smoothed(float(child.fps), "reflect" if child.mirrored else "wrap")
    if child.mirrored:
        log.info("The end does not join the beginning: the loop plays forward, then backward.")
        track = mirrored(track)
    seen = [i for i in samples if measured.found[i]]
    if not seen:
        raise FaceError("The face is seen in too few frames.", "Use a video that shows the face most of the time.")
    if frame == "auto":
        reference = best_neutral(measured.landmarks, seen, measured)
    elif frame == "-1":
        reference = min(seen, key=lambda i: abs(i - count // 2))
    else:
        reference = int(frame)
        if reference >= count:
            raise InputError(
                "--frame {reference} is beyond the video's last frame, {last}.",
                "Choose a smaller one, or auto.",
                reference=reference,
                last=count - 1,
            )
        if not measured.found[reference]:
            raise FaceError(
                "Frame {reference} shows no face.", "Choose another one, or --frame auto.", reference=reference
            )
    return Base(
        kind="video",
        fps=child.fps,
        size=child.size,
        track=track,
        mirrored=child.mirrored,
        frames=samples,
        reference=reference,
        measured=measured,
        faces=tracking.faces,
        notes=child.notes,
    )


@contextmanager
def _still_base(
    image: Image, loop: Path, frame: str, progress: Progress, maker: MakesLoops | None = None, face: int = 1
) -> Iterator[Base]:
    """The base of one picture, whose loop is made by moving it."""
    from visema.face.diagnose import refuse_unusable
    from visema.face.pose import fit_poses
    from visema.face.tracking import find_faces, pick_face
    from visema.portrait.loop import make_loop

    image = limit_size(image, LARGEST_PHOTO)
    faces, seen = find_faces(image)
    if not faces:
        raise FaceError(
            "No face was found.", "Use a photo that shows one whole human face from the front, upright and well lit."
        )
    mine = pick_face(faces, face)
    pose = fit_poses(mine[None])
    refuse_unusable(float(pose.scale[0]), float(pose.residual[0]), "photo")
    longest = np.clip(max(image.shape) * PLENTY_U / float(pose.scale[0]), LONGEST_PHOTO, LARGEST_PHOTO)
    rate, side = float(PHOTO_FPS), round(float(longest))
    made: Loop
    if maker is None:
        made = make_loop(image, mine, fps=rate, max_side=side)
    else:
        made = maker.make_loop(image, mine, fps=rate, max_side=side, progress=progress)
    count = len(made)
    reference = int(frame) if frame.isdecimal() else 0
    if reference >= count:
        raise InputError(
            "--frame {reference} is beyond the loop's last frame, {last}.",
            "Use --frame -1.",
            reference=reference,
            last=count - 1,
        )
    pictures = made.frames()
    early = [next(pictures) for _ in range(reference + 1)]
    with _written(chain(early, pictures), loop, made.size, lambda done: progress(done, count)):
        measured = FaceTrack(made.landmarks[None], np.ones(1, np.bool_))
        frames = {reference: i420_to_bgr(early[-1])}
        yield Base(
            kind="photo",
            fps=PHOTO_FPS,
            size=made.size,
            track=made.track,
            mirrored=False,
            frames=frames,
            reference=reference,
            measured=measured,
            faces=seen,
            notes=made.notes,
        )


@contextmanager
def _written(frames: Iterator[I420], loop: Path, size: tuple[int, int], told: Callable[[int], None]) -> Iterator[None]:
    """Write a loop video in a thread of its own while the block runs; complete when the block ends."""
    from visema.media.loop_writer import LoopWriter

    stop = threading.Event()
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with LoopWriter(loop, size, PHOTO_FPS) as writer:
                for done, frame in enumerate(frames, 1):
                    if stop.is_set():
                        return
                    writer.write(frame)
                    told(done)
        except BaseException as e:
            failed.append(e)

    thread = threading.Thread(target=write, name="loop-writer", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        stop.set()
        raise
    finally:
        thread.join()
    if failed:
        raise failed[0]
