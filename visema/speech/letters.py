"""English spelling to IPA by rules, for machines where no phonemizer works."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

#: Rows of kind, spelling, before, after, phones; says itself what they mean.
_TABLE: Final = Path(__file__).with_name("english_spelling.tsv")
_VOWEL: Final = "[aeiouy]"


class _Rule(NamedTuple):
    spelling: str
    before: re.Pattern[str]
    after: re.Pattern[str]
    phones: list[str]


class _Spelling(NamedTuple):
    words: dict[str, list[str]]
    names: dict[str, list[str]]
    rules: list[_Rule]


@lru_cache(maxsize=1)
def _spelling() -> _Spelling:
    table = _Spelling({}, {}, [])
    for line in _TABLE.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        kind, spelling, before, after, phones = line.split("\t")
        if kind == "rule":
            begin = re.compile(f"(?:{before})$".replace("V", _VOWEL))
            table.rules.append(_Rule(spelling, begin, re.compile(after.replace("V", _VOWEL)), phones.split()))
        else:
            (table.words if kind == "word" else table.names)[spelling] = phones.split()
    return table


def english_phones(word: str) -> list[str]:
    """IPA phones of an English word; letter names where it has no vowel; empty without letters."""
    words, names, rules = _spelling()
    letters = re.sub(r"[^a-z]", "", word.lower())
    if letters in words:
        return list(words[letters])
    if letters and not re.search(_VOWEL, letters):
        return [p for letter in letters for p in names[letter]]
    out: list[str] = []
    i = 0
    while i < len(letters):
        rest = letters[i:]
        for rule in rules:
            end = len(rule.spelling)
            if rest.startswith(rule.spelling) and rule.before.search(letters[:i]) and rule.after.match(rest[end:]):
                out += rule.phones
                i += end
                break
        else:
            i += 1
    return out
