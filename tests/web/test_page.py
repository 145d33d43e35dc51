"""The page as a visitor meets it."""

from __future__ import annotations

import io
import time
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.site import Site
from visema.avatar import Avatar

pytestmark = pytest.mark.browser

LONG = "The quick brown fox jumps over the lazy dog, and then it runs away into the woods. " * 4

#: Draws every new picture's mouth and forehead to a small canvas, and keeps them as grey levels.
WATCH = """([mouth, forehead]) => {
  window.seen = [];
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 24;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const grey = (img, [x, y, w, h]) => {
    pen.drawImage(img, x * img.naturalWidth, y * img.naturalHeight, w * img.naturalWidth, h * img.naturalHeight,
                  0, 0, 24, 24);
    const data = pen.getImageData(0, 0, 24, 24).data;
    return Array.from({ length: 576 }, (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3);
  };
  document.addEventListener('load', (event) => {
    if (!event.target.closest || !event.target.closest('#view')) return;
    const live = event.target.src.includes('#t=');
    window.seen.push({ live, mouth: grey(event.target, mouth), forehead: grey(event.target, forehead) });
  }, true);
}"""


def boxes(avatar: Avatar) -> list[list[float]]:
    """Mouth and forehead as shares of the picture: left, top, width, height."""
    points = avatar.track.landmarks[:, :, :2].mean(axis=0) / np.array(avatar.size)
    eyes = float(np.linalg.norm(points[468] - points[473]))
    mouth = (points[13] + points[14]) / 2
    brow = points[9]
    return [
        [float(mouth[0]) - 0.5 * eyes, float(mouth[1]) - 0.3 * eyes, eyes, 0.7 * eyes],
        [float(brow[0]) - 0.4 * eyes, float(brow[1]) - 0.6 * eyes, 0.8 * eyes, 0.4 * eyes],
    ]


def label(page: Any, words: str) -> None:
    page.wait_for_function("(words) => document.querySelector('#state .label').textContent === words", arg=words)


def status(page: Any) -> str:
    return str(page.inner_text("#status .line"))


def sound(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        "(a => ({src: a.src, paused: a.paused, at: a.currentTime, duration: a.duration}))"
        "(document.querySelector('#visema-sound'))"
    )
    return found


def test_it_idles_and_the_picture_changes(visit: Callable[..., Any], site: Site) -> None:
    page = visit()
    assert page.url == f"{site.address}/ui/?view=plain"
    label(page, "Listening…")
    page.evaluate(WATCH, [[0, 0, 1, 1], [0, 0, 1, 1]])
    page.wait_for_function("window.seen.length > 30")
    pictures = np.array(page.evaluate("window.seen.map(s => s.mouth)"))
    assert pictures[0].std() > 10, "the picture is one flat colour"
    assert np.abs(pictures - pictures[0]).max() > 3, "the picture stands still"
    page.wait_for_function("document.querySelector('#view img').src.includes('/idle/')")  # the loop is cached
    loaded = page.evaluate("performance.getEntriesByType('resource').filter(e => e.name.includes('/idle/')).length")
    now = page.evaluate("visemaStats.pictures")
    page.wait_for_function(f"visemaStats.pictures > {now + 20}")
    assert page.evaluate("document.querySelector('#view img').naturalWidth") > 100
    assert loaded >= 90


