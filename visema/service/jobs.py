"""A job: what a film is made of, and how far it is."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from visema.message import Message, from_json, to_json

#: What a job's name looks like; it is the name of its files too.
ID: Final = re.compile(r"[a-z0-9-]{1,64}")


class State(str, Enum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it but its removal."""
        return self not in (State.QUEUED, State.RUNNING)


def new_id() -> str:
    """The name of a new job; nobody can guess it, for it is also the key to the film."""
    return secrets.token_hex(12)


@dataclass(frozen=True)
class Job:
    """A row. Times are seconds since 1970.

    Attributes:
        id: Its name.
        client: Who asked for it, for a fair order.
        state: Where it is in its life.
        stage: What is being done.
        percent: How much is done, 0 to 100; it never falls.
        message: Notes for the user, such as that a fallback spoke; packed by `pack`, as ``detail`` and ``hint`` are.
        error, detail, hint: Why it failed: a code, what went wrong, what to do.
        options: What was asked for, as JSON.
        created, started, ended: When it was asked for, when its last attempt began, when it ended.
        attempts: How often it was begun.
        owner: The worker that makes it.
        cancel: Whether it shall be cancelled.
        duration: Seconds of the film, once it is there.
        number: Place in the order of asking.
        kind: ``film``, ``speak`` or ``train``.
        queue: Whose workers make it, ``render`` or ``train``.
        key: Whose it is; empty for this machine's own user.
        priority: Greater comes first.
        due: Not begun before this.
        webhook: Address that hears of its end.
        batch: The batch that it is of.
        asked: SHA-256 of the request.
        result: What it made beside the film.
        cost: Characters, seconds and money.
        tries: Why earlier attempts ended.
        bytes: Of the film; of an expired job 0 once nothing is left of it.
        trace: Traceparent of the request.
    """

    id: str
    client: str
    state: State
    stage: str
    percent: float
    message: str
    error: str
    detail: str
    hint: str
    options: dict[str, Any]
    created: float
    started: float | None
    ended: float | None
    attempts: int
    owner: str
    cancel: bool
    duration: float | None
    number: int = 0
    kind: str = "film"
    queue: str = "render"
    due: float = 0.0
    webhook: str | None = None
    key: str = ""
    priority: int = 0
    batch: str | None = None
    asked: str | None = None
    result: dict[str, Any] | None = None
    cost: dict[str, Any] | None = None
    tries: list[dict[str, Any]] | None = None
    bytes: int = 0
    trace: str | None = None

    @property
    def dead(self) -> bool:
        """Whether it was tried several times for nothing: its files are kept, so that it can be tried once more."""
        return self.state is State.FAILED and bool(self.tries)


def pack(*sentences: str) -> str:
    """Sentences as a row keeps them, so that each can be said in another language later."""
    return json.dumps([to_json(sentence) for sentence in sentences if sentence])


def unpack(kept: str) -> list[Message]:
    """What `pack` made of them."""
    return [from_json(told) for told in json.loads(kept or "[]")]
