"""Every argument of `video.py`, and what it may be."""

from __future__ import annotations

import argparse
import difflib
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NoReturn

from visema.cli.live_arguments import LiveArguments
from visema.cli.live_arguments import add as add_live
from visema.errors import InputError

DEFAULT_VIDEO = "Video04.mp4"
DEFAULT_TEXT = "Hello, this is your avatar speaking."
DEFAULT_VOICE = "en-US-JennyNeural"
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 7860
#: Neither engines nor listeners follow further than this.
RATE_RANGE, PITCH_RANGE, VOLUME_RANGE = (0.5, 2.5), (-6.0, 6.0), (0.0, 4.0)
WORDS = {"slow": 0.75, "normal": 1.0, "fast": 1.3, "quiet": 0.5, "loud": 1.5}

EXAMPLES = """examples:
  video.py --text "Hello." --save hello.mp4      the default face says hello, as an mp4
  video.py --ui                                  the page, in your browser
  video.py --video me.jpg --text @speech.txt --save me.mp4
  video.py --audio talk.wav --text "what is said in it" --save talk.mp4
  video.py --video me.jpg --audio talk.wav --style lively --expression smile:0.5 --save talk.mp4
  video.py --batch jobs.csv                      a film for each row
  video.py --list-voices de                      voices that speak German
  video.py --check                               what works on this machine
"""


@dataclass(frozen=True)
class Options(LiveArguments):
    """The command line, understood. Attributes are named as the arguments are; see `make_parser`."""

    video: str
    text: str | None
    audio: Path | None
    language: str
    voice: str
    list_voices: str | None
    match_voice: Path | None
    clone_voice: Path | None
    voice_name: str
    consent: str
    consent_by: str
    save: Path | None
    frame: str
    size: int
    engine: str
    face: int
    style: str | None
    expression: str | None
    fps: float | None
    resolution: str | None
    crop: str | None
    rate: float
    pitch: float
    volume: float
    pronounce: Path | None
    offline: bool
    batch: Path | None
    workers: int
    setup: bool
    force: bool
    ui: bool
    host: str
    port: int
    headless: bool
    timeline: Path | None
    timeline_in: Path | None
    captions: Path | None
    play: bool
    label: bool
    mark: bool
    check: bool
    download: str | None
    weights: str
    yes: bool
    verbose: bool


class _Parser(argparse.ArgumentParser):
    """Complains as everything else of ours does."""

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (\S+)", message)
        if unknown:
            word = unknown[1]
            known = [name for action in self._actions for name in action.option_strings]
            near = difflib.get_close_matches(word, known, 1, 0.6)
            if not word.startswith("-"):
                raise InputError(
                    f"'{word}' does not belong to any argument.",
                    'Put quotes around a text of several words: --text "Hello there."',
                )
            raise InputError(
                f"There is no argument {word}.", f"Did you mean {near[0]}?" if near else "See video.py --help."
            )
        raise InputError(message[:1].upper() + message[1:] + ".", "See video.py --help.")


def parse(arguments: list[str]) -> Options:
    """Understand the command line.

    Raises:
        InputError: Something in it cannot be understood.
        SystemExit: Help or the version was asked for, and printed.
    """
    parser = make_parser()
    found = parser.parse_args(_join_values(arguments, parser))
    return Options(**{f.name: getattr(found, f.name) for f in fields(Options)})


