from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest

from visema.speech import durations
from visema.speech.durations import share, typical_duration


def test_classes() -> None:
    assert typical_duration("ˈɑː") > typical_duration("ɑ") > typical_duration("ə")
    assert typical_duration("aɪ") > typical_duration("a")
    assert typical_duration("ʃ") > typical_duration("t")
    assert 0.03 < typical_duration("?") < 0.12


def test_every_known_symbol_has_a_class() -> None:
    """The IPA letters that voices of 11 languages were seen to use."""
    table = Path(__file__).resolve().parents[3] / "shared" / "reference" / "ipa_visemes.tsv"
    if not table.exists():
        pytest.skip("the table of seen symbols is not beside the project")
    rows = [line.split("\t") for line in table.read_text("utf-8").splitlines()[1:]]
    letters = [row[1] for row in rows if row[0] == "base" and len(row[1]) == 1]
    letters = [s for s in letters if unicodedata.category(s) == "Ll"]
    unknown = [s for s in letters if not set(unicodedata.normalize("NFD", s)) & set(durations._TABLE)]
    assert len(letters) > 50
    assert not unknown


def test_share() -> None:
    spans = share(1.0, 1.4, ["k", "æ", "t"])
    assert [s.label for s in spans] == ["k", "æ", "t"]
    assert spans[0].start == 1.0 and spans[-1].end == 1.4
    assert all(a.end == b.start for a, b in pairwise(spans))


def test_share_is_the_geometric_mean() -> None:
    """Equal phones, so that the table says halves (but for the held last one) and the synthesiser 1 to 4."""
    table = share(0, 1, ["a", "a"])
    ratio = (table[0].end - table[0].start) / (table[1].end - table[1].start)
    both = share(0, 1, ["a", "a"], [0.05, 0.20])
    assert (both[0].end - both[0].start) / (both[1].end - both[1].start) == pytest.approx((ratio * 0.25) ** 0.5)


def test_share_of_nothing() -> None:
    assert share(0, 1, []) == []
    assert share(1, 1, ["a"]) == []
    assert share(0, 1, ["a", "b"], [0.0, 0.0])[0].end > 0.2
