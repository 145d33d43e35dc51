"""What the page's save, setup and gallery parts do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from visema.errors import InputError, VisemaError
from visema.web import gallery, making, saving
from visema.web.background import Job
from visema.web.offers import check_training
from visema.web.texts import localised

if TYPE_CHECKING:
    from visema.web.house import House
    from visema.web.page import Parts
    from visema.web.viewer import Viewer

Visitor = Callable[[gr.Request], "Viewer"]
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def wire_panels(page: gr.Blocks, parts: Parts, house: House, visitor: Visitor) -> None:
    """Tie the parts to the ``house``; ``visitor`` tells who sent a request."""
    _wire_save(parts, house, visitor)
    _wire_setup(parts, house, visitor)
    _wire_gallery(page, parts, house, visitor)


def check_scope(viewer: Viewer, scope: str) -> None:
    """Refuse what a visitor's key does not allow.

    Raises:
        InputError: It does not.
    """
    if not viewer.who.may(scope):
        raise InputError("Your key does not allow this.", "It needs the scope {scope}.", scope=scope)


def problem(words: str) -> str:
    """A failure as HTML."""
    import html

    return f'<p class="problem" role="alert">{html.escape(words)}</p>'


def _wire_save(parts: Parts, house: House, visitor: Visitor) -> None:
    from visema.web.actions import explain, wanted

    async def save(
        words: Any, voice: Any, rate: Any, pitch: Any, volume: Any, mark: Any, request: gr.Request
    ) -> AsyncIterator[Any]:
        viewer = visitor(request)
        try:
            check_scope(viewer, "films")
            house.check_voice(viewer.who, str(voice or ""))
            order = wanted(words, voice, rate, pitch, volume, viewer)
        except VisemaError as e:
            yield problem(explain(viewer, e)), gr.skip()
            return
        job = Job(partial(saving.save, house, viewer, *order, mark=bool(mark)))
        async for share in job.shares():
            label = viewer.text("saving" if share else "saving_speech")
            yield making.bar(label, share), gr.update(interactive=False)
        try:
            shown = saving.links(job.result(), viewer)
        except Exception as e:
            shown = problem(explain(viewer, e))
        yield shown, gr.update(interactive=True)

    chosen = [parts.words, parts.voice, parts.rate, parts.pitch, parts.volume, parts.mark]
    parts.save.click(save, chosen, [parts.saved, parts.save], concurrency_limit=4, preprocess=False, **_QUIET)


def _stage_parts(parts: Parts) -> list[Any]:
    """The parts that tell which avatar is on stage; `_stage_values` fills them."""
    return [parts.cards, parts.managed, parts.new_name, parts.confirm]


def _stage_values(house: House, viewer: Viewer) -> tuple[Any, ...]:
    return gallery.cards(house, viewer), gallery.chosen(viewer), viewer.avatar.name, gr.update(visible=False)


def _wire_setup(parts: Parts, house: House, visitor: Visitor) -> None:
    from visema.web.actions import explain

    unchanged = (gr.skip(),) * len(_stage_parts(parts))

    async def make(
        source: str | None, name: str, frame: str, index: float | None, request: gr.Request
    ) -> AsyncIterator[Any]:
        viewer = visitor(request)
        if not source:
            yield problem(viewer.text("no_source")), "", gr.skip(), gr.skip(), *unchanged
            return
        try:
            check_training()
        except InputError as e:
            yield problem(explain(viewer, e)), "", gr.skip(), None, *unchanged
            return
        chosen = making.frame_argument(frame, index)
        job = Job(lambda progress: making.make(house, viewer.who, Path(source), chosen, name, progress))
        async for share in job.shares():
            busy = making.bar(viewer.text("making"), share)
            yield busy, "", gr.update(interactive=False), gr.skip(), *unchanged
        try:
            made = job.result()
        except Exception as e:
            yield problem(explain(viewer, e)), "", gr.update(interactive=True), None, *unchanged
            return
        viewer.switch(made.avatar)
        said = viewer.text("made", name=made.avatar.name, took=f"{made.seconds:.1f}")
        report = gallery.report(said, localised(made.avatar.notes, viewer.language))
        sheet = gallery.sheet(made.avatar, viewer.language)
        yield report, sheet, gr.update(interactive=True), None, *_stage_values(house, viewer)

    parts.frame.input(
        lambda choice: gr.update(visible=choice == "number"), parts.frame, parts.index, queue=False, **_QUIET
    )
    parts.make.click(
        make,
        [parts.source, parts.name, parts.frame, parts.index],
        [parts.progress, parts.sheet, parts.make, parts.source, *_stage_parts(parts)],
        concurrency_limit=2,
        **_QUIET,
    )


def _wire_gallery(page: gr.Blocks, parts: Parts, house: House, visitor: Visitor) -> None:
    from visema.web.actions import explain

    def attempt(request: gr.Request, action: Callable[[Viewer], str]) -> tuple[Any, ...]:
        """Do something to the avatar on stage; a failure is said and changes nothing."""
        viewer = visitor(request)
        try:
            said = gallery.report(action(viewer), ())
        except Exception as e:
            said = problem(explain(viewer, e))
        return said, *_stage_values(house, viewer)

    def begin(request: gr.Request) -> tuple[Any, ...]:
        return _stage_values(house, visitor(request))

    def switch(event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        viewer = visitor(request)
        try:
            viewer.switch(house.avatar_for(viewer.who, str(event.avatar)))
        except Exception as e:
            viewer.complain(explain(viewer, e))
        return "", *_stage_values(house, viewer)

    def rename(name: str, request: gr.Request) -> tuple[Any, ...]:
        return attempt(request, lambda v: v.text("renamed", name=gallery.rename(house, v, name).name))

    def delete(request: gr.Request) -> tuple[Any, ...]:
        said = attempt(request, lambda v: v.text("deleted", name=gallery.delete(house, v)))
        return *said, "", ""  # what setup has shown may have been of this one

    def take_in(path: str, request: gr.Request) -> tuple[Any, ...]:
        def action(viewer: Viewer) -> str:
            check_training()
            avatar = gallery.import_file(house, viewer.who, Path(path))
            viewer.switch(avatar)
            return viewer.text("imported", name=avatar.name)

        return attempt(request, action)

    def ask(request: gr.Request) -> tuple[Any, Any]:
        viewer = visitor(request)
        return gr.update(visible=True), gallery.line(viewer.text("delete_ask", name=viewer.avatar.name))

    shown = [parts.said, *_stage_parts(parts)]
    fast: dict[str, Any] = {"queue": False, **_QUIET}
    page.load(begin, None, _stage_parts(parts), **fast)
    parts.cards.click(switch, None, shown, **_QUIET)
    parts.rename.click(rename, parts.new_name, shown, **_QUIET)
    parts.new_name.submit(rename, parts.new_name, shown, **_QUIET)
    parts.delete.click(ask, None, [parts.confirm, parts.question], **fast)
    parts.delete_no.click(lambda: gr.update(visible=False), None, parts.confirm, **fast)
    parts.delete_yes.click(delete, None, [*shown, parts.progress, parts.sheet], **_QUIET)
    parts.upload.upload(take_in, parts.upload, shown, **_QUIET)
