"""From speech and frames to frames that speak: chunks of mel, face boxes, crops, and writing the mouth back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facenets.mel import COLUMNS_PER_SECOND, WINDOW, melspectrogram
from wav2lip.model import IMAGE_SIZE

Picture = NDArray[np.uint8]  # (h, w, 3), blue first
Boxes = NDArray[np.int64]

#: Pixels added to a detector's box at top, bottom, left, right: the chin must be inside.
DEFAULT_PADS = (0, 10, 0, 0)
#: Frames over which boxes are averaged.
SMOOTHING = 5


def chunk_starts(columns: int, fps: float) -> list[int]:
    """First mel column of every video frame's chunk.

    Args:
        columns: length of the mel spectrogram.
        fps: video frames per second.

    Returns:
        Frame i starts at i * 80 / fps; the first frame that would reach past the end takes the last 16 columns, and
        is the last.
    """
    if columns < WINDOW:
        raise ValueError(f"{columns} mel columns are too few: a frame needs {WINDOW} (0.2 s of speech)")
    per_frame = COLUMNS_PER_SECOND / fps
    starts: list[int] = []
    while (start := int(len(starts) * per_frame)) + WINDOW <= columns:
        starts.append(start)
    return [*starts, columns - WINDOW]


def mel_chunks(wave: NDArray[np.float32], fps: float) -> NDArray[np.float32]:
    """Mel windows of 16 kHz speech for every video frame, (t, 1, 80, 16)."""
    mel = melspectrogram(wave, "reflect")
    if np.isnan(mel).any():
        raise ValueError("the speech holds values that are not numbers")
    return np.stack([mel[None, :, start : start + WINDOW] for start in chunk_starts(mel.shape[1], fps)])


def pad_boxes(rects: NDArray[Any], pads: Sequence[int], height: int, width: int) -> Boxes:
    """Grow detector rectangles (x1, y1, x2, y2) by (top, bottom, left, right), inside the picture.

    Returns:
        Boxes as (y1, y2, x1, x2), (t, 4).
    """
    top, bottom, left, right = pads
    x1, y1, x2, y2 = np.asarray(rects, dtype=np.int64).T
    return np.stack(
        [
            np.maximum(0, y1 - top),
            np.minimum(height, y2 + bottom),
            np.maximum(0, x1 - left),
            np.minimum(width, x2 + right),
        ],
        axis=1,
    )


def smooth_boxes(boxes: Boxes, window: int = SMOOTHING) -> Boxes:
    """Average each box with those after it, rows in any order of coordinates.

    Means are truncated to whole pixels and take the place of the box at once. The last boxes all share the final
    ``window`` rows, some of which are smoothed already; a clip shorter than the window takes what a negative slice
    start leaves, as the released pipeline does.
    """
    out = np.array(boxes, dtype=np.int64)
    count = len(out)
    for i in range(count):
        rows = out[i : i + window] if i + window <= count else out[count - window :]
        out[i] = np.trunc(rows.mean(axis=0)).astype(np.int64)
    return out


def frame_indices(frames: int, chunks: int, static: bool = False) -> list[int]:
    """Which video frame each chunk is drawn on: cut to the speech, or the video over again from its start."""
    return [0 if static else i % frames for i in range(chunks)]


def face_input(crops: NDArray[np.uint8]) -> Tensor:
    """Network input of square crops (n, 96, 96, 3): lower half hidden, then the crop itself, (n, 6, 96, 96)."""
    reference = torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255.0
    return mask_lower_half(torch.cat([reference, reference], dim=1))


def mask_lower_half(face: Tensor) -> Tensor:
    """Make the first three channels the last three without the lower half: (n, 6, h, w)."""
    reference = face[:, 3:]
    hidden = reference.clone()
    hidden[:, :, hidden.shape[2] // 2 :] = 0.0
    return torch.cat([hidden, reference], dim=1)


def crop_face(frame: Picture, box: Sequence[int]) -> Picture:
    """The box (y1, y2, x1, x2) of a frame at the network's size, (96, 96, 3)."""
    y1, y2, x1, x2 = (int(v) for v in box)
    if y2 <= y1 or x2 <= x1:
        raise ValueError(f"empty face box: rows {y1} to {y2}, columns {x1} to {x2}")
    return np.asarray(cv2.resize(frame[y1:y2, x1:x2], (IMAGE_SIZE, IMAGE_SIZE)), dtype=np.uint8)


def paste_face(frame: Picture, face: Picture, box: Sequence[int]) -> Picture:
    """A copy of the frame with the drawn face (96, 96, 3) resized into its box, without blending."""
    y1, y2, x1, x2 = (int(v) for v in box)
    out = frame.copy()
    out[y1:y2, x1:x2] = cv2.resize(face, (x2 - x1, y2 - y1))
    return out


@torch.inference_mode()
def draw_faces(network: nn.Module, mels: NDArray[np.float32], crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw one batch.

    Args:
        network: the generator, on any device.
        mels: (n, 1, 80, 16).
        crops: (n, 96, 96, 3), blue first.

    Returns:
        Faces (n, 96, 96, 3), values truncated as the released pipeline does.
    """
    parameter = next(network.parameters())
    mel = torch.from_numpy(mels).to(parameter.device, parameter.dtype)
    face = face_input(crops).to(parameter.device, parameter.dtype)
    drawn = network(mel, face).float() * 255.0
    pictures: NDArray[np.uint8] = drawn.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pictures


def speak(
    network: nn.Module,
    frames: Sequence[Picture],
    boxes: Boxes,
    wave: NDArray[np.float32],
    fps: float,
    batch: int = 16,
    static: bool = False,
) -> Iterator[Picture]:
    """Draw speech onto a video.

    Args:
        network: the generator.
        frames: base video.
        boxes: face boxes (y1, y2, x1, x2) per frame, padded and smoothed.
        wave: mono speech at 16 kHz.
        fps: frames per second of the video.
        batch: frames per run of the network.
        static: draw on the first frame only.

    Yields:
        One frame per chunk of speech, in order.
    """
    if not len(frames) or len(boxes) != len(frames):
        raise ValueError(f"{len(frames)} frames with {len(boxes)} face boxes: both must be equal and not zero")
    mels = mel_chunks(wave, fps)
    order = frame_indices(len(frames), len(mels), static)
    for start in range(0, len(mels), batch):
        part = order[start : start + batch]
        crops = np.stack([crop_face(frames[i], boxes[i]) for i in part])
        for i, face in zip(part, draw_faces(network, mels[start : start + batch], crops), strict=True):
            yield paste_face(frames[i], face, boxes[i])
