"""Who may come in: every request of the server passes here first, also those of sockets, streams and the page.

Without any key this machine's own user is everybody who comes by loopback, as on a desktop, and asks for this machine
(`visema.web.hosts`). As soon as there is a key each address needs one, but for those that `visema.web.rules` opens.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse

from visema.live.requests import RequestError
from visema.message import Message
from visema.service.access import Access
from visema.service.keys import Key
from visema.service.limits import Allowance
from visema.service.who import Who
from visema.web.bodies import Bounded
from visema.web.film_errors import problem
from visema.web.hosts import check_host
from visema.web.live_gate import MAX_ADDRESSES, Bucket, netloc, same_host
from visema.web.rules import READS, Rule, rule_for
from visema.web.session import Sessions, cookies
from visema.web.streams import Watch
from visema.web.texts import preferred_language

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.types import Message as Event

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Wrong keys that one address may show: so many a second, after so many at once.
WRONG: Final = (0.2, 20.0)
#: A socket in a browser cannot set headers: it names its key among its protocols, and this one beside it.
PROTOCOL: Final = "visema"
_KEY_PROTOCOL: Final = "visema.key."
#: Who asks for what is open to everybody; nothing is theirs.
NOBODY: Final = "-"


class TooMany(RequestError):
    """A key has made its requests of this minute."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(
            "rate", Message("Your key may make {limit} requests a minute.", limit=allowance.limit),
            Message("Wait {seconds} s.", seconds=allowance.reset_s), 429,
        )  # fmt: skip
        self.headers = {**allowance.headers(), "Retry-After": str(allowance.reset_s)}


class Door:
    """The middleware.

    Args:
        app: What answers.
        access: Who may come in.
        sessions: The cookies of those who logged in.
        hosts: Names by which it may be asked while there is no key, beside this machine's own.
    """

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions, hosts: frozenset[str] = frozenset()) -> None:
        self._app, self._access, self._keys, self._sessions = app, access, access.keys, sessions
        self._hosts = hosts
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="keys")
        self._asking: dict[str, asyncio.Future[Any]] = {}
        self._wrong: OrderedDict[str, Bucket] = OrderedDict()
        self._watch = Watch(self._still_works)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let who answers it know who asks."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        method = "WS" if scope["type"] == "websocket" else scope["method"]
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        rule, target = rule_for(method, path)
        try:
            key, who = await self._enter(scope, headers, method, rule)
            more = await self._count(key) if key and rule.counted else {}
        except RequestError as e:
            await self._refuse(scope, receive, send, headers, e, path)
            return
        scope.setdefault("state", {})["who"] = who
        if scope["type"] == "websocket":
            await self._pass(key, scope, receive, _agreeing(scope, send))
            return
        own = key is not None and not rule.crosses
        bounded = Bounded(receive, send, headers, rule.body, private=key is not None, own=own, more=more)
        try:
            await self._pass(key, scope, bounded.receive, bounded.send)
        finally:
            if rule.action:
                await self._note(who, rule.action, target or bounded.made, bounded.status)

    async def _pass(self, key: Key | None, scope: Scope, receive: Receive, send: Send) -> None:
        if key is None:
            await self._app(scope, receive, send)
        else:
            await self._watch.run(key, self._app, scope, receive, send)

    async def _note(self, who: Who, action: str, target: str, status: int) -> None:
        """Write down what was done; its answer is on its way."""
        outcome = "ok" if 200 <= status < 400 else "failed" if status >= 500 or not status else "refused"
        detail = None if outcome == "ok" else {"status": status}
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._access.note, who, action, target, outcome, detail)

    # -- who asks -------------------------------------------------------------------------------------------------

    async def _enter(self, scope: Scope, headers: Headers, method: str, rule: Rule) -> tuple[Key | None, Who]:
        """Who asks, with which key.

        Raises:
            RequestError: They may not.
        """
        address = _address(scope)
        if rule.open or (rule.crosses and _asks_leave(method, headers)):
            return None, Who(NOBODY, "", frozenset(), address)
        try:
            needed = self._access.required or await self._needed()
        except SQLAlchemyError as e:
            raise _away(e) from e
        if not needed:
            if _beyond(scope):
                raise RequestError(
                    "key_needed",
                    Message("This server can be reached by others, and has no key yet."),
                    Message("Who runs it makes one by: visema keys create NAME."),
                    403,
                )
            check_host(scope, headers, self._hosts)
            return None, Who(address=address)
        shown = key_shown(headers)
        if shown:
            key = await self._find(shown, address)
            if key.limits.origins:
                _check_origin(headers, key)
        else:
            key = await self._of_cookie(headers, method)
        who = key.who(address)
        if rule.scopes and not any(map(who.may, rule.scopes)):
            raise forbidden(" or ".join(rule.scopes))
        return key, who

    async def _needed(self) -> bool:
        if self._keys.knows_whether_needed():
            return self._keys.needed
        return await self._once("", lambda: self._keys.needed)

    async def _find(self, shown: str, address: str) -> Key:
        try:
            if self._keys.remembers(shown):
                key = self._keys.find(shown)
            else:
                key = await self._once(shown, lambda: self._keys.find(shown))
        except SQLAlchemyError as e:
            raise _away(e) from e
        if key is not None:
            return key
        if not self._bucket(address).take():
            raise RequestError(
                "flood", Message("Your address shows too many wrong keys."), Message("Wait a minute."), 429
            )
        raise RequestError(
            "wrong_key", Message("That key does not open anything here."),
            Message("It may be mistyped, revoked or over; ask who runs the server."), 401,
        )  # fmt: skip

    async def _of_cookie(self, headers: Headers, method: str) -> Key:
        key_id, ends, signature = self._sessions.key_of(cookies(headers).get(self._sessions.name, ""))
        key: Key | None = None
        if key_id:
            try:
                key = await self._once(f"id {key_id}", lambda: self._keys.get(key_id))
            except SQLAlchemyError as e:
                raise _away(e) from e
        if key is None or not self._sessions.holds(key, ends, signature):
            raise RequestError(
                "key_needed", Message("This needs a key."),
                Message("Send it as 'Authorization: Bearer <key>', or log in at /login."), 401,
            )  # fmt: skip
        if method not in READS:
            check_same_site(headers)
        return key

    async def _once(self, name: str, ask: Callable[[], T]) -> T:
        """Ask the database in a thread; who asks the same meanwhile gets the same answer."""
        asked = self._asking.get(name)
        if asked is None:
            loop = asyncio.get_running_loop()
            asked = self._asking[name] = loop.run_in_executor(self._threads, ask)
            asked.add_done_callback(lambda _: self._asking.pop(name, None))
        found: T = await asyncio.shield(asked)
        return found

    async def _still_works(self, key_id: str) -> bool:
        key = await self._once(f"id {key_id}", lambda: self._keys.get(key_id))
        return key is not None and key.works(time.time())

    def _bucket(self, address: str) -> Bucket:
        bucket = self._wrong.get(address)
        if bucket is None:
            bucket = self._wrong[address] = Bucket(*WRONG)
            while len(self._wrong) > MAX_ADDRESSES:
                self._wrong.popitem(last=False)
        return bucket

    async def _count(self, key: Key) -> dict[str, str]:
        """Count a request; the headers that tell of the limit.

        Raises:
            TooMany: The key has made those of this minute.
        """
        meter = self._access.meter
        try:
            while (allowance := meter.take(key)) is None:
                await self._once(f"count {key.id}", functools.partial(meter.refill, key))
            if meter.flush_is_due:
                await self._once("flush", meter.flush)
        except SQLAlchemyError as e:
            raise _away(e) from e
        if not allowance.granted:
            raise TooMany(allowance)
        return allowance.headers() if allowance.limit else {}

    # -- who may not ----------------------------------------------------------------------------------------------

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, error: RequestError, path: str
    ) -> None:
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": error.what[:100]})
            return
        http = scope["type"] == "http"
        reads = http and scope["method"] in READS and "text/html" in headers.get("accept", "")
        if reads and error.status == 401:
            query = scope.get("query_string", b"").decode("latin-1")
            asked = quote(path + (f"?{query}" if query else ""), safe="/")
            answer: Any = RedirectResponse(f"{'../' * (path.count('/') - 1)}login?next={asked}", 303)
        else:
            found = problem(error.code, error, preferred_language(headers.get("accept-language", "")))
            more = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
            if error.status == 401:
                more["WWW-Authenticate"] = 'Bearer realm="visema"'
            if error.status in (429, 503):
                more["Retry-After"] = "60" if error.status == 429 else "5"
            if isinstance(error, TooMany):
                more |= error.headers
            answer = JSONResponse(found, error.status, more)
        if not http:
            await receive()
            await _deny(send, answer)
            return
        await answer(scope, receive, send)