def test_it_speaks_with_sound_and_mouth_and_listens_again(visit: Callable[..., Any], avatar: Avatar) -> None:
    page = visit()
    page.fill("#text textarea", LONG)
    page.evaluate(WATCH, boxes(avatar))
    page.click("#speak")
    label(page, "Speaking…")
    page.wait_for_function("document.querySelector('#visema-sound').currentTime > 2")
    now = sound(page)
    assert not now["paused"] and now["duration"] > 8
    assert "Speaking:" in status(page) and f"of {now['duration']:.1f} s" in status(page)

    body = page.request.get(now["src"]).body()
    with wave.open(io.BytesIO(body)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
        assert abs(file.getnframes() / file.getframerate() - now["duration"]) < 0.05
    assert np.sqrt((samples**2).mean()) > 0.02, "the sound is silence"

    page.wait_for_function("visemaStats.skew !== null")  # how much it is, benchmarks/page.py measures
    seen = page.evaluate("window.seen.filter(s => s.live)")
    mouth = np.array([s["mouth"] for s in seen])
    forehead = np.array([s["forehead"] for s in seen])
    assert len(seen) > 8
    assert mouth.std(axis=0).mean() > 2.5 * forehead.std(axis=0).mean()

    page.fill("#text textarea", "Done.")
    page.click("#speak")
    page.wait_for_function("document.querySelector('#status .line').textContent.startsWith('Spoken')")
    label(page, "Listening…")
    assert sound(page)["paused"] or sound(page)["at"] >= sound(page)["duration"] - 0.1


def test_stop_silences_and_closes_the_mouth(visit: Callable[..., Any]) -> None:
    page = visit()
    page.fill("#text textarea", LONG)
    page.click("#speak")
    label(page, "Speaking…")
    page.wait_for_function("document.querySelector('#visema-sound').currentTime > 1")
    page.click("#stop")
    assert sound(page)["paused"]
    label(page, "Listening…")
    assert status(page) == "Stopped."
    page.wait_for_function("document.querySelector('#view img').src.includes('/idle/')")  # closed by its making
    at = sound(page)["at"]
    page.wait_for_timeout(500)
    assert sound(page)["at"] == at


def test_two_visitors_do_not_hear_each_other(visit: Callable[..., Any], site: Site) -> None:
    speaker, listener = visit(), visit()
    assert site.health()["visitors"] >= 2
    speaker.fill("#text textarea", LONG)
    speaker.click("#speak")
    label(speaker, "Speaking…")
    before = listener.evaluate("visemaStats.pictures")
    listener.wait_for_function(f"visemaStats.pictures > {before + 5}")
    assert listener.inner_text("#state .label") == "Listening…"
    assert "/sound/" not in sound(listener)["src"]
    assert "#t=" not in listener.get_attribute("#view img", "src")


def test_a_closed_tab_frees_its_performance(visit: Callable[..., Any], site: Site) -> None:
    page = visit()
    page.fill("#text textarea", LONG)
    page.click("#speak")
    label(page, "Speaking…")
    here = site.health()["visitors"]
    page.close()
    deadline = time.monotonic() + 20
    while site.health()["visitors"] >= here:
        assert time.monotonic() < deadline, "the visitor is still counted"
        time.sleep(0.2)


def test_bad_words_are_explained(visit: Callable[..., Any]) -> None:
    page = visit()
    page.fill("#text textarea", "   ")
    page.click("#speak")
    page.wait_for_function("document.querySelector('#status .line').textContent.includes('nothing to say')")
    page.fill("#text textarea", "word " * 1100)
    page.click("#speak")
    page.wait_for_function("document.querySelector('#status .line').textContent.includes('5500 characters')")
    assert page.inner_text("#state .label") == "Listening…"


def test_voices_follow_the_language_and_say_where_the_text_goes(visit: Callable[..., Any]) -> None:
    page = visit()
    assert "America" in page.input_value("#voice input") and "embedded" in page.input_value("#voice input")
    assert "speaks on this machine" in page.inner_text("#notice")
    page.click("#language input")
    page.get_by_role("option", name="German", exact=True).click()
    page.wait_for_function("document.querySelector('#voice input').value.startsWith('German')")
    page.click("#voice input")
    names = page.locator("#voice").get_by_role("option").all_inner_texts()
    assert any("Katja" in name for name in names) and not any("America" in name for name in names)
    page.locator("#voice").get_by_role("option").filter(has_text="Katja").click()
    page.wait_for_function("document.querySelector('#notice').textContent.includes('cloud voice is replaced')")
    page.fill("#text textarea", "Guten Tag.")
    page.click("#speak")
    page.wait_for_function("document.querySelector('#status .notes').textContent.includes('Katja')")


def test_it_speaks_russian_to_a_russian_browser(visit: Callable[..., Any]) -> None:
    page = visit("ru-RU")
    label(page, "Слушает…")
    seen = page.inner_text("main")
    for words in (
        "Сказать",
        "Сохранить видео",
        "Настройка: новый аватар",
        "Голос",
        "Всё готово",
        "на этом компьютере",
    ):
        assert words in seen or words in page.inner_text("body"), words
    assert page.input_value("#language input") == "Русский"
    assert page.input_value("#text textarea") == "Здравствуйте! Говорит ваш аватар."
    for word in ("Speak", "Save", "Voice", "Listening", "Avatars"):
        assert word not in seen, word
    page.click("#speak")
    label(page, "Говорит…")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_cut_off_at_this_width(visit: Callable[..., Any], width: int) -> None:
    page = visit(width=width, height=780)
    page.wait_for_selector(".cards > *")
    page.evaluate(
        "() => { const all = document.querySelector('.cards');"
        " for (let i = 0; i < 30; i++) all.append(all.children[0].cloneNode(true)); }"
    )
    for panel in ("#manner", "#setup", "#manage"):
        page.click(f"{panel} .label-wrap")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        "[...document.querySelectorAll('main button, main input, main textarea, #view')]"
        ".filter(e => e.offsetParent && !e.closest('.cards') && e.getBoundingClientRect().width > 1 &&"
        " (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)).map(e => e.id)"
    )
    assert not beyond
    if width == 360:
        assert page.locator("#view").bounding_box()["y"] < page.locator("#text").bounding_box()["y"]


def test_the_keyboard_alone_is_enough(visit: Callable[..., Any]) -> None:
    page = visit()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#text') !== null"):
            break
    else:
        pytest.fail("the text box cannot be reached with Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("Typed by hand, and spoken by a key.")
    page.keyboard.press("Control+Enter")
    label(page, "Speaking…")
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("(document.activeElement.closest('[id]') || {}).id || ''"))
        if reached[-1] == "stop":
            break
    assert "speak" in reached and reached[-1] == "stop", reached
    page.keyboard.press("Enter")
    label(page, "Listening…")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('main button, main input:not([type=file]), main textarea')].filter(e =>"
        " e.offsetParent && !(e.innerText || e.ariaLabel || e.title || (e.labels && e.labels.length) ||"
        " e.getAttribute('aria-labelledby') || e.querySelector('img[alt]'))).map(e => e.outerHTML.slice(0, 120))"
    )
    assert not unnamed


def test_streaming_leaves_no_files(visit: Callable[..., Any], site: Site) -> None:
    page = visit()
    before = site.temp_bytes()
    page.fill("#text textarea", LONG)
    page.click("#speak")
    label(page, "Speaking…")
    now = page.evaluate("visemaStats.pictures")
    page.wait_for_function(f"visemaStats.pictures > {now + 40}")
    assert site.temp_bytes() - before < 100_000
