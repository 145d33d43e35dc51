"""Where the words come from: an argument, standard input, or a text file."""

from __future__ import annotations

import sys
from pathlib import Path

from visema.errors import InputError

#: Ten times a long book chapter; more is a mistake, such as a video given as text.
MAX_BYTES = 1 << 20
SUFFIXES = (".txt", ".md")


def read_words(text: str) -> str:
    """The words that ``--text`` stands for.

    Args:
        text: The words themselves; ``-`` for standard input; ``@name`` for a file.

    Raises:
        InputError: The file or standard input cannot be read as text.
    """
    if text == "-":
        return decode(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    if text.startswith("@") and len(text) > 1:
        path = Path(text[1:]).expanduser()
        # "@anna hi" is something to say, "@speech.txt" is not.
        if path.suffix.lower() in SUFFIXES or path.exists() or not any(c.isspace() for c in text):
            return read_text_file(path)
    return text


def read_text_file(path: Path) -> str:
    """The content of a text file.

    Raises:
        InputError: It is missing, of another type, too large, or no text.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is not a text file.", f"Use one that ends with {' or '.join(SUFFIXES)}.")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as e:
        raise InputError(f"Cannot read {path}: {e.strerror}.", "Check the path after the @.") from e
    return decode(data, str(path))


def decode(data: bytes, name: str) -> str:
    """Bytes as text: UTF-8, or UTF-16 with its mark.

    Raises:
        InputError: There are too many, or they are no text.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"The text in {name} is longer than a megabyte.", "Cut it into parts.")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as e:
        raise InputError(f"{name} holds no UTF-8 text.", "Save it as UTF-8.") from e
    if "\0" in text:
        raise InputError(f"{name} holds no text.", "Give a text file.")
    return text
