"""Sound put together piece by piece; a long one lies on disk, so that an hour of speech takes no more memory.

What was read of it stays in memory until `let_go`, which everything that goes through a whole sound calls on the way.
"""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from typing import IO, Final

import numpy as np

from visema.paths import explain_os_error
from visema.types import Samples

#: Samples kept in memory: 3 minutes at 22 kHz, 16 MB.
IN_MEMORY: Final = 4_000_000


def let_go(samples: Samples) -> None:
    """Give back the memory through which a long sound is read from its file; it is read again where needed."""
    if isinstance(samples.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        samples.base.madvise(mmap.MADV_DONTNEED)


class Sound:
    """Takes pieces in order; `finish` gives all of them as one array."""

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._file: IO[bytes] | None = None
        self.length = 0

    def add(self, samples: Samples) -> None:
        """Append ``samples``, (n,) float32.

        Raises:
            OutputError: The disk is full.
        """
        self.length += len(samples)
        if self._file is None and self.length <= IN_MEMORY:
            self._pieces.append(samples)
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="visema-")  # noqa: SIM115  # lives as long as its array
                for piece in self._pieces:
                    self._file.write(piece.tobytes())
                self._pieces = []
            self._file.write(np.ascontiguousarray(samples, np.float32).tobytes())
        except OSError as e:
            raise explain_os_error(e, Path(tempfile.gettempdir())) from e

    def finish(self) -> Samples:
        """All samples, (n,) float32; read-only and read from the disk as needed when they are many.

        Raises:
            OutputError: The disk is full.
        """
        if self._file is None:
            return np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
        try:
            self._file.flush()
            # The array holds the file open; the system removes it with the array.
            samples: Samples = np.memmap(self._file, np.float32, "r", shape=(self.length,))
        except OSError as e:
            raise explain_os_error(e, Path(tempfile.gettempdir())) from e
        return samples
