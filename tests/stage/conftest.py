"""A tiny avatar with a known mouth: its opening can be read off the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from visema.avatar import Source
from visema.face.pose import canonical_mesh
from visema.face.track import FaceTrack
from visema.media.encode import Mp4Writer
from visema.media.loop import LoopReader
from visema.mouth.engine import Rig
from visema.speech.types import Span, Speech
from visema.types import Box, FloatArray, Image

SIZE = (192, 160)
FRAMES = 50
FPS = 25.0
PUPILS = 40.0
#: Luma of the stamp that tells the loop frame, at the upper left.
STAMP = slice(0, 16)
SOURCE = Source("tiny.mp4", "0" * 64, "video")


def centre(index: int) -> tuple[int, int]:
    """Where the mouth is; the head sways."""
    return 96 + round(6 * np.sin(2 * np.pi * index / FRAMES)), 110


class EllipseEngine:
    """A dark ellipse, whose height is the pose's jaw."""

    name = "ellipse"

    def __init__(self, rig: Rig, track: FaceTrack, size: tuple[int, int]) -> None:
        self.lost: set[int] = set()
        self.calls = 0

    @staticmethod
    def prepare(frames: Mapping[int, Image], track: FaceTrack) -> Rig:
        return {}

    def region(self, index: int) -> Box | None:
        if index in self.lost:
            return None
        x, y = centre(index)
        x -= x % 2
        return Box(x - 24, y - 30, x + 24, y + 30)

    def draw(self, base: Image, index: int, pose: FloatArray) -> Image:
        self.calls += 1
        out = base.copy()
        height = round(float(pose[0]) * 100)
        if height > 0:
            cv2.ellipse(out, (24, 30), (14, min(height, 24)), 0, 0, 360, (10, 10, 30), -1)
        return out


def opening(luma: np.ndarray, index: int) -> int:
    """Height of the dark ellipse in the middle column of the mouth, in pixels."""
    x, y = centre(index)
    x -= x % 2
    return int((luma[y - 30 : y + 30, x] < 70).sum())


def stamped_index(luma: np.ndarray) -> int:
    """Which loop frame a picture was drawn on."""
    return round((float(luma[STAMP, STAMP].mean()) - 30) / 4)


@dataclass
class TinyAvatar:
    path: Path
    track: FaceTrack
    size: tuple[int, int] = SIZE
    fps: float = FPS
    id: str = "tiny"
    name: str = "Tiny"
    engine: str = "ellipse"
    source: Source = SOURCE

    def __post_init__(self) -> None:
        self.drawing = EllipseEngine({}, self.track, self.size)

    def open_loop(self, start: int = 0) -> LoopReader:
        return LoopReader(self.path, start)

    def mouth(self) -> EllipseEngine:
        return self.drawing


@pytest.fixture(scope="session")
def tiny_loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "loop.mp4"
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    with Mp4Writer(path, SIZE, FPS, crf=4) as writer:
        for index in range(FRAMES):
            frame = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
            frame[: SIZE[1]] = 150 + 20 * np.sin((rows + columns + index) / 9)
            frame[STAMP, STAMP] = 30 + 4 * index
            writer.write(frame)
    return path


@pytest.fixture
def tiny(tiny_loop: Path) -> TinyAvatar:
    points = canonical_mesh()[0]
    track = np.stack([points * PUPILS + np.array([*centre(i), 0], np.float32) for i in range(FRAMES)])
    return TinyAvatar(tiny_loop, FaceTrack(track.astype(np.float32), np.ones(FRAMES, bool)))


def speech_of(*phones: tuple[float, str], rate: int = 16_000, recorded: bool = False, text: str = "test") -> Speech:
    """A tone in which each phone lasts the given seconds."""
    now, spans = 0.0, []
    for seconds, label in phones:
        spans.append(Span(now, now + seconds, label))
        now += seconds
    t = np.arange(round(now * rate)) / rate
    samples = (0.3 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)
    return Speech(samples, rate, phones=tuple(spans), text=text, voice="test", recorded=recorded)


MAMA = ((0.12, "m"), (0.2, "ɑ"), (0.12, "m"), (0.2, "ɑ"), (0.12, "m"), (0.3, "ɑ"))
