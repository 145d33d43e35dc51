"""SadTalker at work: one picture of a face in, the same face in the middle of each viseme and of a blink out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from visema.mouth.viseme_words import say_viseme
from visema.neural.loading import loading
from visema.neural.machine import Machine, choose_machine, import_torch, in_words
from visema.neural.releases import SADTALKER
from visema.neural.store import require
from visema.types import FloatArray, Image
from visema.visemes.classes import BLINK, SILENCE

log = logging.getLogger(__name__)

#: Keeps the whole picture around the face.
PREPROCESS: Final = "full"
FPS: Final = 25
#: Billion multiplications of one picture of 256 x 256 without the encoder; four times as many at 512.
GMAC_256: Final = 569.0
#: Side of the pictures that are drawn with each release.
SIDES: Final = {256: 256, 512: 512}
#: Pictures drawn at once on an accelerator.
BATCH: Final = 8
#: Pixels by which a pasted square stays within the picture, as the blending needs its surroundings.
_RIM: Final = 2


@dataclass(frozen=True)
class Studio:
    """The networks on a machine.

    Attributes:
        networks: `sadtalker.model.Networks`.
        machine: What they run on.
        size: Of the pictures they draw.
    """

    networks: Any
    machine: Machine
    size: int

    @classmethod
    def open(cls, size: int) -> Studio:
        """Load the weights.

        Raises:
            EngineError: torch or weights are missing.
            WeightsError: A file cannot be used.
        """
        machine = choose_machine()
        files = require(SADTALKER, size)
        with loading(SADTALKER):
            from sadtalker.checkpoint import load_networks, mapping_file

            networks = load_networks(
                files[f"SadTalker_V0.0.2_{size}.safetensors"], files[mapping_file(PREPROCESS)], PREPROCESS
            )
        small = (networks.expression, networks.reconstruction, networks.detector, networks.mapping)
        for network in small:
            network.to(machine.device)
        # The encoder runs once for a face and all pictures come from it.
        machine.settle(networks.generator, exact=("first", "down_blocks", "second", "resblocks_3d"))
        return cls(networks, machine, SIDES[size])

    def seconds(self, pictures: int) -> float:
        """About how long so many pictures take."""
        return self.machine.seconds(GMAC_256 * (self.size / 256) ** 2 * pictures)

    def draw(
        self, frame: Image, points: FloatArray, names: Sequence[str], progress: Callable[[int, int], None]
    ) -> Iterator[tuple[str, Image]]:
        """The frame with the face in the middle of each viseme, or shut-eyed (`BLINK`).

        Args:
            frame: (h, w, 3).
            points: (68, 2) of the face in it.
            names: Visemes, or `BLINK`.
            progress: Told after each picture.
        """
        from sadtalker.alignment import crop_face
        from sadtalker.inference import Renderer, cut_square, source_row, to_pictures

        torch = import_torch()
        if self.machine.slow:
            log.warning(
                "SadTalker draws %d pictures on %s, which takes about %s.",
                len(names),
                self.machine.name,
                in_words(self.seconds(len(names))),
            )
        height, width = frame.shape[:2]
        rgb = np.ascontiguousarray(frame[..., ::-1])
        crop = crop_face(np.asarray(points, np.float64), height, width)
        square = cut_square(rgb, crop, self.size)
        box = _box(crop.rectangle(), crop.size, (width, height))
        with self.machine.drawing(exact=True):
            source = source_row(self.networks.reconstruction, square, _inside(points, crop, self.size))
            rows = [self._rows(name, source) for name in names]
            windows = torch.from_numpy(np.stack([window for window, _ in rows])[None]).to(self.machine.device)
            still = torch.from_numpy(rows[0][1]).to(self.machine.device)
            picture = torch.from_numpy(square).permute(2, 0, 1)[None].to(self.machine.device) / 255.0
            nets = self.networks
            renderer = Renderer.prepare(nets.detector, nets.mapping, nets.generator, picture, still)
            driving = renderer.driving(windows)[0]
        batch = 1 if self.machine.slow else BATCH
        done = 0
        for start in range(0, len(names), batch):
            with self.machine.drawing():
                drawn = to_pictures(renderer.draw(driving[start : start + batch]))
            for name, made in zip(names[start : start + batch], drawn, strict=True):
                yield name, paste(frame, np.ascontiguousarray(made[..., ::-1]), box)
                done += 1
                progress(done, len(names))

    def _rows(self, name: str, source: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Window of coefficients around the viseme's moment, (73, 27), and the source's own, (1, 73, 27)."""
        from sadtalker.expression import expressions
        from sadtalker.semantics import SPEECH_COLUMNS, semantics
        from sadtalker.speech import speech_windows

        torch = import_torch()
        said = say_viseme(SILENCE if name == BLINK else name)
        mels = torch.from_numpy(speech_windows(said.samples).windows).to(self.machine.device)
        frames = mels.shape[1]
        reference = torch.from_numpy(source).to(self.machine.device).expand(frames, -1)[None]
        shut = torch.full((1, frames, 1), float(name == BLINK), device=self.machine.device)
        found = expressions(self.networks.expression, mels, reference, shut)[0].float().cpu().numpy()
        # Still mode puts the source's own head pose in place of whatever pose style 0 would give, so none is drawn.
        pose = np.repeat(source[:, found.shape[1] : SPEECH_COLUMNS], frames, axis=0)
        made = semantics(source, np.concatenate([found, pose], 1), 1, PREPROCESS, still=True)
        return made.target[0, min(round(said.time * FPS), frames - 1)], made.source


def _inside(points: FloatArray, crop: Any, size: int) -> NDArray[np.float64]:
    """Points of the frame in the square that is cut out of it."""
    left, top, right, bottom = crop.rectangle()
    scale = np.array([size / (right - left), size / (bottom - top)])
    return np.asarray((points - (left, top)) * scale, np.float64)


def _box(rectangle: tuple[int, int, int, int], shrunk: Any, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The square's place in the frame, which the crop may have shrunk."""
    x, y = size[0] / float(shrunk[0]), size[1] / float(shrunk[1])
    left, top, right, bottom = rectangle
    return round(left * x), round(top * y), round(right * x), round(bottom * y)


def paste(frame: Image, square: Image, box: tuple[int, int, int, int]) -> Image:
    """Blend the drawn square into its frame; a square at the frame's edge loses its outermost pixels."""
    from sadtalker.inference import paste_back

    height, width = frame.shape[:2]
    left, top, right, bottom = box
    full = cv2.resize(square, (right - left, bottom - top))
    x0, y0 = max(left, _RIM), max(top, _RIM)
    x1, y1 = min(right, width - _RIM), min(bottom, height - _RIM)
    part = np.ascontiguousarray(full[y0 - top : y1 - top, x0 - left : x1 - left])
    return paste_back(frame, np.asarray(part, np.uint8), (x0, y0, x1, y1))
