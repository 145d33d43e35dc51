"""`MouthEngine`: what draws a mouth, and the registry that finds one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from visema.errors import EngineError
from visema.face.track import FaceTrack
from visema.mouth.heard import Heard
from visema.types import I420, Box, FloatArray, Image

#: What an engine learns of a face at setup: named arrays, stored as NPZ without pickle.
Rig: TypeAlias = Mapping[str, NDArray[np.generic]]

ENTRY_POINTS = "visema.mouth_engines"
#: The engine of `--engine auto` while no neural one is installed.
EMBEDDED = "warp"
# Known without installed metadata, so that a checkout runs as it is.
_OWN = {
    "warp": ("visema.mouth.warp", "WarpEngine"),
    "patch": ("visema.mouth.patch", "PatchEngine"),
    "sadtalker": ("visema.mouth.sadtalker", "SadTalkerEngine"),
    "wav2lip": ("visema.mouth.wav2lip", "Wav2LipEngine"),
    "liveportrait": ("visema.mouth.liveportrait", "LivePortraitEngine"),
}


class MouthEngine(Protocol):
    """Draws any mouth pose on any frame of one avatar's loop.

    Constructed as ``Engine(rig, track, size)`` with the ``rig`` of `prepare`, the loop's track and its size
    ``(width, height)`` in pixels.
    """

    name: str

    def __init__(self, rig: Rig, track: FaceTrack, size: tuple[int, int]) -> None: ...

    @staticmethod
    def prepare(frames: Mapping[int, Image], track: FaceTrack) -> Rig:
        """Learn the face, once, at setup.

        Args:
            frames: Some frames of the loop by index (about 60, evenly spread; one for a photo).
            track: The track of the whole loop.
        """
        ...

    def region(self, index: int) -> Box | None:
        """The pixels that `draw` may change in loop frame ``index``, edges even; None where no face is drawn."""
        ...

    def draw(self, base: Image, index: int, pose: FloatArray) -> Image:
        """Draw the mouth.

        Args:
            base: (h, w, 3) the base frame's pixels inside `region`, left as they are.
            index: Loop frame index.
            pose: (N_FIELDS,) articulation.

        Returns:
            (h, w, 3) uint8, equal to ``base`` along its border.
        """
        ...


@dataclass(frozen=True)
class Wishes:
    """What setup wants of an engine that learns by drawing.

    Attributes:
        reference: Loop frame to draw on.
        size: Picture size of its networks.
        progress: Takes pictures done and pictures in all.
    """

    reference: int
    size: int
    progress: Callable[[int, int], None]


@runtime_checkable
class NeedsWeights(Protocol):
    """An engine that must be looked at before anything long begins."""

    @staticmethod
    def ready(size: int) -> None:
        """See whether it can run here.

        Raises:
            EngineError: A package or its weights are missing.
            WeightsError: Its weights cannot be used.
        """
        ...


@runtime_checkable
class LearnsByDrawing(Protocol):
    """An engine whose setup takes longer than looking at the face."""

    @staticmethod
    def learn(frames: Mapping[int, Image], track: FaceTrack, wishes: Wishes) -> Rig:
        """In place of `MouthEngine.prepare`."""
        ...


class Loop(Protocol):
    """An idle loop made of a photo; see `visema.portrait.loop.PortraitLoop`."""

    def __len__(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        ...

    @property
    def landmarks(self) -> FloatArray:
        """(478, 3) of the face in the photo at that size."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be done, in words for the user."""
        ...

    @property
    def track(self) -> FaceTrack:
        """The face in every frame."""
        ...

    def frames(self) -> Iterator[I420]:
        """Every frame once, (h * 3 // 2, w)."""
        ...


@runtime_checkable
class MakesLoops(Protocol):
    """An engine that brings a photo to life in its own way."""

    @staticmethod
    def make_loop(
        photo: Image,
        landmarks: FloatArray,
        *,
        fps: float,
        max_side: int,
        progress: Callable[[int, int], None],
    ) -> Loop:
        """In place of `visema.portrait.loop.make_loop`."""
        ...


@runtime_checkable
class Hears(Protocol):
    """An engine that draws from the sound, where there is any."""

    def draw_heard(self, base: Image, index: int, pose: FloatArray, heard: Heard) -> Image:
        """As `MouthEngine.draw`, for a moment of a speech."""
        ...


def draw_mouth(engine: MouthEngine, base: Image, index: int, pose: FloatArray, heard: Heard | None = None) -> Image:
    """Draw by the sound where the engine can and there is any, else by the pose."""
    if heard is not None and isinstance(engine, Hears):
        return engine.draw_heard(base, index, pose, heard)
    return engine.draw(base, index, pose)


def mouth_engine(name: str = "auto") -> type[MouthEngine]:
    """Find an engine class by name: ours, or one that another package registers under `ENTRY_POINTS`.

    Raises:
        EngineError: No engine has that name, or it cannot be imported.
    """
    from importlib import import_module

    name = EMBEDDED if name == "auto" else name
    try:
        if name in _OWN:
            module, attribute = _OWN[name]
            engine: type[MouthEngine] = getattr(import_module(module), attribute)
            return engine
        for point in entry_points(group=ENTRY_POINTS):
            if point.name == name:
                loaded: type[MouthEngine] = point.load()
                return loaded
    except ImportError as e:
        raise EngineError(
            "The engine '{name}' needs a package that is not installed ({package}).",
            "Install it with: pip install 'visema[neural]'.",
            name=name,
            package=e.name,
        ) from e
    known = sorted({*_OWN, *(p.name for p in entry_points(group=ENTRY_POINTS))})
    raise EngineError(
        "There is no engine '{name}'.", "Choose auto or one of: {names}.", name=name, names=", ".join(known)
    )
