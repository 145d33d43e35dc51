"""The whole way over HTTP: a picture and a recording or text go in, a film comes out."""

from __future__ import annotations

import io
import re
from pathlib import Path

import av
import numpy as np
import pytest

from tests.service.conftest import Server, until

UNKNOWN = "0123456789abcdef01234567"
STRANGE = [
    UNKNOWN, "x", "A" * 24, "..%2f..%2fetc%2fpasswd", "%2e%2e%2fjobs.db", "jobs.db", "crew.lock", "a" * 5000, "%00",
    "é", "-1",
]  # fmt: skip


@pytest.fixture(scope="module")
def film(server: Server, photo: bytes, recording: bytes) -> str:
    """A finished film."""
    session = server.begin(image=photo, audio=recording)
    assert server.over(session)["status"] == "completed"
    return session


def decode(data: bytes) -> tuple[list[np.ndarray], float]:
    """The pictures (RGB) of a film, and the seconds of its sound."""
    with av.open(io.BytesIO(data)) as box:
        pictures = [frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)]
    with av.open(io.BytesIO(data)) as box:
        stream = box.streams.audio[0]
        sound = sum(frame.samples for frame in box.decode(stream)) / stream.codec_context.sample_rate
    return pictures, sound


def test_a_picture_and_a_recording(server: Server, photo: bytes, recording: bytes) -> None:
    answer = server.generate(image=photo, audio=recording)
    assert answer.status_code == 202
    found = answer.json()
    session = found["session_id"]
    assert found == {
        "session_id": session, "status": "processing", "download_url": f"/download/{session}",
        "status_url": f"/status/{session}",
    }  # fmt: skip
    seen = [server.status(session)]
    while seen[-1]["status"] == "processing":
        seen.append(server.status(session))
    assert seen[-1]["status"] == "completed" and seen[-1]["percent"] == 100
    assert seen[-1]["download_url"] == f"/download/{session}"
    percents = [status["percent"] for status in seen]
    assert percents == sorted(percents) and len(set(percents)) > 2
    assert {"reading", "listening", "drawing"} & {status["stage"] for status in seen}
    assert all(status["message"] for status in seen)

    whole = server.ask("GET", f"/download/{session}")
    assert whole.headers["content-type"] == "video/mp4"
    assert "attachment" in whole.headers["content-disposition"]
    pictures, sound = decode(whole.content)
    assert abs(len(pictures) / 25 - sound) < 0.1 and abs(seen[-1]["duration"] - sound) < 0.1
    assert np.ptp([p.mean() for p in pictures]) >= 0 and pictures[0].std() > 20
    assert server.files() >= {f"{session}.mp4"}
    assert not any(session in name and "temp" in name for name in server.files()), "uploads were left"
    log = (server.outputs / f"{session}.log").read_text()
    assert "Taken in." in log and "Attempt 1 begins." in log and "Done" in log


def test_a_text(server: Server, photo: bytes) -> None:
    session = server.begin(text="Good morning.", voice="espeak:en-us", image=photo)
    assert server.over(session)["status"] == "completed"
    assert decode(server.ask("GET", f"/download/{session}").content)[1] > 0.5


