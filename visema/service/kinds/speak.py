"""A prepared avatar says a text, or what is said in a recording."""

from __future__ import annotations

import os
from typing import Any

from visema.avatar import Avatar
from visema.errors import AvatarError, InputError
from visema.service.files import SOUND
from visema.service.kinds import Made, Work
from visema.service.kinds.captions import beside
from visema.speech.types import Speech, SpeechSettings


def make(work: Work) -> Made:
    """Make the film.

    Raises:
        InputError: The avatar is gone, or there is nothing to say.
        VoiceError: No voice could speak.
        Cancelled: It was given up.
    """
    from visema.stage.render import render_file, with_tail
    from visema.visemes.plan import plan

    options = work.job.options
    os.environ["VISEMA_CACHE"] = str(work.cache)
    work.at("reading", 0.0)
    try:
        work.files.fetch_avatar(str(options["avatar"]), work.cache)
        avatar = Avatar.load(work.cache / str(options["avatar"]))
    except AvatarError as e:
        raise InputError("The avatar is gone.", "GET /api/v1/avatars lists those that there are.") from e
    speech = with_tail(_speech(work, options))
    fps = float(options.get("fps") or avatar.fps)
    planned = plan(speech, fps)

    def drawn(done: int, total: int) -> None:
        work.at("drawing", 0.2 + 0.79 * done / max(total, 1))

    report = render_file(
        avatar, speech, planned, work.draft, fps=fps, resolution=options.get("resolution"), crop=options.get("crop"),
        mark=bool(options.get("mark")) or work.settings.mark, salt=work.job.id, progress=drawn,
    )  # fmt: skip
    if options.get("captions"):
        beside(speech, work.draft)
    cost = speech.cost.to_json() if speech.cost else None
    return Made(tuple(speech.notes), report.duration, {"voice": speech.voice}, cost, mark=report.mark)


def _speech(work: Work, options: dict[str, Any]) -> Speech:
    if options.get("audio"):
        from visema.hearing import hear
        from visema.media.audio import read_audio

        samples, rate = read_audio(work.folder / SOUND)
        return hear(
            samples, rate, str(options.get("text", "")), str(options.get("language", "en")),
            progress=lambda share: work.at("listening", 0.05 + 0.15 * share),
        )  # fmt: skip
    from visema.speech.speak import speak

    work.at("speaking", 0.05)
    settings = SpeechSettings(
        rate=float(options.get("rate", 1)),
        pitch=float(options.get("pitch", 0)),
        volume=float(options.get("volume", 1)),
    )
    return speak(str(options["text"]), str(options["voice"]), settings, offline=work.settings.offline)
