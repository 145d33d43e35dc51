"""The server's own secret, from which cookies, links and webhooks are signed; nobody outside ever sees it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from visema.errors import InputError
from visema.paths import explain_os_error

#: Of a secret that a person gives, characters.
LEAST: Final = 20
#: The file beside the films that holds it where the environment names none.
NAME: Final = "secret"


def server_secret(folder: Path, env: Mapping[str, str] = os.environ) -> bytes:
    """The secret of ``VISEMA_SECRET``, else that of the folder, which is made if need be.

    Several machines that serve as one need the same ``VISEMA_SECRET``.

    Raises:
        InputError: ``VISEMA_SECRET`` is too short to be safe.
        OutputError: The file cannot be made or read.
    """
    given = env.get("VISEMA_SECRET", "").strip()
    if given:
        if len(given) < LEAST:
            raise InputError(
                f"VISEMA_SECRET has fewer than {LEAST} characters.",
                "Give a long random one: python -c 'import secrets; print(secrets.token_urlsafe(32))'.",
            )
        return hashlib.sha256(given.encode()).digest()
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = _read(path)
        if not found:
            # Written whole under another name, then linked: of several processes the first one's stays.
            draft = folder / f".{NAME}-{secrets.token_hex(6)}"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            try:
                _link(draft, path)
            finally:
                draft.unlink(missing_ok=True)
            found = _read(path)
    except OSError as e:
        raise explain_os_error(e, path) from e
    return hashlib.sha256(found).digest()


def derive(secret: bytes, purpose: str) -> bytes:
    """A secret for one purpose, from which the others cannot be told."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).digest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            draft.replace(path)
