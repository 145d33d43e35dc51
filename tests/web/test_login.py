"""The login page in a browser, with scripts and without, at a desk and on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.guarded import Guarded
from tests.site import WAIT_MS


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
    context.close()
    assert not outside
