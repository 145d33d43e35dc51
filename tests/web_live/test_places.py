"""The player wherever people put it: on other sites, behind a proxy, over HTTPS, in the Gradio page."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import Server, eventually
from tests.servers import free_port
from tests.site import Site
from tests.web_live.conftest import Open
from visema.paths import ROOT

pytestmark = pytest.mark.browser

Serve = Callable[..., Server]


@contextmanager
def another_site(html: str, port: int = 0) -> Iterator[str]:
    """The address of a site of somebody else, with one page."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Page) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()


def embedding(address: str) -> str:
    return (
        f'<!doctype html><html lang="en"><body><h1>My shop</h1><script src="{address}/live/embed.js"></script>'
        f'<visema-avatar server="{address}" avatar="tiny" style="width: 300px"></visema-avatar></body></html>'
    )


def test_it_can_be_put_on_another_site(serve: Serve, watch: Open) -> None:
    port = free_port()
    shop = f"http://127.0.0.1:{port}"
    server = serve(origins=(shop,))
    with another_site(embedding(server.address), port):
        visit = watch(shop)
        visit.say("good day")
        visit.happened("finished")
        assert visit.words() == ["good", "day"]


def test_a_site_that_was_not_named_is_refused_and_told(serve: Serve, watch: Open) -> None:
    server = serve()
    with another_site(embedding(server.address)) as address:
        visit = watch(address, shown=False)
        visit.page.wait_for_function("avatar().shadowRoot?.querySelector('.note')?.textContent")
        assert "--origin" in visit.page.locator("visema-avatar .note").inner_text()
        assert server.value("sessions") == 0


@contextmanager
def running(folder: Path, cache: Path, scheme: str, *more: str) -> Iterator[str]:
    """The product itself, started from the command line."""
    shutil.copytree(cache, folder / "cache")
    port = free_port()
    command = [sys.executable, str(ROOT / "video.py"), "--ui", "--headless", "--offline", "--port", str(port), *more]
    log = folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "VISEMA_CACHE": str(folder / "cache")}, stdout=out, stderr=out
        )
    trusting = ssl._create_unverified_context()

    def answers() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            urllib.request.urlopen(f"{scheme}://127.0.0.1:{port}/health", context=trusting, timeout=5).close()
        except OSError:
            return False
        return True

    try:
        eventually(answers, 90)
        yield f"{scheme}://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
    assert "Traceback" not in log.read_text(errors="replace")


def test_https(avatar_cache: Path, tmp_path: Path, watch: Open) -> None:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("there is no openssl here to make a certificate with")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    secure = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with running(tmp_path, avatar_cache, "https", *secure) as address:
        identity = next((tmp_path / "cache").glob("*/avatar.json")).parent.name
        visit = watch(f"{address}/live/{identity}", ignore_https_errors=True)
        assert visit.run("a.player.socket.url").startswith("wss://")
        visit.say("Safe and sound.")
        visit.happened("finished")
        assert visit.words() == ["Safe", "and", "sound."]


def test_behind_nginx_as_documented(serve: Serve, tmp_path: Path, watch: Open) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx:
        pytest.skip("there is no nginx here")
    documented = (ROOT / "docs" / "live_protocol.md").read_text("utf-8")
    block = re.search(r"```nginx\n(.*?)```", documented, re.S)
    assert block
    server, port = serve(), free_port()
    location = block[1].replace("127.0.0.1:7860", f"127.0.0.1:{server.port}").replace("$host;", "$http_host;")
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port};\n{location}\n}} }}\n"
    )
    process = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:

        def answers() -> bool:
            assert process.poll() is None, (tmp_path / "error.log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/live/embed.js", timeout=5).close()
            except OSError:
                return False
            return True

        eventually(answers, 20)
        visit = watch(f"http://127.0.0.1:{port}/live/tiny")
        visit.say("through the proxy")
        visit.happened("finished")
        assert visit.words() == ["through", "the", "proxy"]
        # Bounds by address see the visitor's own.
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/live/stats")
        with urllib.request.urlopen(asked, timeout=5) as answer:
            assert json.load(answer)
    finally:
        process.terminate()
        process.wait(20)


def test_the_gradio_page_shows_the_live_view_first(site: Site, watch: Open) -> None:
    visit = watch(f"{site.address}/", shown=False)
    visit.page.wait_for_function("document.querySelector('#stage')?.dataset.view === 'live'")
    visit.page.evaluate("keepEvents('word', 'finished', 'interrupted', 'state')")
    words = visit.page.get_by_role("textbox").first
    words.fill("Hello from the page.")
    visit.page.get_by_role("button", name="Speak", exact=True).click()
    visit.happened("finished")
    assert visit.words() == ["Hello", "from", "the", "page."]
    words.fill("And this is much too long to be said to its very end, so it is stopped. " * 3)
    visit.page.get_by_role("button", name="Speak", exact=True).click()
    visit.happened("word", 6)
    visit.page.get_by_role("button", name="Stop", exact=True).click()
    visit.happened("interrupted")
    visit.page.get_by_role("button", name="Plain view").click()
    visit.page.wait_for_function("document.querySelector('#stage').dataset.view === 'plain'")
    visit.page.wait_for_function("window.visemaStats && visemaStats.pictures > 3")
    visit.page.get_by_role("button", name="Live view").click()
    visit.page.wait_for_function("document.querySelector('#stage').dataset.view === 'live'")
    visit.until("a.player.connected")


def test_the_examples_of_the_documentation(avatar_cache: Path, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "live_view.md").read_text("utf-8")
    shell, python = (re.search(rf"```{kind}\n(.*?)```", guide, re.S) for kind in ("sh", "python"))
    assert shell and python
    with running(tmp_path, avatar_cache, "http") as address:
        told = subprocess.run(
            ["bash", "-euc", shell[1]],
            env={**os.environ, "VISEMA": address}, capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
    assert '{"utterance":1}' in told.replace(" ", "")
    assert "event: word" in told and '"text": "Hello."' in told.replace('"text":"', '"text": "')
    subprocess.run(
        [sys.executable, "-c", python[1]],
        cwd=ROOT, env={**os.environ, "VISEMA_CACHE": str(tmp_path / "cache")}, timeout=90, check=True,
    )  # fmt: skip
