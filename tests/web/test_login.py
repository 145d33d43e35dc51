"""The login page in a browser, with scripts and without, at a desk and on a phone."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.guarded import Guarded
from tests.site import WAIT_MS
from visema.service.keys import Limits


@pytest.mark.browser
@pytest.mark.parametrize(("language", "scripts", "width"), [("en-US", True, 1280), ("ru-RU", False, 390)])
def test_in_a_browser(browser: Any, guarded: Guarded, anna: str, language: str, scripts: bool, width: int) -> None:
    context = browser.new_context(
        locale=language, java_script_enabled=scripts, viewport={"width": width, "height": 800}
    )
    outside: list[str] = []
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("request", lambda r: outside.append(r.url) if not r.url.startswith((guarded.address, "data:")) else None)
    page.goto(f"{guarded.address}/ui/")
    assert "/login" in page.url
    assert page.locator("label").inner_text() == {"en-US": "Your key", "ru-RU": "Ваш ключ"}[language]
    assert page.evaluate("document.documentElement.scrollWidth") <= width if scripts else True
    page.fill("#key", "vsm_nonsense")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.fill("#key", anna)
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/")
    if scripts:
        page.wait_for_function("document.querySelector('#stage')?.dataset.view === 'live'")
        assert not page.evaluate("document.cookie"), "scripts cannot read it"
        page.wait_for_selector("#account form")
        assert page.locator("#account").inner_text().split() == ["anna", "Log", "out"]
        page.click("#account button")
        page.wait_for_url("**/login")
        page.goto(f"{guarded.address}/ui/")
        assert "/login" in page.url
    context.close()
    assert not outside


@pytest.mark.browser
def test_on_another_site_with_a_key_for_it(
    browser: Any, serve_guarded: Callable[..., Guarded], tmp_path: Path
) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as shop:
        threading.Thread(target=shop.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{shop.server_port}"
        server = serve_guarded("--origin", origin)
        key = server.key("shop", "live", limits=Limits(origins=(origin,)))
        page = browser.new_context().new_page()
        page.set_default_timeout(WAIT_MS)
        for name, shown in (("with", f'key="{key}"'), ("without", "")):
            (tmp_path / f"{name}.html").write_text(
                f'<script src="{server.address}/live/embed.js"></script>'
                f'<visema-avatar server="{server.address}" {shown} controls></visema-avatar>'
            )
        page.goto(f"{origin}/with.html")
        page.wait_for_function("document.querySelector('visema-avatar').hasAttribute('data-shown')")
        page.goto(f"{origin}/without.html")
        page.wait_for_function("document.querySelector('visema-avatar').refusals > 0")
        assert not page.evaluate("document.querySelector('visema-avatar').hasAttribute('data-shown')")
        page.context.close()
        shop.shutdown()
