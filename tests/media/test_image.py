"""Pictures of every kind that phones and browsers make, and the ones that are traps."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.media.make import encoded, scene, with_exif
from visema.errors import MediaError
from visema.media.image import PngWriter, limit_size, read_header, read_image

UPRIGHT = scene(3)

#: How a camera that says each orientation has stored the upright picture.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


def off(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_of_jpeg(orientation: int) -> None:
    stored = np.ascontiguousarray(STORED[orientation](UPRIGHT))
    assert off(read_image(with_exif(encoded(stored, ".jpg"), orientation)), UPRIGHT) < 3


def test_exif_orientation_of_png_and_webp() -> None:
    stored = np.ascontiguousarray(np.rot90(UPRIGHT, 1))
    tiff = b"II\x2a\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    png = encoded(stored, ".png")
    chunk = struct.pack(">I", len(tiff)) + b"eXIf" + tiff + struct.pack(">I", zlib.crc32(b"eXIf" + tiff))
    assert off(read_image(png[:33] + chunk + png[33:]), UPRIGHT) == 0
    simple = encoded(stored, ".webp")
    header = struct.pack("<I", 0x08) + (stored.shape[1] - 1).to_bytes(3, "little")
    header += (stored.shape[0] - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + header + simple[12:] + b"EXIF" + struct.pack("<I", len(tiff)) + tiff
    assert off(read_image(b"RIFF" + struct.pack("<I", len(body)) + body), UPRIGHT) < 6


def test_nonsense_orientation_is_upright() -> None:
    assert off(read_image(with_exif(encoded(UPRIGHT, ".jpg"), 77)), UPRIGHT) < 3


def test_transparency_is_laid_on_white() -> None:
    picture = np.dstack([np.full((20, 30, 3), 50, np.uint8), np.zeros((20, 30), np.uint8)])
    picture[:, 10:20, 3] = 128
    picture[:, 20:, 3] = 255
    read = read_image(encoded(picture, ".png"))
    assert [int(v) for v in read[5, (5, 15, 25), 0]] == [255, 152, 50]


def test_depths_and_grey() -> None:
    assert int(read_image(encoded(np.full((8, 8, 3), 40000, np.uint16), ".png"))[0, 0, 0]) == 40000 >> 8
    assert read_image(encoded(np.full((8, 9), 7, np.uint8), ".png")).shape == (8, 9, 3)
    assert read_image(encoded(np.full((8, 9), 7, np.uint8), ".jpg")).shape == (8, 9, 3)


@pytest.mark.parametrize("name", ["a b.png", "Фото мамы.png", "%d.png", "http:x.png"])
def test_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(UPRIGHT, ".png"))
    assert off(read_image(path), UPRIGHT) == 0


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_cut_off(ending: str) -> None:
    whole = encoded(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8), ending)
    with pytest.raises(MediaError, match="cut off"):
        read_image(whole[: len(whole) // 2])
    with pytest.raises(MediaError):
        read_image(whole[:20])


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises a size, with next to nothing inside."""
    out = b"\x89PNG\r\n\x1a\n"
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, data in ((b"IHDR", ihdr), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")):
        out += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return out


def jpeg_of(width: int, height: int) -> bytes:
    small = encoded(UPRIGHT, ".jpg")
    at = small.index(b"\xff\xc0")
    return small[: at + 5] + struct.pack(">HH", height, width) + small[at + 9 :]


@pytest.mark.parametrize("bomb", [png_of(15360, 8640), png_of(60000, 60000), jpeg_of(65000, 65000), png_of(13000, 10)])
def test_bombs_are_refused_by_their_header(bomb: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded before the size was checked")

    monkeypatch.setattr(cv2, "imdecode", decode)
    with pytest.raises(MediaError, match="pixels"):
        read_image(bomb)


def test_a_16k_header_is_read_right() -> None:
    assert read_header(png_of(15360, 8640))[1:3] == (15360, 8640)
    assert read_header(jpeg_of(15360, 8640))[1:3] == (15360, 8640)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not a picture"),
        (b"PK\x03\x04" + b"\0" * 100, "not a picture"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 64, "HEIC"),
        (b"\xff\xd8\xff" + b"\0" * 40, "cut off"),
        (b"\xff\xd8\xff\xe0", "cut off"),
    ],
)
def test_no_pictures(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=said) as caught:
        read_image(path)
    assert caught.value.hint


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no picture at"):
        read_image(tmp_path / "none.png")
    with pytest.raises(MediaError, match="not a file"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    ("longest", "size"),
    [(0, (300, 400)), (201, (300, 400)), (150, (150, 200)), (100, (75, 100)), (99, (75, 100)), (30, (38, 50))],
)
def test_large_jpegs_come_smaller_the_right_way_up(longest: int, size: tuple[int, int]) -> None:
    stored = np.ascontiguousarray(np.rot90(cv2.resize(UPRIGHT, (400, 300), interpolation=cv2.INTER_NEAREST), 1))
    read = read_image(with_exif(encoded(stored, ".jpg"), 6), longest)
    assert read.shape == (*size, 3)
    assert off(read, cv2.resize(UPRIGHT, read.shape[1::-1], interpolation=cv2.INTER_AREA)) < 6
    assert read_image(encoded(stored, ".png"), longest).shape == (400, 300, 3)


def test_pngs_are_written(tmp_path: Path) -> None:
    pictures = {tmp_path / f"Ф {i}.png": np.full((9, 8, 3), i, np.uint8) for i in range(7)}
    with PngWriter() as writer:
        for path, picture in pictures.items():
            writer.add(path, picture)
    assert all(np.array_equal(read_image(path), picture) for path, picture in pictures.items())
    with pytest.raises(OSError, match="No such file"), PngWriter() as writer:
        writer.add(tmp_path / "none" / "a.png", UPRIGHT)


def test_limit_size() -> None:
    assert limit_size(np.zeros((301, 201, 3), np.uint8), 1000).shape == (300, 200, 3)
    assert limit_size(np.zeros((3000, 2000, 3), np.uint8), 1000).shape == (1000, 666, 3)
