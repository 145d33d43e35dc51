"""Kinds of jobs: each is a function that makes what was asked for, and gives what is to be told of it."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from visema.errors import Cancelled
from visema.provenance import Mark
from visema.service.database import Database
from visema.service.files import Files
from visema.service.jobs import Job
from visema.service.settings import Settings


@dataclass(frozen=True)
class Work:
    """What a job is made with.

    Attributes:
        job: Its row.
        folder: Of its inputs.
        draft: Where the film is written; captions beside it.
        settings: Of the service.
        progress: Told the stage, and the share of the whole that is done.
        stop: Set where it is to be given up.
        cache: Folder of the avatars of the server.
        database: Where it is written down whose things are.
        files: Where films are kept, and avatars that several machines share.
    """

    job: Job
    folder: Path
    draft: Path
    settings: Settings
    progress: Callable[[str, float], None]
    stop: threading.Event
    cache: Path
    database: Database
    files: Files

    def at(self, stage: str, share: float) -> None:
        """Tell how far it is.

        Raises:
            Cancelled: It is to be given up.
        """
        if self.stop.is_set():
            raise Cancelled("The job was given up.")
        self.progress(stage, share)


@dataclass(frozen=True)
class Made:
    """What a job has made.

    Attributes:
        notes: What the user must know.
        duration: Seconds of film.
        result: What is to be told beside that.
        cost: Characters, seconds and money.
        publish: Gives it out where it is no film in the draft; called once it is sure that it is wanted.
        withdraw: Takes that back, where it was cancelled at the last moment.
        mark: What the film says of itself.
    """

    notes: tuple[str, ...] = ()
    duration: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] | None = None
    publish: Callable[[], None] | None = None
    withdraw: Callable[[], None] | None = None
    mark: Mark | None = None

    def told(self) -> dict[str, Any]:
        """What is to be told, with the id that the film carries."""
        return {**self.result, "provenance": self.mark.id} if self.mark else self.result


Kind = Callable[[Work], Made]
_KINDS: Final = ("film", "speak", "train")


def kind_of(name: str) -> Kind:
    """The function of a kind.

    Raises:
        KeyError: There is no such kind.
    """
    if name not in _KINDS:
        raise KeyError(name)
    found: Kind = importlib.import_module(f"visema.service.kinds.{name}").make
    return found
