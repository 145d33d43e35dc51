"""A photo that was sent says something."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from visema.service.files import PICTURE, SOUND
from visema.service.kinds import Made, Work
from visema.service.kinds.captions import beside
from visema.service.request import film_options

#: Engines that need no avatar.
_EMBEDDED: Final = (None, "auto", "warp")


def make(work: Work) -> Made:
    """Make the film."""
    from visema.stage.film import make_film

    options = work.job.options
    # An engine that goes by way of an avatar makes none of the house out of what a stranger sent.
    os.environ["VISEMA_CACHE"] = str(work.cache if options.get("engine") in _EMBEDDED else work.draft.parent)
    chosen = film_options(options, offline=work.settings.offline)
    report = make_film(
        work.folder / PICTURE,
        work.draft,
        audio=work.folder / SOUND if options.get("audio") else None,
        text=str(options.get("text", "")),
        options=replace(chosen, salt=work.job.id, mark=chosen.mark or work.settings.mark),
        progress=work.progress,
        stop=work.stop,
    )
    if options.get("captions"):
        beside(report.speech, work.draft)
    cost = report.speech.cost
    return Made(tuple(report.notes), report.duration, {}, cost.to_json() if cost else None, mark=report.mark)
