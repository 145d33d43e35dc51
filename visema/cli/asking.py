"""A question on the terminal."""

from __future__ import annotations

import sys


def agreed(question: str) -> bool:
    """Ask on a terminal; no where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "j", "ja", "д", "да")
