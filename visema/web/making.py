"""The Setup panel: a video or photo becomes an avatar."""

from __future__ import annotations

import html
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visema.avatar import Avatar
    from visema.service.who import Who
    from visema.web.background import Progress
    from visema.web.house import House

#: What the file dialogue offers; what is really in a file is found out when it is read.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


@dataclass(frozen=True)
class Made:
    """A new avatar, and how long it took in seconds."""

    avatar: Avatar
    seconds: float


def frame_argument(choice: str, index: float | None) -> str:
    """The command line's ``--frame`` for the page's choice: ``middle``, ``auto`` or ``number``."""
    if choice == "number":
        return str(int(index or 0))
    return "auto" if choice == "auto" else "-1"


def make(house: House, who: Who, source: Path, frame: str, name: str, progress: Progress) -> Made:
    """Prepare an avatar from an uploaded file, which is deleted afterwards.

    Raises:
        VisemaError: The file cannot be used; the message says why.
    """
    from visema.setup import prepare_avatar

    began = time.monotonic()
    house.temp.prune()
    try:
        if house.owners:
            house.owners.check_make(who)
        owner = "" if who.owns("") else who.key
        avatar = prepare_avatar(source, frame=frame, name=name or source.stem, owner=owner, progress=progress)
    finally:
        source.unlink(missing_ok=True)
    if house.owners:
        house.owners.claim(who, avatar)
    house.keep(avatar)
    return Made(avatar, time.monotonic() - began)


def bar(label: str, share: float) -> str:
    """A progress bar as HTML."""
    percent = round(100 * min(max(share, 0.0), 1.0))
    return (
        f'<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-label="{html.escape(label, quote=True)}"><span style="width:{percent}%"></span></div>'
        f'<p class="doing">{html.escape(label)} {percent} %</p>'
    )
