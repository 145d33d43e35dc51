from __future__ import annotations

import pytest

from visema.speech.types import Span
from visema.speech.words import core, join_words, label_words, script_of, split_sentences, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, big world!", ["Hello,", "big", "world!"]),
        ("你好，世界。", ["你", "好，", "世", "界。"]),
        ("我用Python写。", ["我", "用", "Python", "写。"]),
        ("「你好」吗", ["「你", "好」", "吗"]),
        ("  spaced \n out ", ["spaced", "out"]),
        ("こんにちは せかい", ["こんにちは", "せかい"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    found = split_words(text)
    assert [w.text for w in found] == words
    assert all(text[w.start : w.end] == w.text for w in found)


@pytest.mark.parametrize("text", ["Hello, big world!", "你好，世界。", "Привет, 你好 world。"])
def test_joined_words_are_the_text(text: str) -> None:
    assert join_words(w.text for w in split_words(text)) == text


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met J. Brown, e.g. here. Then he left.", ["Dr. Smith met J. Brown, e.g. here.", "Then he left."]),
        ("It costs 3.50 today. Yes.", ["It costs 3.50 today.", "Yes."]),
        ('He said "Stop." She stopped.', ['He said "Stop."', "She stopped."]),
        ("你好。世界！再见", ["你好。", "世界！", "再见"]),
        ("first line\nsecond line", ["first line", "second line"]),
        ("Wait... what?! Now.", ["Wait...", "what?!", "Now."]),
        ("   ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_long_sentences_are_cut_at_clauses() -> None:
    text = "When the long night was over, the people of the town came out, one by one, and " + "word " * 40
    pieces = split_sentences(text, longest=60)
    assert pieces[0] == "When the long night was over,"
    assert all(len(p) <= 60 for p in pieces)
    assert " ".join(pieces).split() == text.split()
    assert split_sentences("x" * 200, longest=60) == ["x" * 60] * 3 + ["x" * 20]


def test_words_without_time_join_their_neighbour() -> None:
    text = "— well – yes"
    words = split_words(text)
    assert label_words(text, words, {1: (0.1, 0.4), 3: (0.5, 0.9)}) == (
        Span(0.1, 0.4, "— well –"),
        Span(0.5, 0.9, "yes"),
    )


def test_words_run_together_share_their_time() -> None:
    text = "of a — kind"
    words = split_words(text)
    spans = label_words(text, words, {0: (1.0, 1.3), 3: (1.4, 1.8)})
    assert [s.label for s in spans] == ["of", "a —", "kind"]
    assert spans[0].end == spans[1].start == pytest.approx(1.2)
    assert spans[1].end == pytest.approx(1.3)


@pytest.mark.parametrize(("word", "bare"), [("“Visema!”", "visema"), ("don't", "don't"), ("...", ""), ("U.S.", "u.s")])
def test_core(word: str, bare: str) -> None:
    assert core(word) == bare


@pytest.mark.parametrize(
    ("word", "script"),
    [("Hi", "LATIN"), ("«мир»", "CYRILLIC"), ("世", "CJK"), ("42", ""), ("שלום", "HEBREW"), ("ア", "KATAKANA")],
)
def test_script(word: str, script: str) -> None:
    assert script_of(word) == script
