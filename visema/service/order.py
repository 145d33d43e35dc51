"""An order: everything that is to be known to put a job into the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from visema.errors import VisemaError
from visema.ops.traces import traceparent
from visema.service.who import Who

#: The queue of each kind of job.
QUEUES: Final = {"film": "render", "speak": "render", "train": "train"}


class Conflict(VisemaError):
    """The same idempotency key came with a different request."""


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        kind: ``film``, ``speak`` or ``train``.
        who: Who asks.
        options: Of the kind.
        priority: -10 to 10; greater comes first, before all others of the same queue.
        webhook: Address that hears of its end.
        once: Idempotency key; the same order under the same key is one job.
        asked: SHA-256 of the request, to tell a repetition from a different one.
        batch: The batch that it is of.
        expected: About how many seconds its film will have.
    """

    kind: str
    who: Who
    options: dict[str, Any]
    priority: int = 0
    webhook: str | None = None
    once: str | None = None
    asked: str = ""
    batch: str | None = None
    expected: float = 0.0

    @property
    def queue(self) -> str:
        """Whose workers make it."""
        return QUEUES[self.kind]

    def columns(self) -> dict[str, Any]:
        """Its columns in the table of jobs."""
        return {
            "kind": self.kind, "queue": self.queue, "key": self.who.key, "priority": self.priority,
            "webhook": self.webhook, "once": self.once, "asked": self.asked or None, "batch": self.batch,
            "trace": traceparent() or None, "expected": self.expected,
        }  # fmt: skip
