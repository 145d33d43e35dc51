"""OWASP API10, unsafe consumption of APIs: a cloud voice that answers like an enemy harms nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from visema.errors import VoiceError
from visema.speech.speak import speak

Answer = Callable[[BaseHTTPRequestHandler], None]


def plain(body: bytes, kind: str = "application/json", status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "audio/wav")
    handler.end_headers()
    begun = time.monotonic()
    while time.monotonic() - begun < 60:
        handler.wfile.write(b"\0" * (1 << 20))


def closes(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")


HOSTILE: dict[str, Answer] = {
    "nothing": plain(b""), "a page": plain(b"<script>alert(1)</script>", "text/html"),
    "deep": plain(b"[" * 100_000), "wrong": plain(b'{"audio_base64": {"$ref": "file:///etc/passwd"}}'),
    "numbers": plain(b'{"audio_base64": "AAAA", "alignment": {"character_start_times_seconds": [1e999]}}'),
    "noise": plain(b"\x01\x02\x03" * 1000, "audio/wav"),
    "promises": plain(b"RIFF\xff\xff\xff\xffWAVEfmt ", "audio/wav"),
    "a playlist": plain(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "audio/mpegurl"),
    "elsewhere": plain(b"", status=302, Location="http://169.254.169.254/latest/meta-data/"),
    "a bomb": plain(b"\x1f\x8b" + b"\0" * 64, "audio/wav", Content_Encoding="gzip"), "half": closes,
    "an error page": plain(b"secret of the service " * 5000, "text/html", 500), "endless": endless,
}  # fmt: skip


@pytest.fixture
def enemy() -> Iterator[tuple[str, dict[str, Any]]]:
    """A service that answers as it likes, and what it does."""
    does: dict[str, Any] = {"answer": HOSTILE["nothing"]}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            does["answer"](self)

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who asked may hang up."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", does
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers(
    enemy: tuple[str, dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    address, does = enemy
    does["answer"] = HOSTILE[name]
    monkeypatch.setenv("VISEMA_OPENAI_URL", address)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    begun = time.monotonic()
    try:
        speech = speak("Hello there.", "openai:alloy", cache=False)
    except VoiceError as e:
        said = str(e)
    else:
        said = " ".join(speech.notes)
        assert speech.notes, "a fallback says that it is one"
        assert 0 < len(speech.samples) < 60 * speech.rate
    assert time.monotonic() - begun < 120
    assert "secret of the service" not in said[200:] and "sk-of-nobody" not in said and "root:" not in said
