"""OWASP API1, broken object level authorisation: what one key made is not there for another, of whatever kind."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from websockets.sync.client import connect

from tests.guarded import Guarded
from visema.service.jobs import new_id
from visema.service.schema import AVATARS, BATCHES, DELIVERIES, JOBS, OUTPUTS, VOICES

FILM = b"\0\0\0\x18ftypisom" + b"\0" * 64


@pytest.fixture(scope="module")
def hers(guarded: Guarded, anna: str) -> dict[str, str]:
    """One of everything that Anna has made."""
    key, now = anna[4:16], time.time()
    names = {kind: new_id() for kind in ("job", "waiting", "batch", "delivery", "output")}
    cache = guarded.folder / "cache"
    source = next(path.parent for path in cache.glob("*/avatar.json"))
    names["avatar"] = "annas-own-0123abcd"
    shutil.copytree(source, cache / names["avatar"])
    manifest = cache / names["avatar"] / "avatar.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"id": names["avatar"], "name": "Annas"}))
    common = {"key": key, "client": key, "turn": 0, "options": {"text": "secret"}, "created": now, "attempts": 1}
    with guarded.store.engine.begin() as connection:
        connection.execute(
            JOBS.insert(),
            [
                {**common, "id": names["job"], "state": "done", "stage": "done", "kind": "speak",
                 "batch": names["batch"], "started": now, "ended": now, "duration": 1.0, "percent": 100.0, "due": 0.0},
                {**common, "id": names["waiting"], "state": "queued", "stage": "queued", "kind": "speak",
                 "batch": names["batch"], "started": None, "ended": None, "duration": None, "percent": 0.0,
                 "due": now + 1e6},
            ],
        )  # fmt: skip
        connection.execute(BATCHES.insert().values(id=names["batch"], key=key, created=now, items=2))
        connection.execute(AVATARS.insert().values(id=names["avatar"], key=key, name="Annas", created=now))
        connection.execute(VOICES.insert().values(name="annas", key=key, created=now))
        connection.execute(
            DELIVERIES.insert().values(
                id=names["delivery"], key=key, job=names["job"], event="job.done", url="https://anna.example/",
                payload={"secret": 1}, state="sent", due=now, created=now, ended=now,
            )
        )  # fmt: skip
        connection.execute(
            OUTPUTS.insert().values(
                id=names["output"], job=names["job"], key=key, created=now, sha256="0" * 64, facts={"voice": "annas"}
            )
        )
    (guarded.folder / "outputs" / f"{names['job']}.mp4").write_bytes(FILM)
    return names


@pytest.fixture(scope="module")
def live(guarded: Guarded, anna: str) -> Iterator[str]:
    """A live session of hers."""
    answer = guarded.ask("POST", "/api/v1/live", anna, json={})
    assert answer.status_code == 201, answer.text
    yield answer.json()["session"]
    guarded.ask("POST", f"/api/v1/live/{answer.json()['session']}/close", anna, json={})


#: Method, address, and what of Anna's is in its place.
PRIVATE = [
    ("GET", "/status/{job}"), ("GET", "/download/{job}"),
    ("DELETE", "/status/{waiting}"), ("DELETE", "/download/{job}"),
    ("GET", "/api/v1/status/{job}"), ("GET", "/api/v1/video/{job}"), ("GET", "/api/v1/video/{job}/captions.srt"),
    ("DELETE", "/api/v1/jobs/{job}"), ("DELETE", "/api/v1/jobs/{waiting}"), ("GET", "/api/v1/jobs/{job}/events"),
    ("POST", "/api/v1/jobs/{job}/retry"), ("GET", "/api/v1/batch/{batch}"),
    ("GET", "/api/v1/avatars/{avatar}"), ("DELETE", "/api/v1/avatars/{avatar}"),
    ("GET", "/api/v1/avatars/{avatar}/thumbnail.png"), ("GET", "/api/v1/avatars/{avatar}/contact_sheet.png"),
    ("GET", "/avatars/{avatar}/thumbnail.png"), ("GET", "/avatars/{avatar}/visemes.png"),
    ("GET", "/avatars/{avatar}.zip"),
    ("GET", "/avatars/{avatar}/idle/x/0.jpg"), ("GET", "/live/{avatar}"), ("GET", "/live/loops/{avatar}/0.vlp"),
    ("GET", "/live/mjpeg/{avatar}"), ("DELETE", "/api/v1/voices/voice:annas"), ("DELETE", "/api/v1/voices/annas"),
    ("GET", "/api/v1/voices/voice:annas/preview"),
]  # fmt: skip
#: Of a live session.
LIVE = [("GET", ""), ("POST", "/say"), ("POST", "/interrupt"), ("POST", "/clear"), ("POST", "/close"),
        ("GET", "/events"), ("GET", "/mjpeg")]  # fmt: skip


@pytest.mark.parametrize(("method", "address"), PRIVATE)
def test_what_is_hers_is_not_there_for_another(
    guarded: Guarded, boris: str, hers: dict[str, str], method: str, address: str
) -> None:
    answer = guarded.ask(method, address.format(**hers), boris)
    assert answer.status_code in (404, 405, 422), answer.text
    assert "secret" not in answer.text and "Annas" not in answer.text
    assert answer.status_code != 422 or "voice" in address, answer.text
    # It looks like what never was: who guesses learns nothing.
    unknown = dict.fromkeys(hers, "0123456789abcdef01234567") | {"avatar": "annas-own-9999abcd"}
    other = guarded.ask(method, address.format(**unknown), boris)
    assert other.status_code == answer.status_code
    if "annas" not in address:
        assert other.text.replace(unknown["avatar"], hers["avatar"]) == answer.text


def test_it_is_there_for_herself_and_for_who_administers(
    guarded: Guarded, anna: str, boss: str, hers: dict[str, str]
) -> None:
    for key in (anna, boss):
        for address in ("/status/{job}", "/download/{job}", "/api/v1/status/{job}", "/api/v1/video/{job}",
                        "/api/v1/avatars/{avatar}", "/avatars/{avatar}/thumbnail.png", "/live/{avatar}",
                        "/api/v1/batch/{batch}"):  # fmt: skip
            assert guarded.ask("GET", address.format(**hers), key).status_code == 200, address


def test_lists_show_ones_own(guarded: Guarded, anna: str, boris: str, boss: str, hers: dict[str, str]) -> None:
    for address in ("/api/v1/jobs", "/api/v1/avatars", "/api/v1/webhooks", "/api/v1/voices", "/film/words.json"):
        found = guarded.ask("GET", address, boris).text
        assert not [name for name in (*hers.values(), "annas", "Annas", "anna.example") if name in found], address
    for key in (anna, boss):
        assert hers["job"] in guarded.ask("GET", "/api/v1/jobs", key).text
        assert hers["avatar"] in guarded.ask("GET", "/api/v1/avatars", key).text
        assert hers["delivery"] in guarded.ask("GET", "/api/v1/webhooks", key).text
    assert hers["job"] not in guarded.ask("GET", f"/api/v1/jobs?batch={hers['batch']}", boris).text
    assert hers["job"] not in guarded.ask("GET", f"/api/v1/webhooks?job={hers['job']}", boris).text
    secrets = {guarded.ask("GET", "/api/v1/webhooks", key).json().get("secret") for key in (anna, boris)}
    assert len(secrets) == 2, "each signs by a secret of its own"


def test_what_is_known_of_a_video_is_told_to_everybody_but_whose_it_is(
    guarded: Guarded, boris: str, anna: str, hers: dict[str, str]
) -> None:
    told = guarded.ask("GET", f"/api/v1/outputs/{hers['output']}", boris).json()
    assert told["synthetic"] is True and told["facts"] is None and told["job"] is None
    assert guarded.ask("GET", f"/api/v1/outputs/{hers['output']}", anna).json()["facts"] == {"voice": "annas"}


def test_her_avatar_and_voice_are_not_used_by_another(guarded: Guarded, boris: str, hers: dict[str, str]) -> None:
    used = [
        guarded.ask("POST", "/api/v1/generate", boris, json={"avatar": hers["avatar"], "text": "Hi."}),
        guarded.ask("POST", "/api/v1/generate", boris, json={"text": "Hi.", "voice": "voice:annas"}),
        guarded.ask("POST", "/api/v1/generate", boris, json={"text": "Hi.", "voice": " Voice: ANNAS "}),
        guarded.ask("POST", "/api/v1/batch", boris, json={"items": [{"avatar": hers["avatar"], "text": "Hi."}]}),
        guarded.ask("POST", "/api/v1/tts", boris, json={"text": "Hi.", "voice": "voice:annas"}),
        guarded.ask("POST", "/api/v1/live", boris, json={"avatar": hers["avatar"]}),
    ]
    assert [answer.status_code for answer in used if answer.status_code not in (404, 422)] == []


@pytest.mark.parametrize(("method", "address"), LIVE)
def test_her_live_session_is_not_there_for_another(
    guarded: Guarded, anna: str, boris: str, live: str, method: str, address: str
) -> None:
    body: dict[str, Any] = {"json": {"text": "I was never here."}} if method == "POST" else {}
    assert guarded.ask(method, f"/api/v1/live/{live}{address}", boris, **body).status_code == 404
    assert guarded.ask("GET", f"/api/v1/live/{live}", anna).status_code == 200


def test_nor_by_a_socket(guarded: Guarded, boris: str, live: str, hers: dict[str, str]) -> None:
    url = guarded.address.replace("http", "ws") + "/live/ws"
    hello: dict[str, Any] = {"type": "hello", "version": 1, "audio": ["pcm"]}
    with connect(url, additional_headers={"X-API-Key": boris}) as socket:
        socket.send(json.dumps({**hello, "session": live}))
        told = json.loads(socket.recv(timeout=60))
        assert told["type"] == "hello" and told["session"] != live and told["resumed"] is False
        socket.send(json.dumps({"type": "say", "id": "1", "text": "Hi.", "voice": "voice:annas"}))
        while (told := json.loads(data)) if isinstance(data := socket.recv(timeout=60), str) else True:
            if isinstance(told, dict) and told.get("type") == "error":
                break
        assert told["error"] == "unknown_voice"
    with connect(url, additional_headers={"X-API-Key": boris}) as socket:
        socket.send(json.dumps({**hello, "avatar": hers["avatar"]}))
        assert json.loads(socket.recv(timeout=60))["code"] == 4004


def test_the_page_shows_ones_own(guarded: Guarded, anna: str, boris: str, boss: str, hers: dict[str, str]) -> None:
    from visema.service.keys import Keys
    from visema.web.owners import Owners

    owners, keys = Owners(guarded.store.engine), Keys(guarded.store.engine)
    seen = {}
    for name, text in (("anna", anna), ("boris", boris), ("boss", boss)):
        key = keys.find(text)
        assert key
        seen[name] = owners.sees(key.who(""), hers["avatar"])
        assert owners.sees(key.who(""), "presenter-00000000"), "the server's own is everybody's"
    assert seen == {"anna": True, "boris": False, "boss": True}


def test_two_customers_with_one_photo_have_two_avatars() -> None:
    from visema.setup import make_id

    ids = {make_id("me.jpg", "0" * 64, "warp", "-1", 256, owner=owner) for owner in ("", "a" * 12, "b" * 12)}
    assert len(ids) == 3


def test_nothing_of_hers_was_touched(guarded: Guarded, hers: dict[str, str]) -> None:
    with guarded.store.engine.connect() as connection:
        states = connection.execute(sa.select(JOBS.c.state).where(JOBS.c.id.in_([hers["job"], hers["waiting"]]))).all()
        assert sorted(row.state for row in states) == ["done", "queued"]
        assert connection.execute(AVATARS.select().where(AVATARS.c.id == hers["avatar"])).one_or_none()
        assert connection.execute(VOICES.select().where(VOICES.c.name == "annas")).one_or_none()
    assert Path(guarded.folder / "cache" / hers["avatar"] / "avatar.json").is_file()
    assert (guarded.folder / "outputs" / f"{hers['job']}.mp4").read_bytes() == FILM
