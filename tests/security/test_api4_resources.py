"""OWASP API4, unrestricted resource consumption: what is too large, too slow or too often is refused early."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.guarded import Guarded
from tests.service.conftest import until
from tests.service.test_uploads import archive, bomb_png
from visema.service.keys import Limits
from visema.web import bodies
from visema.web.rules import BATCH_BODY, BODY


def speak_raw(guarded: Guarded, head: str, chunks: Iterator[bytes] | list[bytes], patience: float = 30.0) -> bytes:
    """What is answered to a body that no library would send."""
    place = urlsplit(guarded.address)
    with socket.create_connection((place.hostname, place.port), timeout=patience) as line:
        line.sendall(head.replace("\n", "\r\n").encode())
        try:
            for chunk in chunks:
                line.sendall(chunk)
        except OSError:
            pass  # it hung up, as it may
        answer = b""
        try:
            while block := line.recv(65536):
                answer += block
        except OSError:
            pass
        return answer


def head_of(key: str, path: str = "/api/v1/generate", **headers: str) -> str:
    lines = {"Host": "x", "Authorization": f"Bearer {key}", "Content-Type": "application/json", "Connection": "close"}
    shown = {**lines, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return f"POST {path} HTTP/1.1\n" + "".join(f"{name}: {value}\n" for name, value in shown.items()) + "\n"


def test_huge_json_is_refused_by_its_length(guarded: Guarded, anna: str) -> None:
    answer = speak_raw(guarded, head_of(anna, Content_Length=str(1 << 40)), [b"{"])
    assert answer.startswith(b"HTTP/1.1 413") and b"too_large" in answer


def test_huge_json_without_a_length_is_refused_while_it_comes(guarded: Guarded, anna: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(4 * BODY // 65536):
            yield b"10000\r\n" + b" " * 65536 + b"\r\n"

    for path in (
        "/api/v1/generate",
        "/api/v1/tts",
        "/api/v1/live",
        "/login",
        "/stage/x/clock",
        "/ui/gradio_api/queue/join",
    ):
        answer = speak_raw(guarded, head_of(anna, path, Transfer_Encoding="chunked"), endless())
        # One that hangs up on who is still sending may be seen as a broken connection.
        assert not answer or answer.split()[1] in (b"413", b"415", b"403", b"404"), (path, answer[:300])


def test_large_lists_have_room_and_an_end(guarded: Guarded, anna: str) -> None:
    text = "word " * 250
    items = [{"text": text, "voice": "nobody:none"}] * 1000
    body = json.dumps({"items": items})
    assert BODY < len(body) < BATCH_BODY
    answer = guarded.ask("POST", "/api/v1/batch", anna, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code != 413, answer.text[:300]
    assert guarded.ask("POST", "/api/v1/batch", anna, json={"items": [{"text": "a"}] * 1001}).status_code == 422


@pytest.mark.parametrize("body", [
    "[" * 200_000, '{"a":' * 100_000, '{"text": "' + "a" * 900_000 + '"}', '{"text": 1e999999}', '{"text": NaN}',
    '{"text": "\\ud800"}', '{"rate": ' + "9" * 100_000 + "}", "\x00" * 1000, '{"text":"a","text":"b"}' + " " * 100_000,
])  # fmt: skip
def test_json_that_is_made_to_hurt(guarded: Guarded, anna: str, body: str) -> None:
    for path in ("/api/v1/generate", "/api/v1/tts", "/api/v1/batch", "/api/v1/live"):
        begun = time.monotonic()
        answer = guarded.ask(
            "POST", path, anna, content=body.encode(errors="replace"), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (200, 201, 202, 400, 413, 422), (path, answer.status_code, answer.text[:200])
        assert time.monotonic() - begun < 20
        if answer.status_code == 201:
            guarded.ask("POST", f"/api/v1/live/{answer.json()['session']}/close", anna, json={})


def test_slow_bodies_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """With shorter bounds than the server's, which are half a minute."""
    import asyncio

    from starlette.datastructures import Headers

    monkeypatch.setattr(bodies, "PAUSE_S", 0.2)
    monkeypatch.setattr(bodies, "WHOLE_S", 1.0)

    async def drip(pause: float) -> tuple[list[Any], int]:
        sent: list[Any] = []
        count = 0

        async def receive() -> dict[str, Any]:
            nonlocal count
            await asyncio.sleep(pause)
            count += 1
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(event: Any) -> None:
            sent.append(event)

        bounded = bodies.Bounded(receive, send, Headers({}), 1000, private=False, more={})
        with pytest.raises(bodies.Refused):
            while True:
                await bounded.receive()
        with pytest.raises(bodies.Refused):
            await bounded.receive()
        await bounded.send({"type": "http.response.start", "status": 200, "headers": []})
        return sent, count

    # In a thread: a browser's loop may be running in this one.
    found: list[tuple[list[Any], int]] = []
    thread = threading.Thread(target=lambda: found.extend(asyncio.run(drip(pause)) for pause in (5.0, 0.02)))
    thread.start()
    thread.join()
    (silent, none), (slow, some) = found
    assert silent[0]["status"] == slow[0]["status"] == 408 and len(silent) == len(slow) == 2
    assert none == 0 and 5 < some < 60


