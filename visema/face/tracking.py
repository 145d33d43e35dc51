"""Following one face through a video: every frame measured, gaps bridged, jitter smoothed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from visema.errors import FaceError
from visema.face.landmarks import MediaPipeLandmarker
from visema.face.pose import canonical_mesh, fit_poses
from visema.face.track import FaceTrack
from visema.types import Box, FloatArray, Image

#: Smoothing, sigma in frames at `SIGMA_FPS`: a calm head's pose; lips of a clip that does not talk; lips that talk.
SIGMA_POSE, SIGMA_IDLE_LIPS, SIGMA_TALKING_LIPS = 1.6, 2.5, 0.45
SIGMA_FPS = 25.0
#: A head that moves quickly gets less. Where the calm pose misses the measured one by this much (in U, averaged over
#: `SIGMA_MISS`) it begins to give way to a quick one, and at the second it has: measurement noise alone makes
#: .001-.004 on idle clips, the nods of speakers .01-.04, which would part the lips from their drawing.
SIGMA_QUICK, SIGMA_MISS = 0.6, 3.0
MISS_BEGINS, MISS_FULL = 0.004, 0.010
#: A mouth whose opening varies by more than this (standard deviation over U) talks.
TALKING_STD = 0.03
#: Where a face is too small for the detector in the whole picture, one frame in so many is searched harder.
HARD_SEARCH_EVERY = 25
#: A face narrower than this share of the picture leaves room for others.
ROOM_FOR_OTHERS = 0.25
#: Middle of the inner lips.
UPPER_LIP, LOWER_LIP = 13, 14
#: How the loop goes on at its ends: from the last frame to the first, or back the way it came.
Ends = Literal["wrap", "reflect"]


@dataclass(frozen=True)
class Tracking:
    """A face as it was measured, before smoothing.

    Attributes:
        landmarks: (n, 478, 3) pixels, gaps bridged.
        found: (n,) bool.
        faces: The most faces seen at once in the frames that were searched for all of them.
    """

    landmarks: FloatArray
    found: NDArray[np.bool_]
    faces: int

    def smoothed(self, fps: float, ends: Ends = "wrap") -> FaceTrack:
        """The track of a loop of these frames."""
        return FaceTrack(smooth(self.landmarks, fps, ends), self.found)


class FaceTracker:
    """Follows the largest face, frame by frame. A context manager, since it holds models.

    A face too small for the detector in the whole picture is searched for with a finer one and then followed in a
    window around it. Where several faces are seen, the one nearest to where the followed face was is taken.

    Args:
        face: Which face to follow where the first frame shows several; 1 is the largest.
    """

    def __init__(self, face: int = 1) -> None:
        self._number = face
        self._mesh = MediaPipeLandmarker(video=True)
        self._window: Box | None = None
        self._several = False
        self._points: list[FloatArray | None] = []
        self._last: FloatArray | None = None
        self._faces = 0
        self._small = 0  # faces that only the finer detector sees
        self._missed = 0

    def add(self, rgb: Image) -> None:
        """Measure the next frame.

        Args:
            rgb: (h, w, 3) uint8 in **RGB** order, the order of the model.
        """
        found = self._look(rgb)
        if self._faces == 0 and not found and self._missed % HARD_SEARCH_EVERY == 0:
            self._window, self._small = _small_face_window(rgb)
            found = self._look(rgb) if self._window else []
        if self._faces == 0 and found:
            found = self._meet(rgb)
        mine = self._choose(found)
        self._missed = 0 if mine is not None else self._missed + 1
        if mine is not None:
            self._last = mine
            self._recentre(mine, rgb)
        self._points.append(mine)

    def finish(self) -> Tracking:
        """All frames so far.

        Raises:
            FaceError: No frame shows a face.
        """
        found = np.array([p is not None for p in self._points], np.bool_)
        if not found.any():
            raise FaceError(
                "No face was found.",
                "Use a photo or video that shows one whole human face from the front, upright and well lit.",
            )
        known = np.array([p for p in self._points if p is not None], np.float32)
        return Tracking(_bridged(known, found), found, self._faces)

    def close(self) -> None:
        """Free the models."""
        self._mesh.close()

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def _look(self, rgb: Image) -> list[FloatArray]:
        return _found_in(self._mesh, rgb, self._window)

    def _meet(self, rgb: Image) -> list[FloatArray]:
        """The first frame with a face: are there more? Then follow them all and keep to the one wanted."""
        with MediaPipeLandmarker() as searching:
            faces = distinct(_found_in(searching, rgb, self._window))
        if self._window is None and _leaves_room(faces, rgb):
            self._small = _small_face_window(rgb)[1]
        self._faces = max(1, len(faces), self._small)
        if self._number > 1:
            pick_face(faces, self._number)
        if len(faces) > 1:
            self._several = True
            self._mesh.close()
            self._mesh = MediaPipeLandmarker(video=True, faces=4)
            self._last = faces[self._number - 1]
            return faces
        return self._look(rgb)

    def _choose(self, found: list[FloatArray]) -> FloatArray | None:
        """The followed face; only where several are about does it have to be near where it was."""
        if not found or not self._several or self._last is None:
            return found[0] if found else None
        was, size = self._last[:, :2].mean(0), np.ptp(self._last[:, 0])
        near = min(found, key=lambda p: float(np.linalg.norm(p[:, :2].mean(0) - was)))
        return near if np.linalg.norm(near[:, :2].mean(0) - was) < size else None

    def _recentre(self, mine: FloatArray, rgb: Image) -> None:
        """Move the window, where there is one, when the face has left its middle."""
        if self._window is None:
            return
        x0, y0, x1, y1 = self._window
        cx, cy = mine[:, 0].mean(), mine[:, 1].mean()
        if abs(cx - (x0 + x1) / 2) > (x1 - x0) / 4 or abs(cy - (y0 + y1) / 2) > (y1 - y0) / 4:
            self._window = _window(cx, cy, x1 - x0, rgb)


def track_face(frames: Iterable[Image], fps: float = 25.0, ends: Ends = "wrap") -> FaceTrack:
    """Follow the largest face through BGR frames.

    Args:
        frames: (h, w, 3) uint8 each, all of one size.
        fps: Their rate.
        ends: How the loop goes on after its last frame.

    Raises:
        FaceError: No frame shows a face.
    """
    with FaceTracker() as tracker:
        for frame in frames:
            tracker.add(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8))
        return tracker.finish().smoothed(fps, ends)


def find_faces(image: Image) -> tuple[list[FloatArray], int]:
    """The faces of a picture (BGR), (478, 3) each, the largest first, and how many were seen.

    Small ones are looked for only where no large one fills the picture, and measured only where there is no larger.
    """
    if image.size == 0:  # a picture one pixel wide, cropped to an even width
        return [], 0
    rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    seen = 0
    with MediaPipeLandmarker() as mesh:
        faces = mesh.find_rgb(rgb)
        if not faces or _leaves_room(faces, rgb):
            window, seen = _small_face_window(rgb)
            faces = faces or (_found_in(mesh, rgb, window) if window else [])
    faces = distinct(faces)
    return faces, max(len(faces), seen) if faces else 0


def pick_face(faces: list[FloatArray], number: int) -> FloatArray:
    """Face ``number`` of a picture's faces, 1 the largest.

    Raises:
        FaceError: There are not so many.
    """
    if not 1 <= number <= len(faces):
        raise FaceError(
            "There is no face {number}; {count} can be used.",
            "Choose 1 to {count}; 1 is the largest.",
            number=number,
            count=len(faces),
        )
    return faces[number - 1]


def mirrored(track: FaceTrack) -> FaceTrack:
    """The track of frames played forward and then backward, the turning frames once."""
    back = slice(-2, 0, -1)
    return FaceTrack(
        np.concatenate([track.landmarks, track.landmarks[back]]), np.concatenate([track.found, track.found[back]])
    )


def smooth(landmarks: FloatArray, fps: float, ends: Ends = "wrap") -> FloatArray:
    """Remove the jitter of frame-by-frame measurement.

    The head's pose and the face's shape within it are smoothed apart, so that a nod is not flattened by what calms
    the lips. The pose is smoothed twice (2 S - S^2), which keeps 92 % of a 2 Hz nod where one pass keeps 72 %, and
    less where the head is quick.

    Args:
        landmarks: (n, 478, 3).
        fps: Frames a second, which the constants are scaled to.
        ends: How the loop goes on after its last frame.
    """
    n = len(landmarks)
    if n < 3:
        return landmarks
    poses = fit_poses(landmarks)
    local = np.einsum("nij,nki->nkj", poses.rotation, landmarks - poses.offset[:, None]) / poses.scale[:, None, None]
    unit = fps / SIGMA_FPS
    motion = np.concatenate([poses.rotation.reshape(n, 9), np.log(poses.scale)[:, None], poses.offset], 1)
    mode = "wrap" if ends == "wrap" else "mirror"
    lower = canonical_mesh()[1] == 0
    sigma = SIGMA_TALKING_LIPS if talks(landmarks) else SIGMA_IDLE_LIPS
    for cut in _shots(landmarks, poses.scale):
        # A cut inside the clip ends the smoothing on both sides of it.
        edge = mode if cut.stop - cut.start == n else "nearest"
        motion[cut] = _calm_pose(motion[cut], unit, edge)
        shape = local[cut]
        calm = gaussian_filter1d(shape, SIGMA_POSE * unit, axis=0, mode=edge)
        calm[:, lower] = gaussian_filter1d(shape[:, lower], sigma * unit, axis=0, mode=edge)
        local[cut] = calm
    u, _, vt = np.linalg.svd(motion[:, :9].reshape(n, 3, 3))
    rotation = u @ vt
    scale, offset = np.exp(motion[:, 9]), motion[:, 10:]
    moved = scale[:, None, None] * np.einsum("nij,nkj->nki", rotation, local) + offset[:, None]
    return np.asarray(moved, np.float32)


def talks(landmarks: FloatArray) -> bool:
    """Whether the mouth opens and closes through the clip; (n, 478, 3)."""
    gap = lip_gap(landmarks)
    return len(gap) > 1 and float(gap.std()) > TALKING_STD


def lip_gap(landmarks: FloatArray) -> FloatArray:
    """Opening between the inner lips in units of U, (n,)."""
    distance = np.linalg.norm(landmarks[:, UPPER_LIP] - landmarks[:, LOWER_LIP], axis=1)
    return np.asarray(distance / fit_poses(landmarks).scale, np.float32)


def distinct(faces: list[FloatArray]) -> list[FloatArray]:
    """Leave out meshes that lie on a larger one's face; the largest first."""
    kept: list[FloatArray] = []
    for face in faces:
        centre, size = face[:, :2].mean(0), np.ptp(face[:, 0])
        if all(np.linalg.norm(k[:, :2].mean(0) - centre) > 0.5 * max(size, np.ptp(k[:, 0])) for k in kept):
            kept.append(face)
    return kept


