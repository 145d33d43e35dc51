"""What a key may still ask for: seconds of film in a month, bytes that are kept, jobs that wait.

Looked at in the transaction that puts a job into the queue, so that several servers together keep to it.
"""

from __future__ import annotations

import wave
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from visema.errors import VisemaError
from visema.message import Message
from visema.service.endings import month_of
from visema.service.keys import BOOTSTRAP, Limits
from visema.service.schema import AVATARS, JOBS, KEYS
from visema.service.tally import used

#: Characters that a usual voice says in a second.
CHARACTERS_PER_S: Final = 14.0
#: Where room has to be made first, there is no time to wait for; but a client needs some number.
_SOME_TIME_S: Final = 3600
VIDEO: Final = "video_s"


class OverQuota(VisemaError):
    """A key has used what it may.

    Attributes:
        code: What it has used up, as a word for programs.
        retry_after: Seconds until it may be worth to ask again.
    """

    def __init__(self, code: str, what: str, hint: str, retry_after: int, **values: object) -> None:
        super().__init__(what, hint, **values)
        self.code, self.retry_after = code, retry_after


def month_ends(now: float) -> float:
    """When the calendar month (UTC) ends, seconds since 1970."""
    at = datetime.fromtimestamp(now, timezone.utc)
    return datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=timezone.utc).timestamp()


def expected_seconds(kind: str, options: Mapping[str, Any], sound: Path | None) -> float:
    """About how long the film of a job will be; 0 for one that makes none.

    Args:
        kind: Of the job.
        options: Of the job.
        sound: Where its recording is, as it was written anew; None where there is none.
    """
    if kind == "train":
        return 0.0
    if sound and sound.is_file():
        try:
            with wave.open(str(sound)) as file:
                return float(file.getnframes() / max(1, file.getframerate()))
        except (wave.Error, EOFError, OSError):
            return 0.0
    rate = options.get("rate") or 1.0
    return len(str(options.get("text") or "")) / CHARACTERS_PER_S / max(0.1, float(rate))


def admit(connection: Connection, key: str, jobs: int, expected_s: float, now: float) -> None:
    """Refuse jobs that are more than their key may ask for.

    Args:
        connection: In the transaction that asks for them.
        key: Whose they are; empty for this machine's own user, who has no bounds.
        jobs: How many they are.
        expected_s: About how long their films will be together.
        now: The time, seconds since 1970.

    Raises:
        OverQuota: They are more.
    """
    if not key or key == BOOTSTRAP:
        return
    # The row is held until the job is there: of two servers that ask at once, the second counts the first one's job.
    row = connection.execute(sa.select(KEYS.c.limits).where(KEYS.c.id == key).with_for_update()).one_or_none()
    limits = Limits.from_json(row.limits or {}) if row else Limits()
    mine = JOBS.c.key == key
    if limits.max_waiting is not None:
        waiting = sa.select(sa.func.count()).where(mine, JOBS.c.state == "queued")
        if int(connection.scalar(waiting) or 0) + jobs > limits.max_waiting:
            raise OverQuota(
                "quota_waiting", Message("Your key may have {count} jobs waiting.", count=limits.max_waiting),
                Message("Wait for some of them, then ask again."), 30,
            )  # fmt: skip
    if limits.storage_bytes is not None and stored(connection, key) >= limits.storage_bytes:
        raise OverQuota(
            "quota_storage", Message("Your key's storage is full."), Message("Remove some films or avatars."),
            _SOME_TIME_S,
        )  # fmt: skip
    if limits.video_seconds_per_month is not None and expected_s > 0:
        open_s = sa.select(sa.func.sum(JOBS.c.expected)).where(mine, JOBS.c.state.in_(("queued", "running")))
        spoken = used(connection, key, VIDEO, month_of(now)) + float(connection.scalar(open_s) or 0.0)
        if spoken + expected_s > limits.video_seconds_per_month:
            raise OverQuota(
                "quota_video",
                Message("Your key may make {limit} s of video a month.", limit=f"{limits.video_seconds_per_month:g}"),
                Message("Ask again next month, or ask who runs the server for more."),
                int(month_ends(now) - now) + 1,
            )


def stored(connection: Connection, key: str) -> int:
    """Bytes that are kept for a key."""
    films = sa.select(sa.func.sum(JOBS.c.bytes)).where(JOBS.c.key == key, JOBS.c.state == "done")
    faces = sa.select(sa.func.sum(AVATARS.c.bytes)).where(AVATARS.c.key == key)
    return int(connection.scalar(films) or 0) + int(connection.scalar(faces) or 0)
