"""A server that speaks the hub's protocol as far as a download needs it, with the faults of real networks."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it serves, how it misbehaves, and what was asked of it.

    Attributes:
        files: Content by path, as `/owner/name/resolve/<revision>/<file>` or any other.
        cut: A connection ends after so many bytes; each entry serves one request.
        corrupt: Send other bytes than promised.
        seen: Requests: method, path, range.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    corrupt: bool = False
    commit: str = COMMIT
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""

    def put(self, repository: str, name: str, content: bytes) -> None:
        self.files[f"/{repository}/resolve/*/{name}"] = content

    def find(self, path: str) -> bytes | None:
        parts = path.split("?")[0].split("/")
        if len(parts) > 4 and parts[3] == "resolve":
            if parts[4] not in ("main", self.commit):
                return None
            parts[4] = "*"
        return self.files.get("/".join(parts))


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            asked = self.headers.get("Range", "")
            hub.seen.append((self.command, self.path, asked))
            content = hub.find(self.path)
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            start = 0
            if asked and self.headers.get("If-Range") in (None, etag):
                start = int(asked.removeprefix("bytes=").partition("-")[0])
            sent = content if not hub.corrupt else bytes(b ^ 1 for b in content)
            self.send_response(206 if start else 200)
            self.send_header("ETag", etag)
            self.send_header("X-Repo-Commit", hub.commit)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if not body:
                return
            part = sent[start:]
            if hub.cut:
                part = part[: hub.cut.pop(0)]
                self.close_connection = True
            self.wfile.write(part)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
