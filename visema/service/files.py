"""Where the files of a job are, by its name alone; what users call their files never gets here."""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from visema.errors import OutputError, VisemaError
from visema.locking import file_lock
from visema.paths import explain_os_error
from visema.service.jobs import ID
from visema.service.links import Links
from visema.service.secret import server_secret
from visema.service.storage import NotStored, Storage, StorageAway, forget

#: The picture and the recording of a job, as they are kept: decoded once and written anew.
PICTURE, SOUND = "picture.png", "sound.wav"
#: Uploads that no job speaks of go after so long: whoever sent them has gone, or the server was killed.
ORPHAN_S: Final = 3600.0
_log = logging.getLogger(__name__)
_FORMAT: Final = "%(asctime)s %(levelname)-7s %(message)s"


class NoSpace(VisemaError):
    """The disk has too little room left for another film."""


#: Kinds of captions that stand beside a film.
CAPTIONS: Final = ("srt", "vtt")


class Files:
    """The folder of a service, and the storage that several machines share, where there is one.

    ``<id>.mp4`` is a film and ``<id>.log`` what happened on the way; ``temp/<id>/`` holds a job's uploads until it
    ends, and the film while it is made. With a storage, films and captions are there alone, under the same names;
    uploads are copied to ``inputs/<id>/`` and avatars to ``avatars/<id>.zip``, so that any machine can make a job.

    Args:
        folder: The folder; made if need be.
        storage: Where films are kept; None for the folder itself, where nothing is copied.

    Raises:
        OutputError: It cannot be made.
    """

    def __init__(self, folder: Path, storage: Storage | None = None) -> None:
        self.folder = folder.absolute()
        self.storage = storage
        self._temp = self.folder / "temp"
        self._fetched = self.folder / "fetched"
        try:
            self._temp.mkdir(parents=True, exist_ok=True)
            if storage:
                self._fetched.mkdir(exist_ok=True)
        except OSError as e:
            raise explain_os_error(e, self._temp) from e

    def film(self, job_id: str) -> Path:
        """The finished film."""
        return self.folder / f"{_checked(job_id)}.mp4"

    def captions(self, job_id: str, form: str) -> Path:
        """Its captions, ``srt`` or ``vtt``."""
        return self.folder / f"{_checked(job_id)}.{form}"

    def log(self, job_id: str) -> Path:
        """What happened on the way."""
        return self.folder / f"{_checked(job_id)}.log"

    def work(self, job_id: str) -> Path:
        """Folder of the uploads and of what is being made."""
        return self._temp / _checked(job_id)

    def draft(self, job_id: str, attempt: int) -> Path:
        """Where an attempt writes its film."""
        return self.work(job_id) / f"film-{attempt}.mp4"

    def send(self, job_id: str) -> None:
        """Copy a job's uploads to the storage, so that another machine can make it.

        Raises:
            StorageError: It cannot be used.
        """
        if self.storage:
            for path in sorted(self.work(job_id).iterdir()):
                if path.is_file():
                    self.storage.put(f"inputs/{job_id}/{path.name}", path)

    def fetch(self, job_id: str) -> None:
        """Have a job's uploads here, wherever they came in.

        Raises:
            StorageError: The storage cannot be used.
            OutputError: The disk refuses.
        """
        folder = self.work(job_id)
        folder.mkdir(exist_ok=True)
        for name in self.storage.names(f"inputs/{job_id}/") if self.storage else ():
            path = folder / name.rpartition("/")[2]
            if self.storage and not path.exists():
                self.storage.get(name, path)

    def publish(self, job_id: str, draft: Path) -> None:
        """Give a finished film its name; captions beside it come first, so that a film that is there has its own.

        Raises:
            OutputError: The disk refuses.
            StorageError: The storage cannot be used.
        """
        captions = [(draft.with_suffix(f".{form}"), self.captions(job_id, form)) for form in CAPTIONS]
        try:
            for made, kept in (*captions, (draft, self.film(job_id))):
                if not made.is_file():
                    continue
                if self.storage:
                    self.storage.put(kept.name, made)
                else:
                    made.replace(kept)
        except OSError as e:
            raise explain_os_error(e, self.folder) from e

    def link(self, name: str, seconds: float, filename: str) -> str:
        """An address under which anybody can load a film or captions for so long.

        With a storage it is the storage's own; else it begins with ``/files/``, on this server.

        Raises:
            StorageError: The storage cannot be used.
            OutputError: The server's secret cannot be kept.
        """
        return self.storage.link(name, seconds, filename) if self.storage else self.links.sign(name, seconds)

    @cached_property
    def links(self) -> Links:
        """Signs addresses of this server."""
        return Links(server_secret(self.folder))

    def size(self, job_id: str) -> int:
        """Bytes of a finished film; 0 where it is not there.

        Raises:
            StorageError: The storage cannot be used.
        """
        if self.storage:
            found = self.storage.stat(self.film(job_id).name)
            return found.size if found else 0
        try:
            return self.film(job_id).stat().st_size
        except OSError:
            return 0

    def clear(self, job_id: str) -> None:
        """Remove what is needed no more once a job is over: uploads and drafts.

        A storage that is away is left for the sweeper.
        """
        shutil.rmtree(self.work(job_id), ignore_errors=True)
        if self.storage:
            with suppress(StorageAway):
                forget(self.storage, f"inputs/{job_id}/")

    def remove(self, job_id: str, *, log: bool = True) -> bool:
        """Remove everything of a job, its log where ``log`` is set; False where something is left of it."""
        try:
            self.erase(job_id, log=log)
        except VisemaError as e:
            _log.warning("Not everything of the job %s could be removed: %s", job_id, e)
            return False
        return True

    def erase(self, job_id: str, *, log: bool = True) -> None:
        """Remove everything of a job, its log where ``log`` is set; what can go goes, whatever else cannot.

        Raises:
            StorageError: The storage cannot be used.
            OutputError: A file cannot be removed, such as one that is open on Windows.
        """
        shutil.rmtree(self.work(job_id), ignore_errors=True)
        stuck: VisemaError | None = None
        logs = (self.log(job_id),) if log else ()
        for path in (self.film(job_id), *(self.captions(job_id, form) for form in CAPTIONS), *logs):
            try:
                path.unlink(missing_ok=True)
            except OSError as e:
                stuck = explain_os_error(e, path)
        if self.storage:
            forget(self.storage, f"inputs/{job_id}/")
            forget(self.storage, f"{job_id}.")
        if stuck:
            raise stuck

    def send_avatar(self, folder: Path) -> None:
        """Copy an avatar to the storage, where it is not there yet or has changed since.

        Raises:
            AvatarError: It is damaged.
            StorageError: The storage cannot be used.
        """
        from visema.avatar import MANIFEST, Avatar
        from visema.package import export_avatar

        if not self.storage:
            return
        name = f"avatars/{folder.name}.zip"
        there = self.storage.stat(name)
        # The storage tells whole seconds.
        if there and there.modified >= math.floor(_changed(folder / MANIFEST)):
            return
        with tempfile.TemporaryDirectory(dir=self._temp, prefix="avatar-") as temporary:
            packed = Path(temporary) / "avatar.zip"
            export_avatar(Avatar.load(folder), packed)
            self.storage.put(name, packed)

    def fetch_avatar(self, avatar_id: str, cache: Path) -> bool:
        """Have an avatar in the cache; False where it is neither there nor in the storage.

        Raises:
            AvatarError: What is stored is damaged.
            StorageError: The storage cannot be used.
        """
        from visema.avatar import ID as AVATAR_ID
        from visema.package import import_avatar

        if not AVATAR_ID.fullmatch(avatar_id):
            return False
        if (cache / avatar_id).is_dir():
            return True
        if not self.storage:
            return False
        with (
            tempfile.TemporaryDirectory(dir=self._temp, prefix="avatar-") as temporary,
            file_lock(self._temp / f".{avatar_id}.lock", f"fetching the avatar {avatar_id}"),
        ):
            if not (cache / avatar_id).is_dir():
                packed = Path(temporary) / "avatar.zip"
                try:
                    self.storage.get(f"avatars/{avatar_id}.zip", packed)
                except NotStored:
                    return False
                import_avatar(packed, cache)
                (self._fetched / avatar_id).touch()
        return True

    def drop_fetched(self, cache: Path) -> list[str]:
        """Remove the avatars that came from the storage and are there no more; their ids.

        Whoever takes back a consent deletes an avatar on one machine, and it goes from all.

        Raises:
            StorageError: The storage cannot be used.
        """
        from visema.avatar import delete_avatar

        marks = list(self._fetched.iterdir()) if self.storage else []
        if not self.storage or not marks:
            return []
        there = set(self.storage.names("avatars/"))
        gone = [mark for mark in marks if f"avatars/{mark.name}.zip" not in there]
        for mark in gone:
            delete_avatar(cache / mark.name)
            mark.unlink(missing_ok=True)
        return [mark.name for mark in gone]

    def unmark(self, avatar_id: str) -> None:
        """An avatar that came from the storage is gone, or was made here since: `drop_fetched` lets it be."""
        (self._fetched / avatar_id).unlink(missing_ok=True)

    def stored_avatars(self) -> set[str]:
        """Ids of the avatars in the storage.

        Raises:
            StorageError: It cannot be used.
        """
        names = self.storage.names("avatars/") if self.storage else []
        return {name.removeprefix("avatars/").removesuffix(".zip") for name in names}

    def forget_avatar(self, avatar_id: str) -> None:
        """Remove an avatar from the storage.

        Raises:
            StorageError: The storage cannot be used.
        """
        if self.storage:
            self.storage.delete([f"avatars/{avatar_id}.zip"])

    def check_space(self, needed: int, reserve: int) -> None:
        """Refuse to begin where the disk has too little room.

        Raises:
            NoSpace: Fewer than ``needed`` + ``reserve`` bytes are free.
        """
        if shutil.disk_usage(self.folder).free < needed + reserve:
            raise NoSpace("The server's disk is full.", "Try again later, or ask who runs the server to free some.")

    def free(self) -> int:
        """Bytes free on the disk."""
        return shutil.disk_usage(self.folder).free

    def stored_inputs(self) -> set[str]:
        """Names of jobs whose uploads are in the storage.

        Raises:
            StorageError: It cannot be used.
        """
        names = self.storage.names("inputs/") if self.storage else []
        return {job_id for job_id in (name.split("/")[1] for name in names) if ID.fullmatch(job_id)}

    def forget_logs(self, before: float) -> None:
        """Remove logs that were last written before a time: of films whose job another machine has forgotten."""
        for path in self.folder.glob("*.log"):
            if ID.fullmatch(path.stem) and _changed(path) < before:
                path.unlink(missing_ok=True)

    def orphans(self) -> list[str]:
        """Names of upload folders that are old; whether a job speaks of them is for the caller to look up."""
        limit = time.time() - ORPHAN_S
        return [path.name for path in self._temp.iterdir() if ID.fullmatch(path.name) and _changed(path) < limit]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # it has just been taken away
        return time.time()


def _checked(job_id: str) -> str:
    if not ID.fullmatch(job_id):
        raise OutputError("That is no name of a job.", "Use the session_id that /generate gave.")
    return job_id


def session_log(path: Path) -> logging.Handler:
    """A handler that appends to a job's log; the caller adds, removes and closes it."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(_FORMAT))
    return handler


def note(path: Path, sentence: str) -> None:
    """Append one line to a job's log from outside its worker; a full disk must not undo what is noted."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')},000 INFO    {sentence}{os.linesep}"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    except OSError as e:
        logging.getLogger(__name__).warning("%s cannot be written: %s", path.name, e)
