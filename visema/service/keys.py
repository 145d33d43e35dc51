"""API keys: made once, shown once, kept as a hash; looked up in constant time and remembered for a second.

A key reads ``vsm_<id>_<secret>``. The id finds its row; the secret has 256 random bits, so that a plain SHA-256 of it
is as safe as a slow hash would be, and a request costs a microsecond instead of a tenth of a second.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row

from visema.errors import InputError
from visema.service.schema import KEYS
from visema.service.who import SCOPES, Who

#: What a row is believed for, seconds: a revoked key opens nothing any more after this.
BELIEVED_S: Final = 1.0
#: Ids that are remembered, known and unknown ones; the oldest are forgotten first.
REMEMBERED: Final = 4096
#: The id of the key that the environment gives.
BOOTSTRAP: Final = "env"
#: A key that a person makes up for ``VISEMA_API_KEY`` has at least so many characters.
LEAST_BOOTSTRAP: Final = 20
#: 43 letters and digits hold 256 bits.
_ALPHABET: Final = string.ascii_letters + string.digits
_SECRET_LENGTH: Final = 43
_FORM: Final = re.compile(r"vsm_([0-9a-f]{12})_([A-Za-z0-9]{43})")
#: Compared with where there is no such key, so that the answer takes as long.
_NOBODY: Final = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True)
class Limits:
    """What a key may use; None for as much as the server gives.

    Attributes:
        requests_per_minute: Requests of the API in a minute.
        video_seconds_per_month: Seconds of film in a calendar month (UTC).
        storage_bytes: Of films and avatars that are kept.
        max_waiting: Jobs that wait at once.
        keep_hours: How long its films are kept.
        origins: Sites whose pages may use the key; none for anywhere but a page.
    """

    requests_per_minute: int | None = None
    video_seconds_per_month: float | None = None
    storage_bytes: int | None = None
    max_waiting: int | None = None
    keep_hours: float | None = None
    origins: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Limits:
        """Limits as a row has them; what is not known is left out."""
        known = {f.name: told[f.name] for f in fields(cls) if told.get(f.name) is not None}
        return cls(**{**known, "origins": tuple(known.get("origins", ()))})

    def json(self) -> dict[str, Any]:
        """Limits for a row: only those that are set."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


