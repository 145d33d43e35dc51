"""Marking a film, and reading what a film says of itself."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from visema import __version__
from visema.errors import VisemaError
from visema.provenance import signing, xmp
from visema.provenance.boxes import C2PA_BOX, XMP_BOX, append_uuid, read_uuid, top_boxes
from visema.provenance.facts import Facts

log = logging.getLogger(__name__)

#: Hexadecimal digits of an id.
_DIGITS: Final = 32
_COMMENT: Final = "Synthetic media: a talking face made by software (Visema). Provenance id: "
_NO_ID: Final = "0" * _DIGITS
#: What a writer puts into the MP4's comment; `mark` fills in the id, which is known only when the film is whole.
PLACEHOLDER: Final = _COMMENT + _NO_ID
_ID: Final = re.compile(rf"{re.escape(_COMMENT)}([0-9a-f]{{{_DIGITS}}})")
#: An index of a film of ten hours has 30 MB.
_MOST_INDEX: Final = 256 << 20


@dataclass(frozen=True)
class Mark:
    """What a film was given.

    Attributes:
        id: 32 hexadecimal digits, made of the film and of how it was made: the same film has the same.
        facts: How it was made.
        signed: Whether it carries a signed C2PA manifest.
    """

    id: str
    facts: Facts
    signed: bool


@dataclass(frozen=True)
class Read:
    """What a file says of itself.

    Attributes:
        id: Of the film.
        source_type: IPTC's word, such as ``compositeSynthetic``; empty where only the comment is left.
        facts: Engine, voice's engine, version, digests of consents.
        found: Where it says so: ``comment``, ``xmp``, ``c2pa``.
        state: Of the signature: ``Valid`` (unchanged since), ``Trusted``, ``Invalid`` (changed), ``unchecked`` (the
            package that checks it is not installed), or empty where there is none.
        signer: Who signed.
    """

    id: str
    source_type: str
    facts: dict[str, str]
    found: tuple[str, ...]
    state: str = ""
    signer: str = ""


def mark(path: Path, facts: Facts) -> Mark:
    """Write into a finished mp4 that it is synthetic, and its id; its pictures and its sound stay as they are.

    The film was written with `PLACEHOLDER` as its comment. Where the package ``c2pa-python`` is installed, the file is
    signed too; should that fail, the film stays without the signature, and a line in the log says so.

    Args:
        path: The film, under a name that nobody else reads yet.
        facts: How it was made.

    Raises:
        OSError: The disk refuses.
    """
    with path.open("r+b") as file:
        film = _id_of(file, facts)
        _fill_comment(file, film)
        append_uuid(file, XMP_BOX, xmp.packet(film, facts.source_type, facts.public(), f"Visema {__version__}"))
    return Mark(film, facts, _signed(path, film, facts))


def read_mark(path: Path) -> Read | None:
    """What a file says of itself, None where it says nothing.

    Raises:
        MediaError: It is not a video, or cannot be read.
    """
    from visema.media.container import open_media

    found: list[str] = []
    with open_media(path, "video") as box:
        comment = _ID.search(str(box.metadata.get("comment", "")))
    facts = xmp.read(content) if (content := read_uuid(path, XMP_BOX, xmp.MOST)) else {}
    signed = _read_signature(path)
    if comment:
        found.append("comment")
    if facts:
        found.append("xmp")
    if signed:
        found.append("c2pa")
        facts = facts or {name: str(value) for name, value in signed["facts"].items()}
    film = str((signed or {}).get("id") or facts.get("id") or (comment[1] if comment else ""))
    if not found:
        return None
    told = {name: value for name, value in facts.items() if name not in ("id", "source_type")}
    state, signer = (str((signed or {}).get(name, "")) for name in ("state", "signer"))
    return Read(film, facts.get("source_type", ""), told, tuple(found), state, signer)


def _id_of(file: BinaryIO, facts: Facts) -> str:
    """Made of the pictures and sound as they are encoded, and of the facts."""
    whole = hashlib.sha256(facts.line())
    for box in list(top_boxes(file)):
        if box.kind == b"mdat":
            file.seek(box.content)
            left = box.end - box.content
            while left > 0 and (block := file.read(min(left, 1 << 20))):
                whole.update(block)
                left -= len(block)
    return whole.hexdigest()[:_DIGITS]


def _fill_comment(file: BinaryIO, film: str) -> None:
    for box in list(top_boxes(file)):
        if box.kind == b"moov" and box.end - box.content <= _MOST_INDEX:
            file.seek(box.content)
            at = file.read(box.end - box.content).find(PLACEHOLDER.encode())
            if at >= 0:
                file.seek(box.content + at + len(_COMMENT))
                file.write(film.encode())


def _signed(path: Path, film: str, facts: Facts) -> bool:
    if not signing.available():
        return False
    import c2pa

    # Called as the file itself is, so that what a killed process left is swept with it.
    other = path.with_name(f"{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        signing.sign(path, other, film, facts)
        other.replace(path)
    except (c2pa.C2paError, VisemaError, ValueError) as e:
        log.warning("The film could not be signed, so only its metadata says that it is synthetic: %s", e)
        return False
    finally:
        other.unlink(missing_ok=True)
    return True


def _read_signature(path: Path) -> dict[str, Any] | None:
    if not signing.installed():
        there = read_uuid(path, C2PA_BOX, 1 << 24) is not None
        return {"state": "unchecked", "signer": "", "id": "", "facts": {}} if there else None
    return signing.read(path)
