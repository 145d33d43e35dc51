"""Many videos at once."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import VOICE, Caller, Platform, refused, until

GOOD = {"text": "Hi.", "voice": VOICE, "resolution": "64x64", "fps": 5}


def test_good_items_are_made_and_bad_ones_told(ada: Caller) -> None:
    items: list[dict[str, Any]] = [
        GOOD,
        {"text": "..."},
        {**GOOD, "text": "Two.", "priority": -3},
        {**GOOD, "avatar": "nobody-12345678"},
        {**GOOD, "nonsense": 1},
        {**GOOD, "rate": "fast"},
        {**GOOD, "text": "Three."},
        {},
        {**GOOD, "priority": 3},
    ]
    answer = ada.ask("POST", "/batch", json={"items": items})
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert answer.headers["location"] == told["status_url"] == f"/api/v1/batch/{told['batch_id']}"
    assert [job["index"] for job in told["jobs"]] == [0, 2, 6] and told["items"] == 3
    assert [item["index"] for item in told["refused"]] == [1, 3, 4, 5, 7, 8]
    assert all(item["error"] and item["detail"] for item in told["refused"])
    assert told["refused"][-1]["error"] == "forbidden" and "administrators" in told["refused"][-1]["detail"]
    report = until(lambda: (now := ada.get(f"/batch/{told['batch_id']}"))["over"] and now, "the batch to end")
    assert report["counts"]["done"] == 3 and report["percent"] == 100 and report["duration"] > 0.5
    assert [item["index"] for item in report["refused"]] == [1, 3, 4, 5, 7, 8]
    for job in report["jobs"]:
        assert ada.ask("GET", job["links"]["video"]).content[4:8] == b"ftyp"
        assert job["batch"] == told["batch_id"]
    assert len(ada.get("/jobs", batch=told["batch_id"])["jobs"]) == 3


def test_a_thousand_at_once_and_no_more(paused: Platform) -> None:
    bob = paused.bob
    once = {"Idempotency-Key": "thousand"}
    items = [{**GOOD, "text": f"Number {number}."} for number in range(1000)]
    answer = bob.ask("POST", "/batch", json={"items": items}, headers=once)
    assert answer.status_code == 202, answer.text[:500]
    told = answer.json()
    assert told["items"] == 1000 and told["counts"]["queued"] == 1000 and not told["refused"]
    assert sorted(job["place"] for job in told["jobs"])[-1] >= 1000
    again = bob.ask("POST", "/batch", json={"items": items}, headers=once).json()
    assert again["batch_id"] == told["batch_id"]
    refused(bob.ask("POST", "/batch", json={"items": items[:1]}, headers=once), 409, "conflict")
    refused(bob.ask("POST", "/batch", json={"items": [*items, GOOD]}), 422, "items")
    refused(paused.ada.ask("GET", f"/batch/{told['batch_id']}"), 404)
    answer = bob.ask("DELETE", f"/batch/{told['batch_id']}")
    assert answer.status_code == 204
    report = bob.get(f"/batch/{told['batch_id']}")
    assert report["over"] and report["counts"]["cancelled"] == 1000


def test_a_batch_of_nothing_is_refused(ada: Caller) -> None:
    before = len(ada.get("/jobs", limit=200)["jobs"])
    refused(ada.ask("POST", "/batch", json={"items": []}), 422, "items")
    refused(ada.ask("POST", "/batch", json={"items": [1]}), 422, "items")
    refused(ada.ask("POST", "/batch", json={"items": [{"text": "..."}, {}]}), 422, "None of the items")
    refused(ada.ask("POST", "/batch", json={"items": [GOOD], "webhook": "ftp://x"}), 422, "webhook")
    assert len(ada.get("/jobs", limit=200)["jobs"]) == before
