"""``visema tts``: a text as sound, with the times of its words and visemes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from visema.cli import api
from visema.cli.words import read_words
from visema.paths import atomic_file


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("text", help="what to say; @FILE reads it")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FILE", help="the sound, WAV")
    parser.add_argument("--times", type=Path, metavar="FILE", help="words and visemes with their times, JSON")
    parser.add_argument("--voice", help="who says it; `visema voices` lists them")
    for name in ("rate", "pitch", "volume"):
        parser.add_argument(f"--{name}", type=float, help=api.OPTIONS[name][1])
    api.add_server(parser)


def run(arguments: argparse.Namespace) -> int:
    """Speak."""
    with api.connect(arguments) as server:
        speech = server.tts(
            read_words(arguments.text), voice=arguments.voice, rate=arguments.rate, pitch=arguments.pitch,
            volume=arguments.volume,
        )  # fmt: skip
    with atomic_file(arguments.output) as draft:
        draft.write_bytes(speech.audio)
    if arguments.times:
        with atomic_file(arguments.times) as draft:
            draft.write_text(json.dumps({"words": speech.words, "visemes": speech.visemes}, default=dict))
    notes = "".join(f"\n  note: {note}" for note in speech.notes)
    api.tell(arguments, speech.raw, f"{arguments.output}: {speech.duration:.1f} s by {speech.voice}{notes}")
    return 0
