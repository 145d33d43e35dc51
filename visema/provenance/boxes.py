"""The boxes of an MP4 file, as far as a mark needs them (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple
from uuid import UUID

#: Adobe's id of an XMP packet (XMP specification part 3, MPEG-4) and C2PA's of its manifests (specification 2.1, A.3).
XMP_BOX: Final = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
C2PA_BOX: Final = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
#: A file of ours has six boxes at the top; one with more than this is not looked through.
_MOST: Final = 4096


class Box(NamedTuple):
    """A box at the top of a file: ``kind``, where its content is, and the ``uuid`` of a box of somebody's own kind."""

    kind: bytes
    begin: int
    content: int
    end: int
    uuid: bytes


def top_boxes(file: BinaryIO) -> Iterator[Box]:
    """The boxes of a file one after the other, until its end or the first that makes no sense."""
    size = file.seek(0, 2)
    at = 0
    for _ in range(_MOST):
        if at + 8 > size:
            return
        file.seek(at)
        head = file.read(32)
        length, content = int.from_bytes(head[:4], "big"), at + 8
        if length == 1:
            length, content = int.from_bytes(head[8:16], "big"), at + 16
        elif length == 0:
            length = size - at
        kind, uuid = head[4:8], b""
        if kind == b"uuid":
            uuid = head[content - at : content - at + 16]
            content += 16
        if length < content - at or at + length > size:
            return
        yield Box(kind, at, content, at + length, uuid)
        at += length


def append_uuid(file: BinaryIO, uuid: bytes, content: bytes) -> None:
    """Add a box at the end of a file; nothing in front of it moves."""
    file.seek(0, 2)
    file.write((24 + len(content)).to_bytes(4, "big") + b"uuid" + uuid + content)


def read_uuid(path: Path, uuid: bytes, most: int) -> bytes | None:
    """The content of the last box with that id, if it is there and no larger than ``most`` bytes."""
    with path.open("rb") as file:
        found = [box for box in top_boxes(file) if box.uuid == uuid and box.end - box.content <= most]
        if not found:
            return None
        file.seek(found[-1].content)
        return file.read(found[-1].end - found[-1].content)