def test_uploads_that_are_bombs(guarded: Guarded, anna: str, recording: bytes) -> None:
    for bomb in (bomb_png(), archive(), b"\x89PNG\r\n\x1a\n" + b"\0" * 100):
        for path, name in (("/generate", "image"), ("/api/v1/generate", "image")):
            answer = guarded.ask("POST", path, anna, files=[(name, bomb), ("audio", recording)])
            assert answer.status_code in (202, 422), answer.text
            if answer.status_code == 202:  # a picture of a lawful size that shows nobody
                job = answer.json().get("job_id") or answer.json()["session_id"]
                until(lambda job=job: guarded.ask("GET", f"/api/v1/status/{job}", anna).json()["state"] == "failed",
                      "the bomb's job to fail")  # fmt: skip
    large = guarded.ask("POST", "/generate", anna, files=[("image", b"x" * (5 << 20))])
    assert large.status_code == 413


def test_a_key_hears_when_it_has_asked_too_often(guarded: Guarded) -> None:
    text = guarded.key("eager", "read", "films", limits=Limits(requests_per_minute=30))
    answers = [guarded.ask("GET", "/api/v1/jobs", text) for _ in range(70)]
    codes = [answer.status_code for answer in answers]
    # A minute may end in between.
    assert 30 <= codes.count(200) <= 60 and 429 in codes and set(codes) == {200, 429}
    first, refused = answers[0], next(answer for answer in answers if answer.status_code == 429)
    assert first.headers["ratelimit-limit"] == "30" and int(first.headers["ratelimit-remaining"]) <= 29
    assert refused.json()["error"] == "rate" and 0 < int(refused.headers["retry-after"]) <= 61
    assert refused.headers["ratelimit-remaining"] == "0"
    assert guarded.ask("GET", "/config", text).status_code == 200, "what is not counted goes on"


def test_a_key_has_its_quotas(guarded: Guarded) -> None:
    waits = guarded.key("waits", "films", limits=Limits(max_waiting=0))
    speaks = guarded.key("speaks", "films", limits=Limits(video_seconds_per_month=1))
    keeps = guarded.key("keeps", "films", limits=Limits(storage_bytes=0))
    body = {"text": "One, two, three, four, five, six, seven, eight.", "voice": "espeak:en-us"}
    for text, code in ((waits, "quota_waiting"), (speaks, "quota_video"), (keeps, "quota_storage")):
        for path, asked in (("/api/v1/generate", body), ("/api/v1/batch", {"items": [body] * 3})):
            answer = guarded.ask("POST", path, text, json=asked)
            assert answer.status_code == 429, (code, path, answer.text)
            assert answer.json()["error"] == code and int(answer.headers["retry-after"]) > 0


def test_pages_are_bounded(guarded: Guarded, anna: str) -> None:
    for query in ("limit=201", "limit=0", "limit=-1", "limit=1e9", "cursor=-1", "cursor=" + "9" * 30, "cursor=x"):
        assert guarded.ask("GET", f"/api/v1/jobs?{query}", anna).status_code == 422, query
    assert guarded.ask("GET", "/api/v1/jobs?" + "a=b&" * 2000, anna).status_code in (200, 400, 414, 431)


def test_the_server_still_serves(guarded: Guarded, anna: str, serve_guarded: Callable[..., Guarded]) -> None:
    assert guarded.ask("GET", "/health").status_code == 200
    assert guarded.ask("GET", "/api/v1/jobs", anna).status_code == 200
