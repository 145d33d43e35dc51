"""Where the words come from."""

import io
from pathlib import Path

import pytest

from visema.cli.words import MAX_BYTES, read_words
from visema.errors import InputError


class Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize("text", ["Hello.", "@anna says hi", "@", "", "a - b"])
def test_words_stand_for_themselves(text: str) -> None:
    assert read_words(text) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Привет.".encode(), "Привет."),
        (b"\xef\xbb\xbfHello.", "Hello."),
        ("Grüße".encode("utf-16"), "Grüße"),
        (b"", ""),
    ],
)
@pytest.mark.parametrize("name", ["words.txt", "речь и пробел.md"])
def test_files_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, text: str, name: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert read_words(f"@{tmp_path / name}") == text
    monkeypatch.setattr("sys.stdin", Stdin(data))
    assert read_words("-") == text


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("missing.txt", None, "Cannot read"),
        ("a.pdf", b"%PDF", "text file"),
        ("a.txt", b"\x00\x01\x02", "text"),
        ("a.txt", b"\xff\xd8\xff\xe0", "UTF-8"),
        ("a.txt", b"a" * (MAX_BYTES + 1), "megabyte"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, data: bytes | None, said: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_words(f"@{tmp_path / name}")
    assert said in str(caught.value)
