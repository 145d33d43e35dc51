"""Where the files of a job are, by its name alone; what users call their files never gets here."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path
from typing import Final

from visema.errors import OutputError, VisemaError
from visema.paths import explain_os_error
from visema.service.jobs import ID

#: The picture and the recording of a job, as they are kept: decoded once and written anew.
PICTURE, SOUND = "picture.png", "sound.wav"
#: Uploads that no job speaks of go after so long: whoever sent them has gone, or the server was killed.
ORPHAN_S: Final = 3600.0
_FORMAT: Final = "%(asctime)s %(levelname)-7s %(message)s"


class NoSpace(VisemaError):
    """The disk has too little room left for another film."""


class Files:
    """The folder of a service.

    ``<id>.mp4`` is a film and ``<id>.log`` what happened on the way; ``temp/<id>/`` holds a job's uploads until it
    ends, and the film while it is made.

    Args:
        folder: The folder; made if need be.

    Raises:
        OutputError: It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._temp = self.folder / "temp"
        try:
            self._temp.mkdir(parents=True, exist_ok=True)
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

    def publish(self, job_id: str, draft: Path) -> None:
        """Give a finished film its name.

        Raises:
            OutputError: The disk refuses.
        """
        try:
            for form in ("srt", "vtt"):
                if (captions := draft.with_suffix(f".{form}")).is_file():
                    captions.replace(self.captions(job_id, form))
            draft.replace(self.film(job_id))
        except OSError as e:
            raise explain_os_error(e, self.folder) from e

    def size(self, job_id: str) -> int:
        """Bytes of a finished film; 0 where it is not there."""
        try:
            return self.film(job_id).stat().st_size
        except OSError:
            return 0

    def clear(self, job_id: str) -> None:
        """Remove what is needed no more once a job is over: uploads and drafts."""
        shutil.rmtree(self.work(job_id), ignore_errors=True)

    def remove(self, job_id: str, *, log: bool = True) -> None:
        """Remove everything of a job, its log where ``log`` is set."""
        self.clear(job_id)
        self.film(job_id).unlink(missing_ok=True)
        for form in ("srt", "vtt"):
            self.captions(job_id, form).unlink(missing_ok=True)
        if log:
            self.log(job_id).unlink(missing_ok=True)

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
