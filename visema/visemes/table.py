"""The shipped table of phone symbols and their mouth shapes, `ipa_visemes.tsv`.

Columns: kind, symbol, visemes (one, several in order, or ``-`` for a mark without a shape of its own), languages.
The kinds: ``base`` single IPA letters, ``composite`` longer ones, ``arpabet``, and ``espeak``: every symbol heard
from espeak's voices in eleven languages.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from visema.visemes.classes import VISEMES


class Row(NamedTuple):
    """One symbol of the table."""

    kind: str
    symbol: str
    visemes: tuple[str, ...]
    languages: tuple[str, ...]


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """All rows in the order of the file; symbols decomposed (NFD), so that a nasal vowel is a letter and a tilde."""
    text = files(__package__).joinpath("ipa_visemes.tsv").read_text("utf-8")
    out = []
    for line in text.splitlines()[1:]:
        kind, symbol, visemes, languages = (*line.split("\t"), "", "")[:4]
        shapes = tuple(v for v in visemes.split() if v != "-")
        if unknown := set(shapes) - set(VISEMES):
            raise ValueError(f"ipa_visemes.tsv: {symbol} has unknown visemes {unknown}")
        out.append(Row(kind, unicodedata.normalize("NFD", symbol), shapes, tuple(filter(None, languages.split(",")))))
    return tuple(out)


@lru_cache
def table(*kinds: str) -> MappingProxyType[str, tuple[str, ...]]:
    """Symbol to visemes of the given kinds; a later kind wins over an earlier one."""
    by_kind = {kind: {r.symbol: r.visemes for r in rows() if r.kind == kind} for kind in kinds}
    return MappingProxyType({s: v for kind in kinds for s, v in by_kind[kind].items()})
