"""Wav2Lip at work: mouths for moments of speech, drawn together for all who ask at once, and kept while they serve."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from visema.mouth.heard import RATE, Heard
from visema.neural.loading import loading
from visema.neural.machine import Machine, choose_machine, import_torch
from visema.neural.releases import WAV2LIP
from visema.neural.store import require
from visema.types import Image

log = logging.getLogger(__name__)

Mel = NDArray[np.float32]

#: Most pictures in one run.
BATCH: Final = 64
#: Faces kept: those of half a second on a few stages.
KEPT: Final = 64
#: Columns of mel before and after a window that its own transform needs.
_BEFORE, _AFTER = 3, 4


@dataclass
class _Request:
    mel: Mel
    crop: Image
    done: threading.Event = field(default_factory=threading.Event)
    face: Image | None = None
    error: BaseException | None = None


class LipPainter:
    """The network on a machine. For use by many threads: what waits while it runs is drawn in its next run.

    Args:
        draw: Takes mels (n, 1, 80, 16) and crops (n, 96, 96, 3); gives faces (n, 96, 96, 3).
        slow: Whether every other live picture is the mean of its neighbours.
    """

    def __init__(self, draw: Callable[[Mel, NDArray[np.uint8]], NDArray[np.uint8]], slow: bool) -> None:
        self._draw = draw
        self._slow = slow
        self._lock = threading.Lock()
        self._running = threading.Lock()
        self._waiting: list[_Request] = []
        # With what they are of, so that its identity is not given to another meanwhile.
        self._faces: OrderedDict[tuple[int, ...], tuple[Image, tuple[object, ...]]] = OrderedDict()

    def paint(self, crop: Image, heard: Heard, who: object) -> Image:
        """The face of a crop saying what is heard.

        Args:
            crop: (96, 96, 3).
            heard: The moment.
            who: The same for all pictures of one avatar.
        """
        if not (heard.live and self._slow):
            return self._run(mel_window(heard, heard.number), crop)
        if heard.number % 2 == 0:
            return self._kept(crop, heard, heard.number, who)
        # The next picture's face is drawn a picture early, on this one's crop, and kept for it.
        before = self._kept(crop, heard, heard.number - 1, who)
        after = self._kept(crop, heard, heard.number + 1, who)
        return ((before.astype(np.uint16) + after + 1) // 2).astype(np.uint8)

    def _kept(self, crop: Image, heard: Heard, number: int, who: object) -> Image:
        key = (id(who), id(heard.samples), number)
        with self._lock:
            face, _ = self._faces.get(key, (None, ()))
        if face is None:
            face = self._run(mel_window(heard, number), crop)
            with self._lock:
                self._faces[key] = face, (who, heard.samples)
                while len(self._faces) > KEPT:
                    self._faces.popitem(last=False)
        return face

    def _run(self, mel: Mel, crop: Image) -> Image:
        """Wait for a turn; whoever has it draws for all who wait."""
        request = _Request(mel, crop)
        with self._lock:
            self._waiting.append(request)
        with self._running:
            if not request.done.is_set():
                with self._lock:
                    batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                self._serve(batch)
        if not request.done.is_set():  # more waited than one run takes
            return self._run(mel, crop)
        if request.error is not None:
            raise request.error
        assert request.face is not None
        return request.face

    def _serve(self, batch: list[_Request]) -> None:
        try:
            faces = self._draw(np.stack([r.mel for r in batch]), np.stack([r.crop for r in batch]))
            for request, face in zip(batch, faces, strict=True):
                request.face = face
        except BaseException as e:
            for request in batch:
                request.error = e
        for request in batch:
            request.done.set()


def mel_window(heard: Heard, number: int) -> Mel:
    """What picture ``number`` is drawn from, (1, 80, 16): the same as of the whole speech's mel.

    Pictures before or after the speech take its first or last window; a speech shorter than one ends in silence.
    """
    from facenets.mel import COLUMNS_PER_SECOND, HOP, WINDOW, melspectrogram

    columns = 1 + heard.length // HOP
    start = max(0, min(int((number / heard.fps + heard.shift) * COLUMNS_PER_SECOND), columns - WINDOW))
    first = max(0, start - _BEFORE)
    end = min(heard.length, (start + WINDOW + _AFTER) * HOP)
    sound = heard.stretch(first * HOP, end)
    wanted = (start - first + WINDOW - 1) * HOP
    sound = np.pad(sound, (0, max(0, wanted - len(sound))))
    mel = melspectrogram(np.nan_to_num(sound), "reflect")
    return np.ascontiguousarray(mel[None, :, start - first : start - first + WINDOW])


def open_painter() -> LipPainter:
    """The network, loaded once in a process.

    Raises:
        EngineError: torch or the weights are missing.
        WeightsError: The file cannot be used.
    """
    machine = choose_machine()
    path = require(WAV2LIP)["wav2lip.pth"]
    with _opening:
        return _load(path, path.stat().st_mtime_ns, machine)


_opening = threading.Lock()


@lru_cache(maxsize=1)
def _load(path: Path, changed: int, machine: Machine) -> LipPainter:
    with loading(WAV2LIP):
        from wav2lip.checkpoint import load_generator

        network = load_generator(path)
    # With channels last its layers take a tenth less time on CPUs too; those of the renderers take more there.
    machine = replace(machine, kernels_last=machine.kernels_last or machine.slow)
    machine.settle(network)
    if machine.slow:
        share_cores()
    draw = drawing(network, machine)
    # The first run takes longest, and so does the first look at a sound.
    silence = mel_window(Heard(np.zeros(3 * RATE, np.float32), 3 * RATE, 0, 25.0), 0)
    draw(silence[None], np.zeros((1, 96, 96, 3), np.uint8))
    return LipPainter(draw, machine.slow)


def share_cores() -> None:
    """Leave half the cores to decoding and encoding: layers this small gain little from more than a few."""
    torch = import_torch()
    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) // 2)))


def drawing(network: Any, machine: Machine) -> Callable[[Mel, NDArray[np.uint8]], NDArray[np.uint8]]:
    """What a `LipPainter` draws with: a settled network, pictures in and out."""
    from wav2lip.inference import face_input

    torch = import_torch()
    layout = torch.channels_last if machine.kernels_last else torch.contiguous_format

    def draw(mels: Mel, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with machine.drawing():
            mel = torch.from_numpy(mels).to(machine.device)
            face = face_input(crops).to(machine.device, memory_format=layout)
            drawn = (network(mel, face).float() * 255.0).to(torch.uint8)
            faces: NDArray[np.uint8] = drawn.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return faces

    return draw
