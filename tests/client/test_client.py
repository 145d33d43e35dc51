"""Both clients against a server that fails as it is told."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import visema.client as client
from tests.client.faulty import FILM, SOME, Faulty, running
from visema.client import AsyncVisema, Job, Retry, Visema
from visema.errors import InputError, OutputError

QUICK = Retry(times=3, first_s=0.01, most_s=0.5)


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    with running(Faulty()) as server:
        yield server


def run(
    address: str, kind: str, method: str, *args: Any, key: str | None = None, retry: Retry = QUICK, **kw: Any
) -> Any:
    """Call a method of one of the clients."""
    if kind == "sync":
        with Visema(address, key, retry=retry, timeout=10) as api:
            return getattr(api, method)(*args, **kw)

    async def call() -> Any:
        async with AsyncVisema(address, key, retry=QUICK, timeout=10) as api:
            found = getattr(api, method)(*args, **kw)
            return [item async for item in found] if inspect.isasyncgen(found) else await found

    return asyncio.run(call())


both = pytest.mark.parametrize("kind", ["sync", "async"])


def test_clients_have_the_same_methods() -> None:
    def signatures(of: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(of, callable)
            if not name.startswith("_")
        }

    assert signatures(Visema) == signatures(AsyncVisema)
    documented = [method for name, method in inspect.getmembers(Visema, callable) if not name.startswith("_")]
    assert all(method.__doc__ for method in documented)


@both
def test_passing_failures_are_tried_again_with_the_same_idempotency_key(faulty: Faulty, kind: str) -> None:
    faulty.refusals = [(503, {}), (429, {"Retry-After": "0.05"})]
    job = run(faulty.address, kind, "generate", key="vsm_k", avatar="anna", text="Hello.", rate=1.1)
    assert (job.id, job.state, job.notes) == ("j1", "queued", ("A fallback spoke.",))
    keys = {request.headers["idempotency-key"] for request in faulty.seen}
    assert len(faulty.seen) == 3 and len(keys) == 1 and len(keys.pop()) >= 16
    assert {request.headers["authorization"] for request in faulty.seen} == {"Bearer vsm_k"}
    assert faulty.bodies == [b'{"avatar":"anna","text":"Hello.","rate":1.1}'] * 3


#: What is asked, and whether it may arrive twice.
ASKED: tuple[tuple[str, tuple[Any, ...], bool], ...] = (
    ("status", ("j1",), True), ("retry", ("j1",), False), ("tts", ("Hello.",), False),
)  # fmt: skip


@both
@pytest.mark.parametrize("refusal", [502, 504, "away"])
def test_what_must_not_arrive_twice_is_not_sent_twice(faulty: Faulty, kind: str, refusal: int | str) -> None:
    """After a proxy's 502 or 504 nobody knows whether the request arrived, as after no answer."""
    status = refusal if isinstance(refusal, int) else 503
    faulty.word = refusal if isinstance(refusal, str) else "busy"
    for method, args, repeats in ASKED:
        faulty.refusals, faulty.seen = [(status, {"Retry-After": "0.01"})] * 2, []
        if repeats:
            run(faulty.address, kind, method, *args)
        else:
            with pytest.raises(client.ApiError) as found:
                run(faulty.address, kind, method, *args)
            assert found.value.status == status
        assert len(faulty.seen) == (3 if repeats else 1), method


@both
@pytest.mark.parametrize("status", [502, 504])
def test_a_voice_is_cloned_once_at_most(faulty: Faulty, kind: str, status: int, tmp_path: Path) -> None:
    sample = tmp_path / "sample.wav"
    sample.write_bytes(FILM)
    faulty.refusals = [(status, {})]
    with pytest.raises(client.ApiError):
        run(faulty.address, kind, "clone", sample, name="ada", consent="I agree that my voice may be imitated.")
    assert len(faulty.seen) == 1


@both
@pytest.mark.parametrize("status", [429, 503])
def test_what_was_not_taken_in_is_sent_again(faulty: Faulty, kind: str, status: int) -> None:
    for method, args, _ in ASKED:
        faulty.refusals, faulty.seen = [(status, {}), (404, {})], []
        with pytest.raises(client.NotFound):
            run(faulty.address, kind, method, *args)
        assert len(faulty.seen) == 2, method


@both
def test_what_has_an_idempotency_key_is_sent_again_whatever_happened(faulty: Faulty, kind: str) -> None:
    faulty.refusals = [(502, {}), (504, {})]
    assert run(faulty.address, kind, "generate", avatar="anna", text="Hello.").id == "j1"
    assert len(faulty.seen) == 3 and len({request.headers["idempotency-key"] for request in faulty.seen}) == 1


@both
def test_what_is_final_is_not_tried_again(faulty: Faulty, kind: str) -> None:
    kinds = {401: client.Unauthorised, 403: client.Forbidden, 404: client.NotFound, 409: client.Conflict,
             410: client.NotFound, 413: client.Invalid, 422: client.Invalid, 500: client.Unavailable}  # fmt: skip
    for status, error in kinds.items():
        faulty.refusals, faulty.seen = [(status, {})], []
        with pytest.raises(error) as found:
            run(faulty.address, kind, "status", "j1")
        assert (found.value.status, found.value.code, str(found.value)) == (status, "busy", "Too much. Wait.")
        assert len(faulty.seen) == 1


