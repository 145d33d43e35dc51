"""`--batch`: rows that work, rows that do not, and what is skipped the second time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Result
from visema.cli.arguments import parse
from visema.cli.batch import DONE, Ledger, Outcome, fingerprint, read_rows, summary
from visema.errors import InputError
from visema.media.video import VideoReader
from visema.paths import ASSETS


def write(folder: Path, text: str) -> Path:
    path = folder / "jobs.csv"
    path.write_text(text, "utf-8")
    return path


def test_good_rows_are_made_bad_ones_named_and_done_ones_skipped(tmp_path: Path, video: Callable[..., Result]) -> None:
    face = ASSETS / "presenter.png"
    table = write(
        tmp_path,
        f'face,text,voice,output,style\n{face},"Yes, one.",espeak:en-us,a.mp4,lively\n'
        f"nobody.png,Two.,,b.mp4,\n{face},,,c.mp4,\n{face},Three.,espeak:en-us,sub/d.mp4,wild\n",
    )
    arguments = ["--batch", str(table), "--offline", "--resolution", "128x128"]
    first = video(*arguments)
    assert first.code == 2, first.err
    lines = first.out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["2", "3", "4", "5"]
    assert "done" in lines[1] and "There is no video or photo nobody.png." in lines[2]
    assert "neither a text nor a recording" in lines[3] and "'wild' is not a style." in lines[4]
    assert lines[-1].startswith("1 done, 0 skipped, 3 failed")
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert reader.info.size == (128, 128)
    assert not (tmp_path / "sub" / "d.mp4").exists()
    made = (tmp_path / "a.mp4").stat().st_mtime_ns
    again = video(*arguments)
    assert "skipped" in again.out.splitlines()[1] and again.code == 2
    assert (tmp_path / "a.mp4").stat().st_mtime_ns == made
    (tmp_path / "a.mp4").unlink()
    table.write_text(table.read_text("utf-8").splitlines()[0] + f"\n{face},Yes.,espeak:en-us,a.mp4,\n", "utf-8")
    only = video(*arguments)
    assert only.code == 0 and "1 done" in only.out and (tmp_path / "a.mp4").exists()


def test_a_film_is_made_again_when_what_it_is_made_from_changes(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(b"one")
    (rows, _) = read_rows(write(tmp_path, "face,text,output\nface.png,Hello.,a.mp4\n"))
    options = parse([])
    mark = fingerprint(rows[0], options)
    assert fingerprint(rows[0], options) == mark
    assert fingerprint(rows[0], parse(["--crop", "1:1"])) != mark
    assert fingerprint(rows[0], parse(["--workers", "3"])) == mark
    (tmp_path / "face.png").write_bytes(b"two")
    assert fingerprint(rows[0], options) != mark
    ledger = Ledger(tmp_path / "done.json")
    ledger.add(rows[0], mark)
    assert not Ledger(tmp_path / "done.json").has(rows[0], mark), "the film itself is missing"
    (tmp_path / "a.mp4").write_bytes(b"film")
    assert Ledger(tmp_path / "done.json").has(rows[0], mark)
    (tmp_path / "done.json").write_text("rubbish", "utf-8")
    assert not Ledger(tmp_path / "done.json").has(rows[0], mark)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column 'face'"),
        ("face,text\na,b\n", "no column 'output'"),
        ("face,output\na,b.mp4\n", "neither a column"),
        ("face,text,output,colour\n", "a column 'colour'"),
        ('face,text,output\na,"b,c.mp4\n', "is no CSV"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_rows(write(tmp_path, text))


def test_lines_semicolons_and_quotes(tmp_path: Path) -> None:
    text = '\ufeffface;text;output\nme.png;"two\nlines; one cell";a.mp4\n\nme.png;x;a.mp4\nme.png;x;b.mp4;more\n'
    rows, bad = read_rows(write(tmp_path, text))
    assert [(r.line, r.cells["text"]) for r in rows] == [(2, "two\nlines; one cell")]
    assert [(o.line, o.said.split(";")[0]) for o in bad] == [
        (5, "Line 2 writes the same file."),
        (6, "There are more values than columns"),
    ]


def test_the_summary_counts() -> None:
    told = summary([Outcome(2, "a.mp4", DONE, 1.25), Outcome(3, "longer.mp4", "failed", 0, "Why.")], 2)
    assert told.splitlines()[-1] == "1 done, 0 skipped, 1 failed, in 2.0 s."
    assert told.splitlines()[2].endswith("Why.")
