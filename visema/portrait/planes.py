"""A photo in I420 whose pixels can be moved: half the samples of BGR, and what encoders take."""

from __future__ import annotations

import cv2
import numpy as np

from visema.media.colour import bgr_to_i420, frame_planes, region_planes
from visema.portrait.still import SCALE, FineStill, Pixels, resample
from visema.types import I420, Box, FloatArray, Image


class FinePlanes:
    """Brightness and colour of a photo, ready to be sampled anywhere.

    Args:
        photo: (h, w, 3) BGR, even sides; not changed.
    """

    def __init__(self, photo: Image) -> None:
        self.size = (photo.shape[1], photo.shape[0])
        self.resting = bgr_to_i420(photo)
        self._photo = photo.copy()
        luma, *chroma = frame_planes(self.resting, *self.size)
        self._luma, self._chroma = FineBlocks(luma), FineStill(_together(*chroma))

    def put(self, pixels: Image, box: Box) -> None:
        """Replace the photo's pixels in ``box``; `resting` stays."""
        self._photo[box.y0 : box.y1, box.x0 : box.x1] = pixels
        x0, y0, x1, y1 = box.x0 & ~1, box.y0 & ~1, box.x1 + 1 & ~1, box.y1 + 1 & ~1
        part = bgr_to_i420(np.ascontiguousarray(self._photo[y0:y1, x0:x1]))
        luma, *chroma = frame_planes(part, x1 - x0, y1 - y0)
        self._luma.put(luma, Box(x0, y0, x1, y1))
        self._chroma.put(_together(*chroma), Box(x0 // 2, y0 // 2, x1 // 2, y1 // 2))

    def draw(self, frame: I420, box: Box, at: FloatArray) -> None:
        """Draw a box of ``frame``.

        Args:
            frame: (h * 3 // 2, w).
            box: With even edges.
            at: (height / 2, width / 2, 2) where its chroma comes from, in pixels of chroma times `SCALE`.
        """
        luma, u, v = region_planes(frame, box, *self.size)
        cv2.mixChannels([self._chroma.sample(at)], [u, v], [0, 0, 1, 1])
        self._luma.sample_into(luma, 2 * at)


class FineBlocks:
    """A plane of pixels at twice its resolution that is sampled in blocks of 2 x 2 pixels which move as one.

    OpenCV interpolates four bytes at once in little more time than one, so this takes two fifths of the time of
    `FineStill`. A pixel lies half a pixel from the middle of its block each way, so with a strain of a tenth it is a
    tenth of a pixel out of its place at worst; pictures differ by .04 levels on average.

    Args:
        plane: (h, w), even sides; not changed.
    """

    def __init__(self, plane: Pixels) -> None:
        self._still = FineStill(plane)
        h, w = self._still.fine.shape
        #: At every finer pixel the four of a block whose first it is.
        self._blocks = np.empty((h, w, 4), np.uint8)
        self._gather(Box(0, 0, w, h))

    def put(self, pixels: Pixels, box: Box) -> None:
        """Replace the plane's pixels in ``box``."""
        x0, y0, x1, y1 = self._still.put(pixels, box)
        self._gather(Box(max(0, x0 - SCALE), max(0, y0 - SCALE), x1, y1))

    def sample_into(self, target: Pixels, source: FloatArray) -> None:
        """Draw ``target`` (h, w), even sides.

        Args:
            target: Part of a picture.
            source: (h / 2, w / 2, 2) where the first pixel of each block comes from, in pixels of the plane times
                `SCALE`.
        """
        # Pairs of pixels as one number each: the upper and the lower ones of the blocks go to their rows.
        pairs = resample(self._blocks, source).view(np.uint16)
        rows = target.view(np.uint16)
        cv2.mixChannels([pairs], [rows[::2], rows[1::2]], [0, 0, 1, 1])

    def _gather(self, box: Box) -> None:
        """Fill `_blocks` in ``box``, in finer pixels, anew."""
        fine = self._still.fine[box.y0 : box.y1 + SCALE, box.x0 : box.x1 + SCALE]
        right, below = box.width + SCALE - fine.shape[1], box.height + SCALE - fine.shape[0]
        fine = np.asarray(cv2.copyMakeBorder(fine, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        first, last = slice(None, -SCALE), slice(SCALE, None)
        parts = [fine[rows, columns] for rows in (first, last) for columns in (first, last)]
        self._blocks[box.y0 : box.y1, box.x0 : box.x1] = cv2.merge(parts)


def _together(u: Pixels, v: Pixels) -> Pixels:
    """Both in one picture, twice: four channels are interpolated faster than two."""
    return np.asarray(cv2.merge([u, v, u, v]), np.uint8)
