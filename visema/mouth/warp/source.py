"""The base frame made ready to be warped: without what must not show, and shaded where lips push forward."""

from __future__ import annotations

import numpy as np

from visema.mouth.warp.bases import BaseFrame
from visema.mouth.warp.cavity import layer_origin
from visema.mouth.warp.lips import MIDDLE
from visema.mouth.warp.points import Floats, step
from visema.mouth.warp.pucker import SHADE_REACH, pucker_shade
from visema.mouth.warp.raster import add_to, affine, blur, fill_between, light, polygon, unit_share
from visema.mouth.warp.rig import FaceRig
from visema.mouth.warp.sampling import around
from visema.types import Box, FloatArray, Image

#: The contact line of closed lips fades between these openings, U.
LINE_FADES = (0.008, 0.035)
#: By how much pressing the lips together beside a round hole hides it.
PRESSED_FADES = 0.45
#: Reach of the shade to the sides of the lips' edges, and of the faded line around them, U.
SHADE_SIDE = 0.20
LINE_SIDE, LINE_UP = 0.12, 0.09
#: Skin in shade turns warmer: how much of a shade blue, green and red take.
WARM = np.array((1.25, 1.08, 0.80), np.float32)
#: Fill of an open base mouth, as a share of the lips' inner rim.
FILL = 1.15
#: Drawn contact line: half its thickness in U, and how much light it takes.
CONTACT_HALF, CONTACT_DARK = 0.0055, 0.52


class Source:
    """Prepares base frames of one face."""

    def __init__(self, face: FaceRig) -> None:
        self._rim = face.rim
        self._density = np.float32(face.layers.density)
        self._origin = np.array(layer_origin(face.layers.density), np.float32)
        self._fade = face.fade.astype(np.float32)
        self._shade = pucker_shade(face.lips, face.layers.density)
        lips = face.lips
        # A photo's own rest shape may be open.
        self._half_open = np.array((lips.upper[MIDDLE], lips.lower[MIDDLE]), np.float32) - np.float32(lips.rest)
        middle = round(float(self._origin[1]))
        self._upper_shade, self._lower_shade = self._shade.copy(), self._shade.copy()
        self._upper_shade[middle:] = 0
        self._lower_shade[:middle] = 0

    def prepare(self, base: Image, frame: BaseFrame, gaps: FloatArray, protrude: float, pressed: float) -> Image:
        """The region of a frame to warp, or ``base`` itself where nothing is to be done.

        Args:
            base: The region's pixels.
            frame: The base frame.
            gaps: (N_COLUMNS,) how far the lips will be apart, U.
            protrude: How far they push forward.
            pressed: How hard they are pressed together, 0 to 1.
        """
        # Lips pressed together beside a round hole turn inwards: less of the line is seen.
        beside = PRESSED_FADES * min(protrude, 1.0) * step(*LINE_FADES, float(gaps.max()))
        parting = self._parting(frame, gaps, max(beside, pressed))
        if frame.opening is None and parting is None and protrude <= 0.02:
            return base
        source = base.copy()
        if frame.opening is not None:
            self._fill(source, frame, frame.opening)
        edges = frame.edges.reshape(-1, 2) - frame.corner
        if protrude > 0.02:
            lips = edges if frame.opening is None else frame.opening.reshape(-1, 2) - frame.corner
            box = around(lips, SHADE_SIDE * frame.scale, 1.05 * SHADE_REACH * frame.scale, frame.box)
            part = source[box.y0 : box.y1, box.x0 : box.x1]
            light(part, self._lip_shade(frame, box), min(protrude, 1.1) * WARM)
        if parting is not None:
            box = around(edges, LINE_SIDE * frame.scale, LINE_UP * frame.scale, frame.box)
            # Beyond the inner corners there is no line, only the corners' dots.
            most = float(parting.max())
            columns = edges[: len(parting), 0] - box.x0
            strength = np.interp(np.arange(box.width), columns, parting, left=most, right=most).astype(np.float32)
            fade = self._flat(self._fade, frame, box) * strength[None, :, None]
            add_to(source[box.y0 : box.y1, box.x0 : box.x1], fade)
        return source

    def _parting(self, frame: BaseFrame, gaps: FloatArray, least: float) -> FloatArray | None:
        """How far the contact line is gone along the lips, at least ``least``; None where it stays."""
        if frame.opening is not None or not self._fade.size:
            return None
        low, high = LINE_FADES
        t = np.clip((gaps - low) / (high - low), 0, 1)
        t = np.maximum(t, np.float32(least))
        return t if t.any() else None

    def _lip_shade(self, frame: BaseFrame, box: Box) -> FloatArray:
        """Shade on each lip where the frame has it; apart, where its mouth is open."""
        if frame.opening is None:
            return self._flat(self._shade, frame, box)
        at_rest = self._half_open[:, None] * frame.matrix[:, 1]
        upper, lower = frame.opening[:, MIDDLE] - frame.middle - at_rest
        return self._flat(self._upper_shade, frame, box, upper) + self._flat(self._lower_shade, frame, box, lower)

    def _flat(self, picture: FloatArray, frame: BaseFrame, box: Box, shift: FloatArray | float = 0.0) -> FloatArray:
        """A picture of the layers' plane as it lies in a frame."""
        linear = frame.matrix[:, :2] / self._density
        anchor = frame.middle + shift - frame.corner - (box.x0, box.y0)
        matrix = np.empty((2, 3))
        matrix[:, :2] = linear
        matrix[:, 2] = anchor - linear @ self._origin
        return affine(picture, matrix, (box.width, box.height))

    def _fill(self, source: Image, frame: BaseFrame, opening: FloatArray) -> None:
        """Fill an open base mouth with the colour of the lips' inner edge: no tooth is drawn along with a lip."""
        edges = opening - frame.corner
        box = around(edges.reshape(-1, 2), 0.05 * frame.scale, 0.05 * frame.scale, frame.box)
        mask = blur(fill_between(edges[0], edges[1], box), max(0.5, 0.008 * frame.scale))
        inside = np.clip(unit_share(mask, 2) - 1, 0, 1)
        part = source[box.y0 : box.y1, box.x0 : box.x1]
        part[:] = part + (self._rim * np.float32(FILL) - part) * inside[..., None]


def draw_contact(out: Image, line: Floats, frame: BaseFrame, strength: float) -> None:
    """Draw the dark line where the lips of an open base mouth now touch, in place."""
    if strength <= 0:
        return
    half = CONTACT_HALF * frame.scale * (1 - np.abs(np.linspace(-1, 1, len(line))) ** 3)[:, None]
    down = frame.matrix[:, 1] / np.float32(frame.scale)
    margin = 3 + 0.02 * frame.scale
    box = around(line, margin, margin, frame.box)
    outline = np.concatenate((line - half * down, (line + half * down)[::-1])) - (box.x0, box.y0)
    mask = blur(polygon(outline, box.width, box.height), max(0.5, 0.006 * frame.scale))
    part = out[box.y0 : box.y1, box.x0 : box.x1]
    dark = unit_share(mask, CONTACT_DARK * strength)[..., None] * np.array((1.0, 1.0, 0.75), np.float32)
    part[:] = part * (1 - dark)
