"""Files that are two kinds at once: a picture or a recording with an archive, a document or a page hidden in it."""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path
from typing import Final

from visema.errors import MediaError
from visema.message import Message

#: The end of a zip archive: 22 bytes, and a comment of at most 65,535.
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_TAIL: Final = 22 + 65_535
#: PDF readers look for its header so far into a file.
_PDF_HEAD: Final = 1024
#: What a browser or a server would run where it took the file for a page: looked for at both ends, where it works.
_MARKUP: Final = re.compile(rb"<(?:script|html|\?php|!doctype)", re.IGNORECASE)
_MARKUP_ENDS: Final = 4096
_HINT: Final = "Save it anew with a picture or sound program, which leaves out what does not belong to it."


def refuse_polyglot(path: Path) -> None:
    """Refuse a file that would be something else to another program.

    Raises:
        MediaError: There is an archive, a document or a page in it.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = _archive(data) or _document(data)
    if found:
        raise MediaError("{name} has {found} in it.", _HINT, name=path.name, found=found)


def _archive(data: mmap.mmap) -> Message:
    if data[:4] in (b"PK\x03\x04", _ZIP_END):
        return Message("a zip archive")
    end = data.rfind(_ZIP_END, max(0, len(data) - _ZIP_TAIL))
    if end >= 0 and end + 22 <= len(data):
        entries, size = struct.unpack_from("<HL", data, end + 10)
        # The four bytes alone come by chance in one file of 60,000; the directory before them does not.
        if entries and size <= end and data[end - size : end - size + 4] == b"PK\x01\x02":
            return Message("a zip archive")
    return Message("")


def _document(data: mmap.mmap) -> Message:
    if data.find(b"%PDF-", 0, _PDF_HEAD) >= 0:
        return Message("a PDF document")
    if _MARKUP.search(data[:_MARKUP_ENDS]) or _MARKUP.search(data[max(0, len(data) - _MARKUP_ENDS) :]):
        return Message("a page with a program")
    return Message("")
