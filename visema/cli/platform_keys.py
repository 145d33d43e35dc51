"""``visema keys``: who may use the server."""

from __future__ import annotations

import argparse
import os
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from visema.errors import InputError

if TYPE_CHECKING:
    from visema.service.access import Access
    from visema.service.who import Who

_SPANS: Final = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
_SIZES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
#: What a key allows where nothing is said: everything that is its own.
USUAL: Final = ("films", "avatars", "voices", "speech", "live", "read")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from visema.service.who import SCOPES

    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    made = kinds.add_parser("create", help="make a key; it is shown once")
    made.add_argument("name", help="what it is called, such as who uses it")
    made.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help=f"what it allows; may be repeated (default: {', '.join(USUAL)}). admin allows everything, on "
        "everybody's things",
    )
    made.add_argument("--expires", metavar="TIME", help="when it ends: 30d, 12h, 1y, or a date such as 2027-01-31")
    made.add_argument("--requests", metavar="N", type=int, help="requests of the API in a minute")
    made.add_argument("--video", metavar="SECONDS", type=float, help="seconds of film in a calendar month")
    made.add_argument("--storage", metavar="SIZE", help="of films and avatars that are kept, such as 20G")
    made.add_argument("--waiting", metavar="N", type=int, help="jobs that wait at once")
    made.add_argument("--keep", metavar="HOURS", type=float, help="how long its films are kept")
    made.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a site whose pages use this key, such as https://example.org; such a key is no secret, "
        "so give it --scope live only",
    )
    kinds.add_parser("list", help="all keys and what they allow")
    for name, about in (("revoke", "let a key open nothing any more"), ("rotate", "give a key another secret")):
        one = kinds.add_parser(name, help=about)
        one.add_argument("id", help="of the key, as list shows it, or the key itself")
        if name == "revoke":
            one.add_argument(
                "--forget",
                action="store_true",
                help="remove it altogether; where none is left, this machine's own user needs no key any more",
            )
    hook = kinds.add_parser("webhook", help="the secret with which the news of a key are signed")
    hook.add_argument("id", help="of the key, as list shows it, or the key itself")
    log = kinds.add_parser("audit", help="who did what")
    log.add_argument("--key", help="of one key only")
    log.add_argument("--limit", type=int, default=50, help="how many rows (default: 50)")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked.

    Raises:
        VisemaError: It cannot be done.
    """
    from visema.service import audit
    from visema.service.access import access_from
    from visema.service.settings import settings_from
    from visema.service.store import JobStore
    from visema.service.who import Who

    settings = settings_from(os.environ)
    settings.folder.mkdir(parents=True, exist_ok=True)
    store = JobStore(settings.database_url)
    me = Who(name="command line", address="")
    try:
        if arguments.what == "audit":
            for row in reversed(audit.rows(store.engine, key=arguments.key, limit=arguments.limit)):
                more = f"  {row.detail}" if row.detail else ""
                print(
                    f"{_time(row.time)}  {row.key or '-':<12}  {row.address or '-':<15}  {row.action:<14} "
                    f"{row.outcome:<8} {row.target}{more}".rstrip()
                )
            return 0
        env = {name: value for name, value in os.environ.items() if name != "VISEMA_REQUIRE_KEY"}
        access = access_from(store.engine, settings.folder, env)
        if arguments.what == "list":
            _list(access)
        elif arguments.what == "create":
            _create(access, arguments, me)
        else:
            _change(access, arguments, me)
    finally:
        store.close()
    return 0


def _create(access: Access, arguments: argparse.Namespace, me: Who) -> None:
    from visema.service.keys import Limits

    for name in ("requests", "video", "waiting", "keep"):
        if (value := getattr(arguments, name)) is not None and not value > 0:
            raise InputError(f"--{name} is {value}.", "Give a number above 0, or leave it out for no limit.")
    for origin in arguments.origin:
        if not re.fullmatch(r"https?://[^/\s*]+", origin):
            raise InputError(f"--origin is '{origin}'.", "Give an address such as https://example.org.")
    limits = Limits(
        arguments.requests, arguments.video, _size(arguments.storage), arguments.waiting, arguments.keep,
        tuple(arguments.origin),
    )  # fmt: skip
    key, text = access.keys.create(arguments.name, arguments.scope or USUAL, limits, _end(arguments.expires))
    access.note(me, "key.create", key.id, detail={"name": key.name, "scopes": sorted(key.scopes)})
    print(text)
    print(f"This is the key '{key.name}' ({key.id}). It is shown this once: keep it.", flush=True)


def _change(access: Access, arguments: argparse.Namespace, me: Who) -> None:
    from visema.service.courier import key_secret

    match = re.match(r"vsm_([0-9a-f]{12})_", arguments.id)
    key_id = match[1] if match else arguments.id
    unknown = InputError(f"There is no key '{key_id}' that works.", "visema keys list shows them.")
    if arguments.what == "webhook":
        if access.keys.get(key_id) is None:
            raise unknown
        print(key_secret(access.secret, key_id))
        return
    if arguments.what == "rotate":
        text = access.keys.rotate(key_id)
        if text is None:
            raise unknown
        access.note(me, "key.rotate", key_id)
        print(text)
        print("The old one opens nothing any more. This one is shown this once: keep it.")
        return
    if not (access.keys.remove(key_id) if arguments.forget else access.keys.revoke(key_id)):
        raise unknown
    access.note(me, "key.forget" if arguments.forget else "key.revoke", key_id)
    print(f"{key_id} opens nothing any more.")


def _list(access: Access) -> None:
    keys = access.keys.list()
    for key in keys:
        state = "revoked" if key.revoked else "works" if key.works(time.time()) else "over"
        used = f"used {_time(key.used)}" if key.used else "not used"
        ends = f"ends {_time(key.expires)}" if key.expires else "never ends"
        limits = " ".join(f"{name}={value}" for name, value in key.limits.json().items())
        print(f"{key.id}  {state:<7}  {key.name}  [{','.join(sorted(key.scopes))}]  {ends}, {used}  {limits}".rstrip())
    if not keys:
        print("There are no keys. This machine's own user needs none; visema keys create NAME makes one.")


def _size(text: str | None) -> int | None:
    """Bytes of a size such as 20G.

    Raises:
        InputError: It is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().lower())
    if match is None or not float(match[1]):
        raise InputError(f"--storage is '{text}'.", "Give a size such as 500M or 20G.")
    return round(float(match[1]) * _SIZES[match[2]])


def _end(text: str | None) -> float | None:
    """When a key ends.

    Raises:
        InputError: It is no time.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)([hdwy])", text.strip().lower()):
        return time.time() + float(match[1]) * _SPANS[match[2]]
    try:
        end = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"--expires is '{text}'.", "Give 30d, 12h, 1y, or a date such as 2027-01-31.") from None
    return (end if end.tzinfo else end.replace(tzinfo=timezone.utc)).timestamp()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
