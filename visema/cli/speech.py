"""The main job: words or a recording in, the avatar saying them out, as a file or in a window."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from visema.cli.arguments import DEFAULT_TEXT, Options
from visema.cli.asking import agreed
from visema.cli.commands import face_consent, find_video, prepare
from visema.cli.progress import progress_bar
from visema.cli.words import read_words
from visema.errors import InputError, OutputError
from visema.paths import atomic_file, cache_dir

if TYPE_CHECKING:
    from visema.speech.types import Speech, SpeechSettings
    from visema.stage.film import FilmReport
    from visema.stage.render import RenderReport
    from visema.visemes.track import VisemeTrack

log = logging.getLogger(__name__)

#: Name of a result that nobody named.
RESULT = "out.mp4"


def speak_and_show(options: Options) -> int:
    """Make the speech, then the film; then play it unless it was only to be saved."""
    _check_results(options)
    source = find_video(options.video)  # complain about it before anything long begins
    words = "" if options.text is None else read_words(options.text)
    if _is_photo(source):
        return _photo_film(options, source, words)
    if options.style or options.expression:
        raise InputError(
            "--style and --expression belong to photos; a video keeps its own movements.", "Leave them out."
        )
    make_speech = _speech_maker(options, words)
    timeline = _read_timeline(options)
    avatar = prepare(options)
    speech = make_speech()
    for note in speech.notes:
        log.warning("%s", note)

    from visema.stage.render import render_file, with_tail
    from visema.visemes.plan import plan

    speech = with_tail(speech)
    fps = options.fps or avatar.fps
    planned = plan(speech, fps, timeline)

    def render(path: Path) -> RenderReport:
        with progress_bar("Rendering", "frame") as progress:
            return render_file(
                avatar,
                speech,
                planned,
                path,
                fps=fps,
                resolution=options.resolution,
                crop=options.crop,
                label=options.label,
                mark=options.mark,
                progress=progress,
            )

    if options.save:
        print(_told(render(options.save)))
    else:
        _play_or_keep(render, sound=options.play)
    _write_beside(options, speech, planned.track)
    return 0


def _is_photo(source: Path) -> bool:
    from visema.setup import looks_like_picture

    return looks_like_picture(source)


def _photo_film(options: Options, photo: Path, words: str) -> int:
    """The film of a photo: its head follows the speech itself, without an avatar in between."""
    from visema.portrait.expression import Expression, parse_expression
    from visema.portrait.speaking import DEFAULT_STYLE
    from visema.stage.film import DEFAULT_FPS, FilmOptions, make_film

    if options.frame not in ("-1", "auto"):
        raise InputError("A photo has no frame to choose.", "Leave out --frame.")
    _speech_maker(options, words)  # complains about what cannot be said
    wanted = FilmOptions(
        voice=options.voice,
        settings=_settings(options),
        offline=options.offline,
        language=options.language or "en",
        allow_silence=True,
        style=options.style or DEFAULT_STYLE,
        expression=parse_expression(options.expression) if options.expression else Expression(),
        face=options.face,
        fps=options.fps or DEFAULT_FPS,
        resolution=options.resolution,
        crop=options.crop,
        engine=options.engine,
        size=options.size,
        timeline=_read_timeline(options),
        label=options.label,
        mark=options.mark,
        consent=str(consent) if (consent := face_consent(options)) else "",
    )
    wanted.check()
    words = DEFAULT_TEXT if options.text is None and not options.audio else words
    made: list[FilmReport] = []

    def render(path: Path) -> FilmReport:
        with progress_bar("Making the film", "%") as bar:
            told = (lambda stage, share: bar(round(100 * share), 100)) if bar else None
            made.append(make_film(photo, path, audio=options.audio, text=words, options=wanted, progress=told))
        for note in made[-1].notes:
            log.warning("%s", note)
        return made[-1]

    if options.save:
        print(_told(render(options.save)))
    else:
        _play_or_keep(render, sound=options.play)
    _write_beside(options, made[-1].speech, made[-1].track)
    return 0


def _write_beside(options: Options, speech: Speech, track: VisemeTrack) -> None:
    """The timeline and the captions, where they are wanted."""
    if options.timeline:
        _write_text(options.timeline, track.to_json() + "\n")
    if options.captions:
        from visema.visemes.captions import write_captions

        write_captions(speech, options.captions)
    for path in (options.timeline, options.captions):
        if path:
            print(f"Saved {path}.")


def _told(report: RenderReport | FilmReport) -> str:
    width, height = report.size
    return (
        f"Saved {report.path}: {report.duration:.1f} s, {width}x{height} at {report.fps:g} pictures a second, "
        f"made in {report.seconds:.1f} s."
    )


def _check_results(options: Options) -> None:
    """Complain about shapes that cannot be made and places that cannot be written, before any work is done."""
    from visema.stage.framing import check_shape
    from visema.stage.render import check_folder, check_output

    check_shape(options.resolution, options.crop)
    if options.save:
        check_output(options.save)
    for path, suffixes in ((options.timeline, (".json",)), (options.captions, (".srt", ".vtt"))):
        if path:
            check_folder(path)
            if path.suffix.lower() not in suffixes:
                raise OutputError(
                    f"'{path.name}' does not say what to write.", f"End the name with {' or '.join(suffixes)}."
                )


def _speech_maker(options: Options, words: str) -> Callable[[], Speech]:
    """Check what is to be said; what is returned makes the speech of it."""
    if options.audio:
        return _recording(options, options.audio, words)
    if options.text is None:
        words = DEFAULT_TEXT
    if not words.strip():
        raise InputError("There is no text to say.", 'Give some: --text "Hello."')
    settings = _settings(options)
    from visema.speech.speak import speak
    from visema.speech.voices import resolve_voice

    resolve_voice(options.voice)
    return lambda: speak(words, options.voice, settings, offline=options.offline)


def _settings(options: Options) -> SpeechSettings:
    from visema.speech.types import SpeechSettings

    settings = SpeechSettings(rate=options.rate, pitch=options.pitch, volume=options.volume)
    if not options.pronounce:
        return settings
    from visema.speech.pronounce import read_pronunciations

    return replace(settings, pronunciations=read_pronunciations(options.pronounce))


def _recording(options: Options, path: Path, transcript: str) -> Callable[[], Speech]:
    from visema.hearing.signal import why_no_speech
    from visema.media.audio import read_audio

    samples, rate = read_audio(path)
    if (doubt := why_no_speech(samples, rate)) and not options.yes:
        said = f"{path.name}: no speech was found, {doubt}."
        if not agreed(f"{said} Speak it anyway? [y/N] "):
            raise InputError(said, "Choose a recording of speech, or add --yes to speak it anyway.")
    language = options.language or "en"

    def listen() -> Speech:
        from visema.hearing import hear

        with progress_bar("Listening", "%") as progress:
            told = (lambda share: progress(round(100 * share), 100)) if progress else None
            return hear(samples, rate, transcript, language, allow_silence=True, progress=told)

    return listen


def _read_timeline(options: Options) -> VisemeTrack | None:
    if not options.timeline_in:
        return None
    from visema.visemes.track import VisemeTrack

    return VisemeTrack.from_json(options.timeline_in)


def _write_text(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, "utf-8")


def _play_or_keep(render: Callable[[Path], RenderReport | FilmReport], *, sound: bool) -> None:
    """Show the film in a window; where there is no screen, keep it and say where."""
    from visema.stage.playback import has_screen, play_film

    if has_screen():
        with tempfile.TemporaryDirectory(prefix="visema-") as folder:
            path = Path(folder) / RESULT
            render(path)
            if play_film(path, sound=sound):
                return
            kept = _result_path()
            with atomic_file(kept) as temporary:
                temporary.write_bytes(path.read_bytes())
            print(f"Saved {kept}.")
        return
    print(_told(render(_result_path())))
    log.warning("There is no screen here, so the film was saved. --save names the file, --ui opens the page.")


def _result_path() -> Path:
    """A new name in the current folder, or in the cache where that cannot be written."""
    folder = Path.cwd()
    if not os.access(folder, os.W_OK):
        folder = cache_dir()
        folder.mkdir(parents=True, exist_ok=True)
    stem, suffix = Path(RESULT).stem, Path(RESULT).suffix
    names = [RESULT, *(f"{stem}-{n}{suffix}" for n in range(2, 1000))]
    path = next((folder / name for name in names if not (folder / name).exists()), None)
    if path is None:
        raise OutputError(f"{folder} is full of old results.", "Remove some, or name the file with --save.")
    return path
