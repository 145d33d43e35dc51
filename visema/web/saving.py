"""The Save button: what is in the text box as mp4 with captions."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from visema.settings import MARK
from visema.speech.types import SpeechSettings
from visema.web.texts import localised, text

if TYPE_CHECKING:
    from visema.web.house import House
    from visema.web.viewer import Viewer


@dataclass(frozen=True)
class Saved:
    """Files of one save.

    Attributes:
        video: The mp4.
        captions: The same words as .srt and .vtt.
        duration: Seconds of film.
        seconds: How long it took.
        notes: What a user must see, such as a fallback that spoke.
    """

    video: Path
    captions: tuple[Path, Path]
    duration: float
    seconds: float
    notes: tuple[str, ...]


def file_stem(words: str) -> str:
    """A file name of the first words, Latin letters and digits only, so that it survives every system."""
    latin = re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-").lower()
    return latin[:40].rstrip("-") or "avatar"


def save(
    house: House,
    viewer: Viewer,
    words: str,
    voice: str,
    settings: SpeechSettings,
    progress: Callable[[int, int], None],
    *,
    mark: bool = False,
) -> Saved:
    """Render the avatar on stage saying ``words``; a visitor's last save makes room for the next.

    Args:
        house: What visitors share.
        viewer: Who asks.
        words: What to say.
        voice: Who says it.
        settings: How.
        progress: Told pictures done and in all.
        mark: Draw the visible mark on the film; done for all where the settings say so.

    Raises:
        VisemaError: The voice failed, or the disk is full.
    """
    from visema.speech.speak import speak
    from visema.stage.render import render_file, with_tail
    from visema.visemes.captions import write_captions
    from visema.visemes.plan import plan

    avatar = viewer.avatar
    speech = with_tail(speak(words, voice, settings, offline=house.offline))
    planned = plan(speech, avatar.fps)
    folder = house.saved_folder(viewer)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    house.temp.prune()
    video = folder / f"{file_stem(words)}.mp4"
    report = render_file(avatar, speech, planned, video, mark=mark or MARK.of(), progress=progress)
    captions = video.with_suffix(".srt"), video.with_suffix(".vtt")
    for path in captions:
        write_captions(speech, path)
    return Saved(video, captions, report.duration, report.seconds, tuple(speech.notes))


def links(saved: Saved, viewer: Viewer) -> str:
    """The files as HTML links to download."""
    entries = zip((saved.video, *saved.captions), ("download_video", "download_srt", "download_vtt"), strict=True)
    anchors = (
        f'<a class="download" href="../stage/{viewer.token}/saved/{path.name}" download="{html.escape(path.name)}">'
        f"{text(key, viewer.language)}</a>"
        for path, key in entries
    )
    said = viewer.text("saved", duration=f"{saved.duration:.1f}", took=f"{saved.seconds:.1f}")
    remarks = "".join(f'<p class="remark">{html.escape(note)}</p>' for note in localised(saved.notes, viewer.language))
    return f'<p role="status">{said}</p><p class="downloads">{"".join(anchors)}</p>{remarks}'