def _calm_pose(motion: FloatArray, unit: float, mode: str) -> FloatArray:
    """Smooth (n, 13) poses: nine of the rotation, log scale, offset."""
    calm = _twice(motion, SIGMA_POSE * unit, mode)
    quick = _twice(motion, SIGMA_QUICK * unit, mode)
    off = calm - motion
    # A lip is half of U from the middle of what is fitted; turning moves it by that.
    miss = np.linalg.norm(off[:, 10:12], axis=1) / np.exp(motion[:, 9]) + 0.5 * np.linalg.norm(off[:, :9], axis=1)
    miss = gaussian_filter1d(miss, SIGMA_MISS * unit, mode=mode)
    share = np.clip((miss - MISS_BEGINS) / (MISS_FULL - MISS_BEGINS), 0, 1)[:, None]
    return np.asarray(calm + share * (quick - calm), np.float32)


def _twice(values: FloatArray, sigma: float, mode: str) -> FloatArray:
    once = gaussian_filter1d(values, sigma, axis=0, mode=mode)
    return np.asarray(2 * once - gaussian_filter1d(once, sigma, axis=0, mode=mode), np.float32)


def _shots(landmarks: FloatArray, scale: FloatArray) -> list[slice]:
    """Stretches without a jump of the whole face by more than half of U from one frame to the next."""
    centre = landmarks[:, :, :2].mean(1)
    jumps = np.linalg.norm(np.diff(centre, axis=0), axis=1) > 0.5 * scale[:-1]
    edges = [0, *(np.flatnonzero(jumps) + 1).tolist(), len(landmarks)]
    return [slice(a, b) for a, b in pairwise(edges)]


