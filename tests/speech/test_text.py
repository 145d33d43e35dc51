from __future__ import annotations

import pytest

from visema.errors import InputError
from visema.speech.markup import strip_markup
from visema.speech.numbers import cardinal, decimal, ordinal, year
from visema.speech.text import Segment, normalise, written_spans
from visema.speech.types import Span
from visema.speech.words import split_words


def spoken(text: str, language: str = "en-US") -> str:
    return " / ".join(s.spoken for s in normalise(text, language))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I paid $5.", "I paid five dollars."),
        ("$1 or £2.50 or €0.05", "one dollar or two pounds and fifty pence or five cents"),
        ("$1.2 million raised", "one point two million dollars raised"),
        ("It is 25% off", "It is twenty-five percent off"),
        ("run 5 km or 5km/h", "run five kilometers or five kilometers per hour"),
        ("1 kg", "one kilogram"),
        ("at 3:05 pm", "at three oh five PM"),
        ("at 12:00 sharp", "at twelve o'clock sharp"),
        ("in 1984, 2005 and 2026", "in nineteen eighty-four, two thousand five and twenty twenty-six"),
        ("on 2024-05-01", "on May first twenty twenty-four"),
        ("the 21st, 2nd and 12th", "the twenty-first, second and twelfth"),
        ("1,234,567 people", "one million two hundred thirty-four thousand five hundred sixty-seven people"),
        ("3.14 and -5", "three point one four and minus five"),
        ("1/2 cup, ¾ cup, 2½ cups", "one half cup, three quarters cup, two and a half cups"),
        ("10-20 items", "ten to twenty items"),
        ("007", "zero zero seven"),
        ("100°C", "one hundred degrees Celsius"),
        ("the 1990s", "the nineteen nineties"),
        ("Dr. Smith & Mrs. Jones", "Doctor Smith and Missus Jones"),
        ("St. Paul, Main St. is", "Saint Paul, Main Street is"),
        ("apples, e.g. red ones, etc.", "apples, for example red ones, et cetera."),
        ("mail me@x-y.org", "mail me at x dash y dot org"),
        ("see https://example.com/a?b=c", "see example dot com slash a"),
        ("AT&T and/or #hash_tag", "AT and T and or hashtag hash tag"),
        ("v1.2.3", "one point two point three"),
        ("3 < 5", "three less than five"),
        ("call +1-202-555-0173", "call plus one, two zero two, five five five, zero one seven three"),
        ("1234567890123456789",
        "one two three four five six seven eight nine zero one two three four five six seven eight nine"),
        ("Hi 😀👍🏽 there ❤️", "Hi there"),
        ("1️⃣ first", "one first"),
        ("family 👨‍👩‍👧 flag 🇩🇪 end", "family flag end"),
        ("ｗｉｄｅ 𝐛𝐨𝐥𝐝", "wide bold"),
        ("What?!!! No.......", "What?! No..."),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("wait — what", "wait what"),
        ("Hello Привет 你好，世界", "Hello Привет 你好，世界"),
        ("tab\tand\x07bell", "tab and bell"),
    ],
)  # fmt: skip
def test_english(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("text", "language"),
    [("Сегодня 25 людей и 3,5 кг", "ru-RU"), ("Le 21 mai, 3 km.", "fr-FR"), ("今天是2024年。", "zh-CN")],
)
def test_other_languages_keep_numbers_for_their_voice(text: str, language: str) -> None:
    assert spoken(text, language) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("# Title\n\nSome **bold**, *it* and `code`.", "Title.\nSome bold, it and code."),
        ("- one\n- two\n1. three", "one.\ntwo.\n1. three"),
        ("[link](http://x.y) ![alt](z.png)", "link alt"),
        ("a_b snake_case 2*3*4", "a_b snake_case 2*3*4"),
        ("> quote\n> more", "quote more"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b.\n1, 2"),
        ("```python\nx = 1\n```", "x = 1"),
        ("<p>Hi &amp; <b>bye</b></p><script>alert(1)</script>", "Hi & bye"),
        ("3 < 5 and 7 > 2", "3 < 5 and 7 > 2"),
        ("x <!-- hidden --> y", "x y"),
        ("soft\nwrap", "soft wrap"),
        ("<speak>Hi <break time='300ms'/> you</speak>", "Hi [pause 300ms] you"),
        ("~~gone~~ \\*star\\*", "gone *star*"),
        ("***\n\nafter a rule", "after a rule"),
    ],
)
def test_markup(text: str, plain: str) -> None:
    assert strip_markup(text) == plain


