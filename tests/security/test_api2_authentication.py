"""OWASP API2, broken authentication, and API9, forgotten addresses: every address of the server wants a key."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.guarded import Guarded
from tests.service.conftest import until
from visema.service.keys import Keys
from visema.web.rules import OTHERWISE, RULES, rule_for

#: What everybody may ask for; nothing of anybody's is there.
OPEN = {
    ("GET", "/health"), ("GET", "/ready"), ("GET", "/favicon.ico"), ("GET", "/login"), ("POST", "/login"),
    ("POST", "/logout"), ("GET", "/live/player/{name}.js"), ("GET", "/live/embed.js"),
    ("GET", "/files/{name:path}"), ("GET", "/files/{name}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def routes(avatar_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Every address of the application, Gradio's among them."""
    from visema.avatar import Avatar
    from visema.service.settings import Settings
    from visema.web.app import create_app

    avatar = Avatar.load(next(path.parent for path in avatar_cache.glob("*/avatar.json")))
    app = create_app(avatar, cache=avatar_cache, offline=True, films=Settings(folder=tmp_path_factory.mktemp("films")))
    found = set(_routes(app.routes, ""))
    app.state.desk.close()
    app.state.house.close()
    return found


def _routes(routes: Any, before: str) -> Iterator[tuple[str, str]]:
    for route in routes:
        path = before + (getattr(route, "path", "") or "")
        if hasattr(route, "effective_candidates"):  # a router that was included; FastAPI keeps it whole
            yield from _routes(route.effective_candidates(), before)
        elif getattr(route, "routes", None):
            yield from _routes(route.routes, path)
        else:
            methods = getattr(getattr(route, "original_route", route), "methods", None)
            yield from ((method, path) for method in (methods or {"WS"}) - {"HEAD"})


def test_every_route_needs_a_key_unless_it_is_listed(guarded: Guarded, routes: set[tuple[str, str]]) -> None:
    assert len(routes) > 90 and {("WS", "/live/ws"), ("POST", "/ui/gradio_api/queue/join")} <= routes
    forgotten = []
    with httpx.Client(base_url=guarded.address, timeout=30) as client:
        for method, path in sorted(routes - OPEN):
            concrete = re.sub(r"\{[^}]*\}", "x", path) or "/"
            if method == "WS":
                with pytest.raises(InvalidStatus) as refused:
                    connect(guarded.address.replace("http", "ws") + concrete)
                assert refused.value.response.status_code == 401
                continue
            answer = client.request(method, concrete)
            if answer.status_code != 401:
                forgotten.append((method, concrete, answer.status_code))
            assert "Traceback" not in answer.text
    assert not forgotten
    for method, path in routes & OPEN:
        if "{" not in path:
            assert guarded.ask(method, path).status_code not in (401, 500), path


def test_every_route_has_a_rule_of_its_own(routes: set[tuple[str, str]]) -> None:
    unthought = [(m, p) for m, p in routes if rule_for(m, re.sub(r"\{[^}]*\}", "x", p) or "/")[0] is OTHERWISE]
    assert not unthought, "these fall to the administrator alone: give them a rule"
    assert {rule.path.pattern for rule in RULES if rule.open} >= {"/login", "/logout"}


def test_an_address_that_is_not_there_does_not_say_so_to_strangers(guarded: Guarded, anna: str, boss: str) -> None:
    for path in (
        "/nothing",
        "/ui/../etc/passwd",
        "//ui",
        "/UI/",
        "/%2e%2e/",
        "/status",
        "/api/v1/nothing",
        "/metrics/x",
    ):
        assert guarded.ask("GET", path).status_code == 401, path
    assert guarded.ask("GET", "/nothing", anna).status_code == 403
    assert guarded.ask("GET", "/nothing", boss).status_code == 404


