"""What the page's parts do: events of the Gradio page, each visitor by the name that Gradio has for their tab."""

from __future__ import annotations

import functools
import html
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from visema.errors import InputError, VisemaError
from visema.service.who import Who
from visema.speech.types import SpeechSettings
from visema.speech.voices import check_visitors
from visema.web import voice_choice
from visema.web.door import NOBODY
from visema.web.house import MAX_TEXT, RANGES, House
from visema.web.identity import asker
from visema.web.texts import in_language, preferred_language, text
from visema.web.viewer import Viewer

if TYPE_CHECKING:
    from visema.web.page import Parts

log = logging.getLogger(__name__)

#: The text that page.js has kept over a reload, once.
KEPT_TEXT = """(words) => {
  const kept = sessionStorage.getItem('visema-text');
  sessionStorage.removeItem('visema-text');
  return [kept || words];
}"""

#: Where the live view is seen, it speaks; else the words go to the server's own performer.
SPEAK = """(words, voice, rate, pitch, volume) => {
  const detail = { words: words || '', voice, rate, pitch, volume };
  const taken = new CustomEvent('visema-say', { detail, cancelable: true });
  document.querySelector('#stage').dispatchEvent(taken);
  return taken.defaultPrevented ? [null, null, null, null, null] : [words || '', voice, rate, pitch, volume];
}"""


def visitor(house: House, request: gr.Request) -> Viewer:
    """Who sent this request."""
    return house.viewer(str(request.session_hash), language_of(request), asker_of(request))


def asker_of(request: gr.Request) -> Who:
    """Whose key a request came with."""
    if request.request is None:
        return Who(NOBODY, "", frozenset())
    return asker(request.request)


def language_of(request: gr.Request) -> str:
    """The page language that the browser asks for."""
    return preferred_language(request.headers.get("accept-language", ""))


def explain(viewer: Viewer, error: Exception) -> str:
    """What went wrong, in words; the unexpected goes to the log in full and to the page as one sentence."""
    if isinstance(error, VisemaError):
        return in_language(error.message, viewer.language)
    log.error("An action of the page failed.", exc_info=error)
    return viewer.text("unexpected")


def wire(page: gr.Blocks, parts: Parts, house: House) -> None:
    """Tie the parts of ``page`` to the ``house``."""
    from visema.web.panels import wire_panels

    with page:
        _wire_stage(page, parts, house)
        _wire_speech(page, parts, house)
        wire_panels(page, parts, house, functools.partial(visitor, house))


def _wire_stage(page: gr.Blocks, parts: Parts, house: House) -> None:
    async def watch(request: gr.Request) -> AsyncIterator[tuple[dict[str, str], str]]:
        async for address, message in house.watch(visitor(house, request)):
            yield {"url": address}, message

    def leave(request: gr.Request) -> None:
        house.leave(str(request.session_hash), asker_of(request))

    def account(request: gr.Request) -> str:
        who, language = asker_of(request), language_of(request)
        if not who.key:
            return ""
        name, leave_it = html.escape(who.name), html.escape(text("logout", language))
        return f'<form method="post" action="../logout"><span>{name}</span><button>{leave_it}</button></form>'

    stream: dict[str, Any] = {
        "outputs": [parts.view, parts.bridge],
        "concurrency_limit": None,
        "show_progress": "hidden",
        "api_visibility": "private",
        # The picture is an address that the browser has cached (idle) or that holds its data (talking). Gradio's own
        # postprocessing would write a file for every picture (4 GB an hour at 512 x 512, 30 a second) and copy what
        # it is given. Measured at 1280 x 720 on one core: 12 idle pictures a second 8 %, 25 talking ones 9 % without
        # drawing, against 31 % for 13 a second as arrays.
        "postprocess": False,
    }
    page.load(account, None, parts.account, queue=False, show_progress="hidden", api_visibility="private")
    page.load(watch, **stream)
    page.unload(leave)


def _wire_speech(page: gr.Blocks, parts: Parts, house: House) -> None:
    # Values are checked here: Gradio's dropdown refuses, with an error of its own, a voice that was chosen a moment
    # before its language was.
    quiet: dict[str, Any] = {
        "queue": False, "show_progress": "hidden", "api_visibility": "private", "preprocess": False
    }  # fmt: skip
    settings = [parts.rate, parts.pitch, parts.volume]

    def begin(typed: Any, request: gr.Request) -> tuple[Any, ...]:
        language = language_of(request)
        chosen = house.first_voice(language)
        code = voice_choice.language_of(house.voices, chosen)
        return (
            str(typed or "")[: 2 * MAX_TEXT] or text("first_text", code),
            gr.update(choices=voice_choice.language_choices(house.voices, language), value=code),
            gr.update(choices=choices(code, language), value=chosen),
            notice(chosen, language),
        )

    def choices(code: str, language: str) -> list[tuple[str, str]]:
        return voice_choice.voice_choices(house.voices, code, language, offline=house.offline)

    def notice(name: str, language: str) -> str:
        return f"<p>{voice_choice.notice(house.voices, name, language, offline=house.offline)}</p>"

    def filter_voices(code: str, current: str, request: gr.Request) -> tuple[Any, str]:
        chosen = voice_choice.pick(house.voices, code, current, offline=house.offline)
        language = language_of(request)
        return gr.update(choices=choices(code, language), value=chosen), notice(chosen, language)

    def choose(name: str, request: gr.Request) -> str:
        return notice(name, language_of(request))

    def speak(words: Any, voice: Any, rate: Any, pitch: Any, volume: Any, request: gr.Request) -> None:
        if words is None:
            return  # the live view speaks them
        viewer = visitor(house, request)
        try:
            house.check_voice(viewer.who, str(voice or ""))
            viewer.say(*wanted(words, voice, rate, pitch, volume, viewer))
        except Exception as e:
            viewer.complain(explain(viewer, e))

    def stop(request: gr.Request) -> None:
        visitor(house, request).stop()

    chosen = [parts.words, parts.voice, *settings]
    parts.speak.click(speak, chosen, None, js=SPEAK, **quiet)
    parts.stop.click(stop, None, None, **quiet)
    parts.language.input(
        filter_voices, [parts.language, parts.voice], [parts.voice, parts.notice], js=KEPT_TEXT, **quiet
    )
    parts.voice.input(choose, parts.voice, parts.notice, **quiet)
    page.load(begin, parts.words, [parts.words, parts.language, parts.voice, parts.notice], js=KEPT_TEXT, **quiet)


def wanted(
    words: Any, voice: Any, rate: Any, pitch: Any, volume: Any, viewer: Viewer
) -> tuple[str, str, SpeechSettings]:
    """What a visitor wants said, by whom and how, checked.

    Raises:
        InputError: There is nothing to say, too much of it, or a setting is no number in its range.
        VoiceError: The voice is not for visitors.
    """
    words, voice = str(words or ""), str(voice or "")
    if not words.strip():
        raise InputError(viewer.text("status_no_text"))
    if len(words) > MAX_TEXT:
        raise InputError(viewer.text("status_too_long", length=len(words), limit=MAX_TEXT))
    settings = {}
    for name, value in (("rate", rate), ("pitch", pitch), ("volume", volume)):
        low, high = RANGES[name]
        if not isinstance(value, (int, float)) or not low <= value <= high:
            raise InputError(viewer.text("status_setting", name=viewer.text(name), low=low, high=high))
        settings[name] = float(value)
    check_visitors(voice)
    return words, voice, SpeechSettings(settings["rate"], settings["pitch"], settings["volume"])