def _bridged(known: FloatArray, found: NDArray[np.bool_]) -> FloatArray:
    """Landmarks for every frame: between two found ones on the straight line, before and after them held."""
    at = np.flatnonzero(found)
    if len(at) == len(found):
        return known
    frames = np.arange(len(found))
    after = np.clip(np.searchsorted(at, frames), 0, len(at) - 1)
    before = np.clip(np.searchsorted(at, frames, side="right") - 1, 0, len(at) - 1)
    span = np.maximum(at[after] - at[before], 1)
    part = (np.clip(frames - at[before], 0, None) / span * (at[after] > at[before])).astype(np.float32)
    return np.asarray(known[before] + part[:, None, None] * (known[after] - known[before]), np.float32)


def _leaves_room(faces: list[FloatArray], rgb: Image) -> bool:
    """Whether the faces are so small that there may be others, which only the finer detector sees."""
    widest = max((float(np.ptp(face[:, 0])) for face in faces), default=0.0)
    return widest < ROOM_FOR_OTHERS * rgb.shape[1]


def _found_in(mesh: MediaPipeLandmarker, rgb: Image, window: Box | None) -> list[FloatArray]:
    """The faces in a window of the picture, or in all of it, in pixels of the picture."""
    if window is None:
        return mesh.find_rgb(rgb)
    x0, y0, x1, y1 = window
    shift = np.array([x0, y0, 0], np.float32)
    return [p + shift for p in mesh.find_rgb(np.ascontiguousarray(rgb[y0:y1, x0:x1]))]


def _small_face_window(rgb: Image) -> tuple[Box | None, int]:
    """A square of six face widths around the largest face that the full-range detector sees, and how many it sees."""
    from mediapipe.python.solutions.face_detection import FaceDetection

    with FaceDetection(model_selection=1, min_detection_confidence=0.5) as detector:
        faces = detector.process(rgb).detections or ()
    if not faces:
        return None, 0
    boxes = [face.location_data.relative_bounding_box for face in faces]
    box = max(boxes, key=lambda b: b.width * b.height)
    h, w = rgb.shape[:2]
    side = max(box.width * w, box.height * h)
    return _window((box.xmin + box.width / 2) * w, (box.ymin + box.height / 2) * h, 6 * side, rgb), len(faces)


def _window(cx: float, cy: float, side: float, rgb: Image) -> Box:
    """A square around a point, moved and cut to fit the picture."""
    h, w = rgb.shape[:2]
    side = int(min(side, h, w))
    x0 = int(np.clip(cx - side / 2, 0, w - side))
    y0 = int(np.clip(cy - side / 2, 0, h - side))
    return Box(x0, y0, x0 + side, y0 + side)