def key_shown(headers: Mapping[str, str]) -> str:
    """The key that a request carries; empty where it carries none."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if own := headers.get("x-api-key", "").strip():
        return own
    for protocol in headers.get("sec-websocket-protocol", "").split(","):
        if protocol.strip().startswith(_KEY_PROTOCOL):
            return protocol.strip().removeprefix(_KEY_PROTOCOL)
    return ""


def forbidden(scope: str) -> RequestError:
    """The error for a key that does not allow something."""
    return RequestError(
        "forbidden", Message("Your key does not allow this."), Message("It needs the scope {scope}.", scope=scope), 403
    )


def check_same_site(headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site lets a browser send with its cookies.

    Raises:
        RequestError: It is one.
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    hosts = {host, *headers.get("x-forwarded-host", "").replace(" ", "").split(",")} - {""}
    other = origin is not None and not any(same_host(netloc(origin), origin, name) for name in hosts)
    if other or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise RequestError(
            "origin", Message("Pages of other sites may not do this."), Message("Open this server's own page."), 403
        )


def _check_origin(headers: Mapping[str, str], key: Key) -> None:
    origin = headers.get("origin", "")
    if not origin or netloc(origin) not in {netloc(known) for known in key.limits.origins}:
        raise RequestError(
            "origin", Message("This key is for pages of other sites."),
            Message("Who runs the server can name this one with the key."), 403,
        )  # fmt: skip


def _asks_leave(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks what a page may send; it does so without any key."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _beyond(scope: Scope) -> bool:
    """Whether a request came in by an address that others reach."""
    server = scope.get("server")
    try:
        own = ipaddress.ip_address(str(server[0]).partition("%")[0]) if server else None
    except ValueError:  # a socket in the file system, or a name that a test gives
        return False
    if isinstance(own, ipaddress.IPv6Address):
        own = own.ipv4_mapped or own
    return own is not None and not own.is_loopback


def _away(error: SQLAlchemyError) -> RequestError:
    log.error("The keys cannot be read: %s", error)
    return RequestError(
        "busy", Message("The server's database does not answer."), Message("Try again in a minute."), 503
    )


def _agreeing(scope: Scope, send: Send) -> Send:
    """``send``, which for a socket that named protocols agrees to ours, or the browser would close it."""
    if PROTOCOL not in scope.get("subprotocols", ()):
        return send

    async def agree(event: Event) -> None:
        if event["type"] == "websocket.accept" and not event.get("subprotocol"):
            event = {**event, "subprotocol": PROTOCOL}
        await send(event)

    return agree


async def _deny(send: Send, answer: JSONResponse) -> None:
    """Answer a socket's handshake by HTTP."""
    await send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