def make_parser() -> argparse.ArgumentParser:
    """The parser of `video.py`, its arguments in groups."""
    parser = _Parser(
        prog="video.py",
        usage="video.py [arguments]",
        description="A talking avatar: a face and words in, the face saying the words out, live or as an mp4.",
        epilog=EXAMPLES,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=32, width=110),
        allow_abbrev=False,
    )
    add = parser.add_argument_group("face").add_argument
    add(
        "--video",
        metavar="FILE",
        default=DEFAULT_VIDEO,
        help="video or photo of the face (default: Video04.mp4 in this folder, else the presenter in assets/)",
    )
    add(
        "--frame",
        metavar="N",
        default="-1",
        type=_frame,
        help="reference frame; -1 is the middle, 'auto' the best with a closed mouth (default: -1)",
    )
    add(
        "--engine",
        metavar="NAME",
        default="auto",
        help="what draws: auto, warp, patch, sadtalker, wav2lip, liveportrait, or another package's (default: auto)",
    )
    add(
        "--size",
        default=256,
        type=int,
        choices=(256, 512),
        help="picture size of neural engines; warp works at the video's own (default: 256)",
    )
    add(
        "--face",
        metavar="N",
        default=1,
        type=_face,
        help="which face, where the picture shows several; 1 is the largest (default: 1)",
    )
    add("--setup", action="store_true", help="prepare the avatar and stop")
    add("--force", action="store_true", help="prepare the avatar anew, even if it is ready")

    add = parser.add_argument_group("photos (films of one)").add_argument
    add("--style", choices=("calm", "lively", "still"), help="how the head moves with the speech (default: calm)")
    add(
        "--expression",
        metavar="LOOK",
        help="neutral, smile or serious, also by degrees: smile:0.5 (default: neutral, as in the photo)",
    )

    add = parser.add_argument_group("words").add_argument
    add(
        "--text",
        metavar="TEXT",
        help=f"what to say; '-' reads standard input, '@file.txt' a file (default: {DEFAULT_TEXT!r})",
    )
    add("--audio", metavar="FILE", type=Path, help="a recording to speak instead; --text may tell what is said in it")
    add(
        "--language",
        metavar="TAG",
        default="",
        help="language of --audio, such as en or de (default: en)",
    )
    add(
        "--pronounce",
        metavar="FILE",
        type=Path,
        help="words.tsv: a word, a tab, its IPA between slashes or respelling",
    )
    add("--timeline-in", metavar="FILE", type=Path, help="use this edited timeline (as --timeline writes it)")
    add("--yes", action="store_true", help="do not ask: speak a recording that seems silent, fetch weights")

    add = parser.add_argument_group("voice").add_argument
    add(
        "--voice",
        metavar="NAME",
        default=DEFAULT_VOICE,
        help="edge:NAME or a bare edge-tts name, espeak:NAME, elevenlabs:NAME, openai:NAME, coqui:NAME, piper:NAME or "
        f"voice:NAME of your own; docs/voices.md tells what they need (default: {DEFAULT_VOICE})",
    )
    add(
        "--list-voices",
        metavar="LANGUAGE",
        nargs="?",
        const="",
        help="list the voices, of one language if it is given, and stop",
    )
    add(
        "--match-voice",
        metavar="FILE",
        type=Path,
        help="bring an embedded voice near a recording in pitch, rate and timbre (no clone), and stop",
    )
    add("--clone-voice", metavar="FILE", type=Path, help="let ElevenLabs clone the voice of a recording, and stop")
    add("--voice-name", metavar="NAME", default="", help="what the new voice is called: --voice voice:NAME")
    add(
        "--consent",
        metavar="TEXT",
        default="",
        help="what the person whose voice or face it is agreed to; kept with it",
    )
    add("--consent-by", metavar="NAME", default="", help="who that is")
    add("--rate", default=1.0, type=_rate, help="speed: 1.2, +20%%, slow or fast (default: normal)")
    add("--pitch", default=0.0, type=_pitch, help="semitones up or down: +2, -3.5 (default: normal)")
    add("--volume", default=1.0, type=_volume, help="loudness: 0.5, -20%%, quiet or loud (default: normal)")
    add("--offline", action="store_true", help="never ask the network; the embedded voice speaks")

    add = parser.add_argument_group("result").add_argument
    add("--save", metavar="FILE.mp4", type=Path, help="write an mp4; without it the speech is played in a window")
    add("--fps", type=_fps, help="pictures a second (default: the base video's)")
    add(
        "--resolution",
        metavar="WxH",
        help="such as 1280x720 or 720p; another shape is cropped around the face (default: the base video's)",
    )
    add("--crop", choices=("16:9", "9:16", "1:1"), help="crop around the face")
    add("--label", action="store_true", help="write the viseme's name and the time on the picture")
    add("--mark", action="store_true", help="draw a small badge, AI generated (the file itself always says so)")
    add("--timeline", metavar="FILE.json", type=Path, help="write the timed visemes")
    add("--captions", metavar="FILE", type=Path, help="write captions, .srt or .vtt, timed by words")
    add(
        "--batch",
        metavar="FILE.csv",
        type=Path,
        help="make a film for each row: columns face, text or audio, voice, output; finished rows are skipped",
    )
    add("--workers", metavar="N", default=0, type=_workers, help="films at a time with --batch (default: the cores)")
    add("--no-play", dest="play", action="store_false", help="no local sound")

    add = parser.add_argument_group("page").add_argument
    add("--ui", action="store_true", help="open the page")
    add("--host", default=DEFAULT_HOST, help="address to listen on (default: 127.0.0.1, this machine only)")
    add("--port", default=DEFAULT_PORT, type=_port, help="port to listen on; 0 takes a free one (default: 7860)")
    add("--headless", action="store_true", help="do not open a browser")

    add_live(parser)

    add = parser.add_argument_group("networks").add_argument
    add("--download", metavar="NAME", help="fetch the weights of sadtalker, wav2lip or liveportrait, and stop")
    add(
        "--weights",
        metavar="PLACE",
        default="",
        help="file or folder of weights to use; with --download where to fetch from, also an address",
    )

    add = parser.add_argument_group("other").add_argument
    add("--check", action="store_true", help="say what works on this machine")
    add("-v", "--verbose", action="store_true", help="tell more, and show where an error comes from")
    add("--version", action="version", version=_version())
    return parser


