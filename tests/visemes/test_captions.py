"""Captions: readable groups, valid files, text as it was written."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from visema.errors import OutputError
from visema.speech.types import Span, Speech
from visema.visemes.captions import LINE, fold, group, to_srt, to_vtt, write_captions

TEXT = (
    "And so, my fellow Americans: ask not what your country can do for you, ask what you can do for your country. "
    "Then we go on with a second sentence that is rather long and has no comma at all until it ends here."
)


def spoken(text: str = TEXT, step: float = 0.3, words: list[str] | None = None) -> Speech:
    parts = words or text.split()
    spans = [Span(0.1 + i * step, 0.1 + (i + 0.9) * step, w) for i, w in enumerate(parts)]
    return Speech(np.zeros(round(16000 * (len(parts) * step + 0.5)), np.float32), 16000, words=spans, text=text)


def seconds(stamp: str) -> float:
    h, m, s = stamp.replace(",", ".").split(":")
    return int(h) * 3600 + int(m) * 60 + float(s)


def times(text: str) -> list[tuple[float, float]]:
    return [(seconds(a), seconds(b)) for a, b in re.findall(r"^([\d:.,]+) --> ([\d:.,]+)$", text, re.M)]


def test_srt() -> None:
    text = to_srt(spoken())
    assert [int(n) for n in re.findall(r"^(\d+)$", text, re.M)] == list(range(1, text.count(" --> ") + 1))
    assert re.search(r"^\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}$", text, re.M)
    shown = [line for line in text.split("\n") if line and " --> " not in line and not line.isdigit()]
    assert " ".join(shown) == TEXT
    assert max(map(len, shown)) <= LINE
    assert all(len(block.strip().split("\n")) <= 4 for block in text.split("\n\n"))


def test_guessed_words_are_called_guesses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_captions(spoken(), tmp_path / "given.vtt")
    assert not caplog.records and "NOTE" not in (tmp_path / "given.vtt").read_text()
    guessed = replace(spoken(), guessed=True)
    write_captions(guessed, tmp_path / "a.srt")
    assert [r.levelno for r in caplog.records] == [logging.WARNING] and "recognised" in caplog.text
    caplog.clear()
    write_captions(replace(spoken(), words=(), text="", recorded=True), tmp_path / "none.vtt")
    assert "empty" in caplog.text
    text = to_vtt(guessed)
    assert text.startswith("WEBVTT\n\nNOTE The words") and times(text) == times(to_vtt(spoken()))


def test_vtt_words_carry_rising_times() -> None:
    speech = spoken()
    text = to_vtt(speech)
    assert text.startswith("WEBVTT\n\n")
    for block in text.split("\n\n")[1:]:
        (start, end), *_ = times(block)
        inner = [seconds(t) for t in re.findall(r"<([\d:.]+)>", block)]
        assert inner == sorted(inner) and all(start < t < end for t in inner)
    stamps = [seconds(t) for t in re.findall(r"<([\d:.]+)>", text)]
    heads = [a for a, _ in times(text)]
    assert np.allclose(sorted(stamps + heads), [w.start for w in speech.words], atol=1e-3)
    assert " ".join(re.sub(r"<[^>]*>", "", text).split("\n\n", 1)[1].split()).count("fellow Americans") == 1


def test_captions_never_overlap_and_break_at_sentences_and_pauses() -> None:
    for text in (to_srt(spoken(step=0.11)), to_vtt(spoken(step=0.7))):
        shown = times(text)
        assert all(b > a for a, b in shown)
        assert all(b <= c + 1e-6 for (_, b), (c, _) in pairwise(shown))
    groups = group(spoken().words)
    assert any(g[-1].label == "country." for g in groups)
    apart = [Span(0, 0.3, "one"), Span(2.0, 2.3, "two")]
    assert len(group(apart)) == 2


def test_signs_that_mean_something_in_captions() -> None:
    words = ["a", "<b>", "-->", "R&D", "x\n\ny"]
    vtt, srt = to_vtt(spoken(words=words)), to_srt(spoken(words=words))
    assert "&lt;b&gt;" in vtt and "R&amp;D" in vtt and "--&gt;" in vtt
    assert vtt.count("\n\n") == srt.count("\n\n") + 1 and srt.count("-->") == 1
    assert "<b>" not in srt.replace("\u200b", "|") and "R&D" in srt


def test_chinese_is_not_spaced_and_long_words_stay_whole() -> None:
    assert "今天天气很好" in to_srt(spoken(words=list("今天天气很好")))
    assert [len(line) for line in fold([Span(0, 1, "x" * 60), Span(1, 2, "y")])] == [1, 1]


def test_writing(tmp_path) -> None:
    for name in ("c.srt", "субтитры с пробелом.VTT"):
        write_captions(spoken("Привет, мир."), tmp_path / name)
        assert "Привет, мир." in re.sub(r"<[^>]*>", "", (tmp_path / name).read_text("utf-8"))
    with pytest.raises(OutputError, match="srt"):
        write_captions(spoken(), tmp_path / "c.txt")
    with pytest.raises(OutputError, match="does not exist"):
        write_captions(spoken(), tmp_path / "no" / "c.srt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.srt", "субтитры с пробелом.VTT"]


def test_without_word_times_the_text_is_shared_out() -> None:
    silent = Speech(np.zeros(48000, np.float32), 16000, text="one two three")
    assert times(to_srt(silent)) == [(0.0, 3.0)]
    assert to_srt(Speech(np.zeros(48000, np.float32), 16000)) == ""
