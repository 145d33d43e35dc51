"""The film of a job: a picture and a recording, or words, by the setup and the renderer that there are."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from visema.errors import VisemaError

#: Told the stage, and the share of it that is done.
Progress = Callable[[str, float], None]


class Stopped(VisemaError):
    """The film was given up because it was asked to stop."""


@dataclass(frozen=True)
class FilmOptions:
    """How a film is to be.

    Attributes:
        voice: Who speaks a text; empty for the usual voice.
        language: Of the recording or text.
        offline: No cloud voice is asked.
    """

    voice: str = ""
    language: str = "en"
    offline: bool = False


@dataclass(frozen=True)
class FilmReport:
    """What was made.

    Attributes:
        duration: Seconds of film.
        notes: What the user must be told.
    """

    duration: float
    notes: tuple[str, ...]


def make_film(
    photo: Path,
    out: Path,
    *,
    audio: Path | None,
    text: str,
    options: FilmOptions,
    progress: Callable[[str, float], None],
    stop: threading.Event | None,
) -> FilmReport:
    """Write the film of ``photo`` saying ``audio`` or ``text`` to ``out``.

    Raises:
        Stopped: ``stop`` was set.
        VisemaError: It cannot be made.
    """
    from visema.hearing.hear import hear
    from visema.media.audio import read_audio
    from visema.setup import prepare_avatar
    from visema.speech.speak import speak
    from visema.stage.render import render_file, with_tail
    from visema.visemes.plan import plan

    def told(stage: str) -> Callable[[int, int], None]:
        def progressed(done: int, total: int) -> None:
            if stop is not None and stop.is_set():
                raise Stopped("Cancelled.")
            progress(stage, done / max(total, 1))

        return progressed

    # What strangers send is no avatar of the house.
    os.environ["VISEMA_CACHE"] = str(out.parent / "cache")
    told("portrait")(0, 1)
    avatar = prepare_avatar(photo, progress=told("portrait"))
    told("speech")(0, 1)
    if audio:
        samples, rate = read_audio(audio)
        speech = hear(samples, rate, text, options.language)
    else:
        speech = with_tail(speak(text, options.voice or "en-US-JennyNeural", offline=options.offline))
    report = render_file(avatar, speech, plan(speech, avatar.fps), out, progress=told("drawing"))
    return FilmReport(report.duration, tuple(speech.notes))
