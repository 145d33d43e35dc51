"""Sends news to the servers that asked for them: signed, again until they are taken, each try written down."""

from __future__ import annotations

import json
import logging
import math
import os
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Final

import httpcore
import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from visema import webhooks
from visema.service.destinations import Address, PublicBackend, Refused, look_up
from visema.service.keys import BOOTSTRAP
from visema.service.schema import DELIVERIES, KEYS
from visema.service.secret import derive

log = logging.getLogger(__name__)

#: Pauses after the first, second, … try that failed, seconds; after the last one nothing is tried any more.
PAUSES_S: Final = (10, 60, 300, 1800, 7200, 6 * 3600, 12 * 3600)
#: One try takes no longer, from looking the name up to the answer's first line.
TRY_S: Final = 15.0
#: Whoever sends is given so long; then another one does.
LEASE_S: Final = 60.0
#: News that are sent at once, and of one key.
AT_ONCE: Final = 4
OF_ONE_KEY: Final = 2
#: The rows are looked at this often where nobody says that there are news.
IDLE_S: Final = 1.0
#: The log of what was sent is kept for so long.
KEPT_S: Final = 30 * 24 * 3600.0
#: What was kept long enough is removed this often.
TIDY_S: Final = 600.0
_D: Final = DELIVERIES.c


def key_secret(server: bytes, key: str) -> str:
    """The secret with which a key's news are signed; its holder is shown it.

    Args:
        server: The server's own secret.
        key: The key's id; empty for this machine's own user.
    """
    return f"whsec_{derive(derive(server, 'webhook'), key).hex()}"


@dataclass(frozen=True)
class Result:
    """What became of a try.

    Attributes:
        status: HTTP's number; 0 where there was no answer.
        error: Why it failed; empty where it did not.
        final: It is of no use to try again.
        wait_s: The other side asks to wait so long.
    """

    status: int = 0
    error: str = ""
    final: bool = False
    wait_s: float = 0.0


