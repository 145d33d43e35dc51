"""OWASP API3, broken property level authorisation: nobody sets a field that is not for them, nor reads one."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from tests.guarded import Guarded
from visema.service.schema import JOBS

#: Columns of the tables, and what else might be understood by mistake.
NOT_THEIRS: dict[str, Any] = {
    "key": "env", "client": "someone", "state": "done", "kind": "train", "queue": "train",
    "turn": -1, "cost": {"money": 0},
    "result": {}, "owner": "me", "lease": 9e9, "attempts": -99, "due": 9e9, "bytes": 1, "id": "a" * 24, "number": 1,
    "batch": "b", "once": "x", "asked": "x", "expected": 0.0, "who": "env", "scopes": ["admin"], "admin": True,
    "limits": {}, "duration": 0, "percent": 100, "__proto__": {"admin": True}, "constructor": {},
    "options": {"audio": "x"},
    "folder": "/etc", "path": "/etc/passwd", "audio": "/etc/passwd", "image": "/etc/passwd",
}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/generate": {"text": "Hello.", "voice": "espeak:en-us"},
    "/api/v1/tts": {"text": "Hello.", "voice": "espeak:en-us"},
    "/api/v1/batch": {"items": [{"text": "Hello.", "voice": "espeak:en-us"}]},
}


@pytest.mark.parametrize("address", BODIES)
def test_fields_that_nobody_may_set(guarded: Guarded, anna: str, address: str) -> None:
    for name, value in NOT_THEIRS.items():
        answer = guarded.ask("POST", address, anna, json={**BODIES[address], name: value})
        assert answer.status_code == 422 and answer.json()["error"] == "unknown_field", (name, answer.text)


def test_nor_as_a_form_nor_in_the_film_api(guarded: Guarded, anna: str) -> None:
    for address in ("/api/v1/generate", "/generate", "/api/v1/avatars/train", "/api/v1/voices/clone"):
        for name in ("key", "state", "client", "scopes", "owner", "path"):
            answer = guarded.ask("POST", address, anna, files=[("text", (None, "Hello.")), (name, (None, "admin"))])
            assert answer.status_code == 422 and answer.json()["error"] == "unknown_field", (address, answer.text)


def test_an_item_of_a_batch_sets_none_either(guarded: Guarded, anna: str) -> None:
    item = {"text": "Hello.", "voice": "espeak:en-us"}
    answer = guarded.ask(
        "POST", "/api/v1/batch", anna, json={"items": [{**item, "key": "env"}, {**item, "webhook": "x"}]}
    )
    assert answer.status_code in (202, 422), answer.text
    if answer.status_code == 202:
        assert answer.json()["items"] == 0 and len(answer.json()["refused"]) == 2
    with guarded.store.engine.connect() as connection:
        assert not connection.scalar(sa.select(sa.func.count()).where(JOBS.c.key == "env"))


def test_what_is_told_holds_nothing_of_the_inside(guarded: Guarded, anna: str) -> None:
    made = guarded.ask("POST", "/api/v1/generate", anna, json=BODIES["/api/v1/generate"])
    assert made.status_code == 202, made.text
    job = made.json()["job_id"]
    for address in (f"/api/v1/status/{job}", "/api/v1/jobs", f"/status/{job}", "/api/v1/usage", "/config", "/health"):
        text = guarded.ask("GET", address, anna).text
        for inside in ("hash", "lease", '"client"', '"owner"', "asked", "127.0.0.1", str(guarded.folder)):
            assert inside not in text, (address, inside)
    assert guarded.ask("DELETE", f"/api/v1/jobs/{job}", anna).status_code == 204
