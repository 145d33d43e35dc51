"""Closing the eyes of a still, and turning them a little.

The lid's edge sweeps from corner to corner; its skin is filled in from around the eye, and its lashes swing down with
it. Each stage is painted once per photo and then laid over the eyes as they look in that frame.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.message import Message
from visema.portrait.eye import EYES, EyeIds, cut, eye_frame, measure_eye, opening, smoothstep, smoothstep1
from visema.portrait.lashes import draw_lashes, measure_lashes
from visema.portrait.skin import fill_skin, find_inner_corner, lid_skin, luma
from visema.portrait.spectacles import find_frame, frame_beside_lids, without_frame
from visema.portrait.still import resample
from visema.types import Box, FloatArray, Image

#: What hides an eye that may be open: nobody is to wink because of it.
TOO_SMALL, AT_BORDER = Message("too small"), Message("too near the border")
_LOG = logging.getLogger(__name__)

#: An eye narrower than this many pixels is too small to draw a lid on.
MIN_WIDTH_PX = 11.0
#: Lids nearer than this part of an eye width count as shut.
_SHUT_GAP = 0.06
#: An eye seen from so far aside that its width in the picture is less than this part of the real one is left alone.
_MIN_FACING = 0.45
#: Stages are painted at this many steps of closure.
STAGES = 24
#: The gaze moves in steps of this part of a pixel.
_GAZE_STEPS = 8
#: Up to the first closure the photo's own lid and lashes go down, from the second on they are painted anew; the
#: painted lashes come in earlier, as the fading ones turn grey.
_REAL_UNTIL, _LASHES_FROM = (0.35, 0.65), (0.25, 0.50)
#: How far the upper and the lower lid go along when the eye looks up or down.
_UPPER_FOLLOWS, _LOWER_FOLLOWS = 0.55, 0.2


class EyeState(NamedTuple):
    """How the eyes look: closed by ``closure`` (0-1), irises moved right and down by eighths of a pixel."""

    closure: float
    right: int = 0
    down: int = 0


OPEN, SHUT = EyeState(0.0), EyeState(1.0)


class Blink:
    """The lids and the gaze of one face in a photo.

    Args:
        image: (h, w, 3) BGR, the photo.
        landmarks: (478, 3) pixels of the face in it.

    Attributes:
        note: Why there is no blink, in words for the user; empty if there is one.
        boxes: The pixels that may change, one box per eye drawn.
    """

    def __init__(self, image: Image, landmarks: FloatArray) -> None:
        h, w = image.shape[:2]
        reasons = [_unfit(ids, landmarks, (w, h)) for ids in EYES]
        self.note = Message("")
        drawn = [ids for ids, reason in zip(EYES, reasons, strict=True) if not reason]
        # a person who blinks with one eye winks: the other must be shut already, or out of sight
        if any(reason in (TOO_SMALL, AT_BORDER) for reason in reasons) or not drawn:
            self.note = Message("No blinking: the eyes are {reason}.", reason=next(r for r in reasons if r))
            _LOG.info("%s", self.note)
            drawn = []
        frame = find_frame(image, landmarks) if drawn else None
        self._eyes = [_Eye(ids, image, landmarks, frame) for ids in drawn]
        self.boxes = [eye.box for eye in self._eyes]

    def state(self, closure: float, gaze: FloatArray) -> EyeState:
        """The nearest of the states that `draw` tells apart, for a closure (0-1) and a gaze (2,) in pixels."""
        step = round(float(np.clip(closure, 0, 1)) * STAGES)
        return EyeState(step / STAGES, round(float(gaze[0]) * _GAZE_STEPS), round(float(gaze[1]) * _GAZE_STEPS))

    def draw(self, state: EyeState) -> list[tuple[Box, Image]]:
        """The pixels of each eye, with its box; the photo's own in the state `OPEN`."""
        return [(eye.box, eye.draw(state)) for eye in self._eyes]


def closed_eyes(image: Image, landmarks: FloatArray) -> Image:
    """A copy of the photo with its eyes shut; unchanged where `Blink.note` would say why."""
    out = image.copy()
    for box, pixels in Blink(image, landmarks).draw(SHUT):
        out[box.y0 : box.y1, box.x0 : box.x1] = pixels
    return out