def test_pauses_cut() -> None:
    segments = normalise("One [pause 500ms] two [PAUSE 1.5s][pause 0.25 s] three")
    assert [(s.spoken, s.pause) for s in segments] == [("One", 0.5), ("two", 1.5), ("", 0.25), ("three", 0.0)]


@pytest.mark.parametrize("text", ["a [pause 1e9s] b", "a [pause 61s] b"])
def test_pause_bounds(text: str) -> None:
    if "e9" in text:
        assert "pause" in spoken(text)  # not a directive: it is read
        return
    with pytest.raises(InputError, match="too long"):
        normalise(text)


def test_malformed_pause() -> None:
    with pytest.raises(InputError, match="no length"):
        normalise("a [pause 1.2.3s] b")


@pytest.mark.parametrize("text", ["", "  \n\t", "😀 👍", "!!! — ...", "# \n---", "[pause 1s]", "<b></b>", "\u200b"])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        normalise(text)


def test_too_long() -> None:
    with pytest.raises(InputError, match="characters"):
        normalise("a " * 600_000)


def test_ten_thousand_words() -> None:
    (segment,) = normalise("word " * 10_000)
    assert len(segment.words) == 10_000


def test_endless_word_is_parted() -> None:
    (segment,) = normalise("a" * 1000)
    assert max(len(w.text) for w in split_words(segment.spoken)) <= 60
    assert segment.spoken.replace(" ", "") == "a" * 1000


def test_pronunciations() -> None:
    given = {"visema": "/vɪˈsiːmə/", "gif": "jiff", "5": "five-ish"}
    (segment,) = normalise("(Visema) makes a GIF, 5!", "en", given)
    assert segment.spoken == "(Visema) makes a jiff, five-ish!"


def test_written_words_keep_the_times_of_the_spoken() -> None:
    (segment,) = normalise("😀 Pay $2 million — now 👍 你好 to Dr. X!")
    words = split_words(segment.spoken)
    times = [Span(i, i + 1, w.text) for i, w in enumerate(words)]
    spans = written_spans(segment, times)
    assert [s.label for s in spans] == ["Pay", "$2 million —", "now", "你", "好", "to", "Dr.", "X!"]
    assert spans[1][:2] == (1, 4)  # two million dollars
    assert spans[-1].end == len(words)


def test_a_spoken_word_over_two_written_ones_joins_them() -> None:
    segment = Segment((("ab", "ab"), ("cd", "cd"), ("ef", "ef")))
    spans = written_spans(segment, [Span(0, 1, "ab cd"), Span(1, 2, "ef")])
    assert spans == [Span(0, 1, "ab cd"), Span(1, 2, "ef")]


@pytest.mark.parametrize(
    ("n", "words"),
    [(0, "zero"), (13, "thirteen"), (42, "forty-two"), (100, "one hundred"), (1_000_000, "one million"),
     (999_999, "nine hundred ninety-nine thousand nine hundred ninety-nine"), (-7, "minus seven")],
)  # fmt: skip
def test_cardinal(n: int, words: str) -> None:
    assert cardinal(n) == words


@pytest.mark.parametrize(
    ("n", "words"),
    [(1, "first"), (20, "twentieth"), (33, "thirty-third"), (100, "one hundredth"), (112, "one hundred twelfth")],
)
def test_ordinal(n: int, words: str) -> None:
    assert ordinal(n) == words


@pytest.mark.parametrize(
    ("n", "words"),
    [(1900, "nineteen hundred"), (1905, "nineteen oh five"), (2000, "two thousand"), (800, "eight hundred")],
)
def test_year(n: int, words: str) -> None:
    assert year(n) == words


def test_decimal() -> None:
    assert decimal("1,250.05") == "one thousand two hundred fifty point zero five"
