"""What can be set about the service, by environment variables ``VISEMA_…``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from visema import settings as known
from visema.paths import cache_dir

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
        max_seconds: Of a recording that is sent (``VISEMA_MAX_SECONDS``).
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
        mark: Every film has the visible mark (``VISEMA_MARK``).
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
    mark: bool = False

    @property
    def database_url(self) -> str:
        """Where the jobs are."""
        return self.database or f"sqlite:///{self.folder.absolute() / 'jobs.db'}"


def settings_from(env: Mapping[str, str], *, offline: bool = False) -> Settings:
    """Understand the environment.

    Raises:
        InputError: A variable holds no sensible value.
    """
    return Settings(
        folder=known.OUTPUTS.of(env) or Settings().folder,
        database=known.DATABASE.of(env),
        broker=known.BROKER.of(env),
        storage=known.STORAGE.of(env),
        workers=int(known.WORKERS.of(env)),
        max_bytes=round(known.MAX_MB.of(env) * MIB),
        max_seconds=known.MAX_SECONDS.of(env),
        keep_s=known.KEEP_HOURS.of(env) * 3600,
        min_free_bytes=round(known.MIN_FREE_MB.of(env) * MIB),
        max_waiting=int(known.MAX_QUEUE.of(env)),
        max_waiting_client=int(known.MAX_QUEUE_CLIENT.of(env)),
        lease_s=known.LEASE.of(env),
        max_job_s=known.JOB_SECONDS.of(env),
        origins=known.CORS.of(env),
        webhook_hosts=known.WEBHOOK_HOSTS.of(env),
        audit_days=known.AUDIT_DAYS.of(env),
        offline=offline or known.OFFLINE.of(env),
        eager=known.EAGER.of(env),
        mark=known.MARK.of(env),
    )