def _unfit(ids: EyeIds, landmarks: FloatArray, size: tuple[int, int]) -> Message:
    """Why this eye cannot blink; empty if it can."""
    points = landmarks[list(ids.upper + ids.lower), :2]
    _, _, width, height = eye_frame(ids, landmarks)
    if height < MIN_WIDTH_PX:
        return TOO_SMALL
    if width < _MIN_FACING * height:
        return Message("turned away")
    reach = 0.3 * width  # room for the lid and its lashes
    if (points.min(0) < reach).any() or (points.max(0) > np.array(size) - 1 - reach).any():
        return AT_BORDER
    if opening(ids, landmarks) < _SHUT_GAP:
        return Message("shut in the photo")
    return Message("")


class _Canvas:
    """A picture being painted on, and how much of what was under it still shows."""

    def __init__(self, image: FloatArray) -> None:
        self.image = image.copy()
        self.kept = np.ones((*image.shape[:2], 1), np.float32)

    def dim(self, factor: FloatArray) -> None:
        self.image = self.image * factor[..., None]
        self.kept = self.kept * factor[..., None]

    def over(self, colour: FloatArray, alpha: FloatArray) -> None:
        rest = np.asarray(1 - alpha[..., None], np.float32)
        self.image = self.image * rest + colour * alpha[..., None]
        self.kept = self.kept * rest

    def restore(self, image: FloatArray, where: FloatArray) -> None:
        self.image = self.image + (image - self.image) * where[..., None]
        self.kept = self.kept + (1 - self.kept) * where[..., None]