class Courier:
    """Sends what waits. Any number of them work on one database.

    Args:
        engine: The database.
        secret: The server's own.
        allowed: Hosts beside the public ones, ``host`` or ``host:port``.
        now: The clock, seconds since 1970.
        resolve: Looks names up.
        seconds: For one try.
        tidy: Called now and then, to remove what was kept long enough.
    """

    def __init__(
        self,
        engine: Engine,
        secret: bytes,
        allowed: Sequence[str] = (),
        *,
        now: Callable[[], float] = time.time,
        resolve: Callable[[str, int], list[Address]] = look_up,
        seconds: float = TRY_S,
        tidy: Callable[[], object] = lambda: None,
    ) -> None:
        self._engine, self._secret, self._allowed = engine, secret, tuple(allowed)
        self._now, self._resolve, self._seconds = now, resolve, seconds
        self._tidy, self._tidied = tidy, -math.inf
        self._owner = f"{socket.gethostname()[:40]}:{os.getpid()}-{secrets.token_hex(3)}"
        self._over, self._woken = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Send from now on, in a thread."""
        if self._thread is None and not self._over.is_set():
            self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
            self._thread.start()

    def poke(self) -> None:
        """There are news."""
        self._woken.set()

    def close(self) -> None:
        """Begin nothing new, and wait for what is on its way, within bounds."""
        self._over.set()
        self._woken.set()
        if self._thread:
            self._thread.join(timeout=2.0)

    def send_due(self) -> int:
        """Send one of those that are due; how many were."""
        row = self._claim()
        if row is None:
            return 0
        self._deliver(row)
        return 1

    # -- inside ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        free = threading.Semaphore(AT_ONCE)

        def deliver(row: Row[Any]) -> None:
            try:
                self._deliver(row)
            except SQLAlchemyError as e:  # they are sent again when the lease has run out
                log.warning("What became of news cannot be written down (%s).", type(e).__name__)
            except Exception:
                log.exception("News could not be sent.")
            finally:
                free.release()
                self._woken.set()

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="courier") as pool:
            while not self._over.is_set():
                self._woken.clear()
                if not free.acquire(timeout=IDLE_S):
                    continue
                try:
                    if time.monotonic() - self._tidied > TIDY_S:
                        self._tidied = time.monotonic()
                        self._tidy()
                    row = self._claim()
                except SQLAlchemyError as e:
                    log.warning("News cannot be sent: the database does not answer (%s).", type(e).__name__)
                    row = None
                if row is not None:
                    pool.submit(deliver, row)
                else:
                    free.release()
                    self._woken.wait(IDLE_S)

    def _deliver(self, row: Row[Any]) -> None:
        begun = time.monotonic()
        result = self._send(row)
        self._note(row, result, time.monotonic() - begun)

    def _claim(self) -> Row[Any] | None:
        now = self._now()
        waiting = sa.and_(_D.state == "waiting", _D.due <= now, _D.lease < now)
        others = DELIVERIES.alias()
        busy = (
            sa.select(sa.func.count())
            .where(others.c.key == _D.key, others.c.state == "waiting", others.c.lease >= now)
            .scalar_subquery()
        )
        following = (
            sa.select(_D.number)
            .where(waiting, busy < OF_ONE_KEY)
            .order_by(_D.due, _D.number)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        asked = sa.select(sa.exists().where(waiting))
        with self._engine.connect().execution_options(reads=True) as connection:
            if not connection.scalar(asked):
                return None  # looking takes no lock
        with self._engine.begin() as connection:
            return connection.execute(
                DELIVERIES.update()
                .where(_D.number == following, waiting)
                .values(owner=self._owner, lease=now + LEASE_S, attempts=_D.attempts + 1)
                .returning(*DELIVERIES.c)
            ).one_or_none()

    def _send(self, row: Row[Any]) -> Result:
        if row.key and row.key != BOOTSTRAP and not self._works(row.key):
            return Result(error="the key was revoked", final=True)
        body = body_of(row)
        timestamp = int(self._now())
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json", "User-Agent": "Visema", "Accept": "*/*", webhooks.EVENT: row.event,
            webhooks.DELIVERY: row.id, webhooks.TIMESTAMP: str(timestamp),
            webhooks.SIGNATURE: webhooks.sign(key_secret(self._secret, row.key), timestamp, body),
        }  # fmt: skip
        backend = PublicBackend(self._allowed, self._seconds, self._resolve)
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
                # The answer is not read beyond its head: it may be endless.
                pool.stream("POST", row.url, headers=headers, content=body, extensions={"timeout": timeout}) as answer,
            ):
                return _judged(answer.status, dict(answer.headers))
        except Refused as e:
            log.warning("News of %s are not sent: %s.", row.job, e)
            return Result(error="not a public address", final=True)
        except (httpcore.TimeoutException, TimeoutError):
            return Result(error="no answer in time")
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError, UnicodeError):
            return Result(error="no answer in HTTP")
        except (httpcore.NetworkError, OSError) as e:
            tls = isinstance(e.__cause__ or e.__context__, ssl.SSLError) or "SSL" in str(e) or "CERT" in str(e)
            return Result(error="its certificate is not valid" if tls else "no connection")

    def _note(self, row: Row[Any], result: Result, seconds: float) -> None:
        now = self._now()
        told = {"time": round(now, 3), "status": result.status, "error": result.error, "ms": round(seconds * 1000)}
        values: dict[str, Any] = {"tries": [*(row.tries or []), told], "owner": "", "lease": 0.0}
        if not result.error:
            values |= {"state": "sent", "ended": now}
        elif result.final or row.attempts > len(PAUSES_S):
            values |= {"state": "failed", "ended": now}
        else:
            pause = PAUSES_S[row.attempts - 1] * (0.9 + secrets.randbelow(2001) / 10_000)
            values |= {"due": now + max(pause, min(result.wait_s, PAUSES_S[-1]))}
        with self._engine.begin() as connection:
            mine = sa.and_(_D.number == row.number, _D.owner == self._owner, _D.attempts == row.attempts)
            connection.execute(DELIVERIES.update().where(mine).values(**values))

    def _works(self, key_id: str) -> bool:
        working = sa.select(sa.exists().where(KEYS.c.id == key_id, KEYS.c.revoked.is_(None)))
        with self._engine.connect().execution_options(reads=True) as connection:
            return connection.scalar(working) is True

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def forget(engine: Engine, before: float) -> int:
    """Remove what was over before a time; how many rows."""
    old = DELIVERIES.delete().where(_D.state != "waiting", _D.ended < before)
    with engine.begin() as connection:
        return int(connection.execute(old).rowcount)


def body_of(row: Row[Any]) -> bytes:
    """What is sent: the same bytes at every try."""
    at = datetime.fromtimestamp(row.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"id": row.id, "event": row.event, "created": at, "data": row.payload}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _judged(status: int, headers: dict[bytes, bytes]) -> Result:
    """What an answer means."""
    if 200 <= status < 300:
        return Result(status)
    if 300 <= status < 400:
        return Result(status, "it leads elsewhere, which is not followed")
    if status == 410:
        return Result(status, "it wants no more news", final=True)
    asked = next((value for name, value in headers.items() if name.lower() == b"retry-after"), b"")
    wait = float(asked) if asked.isdigit() and len(asked) < 8 else 0.0
    return Result(status, f"it answered {status}", wait_s=wait if status in (429, 503) else 0.0)
