"""Captions beside a film."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from visema.speech.types import Speech

FORMS: Final = ("srt", "vtt")


def beside(speech: Speech, draft: Path) -> None:
    """Write both forms."""
    from visema.visemes.captions import write_captions

    for form in FORMS:
        write_captions(speech, draft.with_suffix(f".{form}"))