def _join_values(arguments: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """Tie values such as ``-10%`` to their option, as argparse would take them for options themselves."""
    options = {name for action in parser._actions for name in action.option_strings}
    takes_value = {"--text", "--rate", "--pitch", "--volume", "--frame"}
    joined: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word in takes_value:
            value = next(rest, None)
            if value is None:
                joined.append(word)
            elif value in options or value.split("=")[0] in options:
                joined += [word, value]
            else:
                joined.append(f"{word}={value}")
        else:
            joined.append(word)
    return joined


def _version() -> str:
    from visema import __version__

    return f"visema {__version__}"


def _factor(text: str, what: str, bounds: tuple[float, float]) -> float:
    text = text.strip().lower()
    if text in WORDS:
        return WORDS[text]
    percent = re.fullmatch(r"([+-]?)(\d+(?:\.\d+)?)%", text)
    if percent:
        share = float(percent[2]) / 100
        value = {"+": 1 + share, "-": 1 - share, "": share}[percent[1]]
    else:
        value = _number(text, what)
    return _bounded(value, what, bounds)


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a {what}") from None


def _bounded(value: float, what: str, bounds: tuple[float, float]) -> float:
    if not bounds[0] <= value <= bounds[1]:
        raise argparse.ArgumentTypeError(f"a {what} must be between {bounds[0]:g} and {bounds[1]:g}, not {value:g}")
    return value


def _rate(text: str) -> float:
    return _factor(text, "rate", RATE_RANGE)


def _volume(text: str) -> float:
    return _factor(text, "volume", VOLUME_RANGE)


def _pitch(text: str) -> float:
    text = text.strip().lower().removesuffix("st")
    return 0.0 if text == "normal" else _bounded(_number(text, "pitch"), "pitch", PITCH_RANGE)


def _fps(text: str) -> float:
    return _bounded(_number(text, "frame rate"), "frame rate", (1.0, 120.0))


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port; it must be 0 to 65535")
    return int(text)


def _face(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 20:
        raise argparse.ArgumentTypeError(f"'{text}' is not a face; it must be 1 to 20")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of films at a time; it must be 1 to 64")
    return int(text)


def _frame(text: str) -> str:
    if text != "auto" and not re.fullmatch(r"-1|\d{1,9}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a frame; it must be a number, -1 or auto")
    return text
