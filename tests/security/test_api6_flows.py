"""OWASP API6, unrestricted access to sensitive business flows: nobody takes all turns, or clones without consent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guarded import Guarded
from visema.service.desk import Desk
from visema.service.keys import Keys, Limits
from visema.service.order import Order
from visema.service.quotas import OverQuota
from visema.service.settings import Settings


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    found = Desk(Settings(folder=tmp_path / "outputs"))
    monkeypatch.setattr(found.crew, "poke", lambda: None)
    yield found
    found.close()


def test_who_asks_for_much_does_not_hold_up_the_others(desk: Desk) -> None:
    keys = Keys(desk.store.engine)
    greedy, modest = (keys.create(name, ["films"])[0].who("10.0.0.1") for name in ("greedy", "modest"))
    options = {"text": "Hello.", "avatar": "a"}
    desk.submit_many(
        {"id": "b", "items": 40, "key": greedy.key, "webhook": None}, [Order("speak", greedy, options)] * 40
    )
    mine = desk.submit(desk.begin(), Order("speak", modest, options))
    order = [job.id for _ in range(3) if (job := desk.store.claim("me", 60, 3))]
    assert mine.id in order, "one of the next turns, behind forty of somebody at the same address"


def test_nobody_but_an_administrator_goes_before_all_others(
    guarded: Guarded, anna: str, boss: str, photo: bytes
) -> None:
    body = {"text": "Me first.", "voice": "espeak:en-us"}
    made: list[tuple[str, str]] = []
    for priority in (1, 10):
        for answer in (
            guarded.ask("POST", "/api/v1/generate", anna, json={**body, "priority": priority}),
            guarded.ask(
                "POST", "/api/v1/generate", anna, files={"image": photo}, data={**body, "priority": str(priority)}
            ),
            guarded.ask(
                "POST", "/api/v1/avatars/train", anna, files={"source": photo}, data={"priority": str(priority)}
            ),
        ):
            assert answer.status_code == 403 and answer.json()["error"] == "forbidden", answer.text
            assert "above 0" in answer.json()["detail"] and "admin" in answer.json()["hint"]
        item = {**body, "priority": priority}
        alone = guarded.ask("POST", "/api/v1/batch", anna, json={"items": [item]})
        assert alone.status_code == 422 and "administrators" in alone.json()["detail"], alone.text
    for key, priority in ((anna, 0), (anna, -10), (boss, 10)):
        answer = guarded.ask("POST", "/api/v1/generate", key, json={**body, "priority": priority})
        assert answer.status_code == 202 and answer.json()["priority"] == priority, answer.text
        made.append((key, answer.json()["job_id"]))
    for key, job in made:
        guarded.ask("DELETE", f"/api/v1/jobs/{job}", key)


def test_another_name_for_the_same_key_buys_nothing(desk: Desk) -> None:
    key, _ = Keys(desk.store.engine).create("a", ["films"], Limits(max_waiting=2))
    for address in ("10.0.0.1", "10.0.0.2"):
        desk.submit(desk.begin(), Order("speak", key.who(address), {"text": "Hi.", "avatar": "a"}))
    with pytest.raises(OverQuota):
        desk.submit(desk.begin(), Order("speak", key.who("10.0.0.3"), {"text": "Hi.", "avatar": "a"}))


def test_a_repeated_request_is_one_job(guarded: Guarded, anna: str, boris: str) -> None:
    body = {"text": "Once.", "voice": "espeak:en-us"}
    once = {"Idempotency-Key": "order-77"}
    first, again = (guarded.ask("POST", "/api/v1/generate", anna, json=body, headers=once).json() for _ in range(2))
    assert first["job_id"] == again["job_id"]
    other = guarded.ask("POST", "/api/v1/generate", boris, json=body, headers=once).json()
    assert other["job_id"] != first["job_id"], "another key's requests are others"
    changed = guarded.ask("POST", "/api/v1/generate", anna, json={**body, "text": "Twice."}, headers=once)
    assert changed.status_code == 409
    for key, job in ((anna, first), (boris, other)):
        guarded.ask("DELETE", f"/api/v1/jobs/{job['job_id']}", key)


def test_nobody_clones_a_voice_without_consent(guarded: Guarded, anna: str, recording: bytes) -> None:
    for parts in ([("name", (None, "Ada"))], [("name", (None, "Ada")), ("consent", (None, " "))]):
        answer = guarded.ask("POST", "/api/v1/voices/clone", anna, files=[("sample", recording), *parts])
        assert answer.status_code == 422, answer.text


def test_the_voices_that_cost_money_are_not_for_visitors(guarded: Guarded, anna: str) -> None:
    """The server of this test is on loopback and its own user's; `check_visitors` has tests of its own."""
    listed = guarded.ask("GET", "/api/v1/voices", anna).json()["voices"]
    assert not [voice for voice in listed if voice["engine"] in ("elevenlabs", "openai")], "there is no account here"
