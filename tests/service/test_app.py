"""`app.py` as users start it: by Python and by gunicorn; its script and the examples of its documentation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.conftest import Server
from visema.paths import ROOT

DOCUMENT = ROOT / "docs" / "api.md"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The whole server, as ``python app.py`` starts it."""
    command = (sys.executable, "app.py", "--offline", "--port")
    running = Server(tmp_path_factory.mktemp("app"), command=command).start()
    yield running
    running.stop()
    assert "Traceback" not in running.said(), running.said()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photo: bytes, recording: bytes) -> Path:
    made = tmp_path_factory.mktemp("examples")
    (made / "face.jpg").write_bytes(photo)
    (made / "speech.wav").write_bytes(recording)
    return made


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_script_walks_the_api(app: Server, folder: Path) -> None:
    said = run("sh", str(ROOT / "test_api.sh"), app.address, "face.jpg", folder=folder)
    assert said.count("✓") == 14 and "✗" not in said, said
    wrong = subprocess.run(["sh", ROOT / "test_api.sh", "http://127.0.0.1:9"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "no answer" in wrong.stderr


def test_the_examples_of_the_documentation(app: Server, folder: Path) -> None:
    blocks = re.findall(r"```(sh|python)\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    for kind, code in blocks:
        here = code.replace("http://127.0.0.1:5000", app.address)
        if kind == "sh":
            run("bash", "-euc", here, folder=folder)
        else:
            run(sys.executable, "-c", here, folder=folder)
    for name in ("output.mp4", "python.mp4"):
        assert (folder / name).read_bytes()[4:8] == b"ftyp", name
    assert (folder / "beginning.mp4").stat().st_size == 1024


def test_browsers_go_to_the_page_and_others_get_json(app: Server) -> None:
    shown = app.ask("GET", "/", headers={"Accept": "text/html"})
    assert shown.status_code == 307 and shown.headers["location"] == "ui/"
    assert app.ask("GET", "/").json()["generate"] == "/generate"
    assert app.ask("GET", "/ui/").status_code == 200
    assert app.ask("GET", "/ui/config").status_code == 200, "Gradio's own"
    assert {"status", "version", "visitors", "queued", "running", "workers"} <= set(app.ask("GET", "/health").json())
    faces = app.ask("POST", "/preview", files=[("image", b"x")])
    assert faces.status_code == 422


def test_the_documentation_names_every_field() -> None:
    from visema.service.request import FIELDS

    text = DOCUMENT.read_text("utf-8")
    for name in FIELDS:
        assert f"`{name}`" in text, name


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="gunicorn is for POSIX")
def test_gunicorn_serves_it_with_several_processes(
    tmp_path_factory: pytest.TempPathFactory, app: Server, photo: bytes
) -> None:
    pytest.importorskip("gunicorn")
    command = (
        sys.executable, "-m", "gunicorn", "-w", "2", "-k", "uvicorn.workers.UvicornWorker", "app:app",
        "--timeout", "120", "--log-level", "warning", "-b",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("gunicorn")
    # The avatar of the stage is there already, as it is on every start but the first.
    (folder / "cache").symlink_to(app.folder / "cache")
    server = Server(folder, {"VISEMA_WORKERS": "1"}, command).start()
    try:
        sessions = [server.begin(image=photo, text="Hi.", voice="espeak:en-us") for _ in range(3)]
        for session in sessions:
            assert server.over(session)["status"] == "completed"
        assert len(server.workers()) == 1, "each process has workers of its own"
    finally:
        server.stop()
    assert not server.workers()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, app: Server) -> Iterator[Server]:
    """The whole server, as ``visema serve`` starts it, with settings of its environment."""
    folder = tmp_path_factory.mktemp("platform")
    (folder / "cache").symlink_to(app.folder / "cache")
    settings = {"VISEMA_OFFLINE": "1", "VISEMA_CORS_ORIGINS": "https://friend.example"}
    command = (sys.executable, "-m", "visema", "serve", "--origin", "https://embedder.example", "--port")
    running = Server(folder, settings, command).start()
    yield running
    running.stop()


def test_switched_off_in_the_settings_no_text_leaves_this_machine(platform: Server) -> None:
    said = platform.ask("POST", "/api/v1/tts", json={"text": "Hi.", "voice": "edge:en-US-JennyNeural"})
    assert "The network is switched off." in said.text


def test_sites_that_are_named_may_embed_the_live_view(platform: Server) -> None:
    for site, status in (
        ("https://friend.example", 201), ("https://embedder.example", 201), ("https://evil.example", 403),
    ):  # fmt: skip
        opened = platform.ask("POST", "/api/v1/live", json={}, headers={"Origin": site})
        assert opened.status_code == status, (site, opened.text)


def test_without_a_key_it_is_asked_by_the_names_of_those_sites_and_this_machines_alone(platform: Server) -> None:
    for host, status in (
        ("friend.example", 200), ("embedder.example:8443", 200), (f"localhost:{platform.port}", 200),
        (f"evil.example:{platform.port}", 403),
    ):  # fmt: skip
        for path in ("/ui/config", "/config", "/api/v1/jobs"):
            answer = platform.ask("GET", path, headers={"Host": host})
            assert answer.status_code == status, (host, path, answer.text[:300])
    embedded = platform.ask("POST", "/api/v1/live", json={}, headers={
        "Host": "friend.example", "Origin": "https://embedder.example",
    })  # fmt: skip
    assert embedded.status_code == 201, embedded.text
