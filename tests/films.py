"""Films compared."""

from __future__ import annotations

from pathlib import Path

from visema.provenance.boxes import C2PA_BOX, top_boxes


def unsigned(path: Path) -> bytes:
    """A film without its signature, which is another each time; all the rest is the same for the same film."""
    data = path.read_bytes()
    with path.open("rb") as file:
        return b"".join(data[box.begin : box.end] for box in top_boxes(file) if box.uuid != C2PA_BOX)
