"""Avatars are deleted everywhere: what is nobody's any more goes from every machine and from the storage, in the end.

Whoever deletes an avatar takes back a face. Its row stays, with nothing in it but that it is gone (`GONE`): copies on
other machines are hidden by it at once, and each machine removes its own with its next sweep.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from visema.errors import OutputError
from visema.service.database import Database
from visema.service.files import Files
from visema.service.schema import AVATARS, GONE
from visema.service.storage import StorageError

log = logging.getLogger(__name__)

_C: Final = AVATARS.c
#: What is kept of an avatar that was deleted, beside its id and when that was.
_BLANK: Final[dict[str, Any]] = {"key": GONE, "name": "", "consent": None, "report": None, "bytes": 0}


def delete(engine: Engine, files: Files | None, avatar_id: str, folder: Path) -> None:
    """Delete an avatar, here and in the storage.

    One that has a row is gone with this call, whatever cannot be removed now: `drop_here` and `drop_stored` do it
    later. Of the server's own nothing is written down: there all or nothing is to be tried again.

    Args:
        engine: The database.
        files: Where avatars are that several machines share; None where there is no such place.
        avatar_id: Its id.
        folder: Where it is on this machine; it need not be there.

    Raises:
        StorageError: The server's own: its copy in the storage cannot be removed.
        OutputError: The server's own: its folder cannot be removed.
    """
    from visema.avatar import delete_avatar

    with engine.begin() as connection:
        blank = AVATARS.update().where(_C.id == avatar_id).values(**_BLANK, created=time.time())
        known = bool(connection.execute(blank).rowcount)
    with _now_or_later(avatar_id, known):
        if files:
            files.forget_avatar(avatar_id)
    with _now_or_later(avatar_id, known):
        delete_avatar(folder)
        if files:
            files.unmark(avatar_id)


@contextmanager
def _now_or_later(avatar_id: str, later: bool) -> Iterator[None]:
    """What cannot be removed is left for the next sweep, where ``later`` says that one will come for it."""
    try:
        yield
    except (StorageError, OutputError) as e:
        if not later:
            raise
        log.warning("The avatar %s is removed later: %s", avatar_id, e)


def drop_here(database: Database, files: Files, cache: Path) -> dict[str, float]:
    """Remove the avatars from this machine that were deleted on another one.

    What was made again since is younger than the deletion, and stays.

    Returns:
        Ids of all that were deleted, and when.
    """
    from visema.avatar import ID, delete_avatar

    with database.reading() as connection:
        rows = connection.execute(sa.select(_C.id, _C.created).where(_C.key == GONE)).all()
    gone = {row.id: float(row.created) for row in rows if ID.fullmatch(row.id)}
    for avatar_id, deleted in gone.items():
        folder = cache / avatar_id
        if not folder.is_dir() or _made(folder) > deleted:
            continue
        # Whoever makes it again at this moment waits, or has come before.
        with database.writing() as connection:
            if _held(connection, avatar_id):
                try:
                    delete_avatar(folder)
                    files.unmark(avatar_id)
                    log.info("The avatar %s was deleted on another machine, and here too.", avatar_id)
                except OutputError as e:  # the next sweep does it
                    log.warning("The avatar %s cannot be removed: %s", avatar_id, e)
    return gone


def drop_stored(database: Database, files: Files, gone: Mapping[str, float]) -> None:
    """Remove the avatars from the storage that were deleted while it was away.

    Raises:
        StorageError: It cannot be used.
    """
    if not gone or not files.storage:
        return
    for avatar_id in sorted(files.stored_avatars() & gone.keys()):
        with database.reading() as connection:
            deleted = connection.scalar(sa.select(_C.key).where(_C.id == avatar_id)) == GONE
        if deleted:  # and not made again meanwhile
            files.forget_avatar(avatar_id)


def _held(connection: Connection, avatar_id: str) -> bool:
    """Whether an avatar is gone; it stays so until the transaction ends."""
    same = AVATARS.update().where(_C.id == avatar_id, _C.key == GONE).values(key=GONE)
    return bool(connection.execute(same).rowcount)


def _made(folder: Path) -> float:
    """When an avatar was made, taken in or renamed, seconds since 1970."""
    from visema.avatar import MANIFEST

    for path in (folder / MANIFEST, folder):
        try:
            return path.stat().st_mtime
        except OSError:  # damaged; or it has just been taken away
            continue
    return time.time()
