"""Serves the page until it is told to stop."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
import ssl
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visema.errors import InputError, OutputError

if TYPE_CHECKING:
    from types import FrameType

    import uvicorn

    from visema.avatar import Avatar
    from visema.live.theatre import LiveOptions

log = logging.getLogger(__name__)

HOST, PORT = "127.0.0.1", 7860


def serve(
    source: Callable[[], Avatar],
    *,
    host: str = HOST,
    port: int = PORT,
    browser: bool = True,
    voice: str | None = None,
    offline: bool = False,
    live: LiveOptions | None = None,
    tls: tuple[Path, Path] | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        source: Makes or finds who is on stage first; called once the port is ours.
        host: Address to listen on; only this machine by default.
        port: Port to listen on; 0 takes a free one.
        browser: Open the page in the user's browser.
        voice: Chosen when a visitor comes; None chooses by the browser's language.
        offline: Never ask a cloud voice.
        live: How the live view is run.
        tls: Certificate chain and key (PEM), to serve HTTPS.
        on_ready: Called with the page's address once it answers.

    Raises:
        InputError: Others could reach it, and it has no key.
        OutputError: The port is taken, or the address is not this machine's.
        VisemaError: Whatever ``source`` raises.
    """
    if not is_loopback(host):
        check_keys()
    encryption = check_tls(*tls) if tls else {}
    listener = listen(host, port)
    try:
        avatar = source()
        import uvicorn

        from visema.media.guard import keep_spare
        from visema.ops import logs
        from visema.speech.voices import PAID_VARIABLE
        from visema.web.app import create_app
        from visema.web.live_routes import SOCKET_OPTIONS

        keep_spare()
        if not is_loopback(host):
            # Strangers may come: they do not spend the owner's money unless the owner says so.
            os.environ.setdefault(PAID_VARIABLE, "0")
        app = create_app(avatar, voice=voice, offline=offline, live=live)

        class Server(uvicorn.Server):
            def handle_exit(self, sig: int, frame: FrameType | None) -> None:
                # Open pages hold streams that never end by themselves; that they are cut off is no error.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
                super().handle_exit(sig, frame)

        options = {"log_level": "warning", "timeout_graceful_shutdown": 1, **SOCKET_OPTIONS, **encryption}
        if logs.set_up():
            options["log_config"] = None  # uvicorn's own lines go the same way
        server = Server(uvicorn.Config(app, **options))
        address = page_address(host, listener.getsockname()[1], "https" if tls else "http")
        threading.Thread(target=_announce, args=(server, address, browser, on_ready), daemon=True).start()
        server.run(sockets=[listener])
    finally:
        listener.close()


def is_loopback(host: str) -> bool:
    """True where only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_keys() -> None:
    """Refuse to serve others without a key.

    Raises:
        InputError: No key works.
    """
    from visema.service.access import access_from
    from visema.service.settings import settings_from
    from visema.service.store import JobStore

    settings = settings_from(os.environ)
    settings.folder.mkdir(parents=True, exist_ok=True)
    store = JobStore(settings.database_url)
    try:
        access_from(store.engine, settings.folder).check_usable()
    finally:
        store.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, taken before anything slow begins.

    Raises:
        OutputError: It cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small packets at once; without, each waits up to 40 ms for an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if hasattr(socket, "SO_REUSEADDR") and _posix():
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as e:
        listener.close()
        if e.errno == errno.EADDRINUSE:
            raise OutputError(
                f"Port {port} is in use already.",
                f"Is the page open from an earlier start? Else choose another port, such as --port {port + 1}.",
            ) from e
        if e.errno == errno.EACCES:
            raise OutputError(f"Port {port} needs more rights.", "Choose one above 1023, such as --port 7860.") from e
        raise OutputError(
            f"The page cannot listen on {host}: {e.strerror or e}.",
            "Leave --host out for this machine alone, or give 0.0.0.0 for all of its addresses.",
        ) from e
    except OverflowError as e:
        listener.close()
        raise OutputError(f"There is no port {port}.", "Choose one from 1 to 65535.") from e
    return listener


def page_address(host: str, port: int, scheme: str = "http") -> str:
    """Where a browser on this machine finds the page."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{shown}:{port}/ui/"


def check_tls(certificate: Path, key: Path) -> dict[str, Any]:
    """What uvicorn needs for HTTPS.

    Raises:
        InputError: The files are missing, are no certificate and key, or do not belong together.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except FileNotFoundError:
        missing = key if certificate.is_file() else certificate
        raise InputError(f"There is no file {missing}.", "Give the paths of --tls-cert and --tls-key.") from None
    except OSError as e:  # ssl.SSLError is one
        raise InputError(
            f"{certificate} and {key} cannot be used for HTTPS ({e.strerror or e}).",
            "Give a certificate chain and its key without a password, both as PEM.",
        ) from e
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}


def _posix() -> bool:
    import os

    return os.name == "posix"  # on Windows SO_REUSEADDR lets two servers share a port


def _announce(server: uvicorn.Server, address: str, browser: bool, on_ready: Callable[[str], None] | None) -> None:
    """Wait until the server answers, then say so."""
    waiting = threading.Event()
    while not server.started:
        if server.should_exit or waiting.wait(0.05):
            return
    log.info("The page is at %s", address)
    if on_ready:
        on_ready(address)
    if browser and not webbrowser.open(address):
        log.warning("No browser could be opened. Open %s yourself.", address)
