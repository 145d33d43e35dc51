"""Captions from timed words: SubRip (.srt) and WebVTT (.vtt, every word with its own time)."""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from visema.errors import OutputError
from visema.message import Message
from visema.paths import atomic_file
from visema.speech.types import Span, Speech
from visema.speech.words import join_words

_log = logging.getLogger(__name__)

#: Said of captions of a recording whose words nobody gave.
GUESSED: Final = Message(
    "The words of the captions are what was recognised in the recording, not always what was said; "
    "a transcript makes them right."
)
EMPTY: Final = Message("No words of the recording are known, so the captions are empty; a transcript fills them.")
#: Characters a line, lines a caption and seconds on screen that read well on television and on the web.
LINE: Final = 42
LINES: Final = 2
LONGEST: Final = 6.0
SHORTEST: Final = 0.8
#: A pause this long begins a new caption.
PAUSE: Final = 0.7
_SENTENCE_ENDS: Final = (".", "!", "?", "…", "。", "！", "？", "؟", "।")


def write_captions(speech: Speech, path: Path) -> None:
    """Write the captions of a speech; the suffix of ``path``, ``.srt`` or ``.vtt``, says in which format.

    A speech without timed words gives one caption of its text, or none. That the words of a recording were guessed is
    logged, and said in the file where its format has room for that.

    Raises:
        OutputError: Another suffix, or the file cannot be written.
    """
    formats = {".srt": to_srt, ".vtt": to_vtt}
    if path.suffix.lower() not in formats:
        raise OutputError("{name} is no name for captions.", "End it in .srt or .vtt.", name=path.name)
    text = formats[path.suffix.lower()](speech)
    if not path.parent.is_dir():
        hint = "Make it first, or choose another."
        raise OutputError("The folder {folder} does not exist.", hint, folder=path.parent)
    with atomic_file(path) as temporary:
        temporary.write_text(text, "utf-8", newline="\n")
    if speech.guessed:
        _log.warning("%s", GUESSED)
    elif not _words(speech):
        _log.warning("%s", EMPTY)


def to_srt(speech: Speech) -> str:
    """SubRip text; two lines a caption at most."""
    blocks = []
    groups = group(_words(speech))
    for i, (words, (start, end)) in enumerate(zip(groups, _shown(groups, speech.duration), strict=True), 1):
        # SubRip has no escapes: an arrow would be read as times, an angle bracket as a tag, so both are broken up.
        lines = [_text(line).replace("-->", "->").replace("<", "<\u200b") for line in fold(words)]
        blocks.append(f"{i}\n{_time(start, ',')} --> {_time(end, ',')}\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks)


def to_vtt(speech: Speech) -> str:
    """WebVTT text; words after the first carry their own time."""
    blocks = ["WEBVTT\n", *([f"NOTE {GUESSED}\n"] if speech.guessed else [])]
    groups = group(_words(speech))
    for words, (start, end) in zip(groups, _shown(groups, speech.duration), strict=True):
        lines = []
        last = start
        for line in fold(words):
            text = ""
            for k, word in enumerate(line):
                # Inner times must rise and stay inside the caption.
                stamp = f"<{_time(word.start, '.')}>" if round(last, 3) < round(word.start, 3) < end else ""
                last = max(last, word.start)
                spaced = k > 0 and " " in join_words([line[k - 1].label[-1], word.label[0]])
                text += " " * spaced + stamp + html.escape(word.label, quote=False)
            lines.append(text)
        blocks.append(f"{_time(start, '.')} --> {_time(end, '.')}\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks)


def group(words: Sequence[Span]) -> list[list[Span]]:
    """Words that are shown together: cut at sentences and pauses, at most two full lines and six seconds."""
    out: list[list[Span]] = []
    for word in words:
        current = out[-1] if out else []
        if (
            not current
            or word.start - current[-1].end > PAUSE
            or word.end - current[0].start > LONGEST
            or (current[-1].label.rstrip("\"'”’»)]").endswith(_SENTENCE_ENDS) and len(_text(current)) > LINE / 2)
            or len(fold([*current, word])) > LINES
        ):
            out.append([])
        out[-1].append(word)
    return out


def fold(words: Sequence[Span]) -> list[list[Span]]:
    """Lines of at most `LINE` characters; a longer word has a line to itself."""
    lines: list[list[Span]] = []
    for word in words:
        if not lines or len(_text([*lines[-1], word])) > LINE:
            lines.append([])
        lines[-1].append(word)
    return lines


def _text(words: Sequence[Span]) -> str:
    return join_words(w.label for w in words)


def _words(speech: Speech) -> list[Span]:
    words = [Span(w.start, w.end, " ".join(w.label.split())) for w in speech.words]
    if not words and speech.text.strip() and speech.duration > 0:
        parts = speech.text.split()
        step = speech.duration / len(parts)
        words = [Span(i * step, (i + 1) * step, part) for i, part in enumerate(parts)]
    return [w for w in words if w.label]


def _shown(groups: Sequence[Sequence[Span]], duration: float) -> list[tuple[float, float]]:
    """When each caption is on screen: with its words, longer if these are short, never with the next one."""
    starts = [max(0.0, words[0].start) for words in groups]
    out = []
    for start, limit, words in zip(starts, [*starts[1:], duration], groups, strict=False):
        out.append((start, max(words[-1].end, min(start + SHORTEST, limit), start + 0.001)))
    return out


def _time(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"
