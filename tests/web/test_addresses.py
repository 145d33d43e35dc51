"""The addresses beside the page, asked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from visema.avatar import Avatar
from visema.web.house import House


@pytest.fixture(scope="module")
def client(avatar: Avatar, avatar_cache: Path) -> Iterator[Any]:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from visema.web.routes import add_routes

    house = House(avatar, avatar_cache, offline=True)
    app = FastAPI()
    app.state.house = house
    add_routes(app, house)
    with TestClient(app, follow_redirects=False) as client:
        yield client
    house.close()


def test_the_root_sends_browsers_to_the_page_and_answers_others_in_json(client: Any) -> None:
    shown = client.get("/", headers={"accept": "text/html,application/xhtml+xml"})
    assert shown.status_code == 307 and shown.headers["location"] == "ui/"
    assert client.get("/").json()["page"] == "/ui/"
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_pictures(client: Any, avatar: Avatar) -> None:
    for path in ("/poster.jpg", f"/avatars/{avatar.id}/idle/x/0.jpg", f"/avatars/{avatar.id}/idle/x/999999.jpg"):
        answer = client.get(path)
        assert answer.status_code == 200 and answer.content[:3] == b"\xff\xd8\xff", path
    for name in ("thumbnail", "visemes"):
        assert client.get(f"/avatars/{avatar.id}/{name}.png").content[1:4] == b"PNG"
    packed = client.get(f"/avatars/{avatar.id}.zip")
    assert packed.content[:2] == b"PK" and "attachment" in packed.headers["content-disposition"]


@pytest.mark.parametrize(
    "path",
    [
        "/avatars/nobody/idle/x/0.jpg",
        "/avatars/..%2f..%2fetc/thumbnail.png",
        "/avatars/..%2f..%2fetc.zip",
        "/avatars/{id}/ref_frame.png",
        "/avatars/{id}/..%2f..%2f..%2fpasswd.png",
        "/avatars/nobody.zip",
        "/stage/wrong/sound/1.wav",
        "/stage/{token}/sound/99.wav",
        "/stage/{token}/saved/..%2f..%2fx.mp4",
        "/stage/{token}/saved/x.mp4",
        "/stage/{token}/saved/.mp4",
    ],
)
def test_what_is_not_there_or_not_for_you_is_404(client: Any, avatar: Avatar, path: str) -> None:
    viewer = client.app.state.house.viewer("tab")
    assert client.get(path.format(id=avatar.id, token=viewer.token)).status_code == 404


def test_sound_is_given_whole_and_in_ranges(client: Any) -> None:
    from visema.web.sound import wav_bytes

    viewer = client.app.state.house.viewer("tab")
    import numpy as np

    viewer._sounds[7] = wav_bytes(np.zeros(100, np.float32), 8000)
    path = f"/stage/{viewer.token}/sound/7.wav"
    whole = client.get(path)
    assert whole.content[:4] == b"RIFF" and whole.headers["accept-ranges"] == "bytes"
    part = client.get(path, headers={"range": "bytes=4-11"})
    assert part.status_code == 206 and part.content == whole.content[4:12]
    assert part.headers["content-range"] == f"bytes 4-11/{len(whole.content)}"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"sound": 1}', b'{"sound": 1, "event": "dance", "position": 0}',
        b'{"sound": 1, "event": "time", "position": NaN}', b'{"sound": 1, "event": "time", "position": 1e999}',
        b'{"sound": "x", "event": "time", "position": 0}', b'{"sound": 1, "event": "time", "position": 0, "skew": {}}',
        b"[" * 1000, b" " * 5000,
    ],
)  # fmt: skip
def test_nonsense_from_a_clock_is_refused(client: Any, body: bytes) -> None:
    viewer = client.app.state.house.viewer("tab")
    assert client.post(f"/stage/{viewer.token}/clock", content=body).status_code == 422


def test_a_clock_is_believed(client: Any) -> None:
    viewer = client.app.state.house.viewer("tab")
    report = {"sound": 1, "event": "time", "position": 0.5, "skew": 12.5}
    assert client.post(f"/stage/{viewer.token}/clock", json=report).status_code == 204
    assert client.post("/stage/wrong/clock", json=report).status_code == 404


def test_a_cached_loop_is_noted(client: Any) -> None:
    viewer = client.app.state.house.viewer("tab")
    assert viewer.needs_data("../avatars/a/idle/b/")
    assert client.post(f"/stage/{viewer.token}/cached", content=b"../avatars/a/idle/b/").status_code == 204
    assert not viewer.needs_data("../avatars/a/idle/b/") and viewer.needs_data("../avatars/c/idle/b/")
    assert client.post("/stage/wrong/cached", content=b"x").status_code == 404
