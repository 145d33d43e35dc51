"""``visema doctor``: `--check` with the platform's parts: what works on this machine, by really trying it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from visema import settings as known
from visema.cli.check import Check, Lacking, base_checks, run_checks
from visema.service.settings import Settings, settings_from

#: A film of a minute takes 10 MB, and while it is made the same again.
_LEAST_DISK: Final = 500 << 20
#: A worker that was heard of within so many seconds is there.
_HEARD_S: Final = 60.0


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--offline", action="store_true", help="ask no cloud voice")
    parser.add_argument("--platform", action="store_true", help="the platform's parts alone, which takes a second")
    parser.add_argument("--settings", action="store_true", help="show every setting and where it comes from, and stop")


def run(arguments: argparse.Namespace) -> int:
    """Look; 0 where the platform can run, else 2.

    Raises:
        InputError: A setting makes no sense.
    """
    if arguments.settings:
        sys.stdout.write(all_settings())
        return 0
    settings = settings_from(os.environ)
    base = () if arguments.platform else base_checks(arguments.offline or known.OFFLINE.of())
    missing = run_checks((*base, *platform_checks(settings)))
    if missing:
        print(f"\nThe platform cannot run here: {', '.join(missing)}.")
        return 2
    print("\nThe platform can run here.")
    return 0


def all_settings() -> str:
    """Every setting, its value (secrets hidden), and where that comes from."""
    rows = [(s.name, known.shown(s), known.source_of(s.name)) for s in known.SETTINGS.values()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "".join(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}\n" for name, value, source in rows)


def platform_checks(settings: Settings) -> tuple[Check, ...]:
    """The lines."""
    engine = partial(_engine, settings)
    return (
        Check("settings", _settings, needed=True),
        Check("database", partial(_database, settings), needed=True),
        Check("jobs", partial(_asked, engine, _jobs)),
        Check("broker", partial(_broker, settings), needed=bool(settings.broker)),
        Check("workers", partial(_asked, engine, partial(_workers, settings))),
        Check("storage", partial(_storage, settings), needed=True),
        Check("outputs", partial(_outputs, settings), needed=True),
        Check("keys", partial(_asked, engine, _keys), needed=known.REQUIRE_KEY.of()),
        Check("secret", partial(_secret, settings), needed=True),
        Check("webhooks", partial(_asked, engine, _webhooks)),
        Check("provenance", _provenance),
        Check("prices", _prices, needed=True),
        Check("traces", _traces, needed=bool(known.TRACES.of())),
    )


def _settings() -> str:
    said: dict[str, int] = {}
    for setting in known.SETTINGS.values():
        setting.of()
        said[known.source_of(setting.name)] = said.get(known.source_of(setting.name), 0) + 1
    told = ", ".join(f"{count} by {source}" for source, count in said.items() if source != "default")
    return f"{told or 'none set'}; visema doctor --settings shows them"


def _address(settings: Settings) -> URL:
    return make_url(settings.database_url).set(password=None)


def _engine(settings: Settings) -> Engine:
    from visema.service.database import open_engine

    url = _address(settings)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise Lacking("there is no database yet; the first start makes it")
    return open_engine(settings.database_url)


def _database(settings: Settings) -> str:
    """Nothing is made or changed: a database that is behind is brought up to date by the next start."""
    from visema.service import migrate

    url = _address(settings)
    shown = url.render_as_string()
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return f"{shown}; not made yet, the first start makes it"
    began = time.monotonic()
    engine = _engine(settings)
    try:
        at = migrate.current(engine)
        took = 1000 * (time.monotonic() - began)
        with engine.connect().execution_options(reads=True) as connection:
            old = at is None and sa.inspect(connection).has_table("jobs")
    except (sa.exc.SQLAlchemyError, ImportError) as e:
        raise Lacking(f"{shown} does not answer ({getattr(e, 'orig', None) or e})".replace("\n", " ")) from e
    finally:
        engine.dispose()
    if at == migrate.HEAD:
        return f"{shown}, up to date ({at}), answered in {took:.0f} ms"
    if at is None and not old:
        return f"{shown}, empty; the first start makes its tables"
    if at is not None and at > migrate.HEAD:
        raise Lacking(f"{shown} was made by a later release ({at}); install that one")
    return f"{shown}, at {at or 'the first release'}; the next start brings it to {migrate.HEAD}"


def _asked(engine: Callable[[], Engine], look: Callable[[sa.Connection], str]) -> str:
    """Ask the database, where it is there and up to date."""
    from visema.service import migrate

    found = engine()
    try:
        if migrate.current(found) != migrate.HEAD:
            raise Lacking("the database is not up to date yet")
        with found.connect().execution_options(reads=True) as connection:
            return look(connection)
    except sa.exc.SQLAlchemyError as e:
        raise Lacking("the database does not answer") from e
    finally:
        found.dispose()


def _jobs(connection: sa.Connection) -> str:
    from visema.service.schema import JOBS

    rows = connection.execute(sa.select(JOBS.c.state, sa.func.count()).group_by(JOBS.c.state)).all()
    return ", ".join(f"{count} {state}" for state, count in sorted(tuple(row) for row in rows)) or "none"


def _broker(settings: Settings) -> str:
    if not settings.broker:
        return "none: this server makes its films itself"
    from visema.service.broker import Broker

    shown = make_url(settings.broker).set(password=None).render_as_string()
    try:
        waiting = {queue: Broker(settings.broker).waiting(queue) for queue in ("render", "train")}
    except OSError as e:
        raise Lacking(f"{shown} does not answer: films are made late ({e})") from e
    return f"{shown}, messages: " + ", ".join(f"{queue} {count}" for queue, count in waiting.items())


def _workers(settings: Settings, connection: sa.Connection) -> str:
    from visema.service.schema import JOBS

    c = JOBS.c
    now = time.time()
    held = sa.select(c.owner).where(c.state == "running", c.lease > now).distinct()
    busy = len(connection.execute(held).all())
    late = connection.scalar(
        sa.select(sa.func.count()).where(c.state == "queued", c.due < now, c.created < now - _HEARD_S)
    )
    ended = connection.scalar(sa.select(sa.func.max(c.ended)))
    last = f"last job ended {_ago(now - ended)}" if ended else "no job has ended yet"
    told = f"{busy} at work, {last}"
    if late and not busy:
        raise Lacking(f"{late} jobs wait and nobody makes them: start `visema serve` or `visema worker`")
    others = settings.broker or not settings.workers
    own = "`visema worker` makes films" if others else f"{settings.workers} with a server"
    return f"{told}; {own}"


def _ago(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"


def _storage(settings: Settings) -> str:
    from visema.service.storage import storage_of

    storage = storage_of(settings.storage)
    return storage.check() if storage else "the folder of outputs"


def _outputs(settings: Settings) -> str:
    folder = settings.folder.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as e:
        raise Lacking(f"{there} cannot be written: {e.strerror}") from e
    free = shutil.disk_usage(there).free
    if free < max(_LEAST_DISK, settings.min_free_bytes):
        raise Lacking(f"{folder}: {free >> 20} MB free is too little")
    return f"{folder}, {free / 2**30:.1f} GB free, films are kept {settings.keep_s / 3600:g} hours"


def _keys(connection: sa.Connection) -> str:
    from visema.service.keys import LEAST_BOOTSTRAP
    from visema.service.schema import KEYS

    now = time.time()
    working = sa.and_(KEYS.c.revoked.is_(None), sa.or_(KEYS.c.expires.is_(None), KEYS.c.expires > now))
    count = connection.scalar(sa.select(sa.func.count()).where(working)) or 0
    first = len(known.API_KEY.of())
    if first and first < LEAST_BOOTSTRAP:
        raise Lacking(f"VISEMA_API_KEY has {first} characters; {LEAST_BOOTSTRAP} are needed")
    told = f"{count} in the database" + (", one in VISEMA_API_KEY" if first else "")
    if not count and not first:
        raise Lacking("none: only this machine is served; make one by `visema keys create`")
    return told


def _secret(settings: Settings) -> str:
    from visema.service.secret import LEAST, NAME

    given = known.SECRET.of()
    if given and len(given) < LEAST:
        raise Lacking(f"VISEMA_SECRET has fewer than {LEAST} characters")
    path = settings.folder / NAME
    if given:
        return "VISEMA_SECRET"
    if not path.exists():
        return "made by the first start"
    if path.stat().st_mode & 0o077:
        raise Lacking(f"{path} can be read by others: chmod 600")
    return f"{path}; several machines need the same VISEMA_SECRET"


def _webhooks(connection: sa.Connection) -> str:
    from visema.service.schema import DELIVERIES

    c = DELIVERIES.c
    rows = connection.execute(sa.select(c.state, sa.func.count()).group_by(c.state)).all()
    counted = {str(state): int(count) for state, count in rows}
    late = connection.scalar(sa.select(sa.func.count()).where(c.state == "waiting", c.due < time.time() - _HEARD_S))
    told = ", ".join(f"{count} {state}" for state, count in sorted(counted.items())) or "none sent yet"
    hosts = known.WEBHOOK_HOSTS.of()
    told += f"; private hosts allowed: {', '.join(hosts)}" if hosts else "; public addresses alone"
    if late:
        raise Lacking(f"{told}; {late} are late: no server or worker sends them")
    return told


def _provenance() -> str:
    from visema.provenance import signing

    if not signing.available():
        why = "switched off" if signing.installed() else "not installed: pip install 'visema[service]'"
        raise Lacking(f"MP4 comment and XMP alone; C2PA is {why}")
    return f"MP4 comment, XMP and C2PA, signed by {signing.signer()}"


def _prices() -> str:
    from visema.speech.cost import prices

    found = prices()
    return f"{len(found)} prices of {len({price.engine for price in found})} services"


def _traces() -> str:
    address = known.TRACES.of()
    if not address:
        return "not collected (VISEMA_TRACES)"
    import httpx

    try:
        with closing(httpx.Client(timeout=3.0)) as client:
            client.get(address)
    except httpx.HTTPError as e:
        raise Lacking(f"{address} does not answer ({type(e).__name__})") from e
    return address
