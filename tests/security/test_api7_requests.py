"""OWASP API7, server side request forgery: the server asks for no address that a user names, but for webhooks.

What the courier refuses when it connects is in `tests/service/test_webhooks.py`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.guarded import Guarded
from tests.service.test_webhooks import PRIVATE


@pytest.fixture
def trap() -> Iterator[tuple[str, list[bytes]]]:
    """An address of this machine, and what was ever sent to it."""
    heard: list[bytes] = []
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    listener.settimeout(0.2)
    over = threading.Event()

    def listen() -> None:
        while not over.is_set():
            try:
                line, _ = listener.accept()
            except OSError:
                continue
            with line:
                line.settimeout(1)
                heard.append(line.recv(4096))

    thread = threading.Thread(target=listen)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/x", heard
    over.set()
    thread.join()
    listener.close()


@pytest.mark.parametrize("host", [host for host in PRIVATE if host.isascii()])
def test_webhooks_of_private_networks_are_refused(guarded: Guarded, anna: str, host: str) -> None:
    for path, body in (
        ("/api/v1/generate", {"text": "Hi.", "voice": "espeak:en-us"}),
        ("/api/v1/batch", {"items": [{"text": "Hi.", "voice": "espeak:en-us"}]}),
    ):
        answer = guarded.ask("POST", path, anna, json={**body, "webhook": f"http://{host}/hooks"})
        assert answer.status_code == 422, (path, answer.text)
        assert guarded.ask("GET", "/api/v1/jobs?state=queued", anna).json()["jobs"] == [] or host not in str(
            answer.text
        )


def test_nothing_else_that_is_sent_is_fetched(
    guarded: Guarded, anna: str, trap: tuple[str, list[bytes]], photo: bytes, recording: bytes
) -> None:
    url, heard = trap
    playlist = f"#EXTM3U\n#EXTINF:1,\n{url}\n".encode()
    concat = f"ffconcat version 1.0\nfile {url}\n".encode()
    sdp = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\na=control:{url}\n".encode()
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'.encode()
    xml = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{url}">]><a>&x;</a>'.encode()
    for path in ("/generate", "/api/v1/generate"):
        for bad in (playlist, concat, sdp, svg, xml, url.encode()):
            assert guarded.ask("POST", path, anna, files=[("image", photo), ("audio", bad)]).status_code == 422
            assert guarded.ask("POST", path, anna, files=[("image", bad), ("audio", recording)]).status_code == 422
    for body in ({"text": url, "voice": url}, {"text": "Hi.", "avatar": url}, {"text": "Hi.", "image": url}):
        assert guarded.ask("POST", "/api/v1/generate", anna, json=body).status_code in (404, 422), body
    spoken = guarded.ask("POST", "/api/v1/tts", anna, json={"text": f"See {url}.", "voice": "espeak:en-us"})
    assert spoken.status_code == 200
    for path in (f"/ui/gradio_api/file={url}", f"/ui/gradio_api/proxy={url}", f"/ui/gradio_api/stream/{url}"):
        assert guarded.ask("GET", path, anna).status_code in (400, 403, 404, 422), path
    assert not heard


def test_files_of_this_machine_are_not_given_out(guarded: Guarded, anna: str) -> None:
    secret = guarded.folder / "outputs" / "secret"
    assert secret.is_file()
    wanted = secret.read_bytes()
    paths = [
        f"/ui/gradio_api/file={secret}", "/ui/gradio_api/file=/etc/passwd", "/ui/static/../../../etc/passwd",
        "/ui/assets/..%2f..%2f..%2f..%2fetc/passwd", "/download/..%2fsecret", "/download/%2e%2e%2fsecret",
        "/api/v1/video/..%2fsecret", "/api/v1/video/secret", "/download/secret", "/avatars/..%2f..%2foutputs.zip",
        "/avatars/../outputs/secret.png", "/live/player/..%2f..%2fapp.js", "/live/player/../../app.py",
        "/files/secret",
        "/files/..%2fsecret", "/files/../secret?expires=9999999999&signature=x", "/film/..%2fpage.js",
        "/files/jobs.db",
        "/live/loops/..%2f..%2foutputs/secret.vlp", "/stage/x/saved/..%2f..%2fsecret",
        "/api/v1/avatars/..%2f..%2fx/thumbnail.png",
    ]  # fmt: skip
    for path in paths:
        answer = guarded.ask("GET", path, anna)
        assert answer.status_code in (400, 403, 404, 405, 410, 422), (path, answer.status_code)
        assert wanted not in answer.content and b"root:" not in answer.content, path
