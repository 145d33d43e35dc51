"""The page as a visitor opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.site import WAIT_MS, Site
from visema.avatar import Avatar


@pytest.fixture(scope="session")
def avatar(avatar_cache: Path) -> Avatar:
    return Avatar.load(next(path.parent for path in avatar_cache.glob("*/avatar.json")))


@pytest.fixture
def visit(browser: Any, site: Site) -> Iterator[Callable[..., Any]]:
    """Opens the plain view in a browser of its own; afterwards, nothing may have gone outside or failed."""
    contexts: list[Any] = []
    outside: list[str] = []
    errors: list[str] = []

    def note(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != site.address:
            outside.append(request.url)

    def open_page(language: str = "en-US", width: int = 1280, height: int = 800) -> Any:
        context = browser.new_context(
            locale=language, viewport={"width": width, "height": height}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("request", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{site.address}/?view=plain")
        page.wait_for_function("window.visemaStats && visemaStats.pictures > 3")
        page.wait_for_function("document.querySelector('#text textarea').value")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not outside
    assert not errors
