from __future__ import annotations

import random

import pytest

from visema.live.pieces import FIRST_LONGEST, LONGEST, Piece, Pieces


def all_of(pieces: Pieces) -> list[Piece]:
    found = []
    while (piece := pieces.next()) is not None:
        found.append(piece)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.", ["Hello."]),
        ("Hello, you. How are you? Fine!", ["Hello, you.", "How are you?", "Fine!"]),
        (
            "Welcome to the house of the morning sun, where nobody is ever late for work. Good.",
            ["Welcome to the house of the morning sun,", "where nobody is ever late for work.", "Good."],
        ),
        ("Well, this sentence is long enough to be cut, but its first comma comes too early.",
         ["Well, this sentence is long enough to be cut,", "but its first comma comes too early."]),
        ("Dr. Smith has 3.5 dogs. They bark.", ["Dr. Smith has 3.5 dogs.", "They bark."]),
        ("One. [pause 500ms] Two.", ["One.", "[pause 500ms] Two."]),
        ("One. [pause 500ms]", ["One."]),
        ("... ! ?", []),
        ("你好。今天天气很好。", ["你好。", "今天天气很好。"]),
    ],
)  # fmt: skip
def test_what_is_spoken_at_once(text: str, expected: list[str]) -> None:
    pieces = Pieces(text)
    found = all_of(pieces)
    assert [p.text for p in found] == expected
    assert pieces.done
    assert all(text[p.start : p.end] == p.text for p in found)


def test_a_very_long_sentence_is_cut() -> None:
    found = all_of(Pieces("word " * 400))
    assert max(len(p.text) for p in found) <= LONGEST
    assert " ".join(p.text for p in found).split() == ["word"] * 400


def test_the_first_piece_is_short_and_the_rest_is_whole() -> None:
    first, second = all_of(Pieces("A first clause of some length, then much more that takes a while to be spoken."))
    assert len(first.text) <= FIRST_LONGEST and not first.sentence_ends
    assert second.sentence_ends


@pytest.mark.parametrize("seed", range(20))
def test_text_that_comes_in_tokens_gives_the_same_sentences(seed: int) -> None:
    text = "Hello there. This came in tokens, said Mr. Jones! Did it? It did, 3.5 times. 你好。再见。 The end"
    rng = random.Random(seed)
    pieces, found, at = Pieces(complete=False), [], 0
    while at < len(text):
        step = rng.randint(1, 7)
        pieces.add(text[at : at + step])
        at += step
        found += all_of(pieces)
        assert not pieces.done
    pieces.finish()
    found += all_of(pieces)
    assert "".join("".join(p.text.split()) for p in found) == "".join(text.split())
    assert [p.text for p in found][-5:] == ["Did it?", "It did, 3.5 times.", "你好。", "再见。", "The end"]


def test_nothing_is_given_out_before_a_sentence_is_known_to_end() -> None:
    pieces = Pieces("He paid 3.", complete=False)
    assert pieces.next() is None
    pieces.add("50 for it. ")
    assert pieces.next() == Piece("He paid 3.50 for it.", 0, 20, True)
    pieces.add("And then he went, ")
    assert pieces.next() is None
    assert pieces.next(hungry=True) is None, "nothing follows the clause yet"
    pieces.add("slowly")
    clause = pieces.next(hungry=True)
    assert clause is not None and clause.text == "And then he went," and not clause.sentence_ends
