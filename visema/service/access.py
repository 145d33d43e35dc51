"""Everything about who may use a server, in one place: its keys, its secret, its failed logins, its audit log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine

from visema import settings
from visema.errors import InputError
from visema.service import audit
from visema.service.keys import Keys
from visema.service.limits import Meter
from visema.service.logins import Logins
from visema.service.secret import server_secret
from visema.service.who import Who


@dataclass(frozen=True)
class Access:
    """Who may use a server.

    Attributes:
        engine: The database.
        keys: Who may come in.
        secret: The server's own.
        logins: Who has tried too often.
        meter: Requests of each key.
        required: Somebody without a key is refused even where there is no key yet.
    """

    engine: Engine
    keys: Keys
    secret: bytes
    logins: Logins
    meter: Meter
    required: bool = False

    def note(
        self, who: Who, action: str, target: str = "", outcome: str = "ok", detail: dict[str, Any] | None = None
    ) -> None:
        """Write a row of the audit log; see `audit.note`."""
        audit.note(self.engine, who, action, target, outcome, detail)

    def check_usable(self) -> None:
        """Refuse to serve others without a key.

        Raises:
            InputError: No key works.
        """
        if not self.keys.usable:
            raise InputError(
                "This server would be open to everybody who reaches it: it has no key.",
                "Make one by 'visema keys create NAME --scope admin', or set VISEMA_API_KEY.",
            )


def access_from(engine: Engine, folder: Path, env: Mapping[str, str] = os.environ) -> Access:
    """Understand the environment.

    Args:
        engine: The database, migrated.
        folder: Where the server's secret is.
        env: ``VISEMA_API_KEY``, ``VISEMA_REQUIRE_KEY``, ``VISEMA_SECRET``.

    Raises:
        InputError: A key or secret is too short to be safe, or a key is required and there is none.
        OutputError: The secret cannot be kept.
    """
    required = settings.REQUIRE_KEY.of(env)
    keys = Keys(engine, settings.API_KEY.of(env))
    access = Access(engine, keys, server_secret(folder, env), Logins(engine), Meter(engine), required)
    if required:
        access.check_usable()
    return access
