from __future__ import annotations

from pathlib import Path

import pytest

from visema.errors import InputError
from visema.speech.pronounce import read_pronunciations


def write(folder: Path, text: str) -> Path:
    path = folder / "слова.tsv"
    path.write_text(text, "utf-8")
    return path


def test_read(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff# words\nVisema\t/vɪˈsiːmə/\n\nGIF\tjiff\ta comment\nnaïve\t nah eev \n")
    assert read_pronunciations(path) == {"visema": "/vɪˈsiːmə/", "gif": "jiff", "naïve": "nah eev"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no tab here", "Line 2 of .* is not a word"),
        ("word\t", "Line 2 of .* is not a word"),
        ("two words\tx", "several words"),
        ("word\t/abc", "both slashes"),
        ("word\t//", "both slashes"),
        ("word\t/a5b!/", "no IPA: 5 !"),
        ("word\t---", "without letters"),
        (f"{'x' * 300}\ty", "too long"),
    ],
)
def test_wrong_lines(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_pronunciations(write(tmp_path, f"good\tgut\n{line}\n"))
    assert caught.value.hint


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_pronunciations(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="no pronunciations"):
        read_pronunciations(write(tmp_path, "# nothing\n"))
    binary = tmp_path / "x.tsv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="UTF-8"):
        read_pronunciations(binary)