@pytest.mark.parametrize("shown", [
    "", "x", "vsm_", "vsm_000000000000_" + "a" * 43, "' OR 1=1 --", "vsm_%00_", "a" * 7000, "null", "Bearer",
])  # fmt: skip
def test_wrong_keys(guarded: Guarded, shown: str) -> None:
    for headers in ({"Authorization": f"Bearer {shown}".strip()}, {"X-API-Key": shown}):
        answer = guarded.ask("GET", "/config", headers=headers)
        assert answer.status_code in (401, 429) and answer.json()["error"] in ("key_needed", "wrong_key", "flood")
        assert answer.headers["www-authenticate"].startswith("Bearer") or answer.status_code == 429


def test_a_key_is_taken_as_a_header_and_nowhere_else(guarded: Guarded, anna: str) -> None:
    assert guarded.ask("GET", "/config", anna).status_code == 200
    assert guarded.ask("GET", "/config", headers={"X-API-Key": anna}).status_code == 200
    assert guarded.ask("GET", "/config", headers={"Authorization": f"bearer {anna}"}).status_code == 200
    # An address lands in logs, in histories and in the Referer.
    assert guarded.ask("GET", f"/config?key={anna}&api_key={anna}&access_token={anna}").status_code == 401
    assert guarded.ask("GET", "/config", headers={"Cookie": f"key={anna}; visema={anna}"}).status_code == 401


def test_a_revoked_key_opens_nothing_within_two_seconds(guarded: Guarded) -> None:
    text = guarded.key("short", "live", "read")
    assert guarded.ask("GET", "/config", text).status_code == 200
    Keys(guarded.store.engine).revoke(text[4:16])
    revoked = time.monotonic()
    until(lambda: guarded.ask("GET", "/config", text).status_code == 401, "the key to end", 10)
    assert time.monotonic() - revoked < 5, "believed for a second; the rest is a busy machine's"


def test_a_revoked_key_ends_its_sockets(guarded: Guarded) -> None:
    text = guarded.key("watcher", "live")
    url = guarded.address.replace("http", "ws") + "/live/ws"
    with connect(url, subprotocols=["visema", f"visema.key.{text}"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "visema", "the key itself is not said again"
        socket.send('{"type":"hello","version":1,"audio":["pcm"]}')
        first = socket.recv(timeout=30)
        assert "error" not in str(first)[:20]
        Keys(guarded.store.engine).revoke(text[4:16])
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=20)
        assert closed.value.rcvd and closed.value.rcvd.code == 1008
    with pytest.raises(InvalidStatus):
        connect(url, additional_headers={"X-API-Key": text})


def test_the_answer_takes_as_long_for_keys_that_are_known_and_those_that_are_not(guarded: Guarded) -> None:
    keys = Keys(guarded.store.engine)
    known = guarded.key("timed", "live")
    near, far = known[:-1] + ("a" if known[-1] != "a" else "b"), known[:17] + "a" * 43
    unknown = f"vsm_{'0' * 12}_{known[17:]}"

    def took(text: str) -> float:
        begin = time.perf_counter()
        for _ in range(20):
            keys.find(text)
        return time.perf_counter() - begin

    times: dict[str, list[float]] = {near: [], far: [], unknown: []}
    for _ in range(300):
        for text in times:
            times[text].append(took(text))
    # Interleaved, and the quicker half of each: what another program did to the machine is not counted.
    middle = [statistics.median(sorted(found)[:150]) for found in times.values()]
    assert max(middle) / min(middle) < 1.5, middle


def test_the_hash_is_compared_whole(monkeypatch: pytest.MonkeyPatch, guarded: Guarded) -> None:
    from visema.service import keys as module

    compared: list[int] = []
    real = module.hmac.compare_digest
    monkeypatch.setattr(module.hmac, "compare_digest", lambda a, b: compared.append(len(a)) or real(a, b))
    keys = Keys(guarded.store.engine)
    keys.find(f"vsm_{'0' * 12}_{'a' * 43}")
    keys.find(guarded.key("timed", "live"))
    assert compared == [64, 64], "unknown ids are compared too"
