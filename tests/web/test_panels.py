"""Saving, setup and the gallery, in the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.site import Site
from tests.web.test_page import label
from visema.paths import ASSETS
from visema.provenance import read_mark

pytestmark = pytest.mark.browser


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    import cv2

    picture = cv2.imread(str(ASSETS / "presenter.png"))
    path = tmp_path / "Мария.jpg"
    path.write_bytes(cv2.imencode(".jpg", cv2.resize(picture, (384, 384), interpolation=cv2.INTER_AREA))[1].tobytes())
    return path


def cards(page: Any) -> list[str]:
    return [str(name) for name in page.locator(".card .name").all_inner_texts()]


def on_stage(page: Any) -> str:
    return str(page.inner_text(".card[aria-pressed='true'] .name"))


def upload(page: Any, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("#import")
    chooser.value.set_files(path)


def test_saving_gives_a_film_and_captions(visit: Callable[..., Any], tmp_path: Path) -> None:
    import av

    page = visit()
    page.fill("#text textarea", "Hello there. This is a film of two sentences.")
    page.click("#manner .label-wrap")
    page.check("#mark input")
    page.click("#save")
    page.wait_for_selector("#saved a.download")
    paths = {}
    for link in page.locator("#saved a.download").all():
        with page.expect_download() as waiting:
            link.click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        paths[path.suffix] = path
    assert paths[".mp4"].name == "hello-there-this-is-a-film-of-two-senten.mp4"
    with av.open(str(paths[".mp4"])) as film:
        picture = list(film.decode(video=0))
    with av.open(str(paths[".mp4"])) as film:
        samples = sum(frame.samples for frame in film.decode(audio=0))
        rate = film.streams.audio[0].rate
        fps = float(film.streams.video[0].average_rate)
    assert len(picture) > 40
    mark = read_mark(paths[".mp4"])
    assert mark and mark.facts["visible_mark"] == "yes" and mark.source_type == "compositeSynthetic"
    assert abs(len(picture) / fps - samples / rate) < 2 / fps
    assert "-->" in paths[".srt"].read_text() and "two sentences" in paths[".srt"].read_text().replace("\n", " ")
    assert paths[".vtt"].read_text().startswith("WEBVTT")


def test_a_photo_becomes_an_avatar_that_can_be_renamed_exported_deleted_and_imported(
    visit: Callable[..., Any], site: Site, photo: Path, tmp_path: Path
) -> None:
    page = visit()
    assert cards(page) == ["Anna"]
    page.click("#setup .label-wrap")
    page.set_input_files("#source input[type=file]", photo)
    page.wait_for_selector("#source .file-preview")
    page.click("#make")
    page.wait_for_selector("#sheet img")
    page.wait_for_function("document.querySelector('#sheet img').naturalWidth > 300")
    assert "“Мария” is ready" in page.inner_text("#progress")
    assert sorted(cards(page)) == ["Anna", "Мария"] and on_stage(page) == "Мария"
    new = page.get_attribute(".card[aria-pressed='true']", "data-avatar")
    page.wait_for_function(f"document.querySelector('#view img').src.includes('{new}')")
    page.fill("#text textarea", "I am new here.")
    page.click("#speak")
    label(page, "Speaking…")

    page.click("#manage .label-wrap")
    assert page.input_value("#new-name input") == "Мария", "the management panel is for another avatar"
    spiteful = "<img src=x onerror=alert(1)> ${1+1} {{this}}"
    page.fill("#new-name input", spiteful)
    page.click("#rename")
    page.wait_for_function("document.querySelector('.card[aria-pressed=true] .name').textContent.includes('onerror')")
    assert on_stage(page) == spiteful and spiteful in page.inner_text("#said")
    assert page.locator("main img[src='x']").count() == 0
    page.fill("#new-name input", "Maria")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.card[aria-pressed=true] .name').textContent === 'Maria'")

    with page.expect_download() as waiting:
        page.click("#managed a.download")
    packed = tmp_path / "maria.zip"
    waiting.value.save_as(packed)

    page.click("#delete")
    page.wait_for_selector("#delete-no")
    assert "Delete “Maria” for good?" in page.inner_text("#confirm")
    page.click("#delete-no")
    page.wait_for_selector("#delete-no", state="hidden")
    assert on_stage(page) == "Maria"
    page.click("#delete")
    page.click("#delete-yes")
    page.wait_for_function("document.querySelectorAll('.card').length === 1")
    assert cards(page) == ["Anna"] and on_stage(page) == "Anna"
    assert not (site.cache / new).exists()
    assert page.locator("#sheet img").count() == 0
    page.wait_for_function(f"!document.querySelector('#view img').src.includes('{new}')")

    page.click("#delete")
    page.click("#delete-yes")
    page.get_by_text("This is the only avatar").wait_for()
    assert cards(page) == ["Anna"]

    upload(page, packed)
    page.wait_for_function("document.querySelectorAll('.card').length === 2")
    assert on_stage(page) == "Maria"
    page.locator(".card", has_text="Anna").click()
    page.wait_for_function("document.querySelector('.card[aria-pressed=true] .name').textContent === 'Anna'")
    page.locator(".card", has_text="Maria").click()
    page.click("#delete")
    page.click("#delete-yes")
    page.wait_for_function("document.querySelectorAll('.card').length === 1")


def test_files_that_cannot_be_used_are_explained(visit: Callable[..., Any], site: Site, tmp_path: Path) -> None:
    page = visit()
    page.click("#setup .label-wrap")
    page.click("#make")
    page.wait_for_selector("#progress .problem")
    assert "Choose a video or a photo first." in page.inner_text("#progress")
    text = tmp_path / "letter.png"
    text.write_text("Dear reader, this is no picture.")
    page.set_input_files("#source input[type=file]", text)
    page.wait_for_selector("#source .file-preview")
    page.click("#make")
    page.wait_for_function("(document.querySelector('#progress .problem') || {}).textContent?.includes('letter.png')")
    said = page.inner_text("#progress")
    assert "Traceback" not in said and "Error" not in said and len(said) < 300

    page.click("#manage .label-wrap")
    upload(page, text.rename(tmp_path / "letter.zip"))
    page.wait_for_selector("#said .problem")
    said = page.inner_text("#said")
    assert "letter.zip" in said and "Traceback" not in said
    assert cards(page) == ["Anna"]
    assert sorted(p.name for p in site.cache.iterdir() if not p.name.startswith(".") and p.is_dir() and "-" in p.name)