class _Eye:
    """One eye: what it is painted with, its painted stages, and its gaze."""

    def __init__(
        self, ids: EyeIds, image: Image, landmarks: FloatArray, frame: NDArray[np.uint8] | None = None
    ) -> None:
        size = (image.shape[1], image.shape[0])
        eye = measure_eye(ids, landmarks, size)
        source = eye.crop(image)
        spectacles = None if frame is None else frame_beside_lids(eye, frame)
        if spectacles is not None and spectacles.any():
            source = without_frame(source, spectacles)
        reach, drop = find_inner_corner(eye, source, fill_skin(eye, source)[0])
        eye = measure_eye(ids, landmarks, size, reach, drop)
        skin = lid_skin(eye, source)
        self._lashes = measure_lashes(eye, source, skin)
        touched = (eye.past_outer < 0.42) & (eye.past_inner < 0.27)
        touched &= (eye.y > eye.upper - 0.44) & (eye.y < eye.lower + 0.46)
        self._eye, self._skin = cut(eye, touched), cut(skin, touched)
        self.box = self._eye.box
        self._frame = None if frame is None else frame_beside_lids(self._eye, frame).astype(np.float32)
        self._original = np.ascontiguousarray(image[self.box.y0 : self.box.y1, self.box.x0 : self.box.x1])
        self._source = self._original.astype(np.float32)
        top, left = self.box.y0 - eye.box.y0, self.box.x0 - eye.box.x0
        self._bare = np.ascontiguousarray(source[top : top + self.box.height, left : left + self.box.width])
        self._pixel = 1 / eye.height
        self._stages: dict[float, tuple[FloatArray, FloatArray]] = {}
        self._masks(luma(self._source))
        self._measure_iris(ids, landmarks)

    def draw(self, state: EyeState) -> Image:
        """Pixels of the box."""
        if state == OPEN:
            return self._original
        base = self._looking(state.right / _GAZE_STEPS, state.down / _GAZE_STEPS)
        if state.closure > 0:
            kept, painted = self._stage(state.closure)
            base = base * kept + painted
        return np.asarray(np.clip(base + 0.5, 0, 255), np.uint8)

    def _masks(self, bright: FloatArray) -> None:
        """Where the lid is painted; none of it depends on how far it is closed."""
        eye, skin, px = self._eye, self._skin, self._pixel
        above, outer, inner = eye.y - eye.upper, eye.past_outer, eye.past_inner
        # beside a face in deep shadow, or hair, the patch must end early
        temple = (outer > 0.27) & (outer < 0.44) & (above < 0) & (above > -0.16)
        sound = float(np.percentile(bright[skin.sound], 60)) if skin.sound.sum() > 20 else 128.0
        dark = 1 - float(np.percentile(bright[temple], 40)) / max(sound, 1) if temple.sum() > 6 else 0.0
        shadow = smoothstep1(0.28, 0.45, dark)
        ends = (1 - smoothstep(0.10, 0.36, outer)) * (1 - 0.9 * shadow * smoothstep(-0.10, 0.16, outer))
        ends = np.maximum(ends, skin.hairs * (1 - smoothstep(0.31, 0.40, outer)) * (1 - shadow))
        self._ends: FloatArray = ends * (1 - smoothstep(eye.inner_reach + 0.03, eye.inner_reach + 0.12, inner))
        narrow = smoothstep(0, 0.3, outer)
        top = smoothstep(
            eye.upper - min(eye.brow, 0.36) * (1 - 0.45 * narrow), eye.upper - 0.17 * (1 - 0.6 * narrow), eye.y
        )
        self._top = np.maximum(top, skin.hairs * smoothstep(-0.42, -0.36, above))
        self._outside = smoothstep(-0.22, 0.0, outer)
        self._bottom = 1 - smoothstep(
            eye.lower + 0.05 + 0.06 * self._outside, eye.lower + 0.10 + 0.09 * self._outside, eye.y
        )
        self._bell = np.clip(1 - (2 * eye.along - 1) ** 2, 0, 1) ** 0.7
        self._open = smoothstep(-0.5 * px, 0.8 * px, above) * smoothstep(-0.5 * px, 0.8 * px, eye.lower - eye.y)
        self._open *= smoothstep(0, 0.6 * px, eye.lower - eye.upper)
        lit = float((eye.blurred(luma(skin.fill), 0.05)[skin.sound] * np.sign(eye.x[skin.sound] - 0.5)).sum())
        self._highlight = np.exp(-(((eye.along - (0.46 if lit < 0 else 0.54)) / 0.27) ** 2))

    def _stage(self, closure: float) -> tuple[FloatArray, FloatArray]:
        """How much of the open eye shows, and what is painted over it; kept for the next time."""
        if closure not in self._stages:
            canvas = _Canvas(self._source)
            self._paint(canvas, closure)
            if self._frame is not None:
                canvas.restore(self._source, self._frame)
            self._stages[closure] = (canvas.kept, canvas.image - self._source * canvas.kept)
        return self._stages[closure]

    def _paint(self, canvas: _Canvas, k: float) -> None:
        eye, skin = self._eye, self._skin
        started = smoothstep1(0, 0.14, k)
        covered = smoothstep1(0.80, 0.99, k)
        edge = eye.upper + (eye.closing - eye.upper) * k
        below = eye.y - edge
        # the eyeball darkens in the lashes' shade as the gap narrows
        narrow = smoothstep1(0.45, 0.95, k)
        shade = 0.10 * k + 0.30 * narrow + 0.30 * started * np.exp(-np.maximum(below, 0) / 0.055)
        canvas.dim(1 - self._open * np.minimum(shade, 0.75))
        risen = self._raise_lower_lid(canvas, k, covered)
        # nothing of the eyeball survives a closed lid
        rest = self._ends * self._bottom * smoothstep(-0.5 * self._pixel, self._pixel, below) * (1 - risen)
        rest *= covered * smoothstep(-0.05, 0, eye.y - eye.upper)
        canvas.over(skin.fill * 0.93 + skin.grain, rest)
        soft = 0.007 + 0.55 * self._pixel
        lid = (1 - smoothstep(-0.6 * soft, soft, below)) * self._top * self._ends * started
        canvas.over(self._lid_colour(k, edge), lid)
        real = 1 - smoothstep1(*_REAL_UNTIL, k)
        if real > 0:
            canvas.over(self._lowered_lid(edge), real * self._ends * (1 - smoothstep(0.0, 0.05, below)))
        lashes = self._lash_cover(below, k) * self._lashes.strength
        canvas.over(self._lashes.colour, lashes * smoothstep1(*_LASHES_FROM, k))

    def _lowered_lid(self, edge: FloatArray) -> FloatArray:
        """The photo's own lid moved down to ``edge``: as it is up to its lashes' tips, above them stretched."""
        eye = self._eye
        way = (edge - eye.upper) * smoothstep(-0.50, -0.12, eye.y - edge)
        origin = np.array(eye.box[:2], np.float32)
        return resample(self._bare, eye.pixels(eye.x, eye.y - way) - origin, cv2.INTER_CUBIC)

    def _raise_lower_lid(self, canvas: _Canvas, k: float, covered: float) -> FloatArray:
        """Moves the skin below the eye up; returns where."""
        eye = self._eye
        way = eye.rise * k
        from_y = eye.y + way * (1 - smoothstep(0, 0.40, eye.y - eye.lower + way)) * smoothstep(
            -0.30, -0.05, eye.y - eye.lower + way
        )
        origin = np.array(eye.box[:2], np.float32)
        moved = resample(canvas.image, eye.pixels(eye.x, from_y) - origin)
        margin = (0.045 + 0.075 * self._outside) * covered
        where = smoothstep(-0.03 + margin, 0.02 + margin, from_y - eye.lower) * self._ends
        canvas.over(moved, where)
        return where

    def _lid_colour(self, k: float, edge: FloatArray) -> FloatArray:
        """The lid's skin: filled skin, shaded as a ball, with what is left of the crease, and grain."""
        eye, skin, bell = self._eye, self._skin, self._bell
        top = eye.upper - 0.13
        down = np.clip((eye.y - top) / np.maximum(edge - top, self._pixel), 0, 1)
        amount = smoothstep1(0.05, 0.9, k)
        gain = np.asarray(0.095 * self._highlight * np.exp(-(((down - 0.52) / 0.24) ** 2)) * bell, np.float32)
        gain -= 0.055 * bell * np.exp(-((down / 0.16) ** 2)) * smoothstep(-0.10, 0, eye.y - top)
        gain *= amount
        gain -= (0.05 + 0.13 * amount) * bell * smoothstep(0.62, 1, down) ** 1.6
        gain -= 0.025 * amount * bell * smoothstep(0, 0.3, down)
        tone = 1 + np.clip(gain, -0.4, 0.2)[..., None] * np.array([1.12, 1.06, 0.92], np.float32)
        return np.asarray(
            skin.fill * tone + skin.crease * (1 - 0.60 * k) + skin.grain * (1 - skin.crease_here)[..., None],
            np.float32,
        )

    def _lash_cover(self, below: FloatArray, k: float) -> FloatArray:
        eye = self._eye
        thick = self._lashes.line
        line = np.exp(-((np.minimum(below, 0) / thick) ** 2) - (np.maximum(below, 0) / (1.25 * thick)) ** 2)
        line *= smoothstep(-0.02, 0.16, eye.to_outer) * (1 - smoothstep(0.90, 1.0, eye.to_outer))
        line *= (eye.x > eye.ends[0]) & (eye.x < eye.ends[1])
        strokes = draw_lashes(eye, self._lashes, k)
        return np.asarray(1 - (1 - line * (0.82 - 0.12 * k)) * (1 - 0.80 * strokes), np.float32)

    def _measure_iris(self, ids: EyeIds, landmarks: FloatArray) -> None:
        """Where the gaze moves the picture."""
        center = landmarks[ids.iris, :2]
        rim = landmarks[ids.iris + 1 : ids.iris + 5, :2]
        radius = float(np.linalg.norm(rim - center, axis=1).mean())
        x0, y0, x1, y1 = self.box
        yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        self._at = np.dstack([xx - x0, yy - y0])
        distance = np.hypot(xx - center[0], yy - center[1])
        self._iris = 1 - smoothstep(1.15 * radius, 2.0 * radius, distance)
        eye, px = self._eye, self._pixel
        self._ball = smoothstep(0, 1.2 * px, eye.y - eye.upper - 0.015)
        self._ball *= smoothstep(0, 1.2 * px, eye.lower - eye.y - 0.015)
        bell = np.clip(1 - (2 * eye.along - 1) ** 2, 0, 1)
        depth = np.clip((eye.y - eye.upper) / np.maximum(eye.lower - eye.upper, px), 0, 1)
        follow = _UPPER_FOLLOWS + (_LOWER_FOLLOWS - _UPPER_FOLLOWS) * depth
        follow *= smoothstep(-0.32, -0.04, eye.y - eye.upper) * (1 - smoothstep(0.02, 0.28, eye.y - eye.lower))
        self._follow = follow * bell

    def _looking(self, right: float, down: float) -> FloatArray:
        """The open eye with its iris moved by so many pixels: rigid up to 1.15 radii, the white stretched to 2.

        The lids go a part of the way up or down.
        """
        if right == 0 and down == 0:
            return self._source
        lids = self._at.copy()
        lids[..., 1] -= down * self._follow
        around = resample(self._source, lids, cv2.INTER_CUBIC)
        ball = lids.copy()
        ball[..., 0] -= right * self._iris
        ball[..., 1] -= down * (1 - self._follow) * self._iris
        inside = resample(self._source, ball, cv2.INTER_CUBIC)
        looking = around + (inside - around) * self._ball[..., None]
        if self._frame is not None:
            looking = looking + (self._source - looking) * self._frame[..., None]
        return np.asarray(looking, np.float32)
