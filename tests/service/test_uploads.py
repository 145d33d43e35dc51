"""What nobody should send, sent over HTTP: it is refused with the right number, and the server goes on."""

from __future__ import annotations

import io
import socket
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.media.make import scene, write_video
from tests.service.conftest import Server, until

EDGE = b"------edge"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def huge_png() -> bytes:
    """100,000 x 100,000 pixels, 30 GB decoded, in a few bytes."""
    return png_header(100_000, 100_000) + chunk(b"IDAT", zlib.compress(b"\0" * 300_001)) + chunk(b"IEND", b"")


def bomb_png() -> bytes:
    """A picture as large as is allowed, 180 MB decoded, in a few bytes; and as much again that belongs to no row."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(b"\0" * (1 << 24)) for _ in range(22)) + rows.flush()
    return png_header(11_000, 5_600) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def an_hour_of_nothing(tmp: Path) -> bytes:
    """An hour of silence in 100 KB."""
    path = tmp / "hour.flac"
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 3600 * 4000), np.int16), format="s16", layout="mono")
    frame.sample_rate, frame.pts = 4000, 0
    with av.open(str(path), "w") as box:
        stream = box.add_stream("flac", rate=4000, layout="mono", options={"compression_level": "0"})
        box.mux([*stream.encode(frame), *stream.encode(None)])
    return path.read_bytes()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("a.txt", b"\0" * (1 << 24))
    return out.getvalue()


def playlist_in_avi(tmp: Path) -> bytes:
    """The well-known trick: an AVI whose subtitle stream is a playlist that reads a file of the server."""
    playlist = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\nconcat:file:///etc/passwd\n#EXT-X-ENDLIST\n"
    gab2 = (
        b"GAB2\0\x02\0"
        + struct.pack("<I", 10)
        + "sub\0".encode("utf-16-le")
        + b"\x04\0"
        + struct.pack("<I", len(playlist))
    )
    inside = gab2 + playlist

    def box(kind: bytes, data: bytes) -> bytes:
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)

    main = struct.pack("<14I", 40000, 0, 0, 0, 1, 0, 1, 0, 64, 64, 0, 0, 0, 0)
    head = struct.pack("<4s4sIHHIIIIIIIIhhhh", b"txts", b"\0" * 4, 0, 0, 0, 0, 1, 25, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    streams = box(b"LIST", b"strl" + box(b"strh", head) + box(b"strf", b""))
    hdrl = box(b"LIST", b"hdrl" + box(b"avih", main) + streams)
    movi = box(b"LIST", b"movi" + box(b"00tx", inside))
    return box(b"RIFF", b"AVI " + hdrl + movi)


def wav_of_promises() -> bytes:
    """A header that speaks of four gigabytes, and hardly any sound."""
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 0xFFFFFFF0, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 0xFFFFFFC0
    )
    return head + b"\0" * 10


BAD_PICTURES: dict[str, Callable[[bytes, Path], bytes]] = {
    "nothing": lambda photo, tmp: b"",
    "noise": lambda photo, tmp: b"\x01\x02" * 500,
    "a text": lambda photo, tmp: b"hello " * 100,
    "a huge PNG": lambda photo, tmp: huge_png(),
    "a zip": lambda photo, tmp: archive(),
    "a picture that is a zip": lambda photo, tmp: photo + archive(),
    "a picture that is a page": lambda photo, tmp: photo + b"<script>alert(1)</script>",
    "a picture that is a PDF": lambda photo, tmp: photo[:2] + b"\xff\xfe\0\x10%PDF-1.4\n1234" + photo[2:],
    "half a picture": lambda photo, tmp: photo[: len(photo) // 2],
    "a picture with a hole": lambda photo, tmp: photo[:20] + b"\0" * 2000,
    "an SVG": lambda photo, tmp: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "a pixel": lambda photo, tmp: bytes(cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1]),
    "a video": lambda photo, tmp: write_video(tmp / "a.mp4", [scene(i) for i in range(5)]).read_bytes(),
    "an HEIC": lambda photo, tmp: b"\0\0\0\x18ftypheic" + b"\0" * 100,
}  # fmt: skip

BAD_SOUNDS: dict[str, Callable[[bytes, Path], bytes]] = {
    "nothing": lambda sound, tmp: b"",
    "noise": lambda sound, tmp: b"\x01\x02" * 500,
    "a zip": lambda sound, tmp: archive(),
    "a recording that is a zip": lambda sound, tmp: sound + archive(),
    "a playlist": lambda sound, tmp: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a playlist in an AVI": lambda sound, tmp: playlist_in_avi(tmp),
    "a list of files": lambda sound, tmp: b"ffconcat version 1.0\nfile /etc/passwd\n",
    "an SDP": lambda sound, tmp: b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
    "promises": lambda sound, tmp: wav_of_promises(),
    "an hour": lambda sound, tmp: an_hour_of_nothing(tmp),
    "no sound": lambda sound, tmp: write_video(tmp / "b.mp4", [scene(i) for i in range(5)]).read_bytes(),
    "no samples": lambda sound, tmp: sound[:40] + b"\0\0\0\0",
}  # fmt: skip


def refused(server: Server, code: int, **parts: bytes | str) -> dict[str, str]:
    answer = server.generate(**parts)
    assert answer.status_code == code, answer.text
    found = answer.json()
    assert set(found) == {"error", "detail", "hint"} and found["detail"] and found["hint"], found
    assert "/tmp" not in answer.text and "passwd" not in answer.text and "outputs" not in answer.text, answer.text
    return dict(found)


def nothing_left(server: Server) -> None:
    until(lambda: not list((server.outputs / "temp").iterdir()), "uploads to go", 10)


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_pictures(server: Server, name: str, photo: bytes, recording: bytes, tmp_path: Path) -> None:
    bad = BAD_PICTURES[name](photo, tmp_path)
    assert refused(server, 422, image=bad, audio=recording)["error"] == "bad_media"


@pytest.mark.parametrize("name", BAD_SOUNDS)
def test_bad_recordings(server: Server, name: str, photo: bytes, recording: bytes, tmp_path: Path) -> None:
    bad = BAD_SOUNDS[name](recording, tmp_path)
    assert refused(server, 422, image=photo, audio=bad)["error"] == "bad_media"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="memory is read from /proc")
def test_a_bomb_goes_off_elsewhere(server: Server, recording: bytes) -> None:
    def peak() -> int:
        assert server.process
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    before = peak()
    session = server.begin(image=bomb_png(), audio=recording)
    assert server.over(session)["error"]["error"] == "no_face"
    assert peak() - before < 120 << 10, "the server itself has decoded it"


def test_after_all_that_it_works_and_nothing_is_left(server: Server, photo: bytes, recording: bytes) -> None:
    session = server.begin(image=photo, audio=recording)
    assert server.over(session)["status"] == "completed"
    nothing_left(server)


def test_missing_and_wrong_parts(server: Server, photo: bytes, recording: bytes) -> None:
    assert refused(server, 422, audio=recording)["error"] == "missing"
    assert refused(server, 422, image=photo)["error"] == "unusable"
    assert refused(server, 422, image=photo, text="   ")["error"] == "unusable"
    assert refused(server, 422, image=photo, text="a", percent="100")["error"] == "unknown_field"
    assert refused(server, 422, image=photo, text="a" * 12_001)["error"] == "unusable"
    assert refused(server, 422, image=photo, text="a" * 60_000)["error"] == "too_long"
    assert refused(server, 422, image=photo, text="a", voice="nobody")["error"] == "unusable"
    twice = server.ask("POST", "/generate", files=[("image", photo), ("image", photo)])
    assert twice.status_code == 422 and twice.json()["error"] == "twice"
    nothing_left(server)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_kind(server: Server, kind: str) -> None:
    answer = server.ask("POST", "/generate", content=b"{}", headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 415 and answer.json()["error"] == "unsupported"


def raw(
    server: Server, body: bytes, kind: bytes = b"multipart/form-data; boundary=----edge", length: int = -1
) -> bytes:
    """What is answered to a body that no library would send."""
    length = len(body) if length < 0 else length
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(
            b"POST /generate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: " + kind
            + b"\r\nContent-Length: " + str(length).encode() + b"\r\n\r\n"
        )  # fmt: skip
        line.sendall(body)
        answer = b""
        while part := line.recv(65536):
            answer += part
        return answer


def part(name: str, data: bytes, head: bytes = b"") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'.encode()
    return EDGE + b"\r\n" + disposition + b"\r\n" + head + b"\r\n" + data + b"\r\n"


def test_damaged_forms(server: Server, photo: bytes) -> None:
    good = part("text", b"Hi.")
    for body, code in (
        (good, 400),  # it ends in the middle
        (b"nonsense", 400),
        (EDGE + b"\r\n" + b"X" * 20_000 + b"\r\n\r\n", 400),
        (part("text", b"\xff\xfe") + EDGE + b"--\r\n", 422),
        (EDGE + b"\r\n\r\nno name\r\n" + EDGE + b"--\r\n", 422),
        (b"".join(part(f"f{n}", b"") for n in range(100)) + EDGE + b"--\r\n", 422),
        (b"", 400),
    ):
        answer = raw(server, body)
        assert answer.startswith(f"HTTP/1.1 {code} ".encode()), (body[:60], answer[:300])
    assert raw(server, good, b"multipart/form-data").startswith(b"HTTP/1.1 400 ")
    nothing_left(server)


def test_a_client_that_goes_in_the_middle_leaves_nothing(server: Server, photo: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(
            b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=----edge\r\n"
            b"Content-Length: 100000\r\n\r\n" + part("image", photo)[:2000]
        )
        time.sleep(0.2)
    nothing_left(server)


def test_a_request_that_is_too_large(server: Server, photo: bytes, recording: bytes) -> None:
    found = refused(server, 413, image=photo, audio=b"\0" * (4 << 20))
    assert found["error"] == "too_large" and "3 MB" in found["detail"]
    nothing_left(server)


def test_what_does_not_tell_its_size_is_counted_while_it_comes(server: Server) -> None:
    sent = 0

    def endless() -> object:
        nonlocal sent
        yield part("audio", b"").rstrip(b"\r\n") + b"\r\n\r\n"
        for _ in range(4000):  # 256 MB, were it read to its end
            sent += 65536
            yield b"\0" * 65536

    import httpx

    headers = {"Content-Type": "multipart/form-data; boundary=----edge"}
    try:
        answer = httpx.post(f"{server.address}/generate", content=endless(), headers=headers, timeout=60)
        assert answer.status_code == 413 and answer.json()["error"] == "too_large"
    except httpx.WriteError:
        pass  # it was cut off while it was still sending
    assert sent < 200 << 20
    most = max((path.stat().st_size for path in server.outputs.rglob("The *")), default=0)
    assert most <= 3 << 20
    nothing_left(server)


def test_a_recording_that_is_too_long(own_server: Callable[..., Server], photo: bytes, long_recording: bytes) -> None:
    server = own_server(VISEMA_MAX_SECONDS="5")
    found = refused(server, 422, image=photo, audio=long_recording)
    assert "longer than 5 seconds" in found["detail"]


def test_a_full_disk(own_server: Callable[..., Server], photo: bytes, recording: bytes) -> None:
    server = own_server(VISEMA_MIN_FREE_MB="900000000")
    assert refused(server, 507, image=photo, audio=recording)["error"] == "disk_full"
    nothing_left(server)


def test_too_many_jobs(own_server: Callable[..., Server], photo: bytes, long_recording: bytes) -> None:
    server = own_server(VISEMA_MAX_QUEUE_CLIENT="1", VISEMA_WORKERS="1", VISEMA_MAX_QUEUE="2")
    first = server.begin(image=photo, audio=long_recording)
    until(lambda: server.status(first)["state"] == "running", "it to begin")
    second = server.begin(image=photo, text="Hi.")
    again = server.generate(image=photo, text="Hi.")
    assert again.status_code == 429 and int(again.headers["retry-after"]) > 0
    other = server.begin(image=photo, text="Hi.", client="10.1.1.1")
    third = server.generate(image=photo, text="Hi.", client="10.1.1.2")
    assert third.status_code == 503 and third.json()["error"] == "busy" and int(third.headers["retry-after"]) > 0
    for session in (first, second, other):
        server.ask("DELETE", f"/status/{session}")
    nothing_left(server)


def test_pages_of_other_sites(own_server: Callable[..., Server], photo: bytes) -> None:
    server = own_server(VISEMA_CORS_ORIGINS="https://good.example")

    def from_page(site: str, method: str, path: str, **more: str) -> object:
        return server.ask(method, path, headers={"Origin": site, **more})

    bad = server.ask("POST", "/generate", files=[("image", photo)], headers={"Origin": "https://bad.example"})
    assert bad.status_code == 403 and "access-control-allow-origin" not in bad.headers
    good = server.ask("GET", "/config", headers={"Origin": "https://good.example"})
    assert good.headers["access-control-allow-origin"] == "https://good.example"
    other = server.ask("GET", "/config", headers={"Origin": "https://bad.example"})
    assert "access-control-allow-origin" not in other.headers
    asked = {"Access-Control-Request-Method": "DELETE"}
    before = server.ask("OPTIONS", "/status/x", headers={"Origin": "https://good.example", **asked})
    assert before.status_code == 200 and "DELETE" in before.headers["access-control-allow-methods"]
    allowed = server.ask("POST", "/generate", files=[("image", photo)], headers={"Origin": "https://good.example"})
    assert allowed.status_code == 422, "nothing to say, but it was let in"
