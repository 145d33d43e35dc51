"""The user's own pronunciations, from a file of words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from visema.errors import InputError
from visema.speech.ipa import is_ipa, unknown_letters

_MOST: Final = 10_000
_LONGEST: Final = 200
_EXAMPLE: Final = "Each line is a word, a tab, and IPA between slashes or a respelling: Visema<TAB>/vɪˈsiːmə/."


def read_pronunciations(path: str | Path) -> dict[str, str]:
    """Read ``words.tsv``: a word, a tab, then IPA between slashes or a respelling; ``#`` begins a comment line.

    Returns:
        Word in lower case to its pronunciation, for `SpeechSettings.pronunciations`.

    Raises:
        InputError: The file cannot be read, or a line is wrong; the message has its number.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as e:
        raise InputError(
            f"The pronunciations {path} cannot be read: {e.strerror}.", "Check the path of --pronounce."
        ) from e
    except UnicodeDecodeError as e:
        raise InputError(f"The pronunciations {path} are not text in UTF-8.", "Save the file as UTF-8 text.") from e
    out: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"Line {number} of {path.name}"
        word, said = (*(cell.strip() for cell in line.split("\t")), "")[:2]
        if not word or not said:
            raise InputError(f"{where} is not a word and its pronunciation.", _EXAMPLE)
        if " " in word:
            raise InputError(f"{where} has several words ('{word}').", "Give one word a line.")
        if len(word) > _LONGEST or len(said) > _LONGEST:
            raise InputError(f"{where} is too long.", f"Words and pronunciations have at most {_LONGEST} characters.")
        if said.startswith("/") != said.endswith("/") or said in ("/", "//"):
            raise InputError(f"{where} has IPA without both slashes ('{said}').", _EXAMPLE)
        if is_ipa(said):
            unknown = unknown_letters(said)
            if unknown:
                raise InputError(
                    f"{where} has signs that are no IPA: {' '.join(unknown)}.",
                    "Give IPA, or a respelling without slashes.",
                )
        elif not re.search(r"\w", said):
            raise InputError(f"{where} has a respelling without letters ('{said}').", _EXAMPLE)
        out[word.strip(".,;:!?\"'").lower()] = said
        if len(out) > _MOST:
            raise InputError(f"{path.name} has more than {_MOST:,} words.", "Keep those that the text needs.")
    if not out:
        raise InputError(f"{path.name} has no pronunciations in it.", _EXAMPLE)
    return out
