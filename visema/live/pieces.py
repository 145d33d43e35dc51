"""A text cut into what is spoken at once: a short first clause, then sentences; also while it is still coming."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from visema.speech.words import split_sentences

#: A first sentence longer than this is begun with its first clause, which is ready sooner.
FIRST_LONGEST: Final = 48
#: A clause shorter than this sounds chopped off.
CLAUSE_LEAST: Final = 12
#: A longer sentence is cut at a clause, or at a space.
LONGEST: Final = 240
_CLAUSE: Final = re.compile(r"[,;:،؛–—][\"'”’»)\]]*(?=\s)|[，；：、]")
_PAUSE: Final = re.compile(r"\[\s*pause[^\]]*\]", re.IGNORECASE)


class Piece(NamedTuple):
    """Words to speak at once, and which characters of the whole text they are."""

    text: str
    start: int
    end: int
    sentence_ends: bool


class Pieces:
    """A text on its way to the voice.

    Args:
        text: What is there already.
        complete: False when more comes by `add`, until `finish`.
    """

    def __init__(self, text: str = "", *, complete: bool = True) -> None:
        self.text = text
        self.complete = complete
        self._at = 0
        self._begun = False

    def add(self, text: str) -> None:
        """More of the text."""
        self.text += text

    def finish(self) -> None:
        """There is no more."""
        self.complete = True

    @property
    def done(self) -> bool:
        """True when all has been given out and nothing more comes."""
        return self.complete and not _speakable(self.text[self._at :])

    def next(self, *, hungry: bool = False) -> Piece | None:
        """The next piece; None while none is complete, or after the last.

        Args:
            hungry: The sound runs out: of a text that is still coming, half a sentence will do.
        """
        while True:
            cut = self._cut(hungry)
            if cut is None:
                return None
            start, length, ends = cut
            self._at = start + length
            text = self.text[start : start + length]
            if _speakable(text):
                self._begun = True
                return Piece(text, start, start + length, ends)

    def _cut(self, hungry: bool) -> tuple[int, int, bool] | None:
        """Start, length and whether a sentence ends there, of what comes next."""
        start = self._at + len(self.text[self._at :]) - len(self.text[self._at :].lstrip())
        rest = self.text[start:]
        if not rest:
            return None
        # A sentence is known to have ended when something follows it.
        probe = rest if self.complete or not rest[-1].isspace() else f"{rest}x"
        sentences = split_sentences(probe, LONGEST)
        first = sentences[0] if sentences else ""
        whole = self.complete or len(sentences) > 1
        length = len(first) if whole else len(rest)
        if (not self._begun and length > FIRST_LONGEST) or (not whole and hungry):
            clause = self._clause(rest[:length])
            if clause:
                return start, clause, False
        if not whole:
            return None
        return start, length, True

    @staticmethod
    def _clause(text: str) -> int:
        """Length of the first clause of ``text``, 0 where it has none."""
        for match in _CLAUSE.finditer(text):
            if match.end() >= CLAUSE_LEAST and _speakable(text[: match.end()]) and _speakable(text[match.end() :]):
                return match.end()
        return 0


def _speakable(text: str) -> bool:
    return any(c.isalnum() for c in _PAUSE.sub("", text))
