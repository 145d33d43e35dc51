"""What can be set about the service, by environment variables ``VISEMA_…``."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from visema.errors import InputError
from visema.paths import cache_dir

T = TypeVar("T")

MIB: Final = 1 << 20


@dataclass(frozen=True)
class Settings:
    """How films are made for those who ask over HTTP.

    Attributes:
        folder: Where films, their logs, the uploads and the database are (``VISEMA_OUTPUTS``);
            ``outputs`` beside the cache where nothing is said.
        database: SQLAlchemy address of the jobs; empty for ``jobs.db`` in the folder (``VISEMA_DATABASE``).
        broker: Redis that wakes the workers of other processes and machines (``VISEMA_BROKER``); empty where this
            server makes its films itself.
        storage: Where films are kept, such as ``s3://bucket/prefix``; empty for the folder (``VISEMA_STORAGE``).
        workers: Films made at once (``VISEMA_WORKERS``); a film keeps about one core busy. 0: others make them
            (``visema worker``).
        max_bytes: Of one request, files and all (``VISEMA_MAX_MB``).
        max_seconds: Of speech in one film (``VISEMA_MAX_SECONDS``).
        max_text: Characters of a text or transcript: ten minutes of quick speech.
        keep_s: How long a result is kept (``VISEMA_KEEP_HOURS``).
        min_free_bytes: Disk space that uploads leave free (``VISEMA_MIN_FREE_MB``).
        max_waiting: Jobs in the queue, of all (``VISEMA_MAX_QUEUE``).
        max_waiting_client: Jobs in the queue, of one address (``VISEMA_MAX_QUEUE_CLIENT``).
        lease_s: A job whose worker has said nothing for so long is given to another (``VISEMA_LEASE_SECONDS``).
        max_job_s: A job that takes longer fails (``VISEMA_JOB_SECONDS``).
        attempts: A job whose worker died so often fails.
        origins: Sites whose pages may use the API; ``*`` is every site (``VISEMA_CORS_ORIGINS``, by commas).
        webhook_hosts: Hosts that news may be sent to although they are not public, ``host`` or ``host:port``
            (``VISEMA_WEBHOOK_HOSTS``, by commas).
        audit_days: How long the audit log is kept (``VISEMA_AUDIT_DAYS``).
        offline: No cloud voice is asked (``VISEMA_OFFLINE``).
        eager: Start the processes that make films at once, not with the first film (``VISEMA_EAGER``).
    """

    folder: Path = field(default_factory=lambda: cache_dir().parent / "outputs")
    database: str = ""
    broker: str = ""
    storage: str = ""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    max_bytes: int = 500 * MIB
    max_seconds: float = 600.0
    max_text: int = 12_000
    keep_s: float = 24 * 3600.0
    min_free_bytes: int = 200 * MIB
    max_waiting: int = 200
    max_waiting_client: int = 50
    lease_s: float = 15.0
    max_job_s: float = 3600.0
    attempts: int = 5
    origins: tuple[str, ...] = ()
    webhook_hosts: tuple[str, ...] = ()
    audit_days: float = 90.0
    offline: bool = False
    eager: bool = False

    @property
    def database_url(self) -> str:
        """Where the jobs are."""
        return self.database or f"sqlite:///{self.folder.absolute() / 'jobs.db'}"


def settings_from(env: Mapping[str, str], *, offline: bool = False) -> Settings:
    """Understand the environment.

    Raises:
        InputError: A variable holds no sensible value.
    """
    usual = Settings()

    def number(name: str, default: T, low: float, high: float, made: Callable[[float], T]) -> T:
        text = env.get(name, "").strip()
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise InputError(f"{name} is '{text}'.", f"Give a number from {low:g} to {high:g}, or leave it out.")
        return made(value)

    def mib(value: float) -> int:
        return round(value * MIB)

    def switch(name: str) -> bool:
        return env.get(name, "").strip().lower() in ("1", "true", "yes", "on")

    origins = tuple(origin.strip().rstrip("/") for origin in env.get("VISEMA_CORS_ORIGINS", "").split(","))
    for origin in filter(None, origins):
        if origin != "*" and not re.fullmatch(r"https?://[^/\s*]+", origin):
            raise InputError(
                f"VISEMA_CORS_ORIGINS names '{origin}'.",
                "Give addresses such as https://a.org, with commas; or *.",
            )
    return Settings(
        folder=Path(env.get("VISEMA_OUTPUTS") or usual.folder).expanduser(),
        database=env.get("VISEMA_DATABASE", ""),
        broker=env.get("VISEMA_BROKER", "").strip(),
        storage=env.get("VISEMA_STORAGE", "").strip(),
        workers=number("VISEMA_WORKERS", usual.workers, 0, 256, int),
        max_bytes=number("VISEMA_MAX_MB", usual.max_bytes, 0.001, 4096, mib),
        max_seconds=number("VISEMA_MAX_SECONDS", usual.max_seconds, 1, 7200, float),
        max_text=usual.max_text,
        keep_s=number("VISEMA_KEEP_HOURS", usual.keep_s, 0.0001, 24 * 3650, lambda hours: hours * 3600),
        min_free_bytes=number("VISEMA_MIN_FREE_MB", usual.min_free_bytes, 0, 1e9, mib),
        max_waiting=number("VISEMA_MAX_QUEUE", usual.max_waiting, 1, 1e6, int),
        max_waiting_client=number("VISEMA_MAX_QUEUE_CLIENT", usual.max_waiting_client, 1, 1e6, int),
        lease_s=number("VISEMA_LEASE_SECONDS", usual.lease_s, 1, 3600, float),
        max_job_s=number("VISEMA_JOB_SECONDS", usual.max_job_s, 1, 24 * 3600, float),
        origins=tuple(filter(None, origins)),
        webhook_hosts=tuple(filter(None, (name.strip() for name in env.get("VISEMA_WEBHOOK_HOSTS", "").split(",")))),
        audit_days=number("VISEMA_AUDIT_DAYS", usual.audit_days, 1, 36500, float),
        offline=offline or switch("VISEMA_OFFLINE"),
        eager=switch("VISEMA_EAGER"),
    )