@dataclass(frozen=True)
class Key:
    """A key without its secret.

    Attributes:
        id: Its public part.
        name: What it is called.
        hash: SHA-256 of its secret, hexadecimal.
        scopes: What it allows, of `SCOPES`.
        limits: What it may use.
        created: Seconds since 1970, as the other times.
        expires: When it ends; None for never.
        revoked: When it was revoked; None where it was not.
        used: When it was last used, to a minute; None where it was not.
    """

    id: str
    name: str
    hash: str = field(repr=False)
    scopes: frozenset[str]
    limits: Limits
    created: float
    expires: float | None = None
    revoked: float | None = None
    used: float | None = None

    def works(self, now: float) -> bool:
        """Whether it opens anything now."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    def who(self, address: str) -> Who:
        """Its holder, asking from an address."""
        return Who(self.id, self.name, self.scopes, address)


class Keys:
    """The keys in a database.

    Args:
        engine: The database, migrated.
        bootstrap: A key that the environment gives, which allows everything; empty for none.
        now: The clock, seconds since 1970.

    Raises:
        InputError: The bootstrap key is too short to be safe.
    """

    def __init__(self, engine: Engine, bootstrap: str = "", now: Callable[[], float] = time.time) -> None:
        if bootstrap and len(bootstrap) < LEAST_BOOTSTRAP:
            raise InputError(
                f"VISEMA_API_KEY has fewer than {LEAST_BOOTSTRAP} characters.",
                "Give a long random one: python -c 'import secrets; print(secrets.token_urlsafe(32))'.",
            )
        self._engine, self._now = engine, now
        self._bootstrap = _bootstrap_key(bootstrap) if bootstrap else None
        self._lock = threading.Lock()
        self._rows: OrderedDict[str, tuple[float, Key | None]] = OrderedDict()
        self._any: tuple[float, bool] = (-BELIEVED_S, False)

    # -- those who run the server ---------------------------------------------------------------------------------

    def create(
        self, name: str, scopes: Iterable[str], limits: Limits | None = None, expires: float | None = None
    ) -> tuple[Key, str]:
        """Make a key; it, and the text that is shown once.

        Args:
            name: What it is called.
            scopes: What it allows.
            limits: What it may use.
            expires: When it ends, seconds since 1970; None for never.

        Raises:
            InputError: A scope is not known, the name is empty or long, or the end has passed.
        """
        chosen = tuple(dict.fromkeys(scopes))
        if unknown := [scope for scope in chosen if scope not in SCOPES]:
            raise InputError(f"There is no scope '{unknown[0]}'.", f"There are {', '.join(SCOPES)}.")
        if not chosen:
            raise InputError("A key without scopes opens nothing.", f"There are {', '.join(SCOPES)}.")
        if not 0 < len(name.strip()) <= 80 or not name.isprintable():
            raise InputError("A key needs a name.", "Give one of 1 to 80 characters, such as who uses it.")
        if expires is not None and expires <= self._now():
            raise InputError("That key would have ended already.", "Choose a time to come.")
        secret = _new_secret()
        allowed = limits or Limits()
        key = Key(
            secrets.token_hex(6), name.strip(), _digest(secret), frozenset(chosen), allowed, self._now(), expires
        )  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(
                KEYS.insert().values(
                    id=key.id, name=key.name, hash=key.hash, scopes=list(chosen), limits=key.limits.json(),
                    created=key.created, expires=expires,
                )
            )  # fmt: skip
        self._forget(key.id)
        return key, f"vsm_{key.id}_{secret}"

    def list(self) -> list[Key]:
        """All keys, also those that open nothing any more; the newest last."""
        with self._reading() as connection:
            return [_key(row) for row in connection.execute(KEYS.select().order_by(KEYS.c.created, KEYS.c.id))]

    def revoke(self, key_id: str) -> bool:
        """Let a key open nothing any more; False where there is no such key."""
        with self._engine.begin() as connection:
            changed = connection.execute(
                KEYS.update().where(KEYS.c.id == key_id).values(revoked=sa.func.coalesce(KEYS.c.revoked, self._now()))
            )
        self._forget(key_id)
        return bool(changed.rowcount)

    def remove(self, key_id: str) -> bool:
        """Forget a key altogether; False where there is no such key."""
        with self._engine.begin() as connection:
            changed = connection.execute(KEYS.delete().where(KEYS.c.id == key_id))
        self._forget(key_id)
        return bool(changed.rowcount)

    def rotate(self, key_id: str) -> str | None:
        """Give a key that works another secret; the text that is shown once, None where there is no such key."""
        secret = _new_secret()
        with self._engine.begin() as connection:
            changed = connection.execute(
                KEYS.update().where(KEYS.c.id == key_id, KEYS.c.revoked.is_(None)).values(hash=_digest(secret))
            )
        self._forget(key_id)
        return f"vsm_{key_id}_{secret}" if changed.rowcount else None

    def note_use(self, key_ids: Iterable[str]) -> None:
        """These were used just now."""
        with self._engine.begin() as connection:
            connection.execute(KEYS.update().where(KEYS.c.id.in_(list(key_ids))).values(used=self._now()))

    # -- those who ask --------------------------------------------------------------------------------------------

    @property
    def needed(self) -> bool:
        """Whether there are keys at all, also revoked ones: revoking the last one opens nothing."""
        if self._bootstrap:
            return True
        at, found = self._any
        if found or time.monotonic() - at < BELIEVED_S:
            return found
        with self._reading() as connection:
            found = connection.scalar(sa.select(sa.exists().select_from(KEYS))) is True
        self._any = (time.monotonic(), found)
        return found

    def knows_whether_needed(self) -> bool:
        """Whether `needed` answers without asking the database."""
        return bool(self._bootstrap) or self._any[1] or time.monotonic() - self._any[0] < BELIEVED_S

    @property
    def usable(self) -> bool:
        """Whether there is a key that works."""
        return bool(self._bootstrap) or any(key.works(self._now()) for key in self.list())

    def find(self, text: str) -> Key | None:
        """The key that somebody shows, where it works; else None. Takes as long for wrong ones as for right ones."""
        if self._bootstrap and hmac.compare_digest(_digest(text), self._bootstrap.hash):
            return self._bootstrap
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        key = self.get(match[1])
        right = hmac.compare_digest(_digest(match[2]), key.hash if key else _NOBODY)
        return key if right and key and key.works(self._now()) else None

    def get(self, key_id: str) -> Key | None:
        """A key by its id, whether it works or not; believed for `BELIEVED_S`."""
        if key_id == BOOTSTRAP:
            return self._bootstrap
        now = time.monotonic()
        with self._lock:
            at, key = self._rows.get(key_id, (-BELIEVED_S, None))
        if now - at < BELIEVED_S:
            return key
        with self._reading() as connection:
            row = connection.execute(KEYS.select().where(KEYS.c.id == key_id)).one_or_none()
        key = _key(row) if row else None
        with self._lock:
            self._rows[key_id] = (now, key)
            self._rows.move_to_end(key_id)
            while len(self._rows) > REMEMBERED:
                self._rows.popitem(last=False)
        return key

    def remembers(self, text: str) -> bool:
        """Whether `find` answers without asking the database."""
        match = _FORM.fullmatch(text)
        if match is None:
            return True
        with self._lock:
            return time.monotonic() - self._rows.get(match[1], (-BELIEVED_S, None))[0] < BELIEVED_S

    def _forget(self, key_id: str) -> None:
        with self._lock:
            self._rows.pop(key_id, None)
        self._any = (-BELIEVED_S, False)

    def _reading(self) -> Any:
        return self._engine.connect().execution_options(reads=True)


def _new_secret() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _bootstrap_key(text: str) -> Key:
    return Key(BOOTSTRAP, "VISEMA_API_KEY", _digest(text), frozenset(SCOPES), Limits(), 0.0)


def _key(row: Row[Any]) -> Key:
    values = dict(row._mapping)
    return Key(**{**values, "scopes": frozenset(values["scopes"]), "limits": Limits.from_json(values["limits"] or {})})
