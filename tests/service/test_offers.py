"""Switches of what a server offers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.service.conftest import Server
from visema.errors import InputError
from visema.provenance import read_mark
from visema.web.offers import Offers, check_training

SWITCHES = {
    "VISEMA_DOCS": [("GET", "/docs"), ("GET", "/openapi.json"), ("HEAD", "/docs/ui.js")],
    "VISEMA_BATCH": [("POST", "/api/v1/batch")],
    "VISEMA_TRAINING": [("POST", "/api/v1/avatars/train")],
    "VISEMA_CLONING": [("POST", "/api/v1/voices/clone")],
    "VISEMA_LIVE": [("GET", "/live/player/page_view.js"), ("POST", "/api/v1/live"), ("GET", "/api/v1/live/stats")],
}
ALWAYS = [("GET", "/api/v1/avatars"), ("GET", "/api/v1/batch"), ("GET", "/health"), ("POST", "/api/v1/generate")]


def client() -> TestClient:
    app = FastAPI(docs_url=None, openapi_url=None)
    app.add_middleware(Offers)

    @app.websocket("/live/ws")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST"])
    async def anything(path: str) -> str:
        return path

    return TestClient(app)


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_is_switched_off_is_not_there(monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    with client() as everything:
        for method, path in [*ALWAYS, *SWITCHES[switch]]:
            assert everything.request(method, path).status_code == 200
    monkeypatch.setenv(switch, "0")
    with client() as less:
        for method, path in ALWAYS:
            assert less.request(method, path).status_code == 200
        for method, path in SWITCHES[switch]:
            answer = less.request(method, path, headers={"Accept-Language": "ru"})
            assert answer.status_code == 404
            if method != "HEAD":
                assert answer.json()["error"] == "not_offered" and "сервер" in answer.json()["detail"]


def test_the_live_socket_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    with client() as everything, everything.websocket_connect("/live/ws"):
        pass
    monkeypatch.setenv("VISEMA_LIVE", "0")
    with client() as less, pytest.raises(WebSocketDisconnect), less.websocket_connect("/live/ws"):
        pass


def test_avatars_of_visitors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_training()
    monkeypatch.setenv("VISEMA_TRAINING", "0")
    with pytest.raises(InputError, match="no avatars here"):
        check_training()


@pytest.mark.slow
def test_a_server_with_less(tmp_path: Path, photo: bytes) -> None:
    off = dict.fromkeys(SWITCHES, "0")
    command = (sys.executable, "app.py", "--offline", "--port")
    server = Server(tmp_path, env={**off, "VISEMA_MARK": "1", "VISEMA_ENV_FILE": ""}, command=command).start()
    try:
        for switch in SWITCHES.values():
            for method, path in switch:
                assert server.ask(method, path).status_code == 404
        job = server.begin(image=photo, text="Hi.", voice="espeak:en-us", resolution="160x160")
        assert server.over(job)["status"] == "completed"
        (tmp_path / "film.mp4").write_bytes(server.ask("GET", f"/download/{job}").content)
        mark = read_mark(tmp_path / "film.mp4")
        assert mark and mark.facts["visible_mark"] == "yes", "every film of such a server is marked"
        page = server.ask("GET", "/ui/config").json()
        shown = {part["props"].get("elem_id"): part["props"].get("visible") for part in page["components"]}
        assert shown["setup"] is False and shown["import"] is False and shown["save"] is True
    finally:
        server.stop()