@both
def test_server_that_asks_for_a_long_pause_is_taken_at_its_word(faulty: Faulty, kind: str) -> None:
    faulty.refusals = [(429, {"Retry-After": "3600"})]
    with pytest.raises(client.RateLimited) as found:
        run(faulty.address, kind, "status", "j1")
    assert found.value.retry_after == 3600 and len(faulty.seen) == 1


@both
def test_no_server(kind: str) -> None:
    with pytest.raises(client.Unreachable) as found:
        run("http://127.0.0.1:9", kind, "health")
    assert "http://127.0.0.1:9" in found.value.what and found.value.hint


@both
@pytest.mark.parametrize("events", ["whole", "none", "broken"])
def test_waiting_by_events_or_by_asking(faulty: Faulty, kind: str, events: str) -> None:
    faulty.events = events
    told: list[Job] = []
    job = run(faulty.address, kind, "wait", "j1", timeout=60, progress=told.append)
    assert job.check().state == "done" and told[-1] == job
    if events == "whole":
        assert [t.state for t in told] == ["queued", "running", "done"] and not faulty.asked
    else:
        assert faulty.asked == 3


@both
def test_waiting_ends(faulty: Faulty, kind: str) -> None:
    faulty.events, faulty.asked = "none", -(10**6)
    with pytest.raises(client.TimedOut):
        run(faulty.address, kind, "wait", "j1", timeout=0.5)


def test_failed_job_says_why() -> None:
    with pytest.raises(client.JobFailed) as found:
        Job.of(Faulty().job("failed")).check()
    assert (found.value.code, str(found.value)) == ("no_face", "There is no face. Choose another.")
    with pytest.raises(client.JobFailed, match="cancelled"):
        Job.of(Faulty().job("cancelled")).check()


@both
def test_upload_tells_how_far_it_is(faulty: Faulty, kind: str, tmp_path: Path) -> None:
    picture, told = tmp_path / "face.jpg", []
    picture.write_bytes(FILM)
    faulty.refusals = [(503, {})]
    run(faulty.address, kind, "generate", image=picture, text="Hi", mark=True, progress=lambda *n: told.append(n))
    assert told[-1] == (len(FILM), len(FILM)) and 0 < told[0][0] <= len(FILM)
    assert (
        all(FILM in body and b'name="mark"\r\n\r\ntrue' in body for body in faulty.bodies) and len(faulty.bodies) == 2
    )


@both
@pytest.mark.parametrize("changed", [False, True])
def test_download_that_breaks_off_goes_on(faulty: Faulty, kind: str, tmp_path: Path, changed: bool) -> None:
    faulty.cuts, faulty.changed = 2, changed
    told: list[tuple[int, int]] = []
    path = run(faulty.address, kind, "download", "j1", tmp_path / "f.mp4", progress=lambda *n: told.append(n))
    assert path.read_bytes() == (FILM[::-1] if changed else FILM)
    assert told[-1] == (len(FILM), len(FILM))
    ranges = [request.headers.get("range") for request in faulty.seen]
    assert ranges == [None, f"bytes={SOME}-", f"bytes={SOME if changed else 2 * SOME}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["f.mp4"]


@both
def test_failed_download_leaves_nothing(faulty: Faulty, kind: str, tmp_path: Path) -> None:
    faulty.cuts = 99
    with pytest.raises(client.Unreachable):
        run(faulty.address, kind, "download", "j1", tmp_path / "f.mp4")
    faulty.refusals = [(409, {})]
    with pytest.raises(client.Conflict):
        run(faulty.address, kind, "download", "j1", tmp_path / "f.mp4")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError):
        run(faulty.address, kind, "download", "j1", tmp_path / "missing" / "f.mp4")


@both
def test_pages_follow_one_another(faulty: Faulty, kind: str) -> None:
    found = list(run(faulty.address, kind, "all_jobs", state="done")) if kind == "async" else None
    if found is None:
        with Visema(faulty.address) as api:
            found = list(api.all_jobs(state="done"))
    assert len(found) == 6
    assert [dict(request.query_params) for request in faulty.seen] == [
        {"state": "done"}, {"state": "done", "cursor": "1"}, {"state": "done", "cursor": "2"},
    ]  # fmt: skip


@both
def test_what_makes_no_sense_is_not_sent(faulty: Faulty, kind: str, tmp_path: Path) -> None:
    for wrong in ({"avatar": "a"}, {"image": "b"}, {"avatar": "a", "image": "b", "text": "Hi"}):
        with pytest.raises(InputError):
            run(faulty.address, kind, "generate", **wrong)
    with pytest.raises(InputError, match="cannot be read"):
        run(faulty.address, kind, "generate", image=tmp_path / "none.jpg", text="Hi")
    assert not faulty.seen
    with pytest.raises(InputError):
        Visema("avatar.example.org")


def test_another_server_is_not_understood(faulty: Faulty) -> None:
    with Visema(faulty.address) as api, pytest.raises(client.ApiError, match="not understood"):
        api._send(client.asks.batch([], None, None).__class__("GET", "/api/v1/jobs", Job.of))
