"""What the mapping net reads: a second of coefficients around every frame, and paths of the head by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sadtalker.expression import EXPRESSIONS
from sadtalker.mapping import RADIUS
from sadtalker.pose import POSE

Rows = NDArray[np.float32]

SPEECH_COLUMNS = EXPRESSIONS + POSE
FULL_COLUMNS = SPEECH_COLUMNS + 3


class Semantics(NamedTuple):
    """Windows for a batch of stretches.

    Attributes:
        source: (batch, c, 27), one row of the source repeated.
        target: (batch, t, c, 27), a contiguous stretch of frames per batch row, the last window repeated at the end.
        frames: how many of the batch's frames are real.
    """

    source: Rows
    target: Rows
    frames: int


def is_full(preprocess: str) -> bool:
    """Whether a preprocess mode keeps the whole picture ("full", "extfull")."""
    return "full" in preprocess


def windows(rows: Rows) -> Rows:
    """The 27 rows around each row, ends repeated: (t, c) to (t, c, 27)."""
    index = np.arange(len(rows))[:, None] + np.arange(-RADIUS, RADIUS + 1)
    return np.ascontiguousarray(rows[np.clip(index, 0, len(rows) - 1)].transpose(0, 2, 1))


def driving_rows(source: Rows, generated: Rows, preprocess: str, still: bool, expression_scale: float) -> Rows:
    """Rows that drive the renderer.

    Args:
        source: the source's row, (1, 73).
        generated: expression and pose from speech, (t, 70).
        preprocess: mode; full modes add the source's crop scale and translation.
        still: keep the source's head pose.
        expression_scale: factor on the expression.

    Returns:
        (t, 70), or (t, 73) in full modes.
    """
    rows = np.array(generated[:, :SPEECH_COLUMNS], dtype=np.float32)
    rows[:, :EXPRESSIONS] *= expression_scale
    if is_full(preprocess):
        crop = np.repeat(source[:1, SPEECH_COLUMNS:FULL_COLUMNS], len(rows), axis=0)
        rows = np.concatenate([rows, crop], axis=1)
    if still:
        rows[:, EXPRESSIONS:] = source[:1, EXPRESSIONS : rows.shape[1]]
    return rows


def semantics(
    source: Rows,
    generated: Rows,
    batch: int,
    preprocess: str = "crop",
    still: bool = False,
    expression_scale: float = 1.0,
) -> Semantics:
    """Windows of a whole speech, as a batch of equally long stretches.

    Args:
        source: the source's row, (1, 73).
        generated: expression and pose from speech, (t, 70).
        batch: stretches.
        preprocess: mode, see ``driving_rows``.
        still: see ``driving_rows``.
        expression_scale: see ``driving_rows``.
    """
    rows = driving_rows(source, generated, preprocess, still, expression_scale)
    columns = rows.shape[1]
    target = _in_batches(windows(rows), batch)
    window = np.repeat(source[:1, :columns, None], 2 * RADIUS + 1, axis=2)
    return Semantics(np.repeat(window, batch, axis=0).astype(np.float32), target, len(rows))


def head_path(degrees: Sequence[float], frames: int, batch: int) -> Rows:
    """A head angle for every frame from a list of angles to visit.

    Args:
        degrees: one angle to hold, or several to walk between at one speed.
        frames: length of the speech.
        batch: stretches.

    Returns:
        (batch, t) in degrees, laid out as the target windows are.
    """
    total = float(np.abs(np.diff(degrees)).sum())
    path: list[float] = []
    if total:
        speed = total / max(frames - 1, 1)
        for start, end in itertools.pairwise(degrees):
            if start != end:
                path.extend(np.arange(start, end, speed * np.sign(end - start)))
    else:
        path.append(degrees[0])
    path = path[:frames] + [path[-1]] * (frames - len(path))
    return _in_batches(np.array(path, dtype=np.float32), batch)


def _in_batches(values: Rows, batch: int) -> Rows:
    """Repeat the last entry until the batch divides the length, then fold: (t, ..) to (batch, t', ..)."""
    if batch < 1:
        raise ValueError(f"a batch of {batch} is not possible")
    missing = -len(values) % batch
    padded = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
    windows: NDArray[np.float32] = padded.reshape(batch, -1, *values.shape[1:])
    return windows
