"""OWASP API8, security misconfiguration: headers, other sites' pages, errors that tell too much, an open door."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.guarded import Guarded
from tests.service.conftest import free_port, until
from visema.errors import InputError
from visema.paths import ROOT
from visema.service.keys import Keys, Limits
from visema.service.store import JobStore
from visema.web.door import _beyond
from visema.web.server import check_keys


def test_headers(guarded: Guarded, anna: str) -> None:
    for path in ("/", "/config", "/api/v1/jobs", "/status/x", "/nothing", "/login", "/health", "/ui/"):
        answer = guarded.ask("GET", path, anna)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "same-origin", path
    for path in ("/api/v1/jobs", "/api/v1/usage", "/status/x", "/login"):
        assert "no-store" in guarded.ask("GET", path, anna).headers["cache-control"], path
    loops = guarded.ask("GET", "/live/opus-probe.ogg", anna).headers["cache-control"]
    assert "private" in loops and "public" not in loops, "a shared cache would give it to those without a key"


def test_pages_of_other_sites_read_nothing(guarded: Guarded, anna: str) -> None:
    for path in ("/config", "/api/v1/jobs", "/status/x", "/health", "/ui/", "/live/opus-probe.ogg"):
        answer = guarded.ask("GET", path, anna, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers, path
        assert "access-control-allow-credentials" not in answer.headers
    for path in ("/generate", "/api/v1/generate", "/api/v1/live"):
        answer = guarded.ask("POST", path, anna, json={}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403, (path, answer.text)


def test_errors_tell_nothing_of_the_inside(guarded: Guarded, anna: str, boss: str) -> None:
    asked = [
        ("GET", "/status/%00"), ("GET", "/status/" + "a" * 3000), ("POST", "/generate"), ("GET", "/live/nobody"),
        ("GET", "/avatars/nobody.zip"), ("GET", "/api/v1/avatars/nobody"), ("GET", "/api/v1/jobs?cursor=%00"),
        ("POST", "/api/v1/tts"), ("GET", "/live/loops/nobody/x.vlp"), ("POST", "/ui/gradio_api/queue/join"),
        ("GET", "/ui/gradio_api/file=/x"), ("POST", "/api/v1/live"), ("GET", "/live/mjpeg/nobody"), ("GET",
        "/nothing"),
    ]  # fmt: skip
    for key in (anna, boss):
        for method, path in asked:
            answer = guarded.ask(method, path, key, **({"content": b"{"} if method == "POST" else {}))
            assert answer.status_code < 500, (path, answer.text)
            for inside in (
                "Traceback",
                'File "',
                "site-packages",
                str(guarded.folder),
                str(ROOT),
                "sqlalchemy",
                "sqlite",
            ):
                assert inside not in answer.text, (path, answer.text)


def test_the_description_needs_a_key_too(guarded: Guarded, anna: str) -> None:
    for path in ("/docs", "/openapi.json", "/ui/config", "/ui/gradio_api/info", "/metrics"):
        assert guarded.ask("GET", path).status_code == 401, path
    assert guarded.ask("GET", "/openapi.json", anna).status_code == 200
    page = guarded.ask("GET", "/docs", anna)
    assert page.status_code == 200 and "cdn" not in page.text.lower()


def start(folder: Path, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VISEMA_")}
    return subprocess.run(
        command, cwd=ROOT, env={**clean, "VISEMA_OUTPUTS": str(folder), **env}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("command", [
    ("video.py", "--ui", "--headless", "--host", "0.0.0.0"), ("app.py", "--host", "::"), ("-m", "visema", "serve",
    "--host", "0.0.0.0"),
])  # fmt: skip
def test_others_are_not_served_without_a_key(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = start(tmp_path, sys.executable, *command, "--port", str(free_port()))
    assert done.returncode == 2 and "no key" in done.stderr and "visema keys create" in done.stderr, done.stderr


def test_a_key_that_works_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISEMA_OUTPUTS", str(tmp_path))
    monkeypatch.delenv("VISEMA_API_KEY", raising=False)
    with pytest.raises(InputError):
        check_keys()
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    keys = Keys(store.engine)
    made, _ = keys.create("a", ["admin"])
    check_keys()
    keys.revoke(made.id)
    with pytest.raises(InputError):
        check_keys()
    store.close()
    monkeypatch.setenv("VISEMA_API_KEY", "short")
    with pytest.raises(InputError):
        check_keys()
    monkeypatch.setenv("VISEMA_API_KEY", "long-enough-and-random-123")
    check_keys()


def test_required_keys_under_another_server(tmp_path: Path, avatar_cache: Path) -> None:
    import shutil

    pytest.importorskip("gunicorn")
    shutil.copytree(avatar_cache, tmp_path / "cache")
    port = free_port()
    command = (
        sys.executable,
        "-m",
        "gunicorn",
        "-k",
        "uvicorn.workers.UvicornWorker",
        "app:app",
        "-b",
        f"127.0.0.1:{port}",
    )
    env = {"VISEMA_CACHE": str(tmp_path / "cache"), "VISEMA_OFFLINE": "1", "VISEMA_REQUIRE_KEY": "1"}
    refused = start(tmp_path / "outputs", *command, **env)
    assert refused.returncode and "no key" in refused.stderr, refused.stderr[-2000:]
    key = "a key that only this test knows"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VISEMA_")}
    with (tmp_path / "log").open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=out,
            env={**clean, **env, "VISEMA_OUTPUTS": str(tmp_path / "outputs"), "VISEMA_API_KEY": key},
        )  # fmt: skip
    try:

        def answers() -> bool:
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).is_success
            except httpx.TransportError:
                return False

        until(answers, "gunicorn to answer")
        assert httpx.get(f"http://127.0.0.1:{port}/config", timeout=60).status_code == 401
        assert httpx.get(f"http://127.0.0.1:{port}/config", headers={"X-API-Key": key}, timeout=60).status_code == 200
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert key not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("server", "beyond"), [
    (("127.0.0.1", 80), False), (("::1", 80), False), (("127.8.8.8", 80), False), (("::ffff:127.0.0.1", 80), False),
    (("192.168.1.5", 80), True), (("10.0.0.1", 80), True), (("::ffff:10.0.0.1", 80), True),
    (("fe80::1%eth0", 80), True),
    (("2001:db8::1", 80), True), (("/run/app.sock", None), False), (("testserver", 80), False), (None, False),
])  # fmt: skip
def test_without_a_key_only_loopback_is_served(server: tuple[str, int] | None, beyond: bool) -> None:
    assert _beyond({"server": server}) is beyond


def test_limits_of_a_key_are_what_was_said(guarded: Guarded) -> None:
    text = guarded.key("told", "films", "read", limits=Limits(requests_per_minute=500, max_waiting=3))
    told = guarded.ask("GET", "/api/v1/usage", text).json()
    assert told["limits"] == {"requests_per_minute": 500, "max_waiting": 3}
