"""The library of mouths: a picture of each of the 22 visemes and of a blink, with the lips' points, in a folder.

`landmarks.json` beside the pictures says where they belong::

    {"version": 1, "frame": [width, height], "box": [x0, y0, x1, y1], "mouth_lm_frac": [left, top, right, bottom],
     "reference": {"index": 0, "points": [[x, y], ... 68]},
     "visemes": {"Aa": {"file": "mouth_vid_Aa.png", "mouth": [[x, y], ... 20]}, ...},
     "BLINK": {"file": "mouth_vid_BLINK.png", "box": [x0, y0, x1, y1]}}

Pixels of the reference frame throughout; `box` is what the pictures show of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np

from visema.errors import AvatarError, FaceError
from visema.media.image import PngWriter
from visema.mouth.engine import MouthEngine
from visema.mouth.points68 import EYES, MOUTH, mouth_fractions, to_68
from visema.types import Box, FloatArray, Image
from visema.visemes.articulation import TARGETS
from visema.visemes.classes import BLINK, VISEMES

VERSION = 1
LANDMARKS = "landmarks.json"
_HINT = "Prepare the avatar again."


@runtime_checkable
class MovesPoints(Protocol):
    """An engine that knows where its drawing takes the mesh."""

    def moved_points(self, index: int, pose: FloatArray) -> FloatArray:
        """(478, 2) pixels of the mesh in loop frame ``index`` drawn in ``pose``."""
        ...


@dataclass(frozen=True)
class Library:
    """A library in memory; all places in pixels of the reference frame.

    Attributes:
        frame: (width, height) of the reference frame.
        box: What the pictures show.
        mouth: The mouth's box as fractions of the frame: left, top, right, bottom.
        points: (68, 2) of the reference frame as it is.
        pictures: Of each viseme, (h, w, 3).
        mouths: (20, 2) of each viseme: points 48 to 67.
        blink: Picture of the eyes shut, and its box; None where the library has none.
    """

    frame: tuple[int, int]
    box: Box
    mouth: tuple[float, float, float, float]
    points: FloatArray
    pictures: dict[str, Image]
    mouths: dict[str, FloatArray]
    blink: tuple[Image, Box] | None


@runtime_checkable
class HasLibrary(Protocol):
    """An engine that was made of a library on the reference frame."""

    library: Library


def picture_name(name: str) -> str:
    """File of a viseme's picture, or of the blink's."""
    return f"mouth_vid_{name}.png"


def draw_library(engine: MouthEngine, frame: Image, index: int, landmarks: FloatArray) -> Library:
    """Draw every viseme on one frame; without a blink.

    Args:
        engine: Of the avatar.
        frame: Loop frame ``index``.
        index: Of the frame in the loop.
        landmarks: (478, 3) of the frame.

    Raises:
        FaceError: The frame shows no face to draw on.
    """
    box = engine.region(index)
    if box is None:
        raise FaceError("The reference frame shows no face to draw on.", "Choose another one with --frame.")
    base = np.ascontiguousarray(frame[box.y0 : box.y1, box.x0 : box.x1])
    points = to_68(landmarks)
    pictures, mouths = {}, {}
    for viseme in VISEMES:
        pictures[viseme] = engine.draw(base, index, TARGETS[viseme])
        moved = engine.moved_points(index, TARGETS[viseme]) if isinstance(engine, MovesPoints) else landmarks
        mouths[viseme] = to_68(moved)[MOUTH]
    size = (frame.shape[1], frame.shape[0])
    return Library(size, box, mouth_fractions(points, size), points, pictures, mouths, None)


def eye_box(points: FloatArray, frame: Image) -> Box:
    """Both eyes with their lids, of (68, 2) points, within the frame."""
    low, high = points[EYES].min(0), points[EYES].max(0)
    margin = 0.22 * (high[0] - low[0])
    x0, y0 = np.maximum(low - margin, 0).astype(int)
    x1, y1 = np.minimum(high + margin, (frame.shape[1], frame.shape[0])).astype(int)
    return Box(int(x0), int(y0), int(x1), int(y1))


def write_library(
    folder: Path,
    engine: MouthEngine,
    frame: Image,
    index: int,
    landmarks: FloatArray,
    blink: Image | None = None,
) -> Library:
    """Draw the library with its blink and write it into ``folder``, which is made if missing.

    Args:
        folder: Where to.
        engine: Of the avatar.
        frame: Loop frame ``index``.
        index: Of the frame in the loop.
        landmarks: (478, 3) of the frame.
        blink: The frame with its eyes shut; made here where it is not given.

    Raises:
        FaceError: The frame shows no face to draw on.
        OSError: The folder cannot be written.
    """
    library = engine.library if isinstance(engine, HasLibrary) else draw_library(engine, frame, index, landmarks)
    folder.mkdir(parents=True, exist_ok=True)
    with PngWriter() as pngs:
        for name, picture in library.pictures.items():
            pngs.add(folder / picture_name(name), picture)
        if library.blink is None:
            library = replace(library, blink=_blink_of(frame, landmarks, library.points, blink))
        if library.blink is not None:
            pngs.add(folder / picture_name(BLINK), library.blink[0])
    (folder / LANDMARKS).write_text(json.dumps(_about(library, index), indent=1), "utf-8")
    return library


def _blink_of(frame: Image, landmarks: FloatArray, points: FloatArray, blink: Image | None) -> tuple[Image, Box]:
    """The eyes shut and where they are, of ``blink`` or made here."""
    if blink is None:
        from visema.portrait.blink import closed_eyes

        blink = closed_eyes(frame, landmarks)
    eyes = eye_box(points, frame)
    return np.ascontiguousarray(blink[eyes.y0 : eyes.y1, eyes.x0 : eyes.x1]), eyes


def _about(library: Library, index: int) -> dict[str, Any]:
    """What `LANDMARKS` holds."""
    about: dict[str, Any] = {
        "version": VERSION,
        "frame": list(library.frame),
        "box": list(library.box),
        "mouth_lm_frac": [round(v, 6) for v in library.mouth],
        "reference": {"index": index, "points": _rounded(library.points)},
        "visemes": {v: {"file": picture_name(v), "mouth": _rounded(m)} for v, m in library.mouths.items()},
    }
    if library.blink is not None:
        about[BLINK] = {"file": picture_name(BLINK), "box": list(library.blink[1])}
    return about


def _rounded(points: FloatArray) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in points]


def read_library(folder: Path) -> Library:
    """Read a folder of pictures; BLINK may be missing.

    Raises:
        AvatarError: A picture or the landmarks are missing or damaged.
    """
    try:
        about = json.loads((folder / LANDMARKS).read_text("utf-8"))
        if about["version"] != VERSION:
            raise AvatarError(
                "The mouth library in {folder} is of version {version}.",
                _HINT,
                folder=folder,
                version=about["version"],
            )
        width, height = (int(v) for v in about["frame"])
        box = Box(*(int(v) for v in about["box"]))
        left, top, right, bottom = (float(v) for v in about["mouth_lm_frac"])
        points = np.array(about["reference"]["points"], np.float32).reshape(68, 2)
        mouths = {v: np.array(about["visemes"][v]["mouth"], np.float32).reshape(20, 2) for v in VISEMES}
        pictures = {v: _read_picture(folder / picture_name(v), box) for v in VISEMES}
        blink = None
        if BLINK in about:
            eyes = Box(*(int(v) for v in about[BLINK]["box"]))
            blink = (_read_picture(folder / picture_name(BLINK), eyes), eyes)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise AvatarError(
            "The mouth library in {folder} is damaged ({reason}).", _HINT, folder=folder, reason=e
        ) from e
    return Library((width, height), box, (left, top, right, bottom), points, pictures, mouths, blink)


def _read_picture(path: Path, box: Box) -> Image:
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if picture is None or picture.shape[:2] != (box.height, box.width):
        raise ValueError(f"{path.name} is no picture of {box.width} x {box.height}")
    return np.asarray(picture, np.uint8)
