"""A page of another site whose name leads to this machine: without a key only this machine's names are answered."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.datastructures import Headers
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.site import Site
from visema.live.requests import RequestError
from visema.service.keys import Keys
from visema.service.store import JobStore
from visema.web.entrance import add_door
from visema.web.hosts import check_host, host_of, hosts_of, is_this_machine

NAMED = ("*", "https://avatar.example:8443", "http://Other.Example.")


@pytest.mark.parametrize(("header", "host"), [
    ("localhost", "localhost"), ("LocalHost:7860", "localhost"), ("localhost.:7860", "localhost"), ("[::1]", "::1"),
    ("[::1]:7860", "::1"), ("127.0.0.1:", "127.0.0.1"), (" evil.example:7860 ", "evil.example"), ("", ""), (":80", ""),
    ("::1", ""), ("localhost@evil.example", ""), ("evil.example/localhost", ""), ("localhost, evil.example", ""),
    ("localhost:x", ""), ("[evil]", ""), ("a b", ""), ("localhost\\evil.example", ""),
])  # fmt: skip
def test_the_name_in_a_header(header: str, host: str) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize(("host", "own"), [
    ("localhost", True), ("films.localhost", True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True),
    ("::ffff:127.0.0.1", True), ("evil.example", False), ("localhost.evil.example", False), ("notlocalhost", False),
    ("127.0.0.1.evil.example", False), ("192.168.1.5", False), ("::ffff:10.0.0.1", False), ("0.0.0.0", False),
    ("", False),
])  # fmt: skip
def test_names_of_this_machine(host: str, own: bool) -> None:
    assert is_this_machine(host) is own


@pytest.mark.parametrize(("hosts", "version", "good"), [
    (["localhost:7860"], "1.1", True), (["avatar.example"], "1.1", True), (["AVATAR.example.:9"], "1.1", True),
    (["other.example"], "1.1", True), (["evil.example"], "1.1", False), (["evil.avatar.example"], "1.1", False),
    (["*"], "1.1", False), ([""], "1.1", False), ([], "1.1", False), ([], "1.0", True),
    (["evil.example"], "1.0", False), (["localhost", "evil.example"], "1.1", False),
])  # fmt: skip
def test_who_is_let_in(hosts: list[str], version: str, good: bool) -> None:
    headers = Headers(raw=[(b"host", host.encode()) for host in hosts])
    try:
        check_host({"http_version": version}, headers, hosts_of(NAMED))
    except RequestError as e:
        assert not good and e.status == 403 and "visema keys create" in e.hint and "VISEMA_CORS_ORIGINS" in e.hint
    else:
        assert good


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    """An application behind the door, without a key."""
    for name in ("VISEMA_API_KEY", "VISEMA_REQUIRE_KEY"):
        monkeypatch.delenv(name, raising=False)
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    app = FastAPI()
    app.state.keys = Keys(add_door(app, store.engine, tmp_path, NAMED).engine)

    @app.websocket("/live/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def anything(path: str) -> str:
        return path

    yield app
    store.close()


def asking(app: FastAPI, host: str) -> TestClient:
    return TestClient(app, base_url=f"http://{host}")


def test_a_name_that_was_made_to_lead_here_opens_nothing(app: FastAPI) -> None:
    evil = asking(app, "evil.example:7860")
    for headers in ({}, {"Origin": "http://evil.example:7860"}, {"X-Forwarded-Host": "localhost"}):
        for method, path in (
            ("GET", "/api/v1/jobs"),
            ("POST", "/api/v1/generate"),
            ("GET", "/ui/"),
            ("GET", "/config"),
        ):
            answer = evil.request(method, path, headers=headers)
            assert answer.status_code == 403 and answer.json()["error"] == "host", (method, path, answer.text)
            assert "evil.example:7860" in answer.json()["detail"]
    with pytest.raises(WebSocketDisconnect), evil.websocket_connect("ws://evil.example:7860/live/ws"):
        pass
    told = evil.get("/config", headers={"Accept-Language": "ru"}).json()
    assert "компьютеру" in told["detail"] and "ИМЯ" in told["hint"]
    assert evil.get("/health").status_code == 200, "open to everybody, by any name"


@pytest.mark.parametrize(
    "host", ["localhost:7860", "127.0.0.1:7860", "[::1]:7860", "avatar.example", "avatar.example:9"]
)
def test_this_machines_names_and_those_of_the_settings_do(app: FastAPI, host: str) -> None:
    visitor = asking(app, host)
    assert visitor.get("/config").status_code == 200
    with visitor.websocket_connect(f"ws://{host}/live/ws"):
        pass


def test_with_a_key_every_name_will_do(app: FastAPI) -> None:
    text = app.state.keys.create("a", ["admin"])[1]
    public = asking(app, "films.example")
    assert public.get("/config").status_code == 401
    assert public.get("/config", headers={"X-API-Key": text}).status_code == 200


def raw(site: Site, request: str) -> bytes:
    """What the server says to a request as it is written."""
    base = httpx.URL(site.address)
    with socket.create_connection((base.host, base.port or 80), timeout=30) as line:
        line.sendall(request.encode())
        answer = b""
        while part := line.recv(65536):
            answer += part
    return answer


def test_the_whole_server(site: Site) -> None:
    base = httpx.URL(site.address)
    evil = f"evil.example:{base.port}"
    for path in ("/", "/ui/", "/ui/config", "/config", "/api/v1/avatars", "/poster.jpg", "/live/opus-probe.ogg"):
        answer = httpx.get(base.join(path), headers={"Host": evil}, timeout=60)
        assert answer.status_code == 403 and answer.json()["error"] == "host", (path, answer.text[:200])
    body: dict[str, Any] = {"json": {"text": "Hi."}, "headers": {"Host": evil, "Origin": f"http://{evil}"}}
    assert httpx.post(base.join("/api/v1/generate"), **body, timeout=60).status_code == 403
    for host in (f"localhost:{base.port}", f"a.localhost:{base.port}"):
        assert httpx.get(base.join("/ui/config"), headers={"Host": host}, timeout=60).status_code == 200
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{base.host}:{base.port}/live/ws", additional_headers={"Origin": f"http://{evil}"}).close()
    assert refused.value.response.status_code == 403
    assert raw(site, "GET /config HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    answered = raw(site, f"GET /live/ws HTTP/1.1\r\nHost: {evil}\r\nOrigin: http://{evil}\r\n{upgrade}")
    assert answered.startswith(b"HTTP/1.1 403") and json.loads(answered.partition(b"\r\n\r\n")[2])["error"] == "host"