def test_ranges(server: Server, film: str) -> None:
    path = f"/download/{film}"
    whole = server.ask("GET", path)
    size = len(whole.content)
    assert whole.headers["accept-ranges"] == "bytes" and int(whole.headers["content-length"]) == size
    head = server.ask("HEAD", path)
    assert head.status_code == 200 and int(head.headers["content-length"]) == size and not head.content
    end = size - 1
    for asked, first, last in (("0-99", 0, 99), ("100-", 100, end), ("-7", size - 7, end), ("5-99999999", 5, end)):
        part = server.ask("GET", path, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206 and part.content == whole.content[first : last + 1], asked
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
    beyond = server.ask("GET", path, headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{size}"
    assert server.ask("GET", path, headers={"If-Range": '"other"', "Range": "bytes=0-9"}).status_code == 200
    inline = server.ask("GET", f"{path}?inline")
    assert inline.headers["content-disposition"].startswith("inline")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("name", STRANGE)
def test_who_is_not_known_is_not_there(server: Server, method: str, name: str) -> None:
    for path in ("status", "download"):
        answer = server.ask(method, f"/{path}/{name}")
        assert answer.status_code == 404, answer.text
        assert set(answer.json()) == {"error", "detail", "hint"} and answer.json()["error"] == "not_found"


def test_the_wrong_order(server: Server, photo: bytes, long_recording: bytes, film: str) -> None:
    session = server.begin(image=photo, audio=long_recording)
    early = server.ask("GET", f"/download/{session}")
    assert early.status_code == 409 and early.json()["error"] == "not_ready"
    assert server.ask("DELETE", f"/download/{session}").status_code == 409
    assert server.ask("DELETE", f"/status/{session}").status_code == 200
    assert server.over(session)["status"] == "cancelled"
    late = server.ask("GET", f"/download/{session}")
    assert late.status_code == 409 and late.json()["error"] == "cancelled"
    assert server.ask("DELETE", f"/status/{session}").status_code == 200, "cancelling twice"
    finished = server.ask("DELETE", f"/status/{film}")
    assert finished.status_code == 409 and "/download" in finished.json()["hint"]
    assert server.status(film)["status"] == "completed"


def test_cancelling_stops_at_once_and_leaves_nothing(server: Server, photo: bytes, long_recording: bytes) -> None:
    session = server.begin(image=photo, audio=long_recording)
    until(lambda: server.status(session)["state"] == "running", "it to begin")
    assert server.ask("DELETE", f"/status/{session}").status_code == 200
    until(lambda: server.status(session)["state"] == "cancelled", "it to stop")
    until(lambda: not any(session in name for name in server.files()), "its files to go")
    assert not (server.outputs / f"{session}.mp4").exists()
    # The worker, or its successor, is there for others.
    assert server.over(server.begin(image=photo, text="Next.", voice="espeak:en-us"))["status"] == "completed"


def test_a_film_can_be_removed(server: Server, photo: bytes) -> None:
    session = server.begin(image=photo, text="Gone.", voice="espeak:en-us")
    server.over(session)
    assert server.ask("DELETE", f"/download/{session}").status_code == 204
    assert server.ask("GET", f"/download/{session}").status_code == 410
    assert server.ask("DELETE", f"/download/{session}").status_code == 410
    assert server.status(session)["status"] == "expired"
    assert not list(server.outputs.glob(f"{session}*"))


def test_a_picture_without_a_face_fails_with_words(server: Server, recording: bytes) -> None:
    import cv2

    noise = np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8)
    session = server.begin(image=bytes(cv2.imencode(".png", noise)[1]), audio=recording)
    status = server.over(session)
    assert status["status"] == "failed" and status["error"]["error"] == "no_face", status
    assert status["error"]["hint"] and status["error"]["detail"] in status["message"]
    answer = server.ask("GET", f"/download/{session}")
    assert answer.status_code == 409 and answer.json()["error"] == "failed"
    russian = server.ask("GET", f"/status/{session}", headers={"Accept-Language": "ru"}).json()
    assert "Лицо" in russian["error"]["detail"]
    assert not any(session in name for name in server.files())


def test_silence_is_told(server: Server, photo: bytes) -> None:
    from visema.web.sound import wav_bytes

    session = server.begin(image=photo, audio=wav_bytes(np.zeros(16000, np.float32), 16000))
    status = server.over(session)
    assert status["status"] == "failed" and "speech" in status["error"]["detail"]


def test_config_and_health(server: Server) -> None:
    config = server.ask("GET", "/config").json()
    assert config["encoding"]["profile"] == "high" and config["encoding"]["crf"] == "18"
    assert config["limits"]["max_bytes"] == 3 << 20 and config["workers"] == 2
    health = server.ask("GET", "/health").json()
    assert health["workers"] == 2 and health["queued"] >= 0


def test_no_answer_and_no_log_of_the_api_tells_a_path(server: Server, photo: bytes) -> None:
    answers = [
        *(server.ask("GET", path).text for path in ("/status/x", "/config", "/openapi.json", "/health")),
        server.generate(image=b"x" * 99, text="a").text, server.generate(image=photo).text,
    ]  # fmt: skip
    for text in answers:
        assert not re.search(r"/(tmp|home|root|usr|work|var|private)/", text) and str(Path.cwd()) not in text, text


def test_methods_and_addresses_that_do_not_exist(server: Server) -> None:
    for method, path, code in (("GET", "/generate", 405), ("PUT", "/status/x", 405), ("GET", "/nothing", 404)):
        answer = server.ask(method, path)
        assert answer.status_code == code and set(answer.json()) == {"error", "detail", "hint"}


def test_openapi_tells_it_all(server: Server) -> None:
    paths = server.ask("GET", "/openapi.json").json()["paths"]
    assert {"/generate", "/status/{session_id}", "/download/{session_id}", "/config", "/health"} <= set(paths)
    form = paths["/generate"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    from visema.service.request import FIELDS

    assert set(form["properties"]) == {"image", "audio", *FIELDS}
    assert {"202", "413", "415", "422", "429", "507"} <= set(paths["/generate"]["post"]["responses"])


def test_the_log_of_the_server_is_calm(server: Server, film: str) -> None:
    assert server.log.stat().st_size < 100_000
