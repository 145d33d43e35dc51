"""Numbers for Prometheus on a port of their own (``VISEMA_METRICS``), where no key is asked for.

The port is for the machines beside this one: it is never published, and by itself listens on loopback alone.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from visema.errors import InputError

log = logging.getLogger(__name__)

#: ``host:port``, or a port on loopback.
VARIABLE: Final = "VISEMA_METRICS"
_FORMAT: Final = "text/plain; version=0.0.4"


class Listener:
    """Answers ``GET /metrics`` with what ``text`` gives.

    Args:
        host, port: Where; port 0 takes a free one.
        text: Gives the numbers.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path.partition("?")[0] == "/metrics"
                body = text().encode() if found else b"GET /metrics\n"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", _FORMAT if found else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: Any) -> None:
                log.debug(*words)

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def listen(text: Callable[[], str], env: Mapping[str, str] = os.environ) -> Listener | None:
    """Listen where ``VISEMA_METRICS`` says; None where it says nothing, or another process of this server does.

    Raises:
        InputError: It is no address.
    """
    said = env.get(VARIABLE, "").strip()
    if not said:
        return None
    host, _, port = said.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise InputError(f"{VARIABLE} is '{said}'.", "Give a port, or an address such as 0.0.0.0:9100.")
    try:
        return Listener(host.strip("[]") or "127.0.0.1", int(port), text)
    except OSError as e:  # several processes of one server: the first tells for all, for the numbers are the rows'
        log.warning("Numbers are not told on %s: %s.", said, e.strerror or e)
        return None
