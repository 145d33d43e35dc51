"""A collector of traces on loopback: keeps what it is sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Collector:
    """Spans as they came."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.address = ""
        self.status = 200

    def take(self, path: str, kind: str, body: bytes) -> None:
        assert (path, kind) == ("/v1/traces", "application/json")
        for resource in json.loads(body)["resourceSpans"]:
            service = facts(resource["resource"])["service.name"]
            for scope in resource["scopeSpans"]:
                self.spans += [{**span, "service": service} for span in scope["spans"]]

    def wait(
        self, enough: Callable[[dict[str, dict[str, Any]]], bool], seconds: float = 60
    ) -> dict[str, dict[str, Any]]:
        """The spans by name, as soon as they are enough."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = {span["name"]: span for span in list(self.spans)}
            if enough(found):
                return found
            time.sleep(0.05)
        raise AssertionError(sorted(span["name"] for span in self.spans))


def facts(told: dict[str, Any]) -> dict[str, Any]:
    """Attributes as a plain dict."""
    return {item["key"]: next(iter(item["value"].values())) for item in told["attributes"]}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, on a free port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(self.path, self.headers["Content-Type"], body)
            self.send_response(collector.status)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
