"""Weights on this machine: where they lie, and whether they are still what they were when they were first used."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from visema import settings
from visema.errors import EngineError, OutputError
from visema.neural.releases import Release, WeightFile
from visema.paths import atomic_file, cache_dir

log = logging.getLogger(__name__)

#: A folder (or the only file) of weights that somebody already has; read, never written.
VARIABLE = "VISEMA_WEIGHTS"
#: Checksums by path, in the folder that downloads go to.
RECORDS = "checksums.json"
_BLOCK = 1 << 22


class WeightsError(EngineError):
    """A weights file is there and cannot be used: damaged, replaced, of another network, or not harmless."""


@dataclass(frozen=True)
class Record:
    """What was found out about a file when it was first used.

    Attributes:
        sha256: Its checksum.
        size: Bytes.
        source: Where it came from; empty when somebody put it there.
        commit: Of the hub's repository; empty where it came from elsewhere.
    """

    sha256: str
    size: int
    source: str = ""
    commit: str = ""


def weights_home() -> Path:
    """Where downloads go."""
    return cache_dir() / "weights"


def given_place() -> Path | None:
    """The folder or file that the user named, if any."""
    return settings.WEIGHTS.of()


def locate(release: Release, file: WeightFile) -> Path | None:
    """Where a file of a release lies, in the user's own folder first; None where it does not."""
    places: list[Path] = []
    given = given_place()
    if given is not None:
        if given.is_file():
            if len(release.files) == 1 or given.name == Path(file.path).name:
                return given
            given = given.parent
        places += [given / release.name / file.path, given / file.path, given / Path(file.path).name]
    places.append(weights_home() / release.name / file.path)
    return next((place for place in places if place.is_file()), None)


def require(release: Release, size: int = 256) -> dict[str, Path]:
    """The files of a release by `WeightFile.path`, each checked against its record.

    Raises:
        EngineError: Some are missing; says which, where they belong and how they come there.
        WeightsError: One is not what it was when it was first used.
    """
    found = {file.path: locate(release, file) for file in release.needed(size)}
    missing = [file for file in release.needed(size) if found[file.path] is None]
    if missing:
        raise EngineError(
            f"The engine '{release.name}' needs weights that are not here: {', '.join(f.path for f in missing)}.",
            f"Fetch them with: video.py --download {release.name}{' --size 512' if size == 512 else ''}. "
            f"Or put them into {weights_home() / release.name}, or name your own folder with --weights.",
        )
    paths = {name: path for name, path in found.items() if path is not None}
    for path in paths.values():
        compare(path)
    return paths


def digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        WeightsError: It cannot be read.
    """
    total = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                total.update(block)
    except OSError as e:
        raise WeightsError(f"{path} cannot be read: {e.strerror}.", "Check its permissions.") from e
    return total.hexdigest()


@lru_cache(maxsize=32)
def _digest_of(path: Path, changed: int, size: int) -> str:
    """Read once in a process, as every engine of every viewer asks."""
    return digest(path)


def compare(path: Path) -> Record:
    """Compare a file with its record; the first time, record it.

    Raises:
        WeightsError: It has changed.
    """
    known = recorded(path)
    state = path.stat()
    found = _digest_of(path, state.st_mtime_ns, state.st_size)
    if known is None:
        known = Record(found, state.st_size)
        try:
            record(path, known)
        except OutputError as e:
            log.warning("The checksum of %s could not be recorded: %s", path.name, e.what)
    elif found != known.sha256:
        raise WeightsError(
            f"{path} is not the file that was used before: its checksum is {found[:16]}…, "
            f"not {known.sha256[:16]}… as recorded.",
            f"Fetch it again, or remove its entry from {weights_home() / RECORDS} if you replaced it on purpose.",
        )
    return known


def recorded(path: Path) -> Record | None:
    """What is known of a file."""
    entry = _records().get(str(path.resolve()))
    try:
        return Record(**entry) if isinstance(entry, dict) else None
    except TypeError:
        return None


def record(path: Path, entry: Record) -> None:
    """Remember a file's checksum.

    Raises:
        OutputError: The records cannot be written.
    """
    home = weights_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise OutputError(f"{home} cannot be made: {e.strerror}.", "VISEMA_CACHE names another place.") from e
    _write(_records() | {str(path.resolve()): vars(entry)})


def forget(path: Path) -> None:
    """Let go of a file's record, if there is one: it was no good."""
    records = _records()
    if records.pop(str(path.resolve()), None) is None:
        return
    try:
        _write(records)
    except OutputError as e:
        log.warning("The checksum of %s could not be forgotten: %s", path.name, e.what)


def _write(records: dict[str, Any]) -> None:
    with atomic_file(weights_home() / RECORDS) as temporary:
        temporary.write_text(json.dumps(records, indent=1) + "\n", "utf-8")


def _records() -> dict[str, Any]:
    try:
        records = json.loads((weights_home() / RECORDS).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        log.warning("The record of checksums cannot be read, so nothing is compared: %s", e)
        return {}
    return records if isinstance(records, dict) else {}
