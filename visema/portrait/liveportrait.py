"""A photo's idle loop drawn by LivePortrait: the same small movements as the embedded loop's, on a head of depth."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from visema.face.track import FaceTrack
from visema.face.tracking import smooth
from visema.media.colour import bgr_to_i420
from visema.message import Message
from visema.mouth.points68 import to_68
from visema.neural.loading import loading
from visema.neural.machine import Machine, choose_machine, import_torch, in_words
from visema.neural.releases import LIVEPORTRAIT
from visema.neural.store import require
from visema.portrait.loop import SECONDS, bounded
from visema.portrait.motion import BOB, BREATH, PITCH, ROLL, SWAY, YAW, IdleMotion, idle_motion
from visema.types import I420, FloatArray, Image

if TYPE_CHECKING:
    from liveportrait.crop import Crop
    from liveportrait.inference import Source

log = logging.getLogger(__name__)

#: Billion multiplications of one picture, warping and generator.
GMAC: Final = 617.0
#: Where there is no accelerator the loop is shorter, and only every so many pictures are drawn, the others mixed.
SLOW_SECONDS, SLOW_STEP = 4.0, 2
#: Pictures drawn at once on an accelerator.
BATCH: Final = 8
#: How far the head sinks while breathing out, of the pupils' distance.
BREATH_U: Final = 0.006
#: A lid that is less closed than this is left alone.
LEAST_CLOSURE: Final = 0.02
#: Mesh points of openings: upper, lower, corner, corner.
_LEFT_EYE, _RIGHT_EYE, _LIPS = (159, 145, 33, 133), (386, 374, 362, 263), (13, 14, 61, 291)


@dataclass(frozen=True)
class Studio:
    """The networks on a machine.

    Attributes:
        networks: `liveportrait.model.Networks`.
        lip: Closes lips that are open in the photo.
        eye: Closes eyes.
        machine: What they run on.
    """

    networks: Any
    lip: Any
    eye: Any
    machine: Machine

    @classmethod
    def open(cls) -> Studio:
        """Load the weights.

        Raises:
            EngineError: torch or weights are missing.
            WeightsError: A file cannot be used.
        """
        machine = choose_machine()
        files = require(LIVEPORTRAIT)
        with loading(LIVEPORTRAIT):
            from liveportrait import checkpoint
            from liveportrait.model import Networks

            base = "base_models/"
            stitching, lip, eye = checkpoint.load_retargeting(
                files["retargeting_models/stitching_retargeting_module.pth"]
            )
            networks = Networks(
                appearance=checkpoint.load_appearance(files[f"{base}appearance_feature_extractor.pth"]),
                motion=checkpoint.load_motion(files[f"{base}motion_extractor.pth"]),
                warping=checkpoint.load_warping(files[f"{base}warping_module.pth"]),
                generator=checkpoint.load_generator(files[f"{base}spade_generator.pth"]),
                stitching=stitching,
            )
        for network in (networks.appearance, networks.motion, stitching, lip, eye):
            network.to(machine.device)
        machine.settle(networks.warping)
        machine.settle(networks.generator)
        return cls(networks, lip, eye, machine)

    def seconds(self, pictures: int) -> float:
        """About how long so many pictures take."""
        return self.machine.seconds(GMAC * pictures)


class LivePortraitLoop:
    """Frames of a loop and the face in them; see `visema.portrait.loop.PortraitLoop`.

    Args:
        photo: (h, w, 3), even sides.
        landmarks: (478, 3) of the face in it.
        studio: Draws.
        fps: Frames per second.
        progress: Told after each drawn picture.
        seconds: Length.
        step: Every so many frames is drawn.
    """

    def __init__(
        self,
        photo: Image,
        landmarks: FloatArray,
        studio: Studio,
        fps: float,
        progress: Callable[[int, int], None],
        seconds: float,
        step: int,
    ) -> None:
        from liveportrait.crop import crop_face

        self.photo, self.landmarks, self.fps = photo, landmarks, fps
        self.size = (photo.shape[1], photo.shape[0])
        count = max(step, round(seconds * fps / step) * step)
        self.motion: IdleMotion = idle_motion(count, fps, 0)
        self._step = step
        self._crop = crop_face(to_68(landmarks))
        drawn = len(range(0, count, step))
        if studio.machine.slow:
            log.warning(
                "LivePortrait draws %d pictures on %s, which takes about %s.",
                drawn,
                studio.machine.name,
                in_words(studio.seconds(drawn)),
            )
        self._shifts = _turns(self.motion, landmarks, self._crop)
        source, now = _read(studio, photo, landmarks, self._crop)
        self._centre = source.face.translation[0, :2].float().cpu().numpy()

        def told(done: int) -> None:
            progress(done, drawn)

        self._crops = list(_drawn(studio, source, now, self.motion, self._shifts, step, told))
        self.notes = (
            (
                Message(
                    "The loop is {seconds} s long and only 1 in {step} pictures is drawn, because there is no "
                    "accelerator here.",
                    seconds=f"{seconds:g}",
                    step=step,
                ),
            )
            if step > 1
            else ()
        )

    def __len__(self) -> int:
        return len(self.motion)

    @cached_property
    def track(self) -> FaceTrack:
        """The face in every frame: measured where it can be, else as it was moved."""
        found = self._measured()
        if found is None:
            found = self._moved()
        return FaceTrack(found, np.ones(len(found), np.bool_))

    def frames(self) -> Iterator[I420]:
        """Every frame once, (h * 3 // 2, w); after the last comes the first again."""
        from liveportrait.crop import paste_back, soft_mask

        mask = soft_mask()
        for i in range(len(self)):
            yield bgr_to_i420(paste_back(self.photo, self._picture(i), self._crop.to_picture, mask))

    def _picture(self, i: int) -> Image:
        before, share = divmod(i, self._step)
        here = self._crops[before]
        if not share:
            return here
        after = self._crops[(before + 1) % len(self._crops)].astype(np.float32)
        mixed = here + (after - here) * np.float32(share / self._step)
        return np.asarray(np.rint(mixed), np.uint8)

    def _measured(self) -> FloatArray | None:
        from visema.face.landmarks import MediaPipeLandmarker

        meshes = []
        with MediaPipeLandmarker(video=True) as landmarker:
            for crop in self._crops:
                faces = landmarker.find(crop)
                if not faces:
                    return None
                meshes.append(faces[0])
        back = self._crop.to_picture
        keys = np.stack(meshes).astype(np.float32)
        depth = keys[:, :, 2:] * np.float32(np.hypot(back[0, 0], back[0, 1]))
        keys = np.concatenate([keys[:, :, :2] @ back[:2, :2].T + back[:2, 2], depth], axis=2)
        at = np.arange(len(self)) / self._step
        before = at.astype(int)
        share = (at - before)[:, None, None]
        between = keys[before] * (1 - share) + keys[(before + 1) % len(keys)] * share
        return smooth(between.astype(np.float32), self.fps, "wrap")

    def _moved(self) -> FloatArray:
        from liveportrait.crop import CROP_SIZE

        forth, back = self._crop.to_crop, self._crop.to_picture
        half = np.float32(CROP_SIZE / 2)
        scale = np.float32(np.hypot(forth[0, 0], forth[0, 1]))
        flat = (self.landmarks[:, :2] @ forth[:2, :2].T + forth[:2, 2] - half) / half - self._centre
        solid = np.concatenate([flat, self.landmarks[:, 2:] * scale / half], axis=1)
        out = []
        for turn, shift in zip(*self._shifts, strict=True):
            moved = solid @ turn
            xy = (moved[:, :2] + self._centre + shift) * half + half
            out.append(np.concatenate([xy @ back[:2, :2].T + back[:2, 2], moved[:, 2:] * half / scale], axis=1))
        return np.asarray(np.stack(out), np.float32)


def make_loop(
    photo: Image,
    landmarks: FloatArray,
    *,
    fps: float,
    max_side: int,
    progress: Callable[[int, int], None],
) -> LivePortraitLoop:
    """A living loop of the face in a photo; see `visema.portrait.loop.make_loop`.

    Raises:
        EngineError: torch or the weights are missing.
        WeightsError: The weights cannot be used.
    """
    photo, landmarks = bounded(photo, np.asarray(landmarks, np.float32), max_side)
    studio = Studio.open()
    seconds, step = (SLOW_SECONDS, SLOW_STEP) if studio.machine.slow else (SECONDS, 1)
    return LivePortraitLoop(photo, landmarks, studio, fps, progress, seconds, step)


def _turns(motion: IdleMotion, landmarks: FloatArray, crop: Crop) -> tuple[FloatArray, FloatArray]:
    """Rotations for row vectors (n, 3, 3), and shifts (n, 2) in half crops, of every frame."""
    torch = import_torch()
    from liveportrait.keypoints import head_rotation

    head = motion.head
    degrees = torch.from_numpy(np.degrees(head[:, [PITCH, YAW, ROLL]]).astype(np.float32))
    turns = head_rotation(*degrees.split(1, dim=1)).numpy()
    forth = crop.to_crop
    unit = float(np.linalg.norm(landmarks[468, :2] - landmarks[473, :2]) * np.hypot(forth[0, 0], forth[0, 1]) / 256)
    shifts = np.stack([head[:, SWAY], head[:, BOB] + BREATH_U * head[:, BREATH]], axis=1) * unit
    return turns.astype(np.float32), shifts.astype(np.float32)


def _read(studio: Studio, photo: Image, landmarks: FloatArray, crop: Crop) -> tuple[Source, tuple[float, float]]:
    """The source, once, with lips that are open in the photo closed; and how far its eyes are open."""
    from liveportrait.crop import shrink
    from liveportrait.inference import prepare_source, to_input

    square = shrink(crop.cut(np.ascontiguousarray(photo[..., ::-1])))
    now = (_opening(landmarks, _LEFT_EYE), _opening(landmarks, _RIGHT_EYE))
    weight = next(studio.networks.motion.parameters())
    with studio.machine.drawing(exact=True):
        picture = to_input(square[None], weight)
        source = prepare_source(studio.networks, picture, studio.lip, _opening(landmarks, _LIPS))
    return source, now


def _drawn(
    studio: Studio,
    source: Source,
    now: tuple[float, float],
    motion: IdleMotion,
    shifts: tuple[FloatArray, FloatArray],
    step: int,
    told: Callable[[int], None],
) -> Iterator[Image]:
    """The crop (512, 512, 3) BGR of every ``step``-th frame."""
    from liveportrait.inference import render, to_pictures

    torch = import_torch()
    chosen = range(0, len(motion), step)
    turns, moves = shifts
    with studio.machine.drawing(exact=True):
        points = []
        for i in chosen:
            turn = torch.from_numpy(turns[i]).to(source.points)
            face = source.face
            shift = torch.nn.functional.pad(torch.from_numpy(moves[i][None]), (0, 1)).to(source.points)
            moved = replace(
                face,
                rotation=face.rotation @ turn,
                expression=face.expression @ turn,
                translation=face.translation + shift,
            ).points()
            closure = float(motion.closure[i])
            if closure > LEAST_CLOSURE:
                wanted = (1 - closure) * min(now)
                moved = moved + studio.eye.delta(source.points, moved.new_tensor([[*now, wanted]]))
            moved = studio.networks.stitching.stitch(source.points, moved)
            points.append(moved if source.lip_delta is None else moved + source.lip_delta)
    batch = 1 if studio.machine.slow else BATCH
    done = 0
    for part in torch.cat(points).split(batch):
        with studio.machine.drawing():
            pictures = to_pictures(render(studio.networks, source, part))
        for picture in pictures:
            done += 1
            told(done)
            yield np.ascontiguousarray(picture[..., ::-1])


def _opening(mesh: FloatArray, points: tuple[int, int, int, int]) -> float:
    """Height over width of an eye or the lips."""
    upper, lower, corner, other = (mesh[i, :2] for i in points)
    return float(np.linalg.norm(upper - lower) / (np.linalg.norm(corner - other) + 1e-6))
