"""The tab of jobs as a visitor meets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.site import Site
from visema.client import Visema

pytestmark = pytest.mark.browser

MADE_MS = 120_000


def open_tab(page: Any, name: str = "Jobs") -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_selector(".jobs-tile")


def row(job: str, state: str) -> str:
    return f".jobs-row[data-job='{job}'][data-state={state}]"


def test_a_job_is_seen_until_it_is_removed(visit: Callable[..., Any], site: Site) -> None:
    page = visit()
    names = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert not [name for name in names if "/film/jobs" in name]
    open_tab(page)
    with Visema(site.address) as api:
        job = api.generate(text="Hello there.", voice="espeak:en-us").id
        page.wait_for_selector(row(job, "done"), timeout=MADE_MS)
        told = page.inner_text(row(job, "done"))
        assert "Video of an avatar" in told and "espeak:en-us" in told and "Done" in told
        with page.expect_download() as download:
            page.click(f"{row(job, 'done')} a:has-text('Download')")
        assert download.value.suggested_filename.endswith(".mp4")
        assert download.value.path().stat().st_size > 10_000
        page.get_by_role("button", name="Failed", exact=True).click()
        page.wait_for_selector(row(job, "done"), state="detached")  # the site is shared: others may have failed
        assert page.locator(".jobs-none, .jobs-row[data-state=failed]").count()
        page.get_by_role("button", name="Done", exact=True).click()
        page.wait_for_selector(row(job, "done"))
        tiles = page.inner_text(".jobs-tiles")
        assert "Waiting on the server" in tiles and "Spent on voices" in tiles and "$0.00" in tiles
        page.click(f"{row(job, 'done')} button")
        assert page.inner_text(f"{row(job, 'done')} button") == "Really remove?"
        assert api.status(job).state == "done"  # asked for once is not enough
        page.click(f"{row(job, 'done')} button")
        page.wait_for_selector(row(job, "done"), state="detached")
        assert api.status(job).state == "expired"


def test_it_fits_a_narrow_phone_in_russian(visit: Callable[..., Any], site: Site) -> None:
    with Visema(site.address) as api:
        api.wait(api.generate(text="Hello.", voice="espeak:en-us"))
    page = visit(language="ru-RU", width=360, height=740)
    for name in ("Живой аватар", "Видео из фото", "Задания"):
        assert page.get_by_role("tab", name=name, exact=True).is_visible()
    open_tab(page, "Задания")
    page.wait_for_selector(".jobs-row[data-state=done]")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    told = page.inner_text(".jobs")
    assert "Видео с аватаром" in told and "Скачать" in told and "Очередь сервера" in told
    sizes = page.evaluate("[...document.querySelectorAll('.jobs button, .jobs a')].map(e => e.offsetHeight)")
    assert min(size for size in sizes if size) >= 36


def test_a_server_that_is_away_is_said(visit: Callable[..., Any]) -> None:
    page = visit()
    open_tab(page)
    page.route("**/api/v1/jobs*", lambda route: route.abort())
    page.wait_for_selector(".jobs-line[data-tone=bad]")
    assert page.inner_text(".jobs-line") == "The server does not answer. Trying again…"
    page.unroute("**/api/v1/jobs*")
    page.wait_for_selector(".jobs-line[data-tone=bad]", state="detached")
