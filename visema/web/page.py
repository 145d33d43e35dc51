"""The Gradio page: its layout. What its parts do is in `visema.web.actions`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import resources
from typing import Any, cast

import gradio as gr

from visema.settings import MARK, TRAINING
from visema.web.house import RANGES
from visema.web.making import SUFFIXES
from visema.web.routes import ICON
from visema.web.texts import LANGUAGES, table
from visema.web.voice_choice import ALL

#: Of the avatar's picture, pixels.
HEIGHT = 480
#: The picture of the first moment; see `routes`.
POSTER = "../poster.jpg"
_LIVE_VIEW = """
import(new URL('../live/player/page_view.js', document.baseURI).href).then((view) => view.begin(element), (error) => {
  console.warn('visema: the live view did not load', error);
  const stage = document.querySelector('#stage');
  stage.dataset.view = 'plain';
  stage.dispatchEvent(new CustomEvent('visema-view'));
});
"""
#: The tab of films is made by its own scripts when it is first opened.
_FILM = """
import(new URL('../film/panel.js', document.baseURI).href).then((panel) => panel.begin(element), (error) => {
  element.textContent = String(error);
});
"""
#: So is that of jobs.
_JOBS = _FILM.replace("film/panel.js", "film/jobs.js")
_CARD_CLICKS = """
element.addEventListener('click', (event) => {
  const card = event.target.closest('.card');
  if (card) trigger('click', { avatar: card.dataset.avatar });
});
"""


@dataclass
class Parts:
    """The components that do something, by name."""

    account: Any
    view: Any
    bridge: Any
    cards: Any
    words: Any
    language: Any
    voice: Any
    notice: Any
    speak: Any
    stop: Any
    save: Any
    saved: Any
    rate: Any
    pitch: Any
    volume: Any
    mark: Any
    source: Any
    name: Any
    frame: Any
    index: Any
    make: Any
    progress: Any
    sheet: Any
    new_name: Any
    rename: Any
    delete: Any
    question: Any
    confirm: Any
    delete_yes: Any
    delete_no: Any
    upload: Any
    managed: Any
    said: Any


def asset(name: str) -> str:
    """A file beside this module."""
    return resources.files("visema.web").joinpath(name).read_text(encoding="utf-8")


def translations() -> gr.I18n:
    """The text table in Gradio's form; it chooses by the browser's language."""
    return gr.I18n(**{language: table(language) for language in LANGUAGES})


def build(t: gr.I18n, title: str) -> tuple[gr.Blocks, Parts]:
    """The page without its behaviour.

    Args:
        t: Texts by key.
        title: Of the window.
    """
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as page:
        with gr.Row(elem_id="header"):
            gr.HTML(f'<div class="brand">{ICON}<h1>Visema</h1></div>', elem_id="brand")
            gr.HTML(t("tagline"), elem_id="tagline")
            account = gr.HTML("", elem_id="account")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab(t("tab_live"), id="live", elem_id="tab-live"), gr.Row(elem_id="main", equal_height=False):
                with gr.Column(elem_id="left", scale=6, min_width=300):
                    left = _stage(t)
                with gr.Column(elem_id="right", scale=5, min_width=300):
                    right = {**_speech(t), **_setup(t), **_manage(t)}
            with gr.Tab(t("tab_film"), id="film", elem_id="tab-film"):
                gr.HTML("", elem_id="film", js_on_load=_FILM)
            with gr.Tab(t("tab_jobs"), id="jobs", elem_id="tab-jobs"):
                gr.HTML("", elem_id="jobs", js_on_load=_JOBS)
    parts = Parts(account=account, **left, **right)
    assert all(getattr(parts, field.name) is not None for field in fields(parts))
    return page, parts


def _stage(t: gr.I18n) -> dict[str, Any]:
    with gr.Column(elem_id="stage"):
        view = gr.Image(
            elem_id="view", height=HEIGHT, container=False, alt_text="Avatar", streaming=True, interactive=False,
            sources=["webcam"], buttons=[], show_label=False,
        )  # fmt: skip
        view.value = {"url": POSTER}  # there before the stream has begun
        gr.HTML("", elem_id="live", js_on_load=_LIVE_VIEW)
        gr.HTML('<span class="dot"></span><span class="label" role="status"></span>', elem_id="state")
    shown = gr.HTML("", elem_id="gallery", js_on_load=_CARD_CLICKS)
    bridge = gr.HTML("", html_template="<i hidden></i>", js_on_load=asset("page.js"), elem_id="bridge")
    return {"view": view, "cards": shown, "bridge": bridge}


def _speech(t: gr.I18n) -> dict[str, Any]:
    with gr.Group(elem_id="say"):
        words = gr.Textbox(
            label=t("text"), placeholder=t("text_placeholder"), info=t("text_info"), lines=4, max_lines=12,
            elem_id="text", autofocus=False,
        )  # fmt: skip
        with gr.Row(elem_id="voices"):
            language = gr.Dropdown(
                [(t("all_languages"), ALL)], value=ALL, label=t("language"), elem_id="language", min_width=130, scale=2
            )
            voice = gr.Dropdown([], label=t("voice"), elem_id="voice", min_width=150, scale=3)
        notice = gr.HTML("", elem_id="notice")
    with gr.Row(elem_id="buttons"):
        speak = gr.Button(t("speak"), variant="primary", elem_id="speak", min_width=110, scale=4)
        stop = gr.Button(t("stop"), elem_id="stop", min_width=80, scale=2)
        save = gr.Button(t("save"), elem_id="save", min_width=150, scale=4)
    gr.HTML('<p class="line" role="status"></p><div class="notes"></div>', elem_id="status")
    saved = gr.HTML("", elem_id="saved")
    with gr.Accordion(t("manner"), open=False, elem_id="manner"):
        rate = gr.Slider(*RANGES["rate"], 1.0, step=0.05, label=t("rate"), elem_id="rate")
        pitch = gr.Slider(*RANGES["pitch"], 0, step=0.5, label=t("pitch"), elem_id="pitch")
        volume = gr.Slider(*RANGES["volume"], 1.0, step=0.05, label=t("volume"), elem_id="volume")
        mark = gr.Checkbox(MARK.of(), label=t("mark"), interactive=not MARK.of(), elem_id="mark")
    return {
        "words": words, "language": language, "voice": voice, "notice": notice, "speak": speak, "stop": stop,
        "save": save, "saved": saved, "rate": rate, "pitch": pitch, "volume": volume, "mark": mark,
    }  # fmt: skip


def _setup(t: gr.I18n) -> dict[str, Any]:
    with gr.Accordion(t("setup"), open=False, visible=TRAINING.of(), elem_id="setup"):
        gr.HTML(t("setup_help"), elem_classes="help")
        source = gr.File(label=t("source"), file_types=list(SUFFIXES), elem_id="source", height=130)
        name = gr.Textbox(
            label=t("name"), placeholder=t("name_placeholder"), max_length=80, max_lines=1, elem_id="name"
        )
        choices = [(t("frame_middle"), "middle"), (t("frame_auto"), "auto"), (t("frame_number"), "number")]
        frame = gr.Radio(choices, value="middle", label=t("frame"), elem_id="frame")
        index = gr.Number(0, label=t("frame_index"), precision=0, minimum=0, visible=False, elem_id="frame-index")
        make = gr.Button(t("make"), variant="primary", elem_id="make")
        progress = gr.HTML("", elem_id="progress")
        sheet = gr.HTML("", elem_id="sheet")
    return {
        "source": source, "name": name, "frame": frame, "index": index, "make": make, "progress": progress,
        "sheet": sheet,
    }  # fmt: skip


def _manage(t: gr.I18n) -> dict[str, Any]:
    with gr.Accordion(t("manage"), open=False, elem_id="manage"):
        managed = gr.HTML("", elem_id="managed", elem_classes="help")
        with gr.Row(elem_id="rename-row"):
            new_name = gr.Textbox(
                label=t("new_name"), max_length=80, max_lines=1, elem_id="new-name", min_width=140, scale=3
            )
            rename = gr.Button(t("rename"), elem_id="rename", min_width=130, scale=1)
        with gr.Row(elem_id="package-row"):
            upload = gr.UploadButton(
                cast(str, t("import")), file_types=[".zip"], visible=TRAINING.of(), elem_id="import", min_width=110
            )
            delete = gr.Button(t("delete"), variant="stop", elem_id="delete", min_width=110)
        with gr.Column(visible=False, elem_id="confirm") as confirm:
            question = gr.HTML("", elem_classes="help")
            with gr.Row():
                yes = gr.Button(t("delete_yes"), variant="stop", elem_id="delete-yes", min_width=110)
                no = gr.Button(t("delete_no"), elem_id="delete-no", min_width=110)
        said = gr.HTML("", elem_id="said")
    return {
        "managed": managed, "said": said, "new_name": new_name, "rename": rename, "upload": upload,
        "delete": delete, "confirm": confirm, "question": question, "delete_yes": yes, "delete_no": no,
    }  # fmt: skip
