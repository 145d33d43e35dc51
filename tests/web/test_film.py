"""The tab of films as a visitor meets it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.site import Site
from visema.paths import ASSETS

pytestmark = pytest.mark.browser

FILM_MS = 120_000


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "me.jpg"
    picture = cv2.imread(str(ASSETS / "presenter.png"))
    assert picture is not None
    cv2.imwrite(str(path), cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA))
    return path


@pytest.fixture(scope="module")
def two_faces(photo: Path) -> Path:
    one = cv2.imread(str(photo))
    assert one is not None
    small = np.full_like(one, 200)
    small[60:316, 30:286] = cv2.resize(one, (256, 256), interpolation=cv2.INTER_AREA)
    path = photo.with_name("two.png")
    cv2.imwrite(str(path), np.hstack([small, one]))
    return path


def open_tab(page: Any, name: str = "Video from a photo") -> None:
    page.get_by_role("tab", name=name).click()
    page.wait_for_selector(".film-make")


def said(page: Any) -> str:
    return str(page.inner_text(".film-line"))


def test_nothing_of_it_is_fetched_before_it_is_opened(visit: Callable[..., Any]) -> None:
    page = visit()
    names = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert not [name for name in names if "/film/" in name]
    open_tab(page)
    assert page.evaluate("performance.getEntriesByType('resource').some(e => e.name.endsWith('/film/panel.js'))")
    page.fill(".film-text", "kept")
    page.get_by_role("tab", name="Live avatar").click()
    assert page.is_visible("#stage") and not page.is_visible(".film-text")
    open_tab(page)
    assert page.input_value(".film-text") == "kept"


def test_a_photo_and_a_text_become_a_film(visit: Callable[..., Any], photo: Path, site: Site) -> None:
    page = visit()
    open_tab(page)
    page.click(".film-make")
    assert said(page) == "Choose a photo first."
    page.set_input_files("#film-image", photo)
    page.wait_for_selector(".film-said[data-tone=good]")
    outline = page.locator(".film-frame polygon").first.bounding_box()
    frame = page.locator(".film-frame").bounding_box()
    middle = outline["x"] + outline["width"] / 2 - frame["x"] - frame["width"] / 2
    assert abs(middle) < 0.06 * frame["width"] and 0.3 < outline["width"] / frame["width"] < 0.7
    page.click(".film-make")
    assert said(page) == "There is nothing to say yet: type a text first."
    page.fill(".film-text", "Hello there. This takes long enough to see a share of it grow, sentence by sentence.")
    page.evaluate(
        """() => {
      window.seen = [];
      const look = () => {
        const meter = document.querySelector('.film .progress');
        const words = document.querySelector('.film-line').textContent;
        if (!meter.hidden) seen.push([Number(meter.getAttribute('aria-valuenow')), words]);
        requestAnimationFrame(look);
      };
      look();
    }"""
    )
    page.click(".film-make")
    page.wait_for_selector(".film video:visible", timeout=FILM_MS)
    seen = page.evaluate("window.seen")
    percents = [percent for percent, _ in seen]
    assert percents == sorted(percents) and len({*percents}) > 2, seen
    assert len({words for _, words in seen}) >= 2
    assert re.fullmatch(r"Your video is ready: \d\.\d s\.", said(page))
    page.wait_for_function("document.querySelector('.film video').readyState >= 1")
    facts = page.evaluate("(v => [v.duration, v.videoWidth, v.videoHeight])(document.querySelector('.film video'))")
    assert 3 < facts[0] < 8 and facts[1:] == [320, 320]
    page.evaluate("document.querySelector('.film video').currentTime = 0.4")
    page.wait_for_function("!document.querySelector('.film video').seeking")
    with page.expect_download() as download:
        page.click(".film a.download")
    assert Path(download.value.path()).read_bytes()[4:8] == b"ftyp"
    page.click(".film-other:visible")
    assert page.is_visible(".film-frame")


def test_a_microphone_is_recorded_and_sent(browser: Any, visit: Callable[..., Any], photo: Path) -> None:
    page = visit()
    # A microphone that says something: a tone through the page's own sound engine.
    page.evaluate(
        """() => {
      navigator.mediaDevices.getUserMedia = async () => {
        const context = new AudioContext();
        const tone = context.createOscillator();
        const out = context.createMediaStreamDestination();
        tone.connect(out);
        tone.start();
        return out.stream;
      };
    }"""
    )
    open_tab(page)
    page.set_input_files("#film-image", photo)
    page.wait_for_selector(".film-said[data-tone=good]")
    page.locator(".film-kind", has_text="Recording").click()
    page.click(".film-make")
    assert said(page) == "Choose or record something first."
    page.click(".film-record")
    page.wait_for_function("/Stop, [1-9]/.test(document.querySelector('.film-record').textContent)")
    page.click(".film-record")
    page.wait_for_selector(".film-heard:visible")
    assert page.inner_text(".film-record") == "Record"
    page.click(".film-make")
    # A tone is no speech: that is said, or the mouth follows it; either way the recording was understood.
    page.wait_for_function("!document.querySelector('.film-make').disabled", timeout=FILM_MS)
    assert "speech" in said(page) or "ready" in said(page), said(page)
    page.click(".film-heard button")
    assert not page.is_visible(".film-heard")


def test_one_of_two_faces_is_chosen(visit: Callable[..., Any], two_faces: Path) -> None:
    page = visit()
    open_tab(page)
    page.set_input_files("#film-image", two_faces)
    page.wait_for_selector(".film-said[data-tone=good]")
    assert page.inner_text(".film-said >> nth=0").startswith("2 faces")
    faces = page.locator(".film-frame [role=button]")
    assert faces.count() == 2 and faces.nth(0).get_attribute("aria-pressed") == "true"
    faces.nth(1).focus()
    page.keyboard.press("Enter")
    assert faces.nth(1).get_attribute("aria-pressed") == "true"
    assert faces.nth(0).get_attribute("aria-pressed") == "false"
    page.fill(".film-text", "Hi.")
    page.evaluate(
        """() => {
      const send = XMLHttpRequest.prototype.send;
      XMLHttpRequest.prototype.send = function (form) {
        window.sent = Object.fromEntries(form);
        send.call(this, form);
      };
    }"""
    )
    page.click(".film-make")
    assert page.evaluate("[sent.face, sent.text, sent.image.name]") == ["2", "Hi.", "two.png"]
    page.wait_for_selector(".film-cancel:visible")
    page.click(".film-cancel")
    page.wait_for_function("!document.querySelector('.film-make').disabled", timeout=FILM_MS)


def test_bad_files_are_refused_in_words(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    open_tab(page)
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8))
    text = tmp_path / "text.jpg"
    text.write_text("no picture" * 50)
    for path, words in ((noise, "No face was found"), (text, "not a picture")):
        page.set_input_files("#film-image", path)
        page.wait_for_function(
            "(words) => document.querySelector('.film-said').textContent.includes(words)", arg=words
        )
        page.click(".film-make")
        assert words in said(page)


def test_what_is_wrong_is_said_in_russian(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit("ru-RU")
    open_tab(page, "Видео из фото")
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8))
    page.set_input_files("#film-image", noise)
    page.wait_for_selector(".film-said[data-tone=bad]")
    words = page.inner_text(".film-said >> nth=0")
    assert words.startswith("Лицо") and not re.search("[a-z]{4}", words), words


def test_on_a_phone_in_russian(visit: Callable[..., Any], photo: Path) -> None:
    page = visit("ru-RU", 390, 844)
    open_tab(page, "Видео из фото")
    page.set_input_files("#film-image", photo)
    page.wait_for_selector(".film-said[data-tone=good]")
    assert page.inner_text(".film-said >> nth=0") == "Лицо найдено."
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    for selector in (".film-make", ".film-text", ".film-stage"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, selector
    assert page.locator(".film-make").bounding_box()["height"] >= 44
    untranslated = page.evaluate(
        "[...document.querySelectorAll('.film :is(button, label, legend, summary, strong)')]"
        ".filter(e => e.offsetParent && /[A-Za-z]{3}/.test(e.textContent) && !/[а-яё]/i.test(e.textContent))"
        ".map(e => e.textContent)"
    )
    assert not untranslated, untranslated


def test_a_reload_finds_the_film_again(visit: Callable[..., Any], photo: Path) -> None:
    page = visit()
    open_tab(page)
    page.set_input_files("#film-image", photo)
    page.wait_for_selector(".film-said[data-tone=good]")
    page.fill(".film-text", "One two three.")
    with page.expect_response("**/generate"):
        page.click(".film-make")
    page.wait_for_function("sessionStorage.getItem('visema-film')")
    page.reload()
    open_tab(page)
    page.wait_for_selector(".film video:visible", timeout=FILM_MS)
