"""What each kind of command line does."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from visema.cli.arguments import DEFAULT_HOST, DEFAULT_PORT, DEFAULT_VOICE, Options
from visema.cli.progress import progress_bar
from visema.errors import InputError
from visema.paths import ASSETS

if TYPE_CHECKING:
    from visema.avatar import Avatar
    from visema.consent import Consent

log = logging.getLogger(__name__)

#: Suffixes of what may be meant when a name is not found.
PICTURES = (".mp4", ".mov", ".webm", ".mkv", ".jpg", ".jpeg", ".png", ".webp")


def run(options: Options) -> int:
    """Do what ``options`` ask for; the exit code.

    Raises:
        VisemaError: It cannot be done; the message says why and what to do.
    """
    if options.check:
        from visema.cli.check import check

        return check(options.offline)
    if options.list_voices is not None:
        return list_voices(options.list_voices, options.offline)
    if options.match_voice or options.clone_voice:
        from visema.cli.own_voice import make_voice

        return make_voice(options)
    if options.download is not None:
        from visema.cli.weights import download

        return download(options)
    if options.weights:
        from visema.cli.weights import use_weights

        use_weights(options.weights)
    if options.batch:
        from visema.cli.batch import run_batch

        return run_batch(options)
    if (options.style or options.expression) and (options.ui or options.setup):
        raise InputError("--style and --expression belong to films of a photo.", "Use them with --save.")
    if options.ui:
        return open_page(options)
    if options.setup:
        return set_up(options)
    if options.headless or (options.host, options.port) != (DEFAULT_HOST, DEFAULT_PORT):
        raise InputError(
            "--host, --port and --headless belong to the page.", "Add --ui to open it, or leave them out."
        )
    from visema.cli.speech import speak_and_show

    return speak_and_show(options)


def list_voices(language: str, offline: bool) -> int:
    """Print the voices, those of ``language`` if it is given."""
    from visema.speech.voices import list_voices as voices_of

    voices = [v for v in voices_of(language or None, offline) if not (offline and v.cloud)]
    if not voices:
        where = " of this machine" if offline else ""
        raise InputError(
            f"No voice{where} speaks '{language}'.",
            "Give a language such as en, de or pt-BR; without one all are listed.",
        )
    width = max(len(v.name) for v in voices)
    for voice in voices:
        where = "cloud" if voice.cloud else "this machine"
        print(f"{voice.name:<{width}}  {voice.language:<10}  {voice.gender:<7} {where:<13} {voice.label}".rstrip())
    return 0


def open_page(options: Options) -> int:
    """Serve the page until Ctrl-C."""
    if options.save:
        raise InputError("--ui opens the page, --save writes a file.", "Use one of the two; the page can save too.")
    from visema.web.server import serve

    find_video(options.video)  # complains before anything begins
    serve(
        lambda: prepare(options),
        host=options.host,
        port=options.port,
        browser=not options.headless,
        voice=options.voice if options.voice != DEFAULT_VOICE else None,
        offline=options.offline,
        live=options.live,
        tls=options.tls,
        on_ready=lambda address: print(f"The page is at {address} - Ctrl-C ends it.", flush=True),
    )
    return 0


def set_up(options: Options) -> int:
    """Prepare the avatar and say where it is."""
    avatar = prepare(options)
    kind = "photo" if avatar.source.kind == "photo" else "video"
    print(f"The avatar '{avatar.name}' is ready, made from the {kind} {avatar.source.name}: {avatar.folder}")
    print(f"Its mouth shapes: {avatar.folder / 'visemes.png'}")
    return 0


def prepare(options: Options) -> Avatar:
    """The avatar of ``--video``, made now or found in the cache."""
    source = find_video(options.video)
    from visema.setup import prepare_avatar

    with progress_bar("Preparing the avatar", "frame") as progress:
        avatar = prepare_avatar(
            source,
            engine=options.engine,
            frame=options.frame,
            size=options.size,
            force=options.force,
            face=options.face,
            consent=face_consent(options),
            progress=progress,
        )
    for note in avatar.notes:
        log.warning("%s", note)
    return avatar


def face_consent(options: Options) -> Consent | None:
    """What the shown person agreed to, where it is given.

    Raises:
        InputError: It is no statement, or nobody's.
    """
    from visema.consent import Consent

    if not (options.consent or options.consent_by):
        return None
    return Consent.to_face(options.consent, options.consent_by)


def find_video(name: str) -> Path:
    """The base video or photo: at its path, else by that name in ``assets/``.

    Raises:
        InputError: There is no such file.
    """
    path = Path(name).expanduser()
    for candidate in (path, ASSETS / path):
        if candidate.is_file():
            return candidate
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a video or photo.", "Name a file in it.")
    folders = [folder for folder in (path.parent, ASSETS) if folder.is_dir()]
    near = sorted({p.name for folder in folders for p in folder.iterdir() if p.suffix.lower() in PICTURES})[:6]
    hint = f"Found there: {', '.join(near)}." if near else "Give the path of a video or photo of a face."
    raise InputError(f"There is no video or photo {path}.", textwrap.shorten(hint, 200))
