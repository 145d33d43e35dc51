"""Videos over the API: asked for, watched, fetched, decoded, listed, removed."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.api.conftest import VOICE, Caller, Platform, refused, until
from tests.service.conftest import wav_of


def decoded(data: bytes) -> tuple[np.ndarray, float, np.ndarray, int]:
    """Pictures (n, h, w, 3), their rate, sound and its rate."""
    with av.open(io.BytesIO(data)) as film:
        rate = float(film.streams.video[0].average_rate or 0)
        pictures = np.stack([frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)])
    with av.open(io.BytesIO(data)) as film:
        stream = film.streams.audio[0]
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in film.decode(audio=0)])
        return pictures, rate, sound, stream.rate


def fetched(caller: Caller, job: str) -> bytes:
    answer = caller.ask("GET", f"/video/{job}")
    assert answer.status_code == 200 and answer.headers["content-type"] == "video/mp4"
    return answer.content


def test_the_servers_presenter_says_a_text(ada: Caller) -> None:
    answer = ada.generate(text="Hello, and welcome to the show.", fps=20, crop="1:1", resolution="256x256")
    assert answer.status_code == 202
    told = answer.json()
    assert answer.headers["location"] == told["links"]["status"] == f"/api/v1/status/{told['job_id']}"
    assert told["kind"] == "speak" and told["voice"] == VOICE and told["links"]["video"] is None
    told = ada.done(told["job_id"])
    assert told["percent"] == 100 and told["attempts"] == 1 and told["error"] is None
    data = fetched(ada, told["job_id"])
    assert len(data) == told["bytes"]
    pictures, rate, sound, sound_rate = decoded(data)
    assert rate == 20 and pictures.shape[1:] == (256, 256, 3)
    assert abs(len(pictures) / rate - told["duration"]) <= 1.5 / rate
    assert abs(len(sound) / sound_rate - told["duration"]) < 0.1 and np.abs(sound).max() > 0.05
    # The mouth moves: the lower half of the face changes more than the corners do.
    change = np.abs(np.diff(pictures[:, ::4, ::4].astype(np.int16), axis=0)).mean((0, 3))
    assert change[32:56, 16:48].max() > 3 * np.median(change)
    words = {form: ada.ask("GET", f"/video/{told['job_id']}/captions.{form}") for form in ("srt", "vtt")}
    assert words["vtt"].text.startswith("WEBVTT") and "welcome" in words["vtt"].text
    assert "-->" in words["srt"].text and "Hello, and welcome" in words["srt"].text
    assert words["vtt"].headers["content-type"].startswith("text/vtt")


def test_a_recording_is_said_by_an_avatar_and_a_photo_speaks(ada: Caller, photo: bytes) -> None:
    recording = wav_of("Good morning, everybody.")
    avatar = ada.get("/avatars")["avatars"][0]["id"]
    spoken = ada.begin(audio=recording, avatar=avatar, text="Good morning, everybody.", captions="true")
    filmed = ada.begin(image=photo, text="Hello.", voice=VOICE, style="lively", captions="false")
    told = ada.done(spoken)
    assert told["kind"] == "speak" and told["avatar"] == avatar and told["voice"] is None
    seconds = (len(recording) - 44) / 2 / 22050
    pictures, rate, _, _ = decoded(fetched(ada, spoken))
    assert abs(len(pictures) / rate - seconds) < 0.1, "as long as the recording"
    assert "everybody" in ada.ask("GET", f"/video/{spoken}/captions.vtt").text
    told = ada.done(filmed)
    assert told["kind"] == "film" and told["links"]["captions_vtt"] is None
    assert decoded(fetched(ada, filmed))[0].shape[1:3] == (192, 192)
    refused(ada.ask("GET", f"/video/{filmed}/captions.vtt"), 404)


@pytest.fixture(scope="module")
def film(platform: Platform) -> tuple[str, bytes]:
    job = platform.ada.begin(text="One.")
    platform.ada.done(job)
    return job, fetched(platform.ada, job)


def test_ranges_head_and_inline(ada: Caller, film: tuple[str, bytes]) -> None:
    job, data = film
    part = ada.ask("GET", f"/video/{job}", headers={"Range": "bytes=10-109"})
    assert part.status_code == 206 and part.content == data[10:110]
    assert part.headers["content-range"] == f"bytes 10-109/{len(data)}"
    tail = ada.ask("GET", f"/video/{job}", headers={"Range": "bytes=-5", "If-Range": part.headers["etag"]})
    assert tail.status_code == 206 and tail.content == data[-5:]
    other = ada.ask("GET", f"/video/{job}", headers={"Range": "bytes=-5", "If-Range": '"another"'})
    assert other.status_code == 200 and other.content == data
    assert ada.ask("GET", f"/video/{job}", headers={"Range": f"bytes={len(data)}-"}).status_code == 416
    head = ada.ask("HEAD", f"/video/{job}")
    assert head.status_code == 200 and not head.content and int(head.headers["content-length"]) == len(data)
    assert head.headers["content-disposition"].startswith("attachment")
    shown = ada.ask("GET", f"/video/{job}", params={"inline": "true"})
    assert shown.headers["content-disposition"].startswith("inline")


def test_the_same_request_under_the_same_key_is_one_job(ada: Caller, paused: Platform, photo: bytes) -> None:
    once = {"Idempotency-Key": "order 1"}
    before = {path.name for path in (paused.outputs / "temp").iterdir()}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: ada.generate(once, text="Once."), range(6)))
    assert {answer.status_code for answer in answers} == {202}
    names = {answer.json()["job_id"] for answer in answers}
    assert len(names) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 5
    refused(ada.generate(once, text="Twice."), 409, "conflict")
    # Another's key of that name is another one; files count too.
    assert paused.bob.generate(once, text="Once.").json()["job_id"] not in names
    form = {"Idempotency-Key": "form"}
    first, again = (ada.generate(form, image=photo, text="Hello.", voice=VOICE) for _ in range(2))
    assert first.json()["job_id"] == again.json()["job_id"]
    refused(ada.generate(form, image=photo + b"x", text="Hello.", voice=VOICE), 409)
    left = {path.name for path in (paused.outputs / "temp").iterdir()} - before
    waiting = {job["job_id"] for who in (ada, paused.bob) for job in who.get("/jobs", state="queued")["jobs"]}
    assert left <= waiting, "nothing of the repetitions is left"
    refused(ada.generate({"Idempotency-Key": "x" * 201}, text="Long."), 422)


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"text": None}, 422, "nothing to say"),
        ({"text": "..."}, 422, "no words"),
        ({"text": "a" * 12_001}, 422, "text"),
        ({"text": "Hi.", "voice": "espeak:nobody"}, 422, "nobody"),
        ({"text": "Hi.", "voice": "piper:/etc/passwd"}, 422, ""),
        ({"text": "Hi.", "avatar": "nobody-12345678"}, 404, "avatar"),
        ({"text": "Hi.", "avatar": "../../etc"}, 422, "avatar"),
        ({"text": "Hi.", "rate": 9}, 422, "rate"),
        ({"text": "Hi.", "rate": "1"}, 422, "rate"),
        ({"text": "Hi.", "fps": 1000}, 422, "fps"),
        ({"text": "Hi.", "crop": "2:1"}, 422, "crop"),
        ({"text": "Hi.", "resolution": "9p"}, 422, "resolution"),
        ({"text": "Hi.", "style": "lively"}, 422, "photo"),
        ({"text": "Hi.", "webhook": "file:///etc/passwd"}, 422, "webhook"),
        ({"text": "Hi.", "priority": 11}, 422, "priority"),
        ({"text": "Hi.", "priority": 1}, 403, "administrators"),
        # What only the server decides cannot be given.
        ({"text": "Hi.", "key": "somebody"}, 422, "no field 'key'"),
        ({"text": "Hi.", "state": "done"}, 422, "no field"),
        ({"text": "Hi.", "index": 3}, 422, "no field"),
    ],
)
def test_what_cannot_be_is_refused_with_the_fields_name(
    ada: Caller, fields: dict[str, Any], status: int, word: str
) -> None:
    refused(ada.generate(**fields), status, word)


def test_damaged_bodies(ada: Caller, photo: bytes) -> None:
    def send(body: bytes, kind: str) -> httpx.Response:
        return ada.ask("POST", "/generate", content=body, headers={"Content-Type": kind})

    refused(send(b"{", "application/json"), 400, "JSON")
    refused(send(b"[1]", "application/json"), 422)
    refused(send(b"[" * 100_000, "application/json"), 400)
    refused(send(b'"\xff"', "application/json"), 400)
    refused(send(b"text=Hi.", "application/x-www-form-urlencoded"), 415)
    refused(send(b"x" * (3 << 20), "application/json"), 413)
    refused(send(b"--x\r\n", "multipart/form-data; boundary=x"), 400)
    refused(ada.generate(image=photo, text="Hi.", avatar="a-b"), 422, "avatar")
    refused(ada.generate(image=b"no picture", text="Hi.", voice=VOICE), 422)
    refused(ada.generate(audio=b"no sound"), 422)
    refused(ada.generate(image=b"x" * (5 << 20), text="Hi."), 413)


def test_pages_do_not_shift_while_jobs_are_added(paused: Platform) -> None:
    bob = paused.bob
    for number in range(7):
        bob.begin(text=f"Number {number}.")
    all_of_them = [job["job_id"] for job in bob.get("/jobs", limit=200, state="queued")["jobs"]]
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = bob.get("/jobs", limit=3, state="queued", **cursor)
        seen += [job["job_id"] for job in page["jobs"]]
        bob.begin(text="One more.")
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == all_of_them and len(set(seen)) == len(seen)
    assert {job["state"] for job in bob.get("/jobs", state="queued")["jobs"]} == {"queued"}
    assert all(job["kind"] == "train" for job in bob.get("/jobs", kind="train")["jobs"])
    for wrong in ({"cursor": "x"}, {"limit": 0}, {"limit": 1000}, {"state": "lost"}):
        refused(bob.ask("GET", "/jobs", params=wrong), 422)
    for job in bob.get("/jobs", limit=200, state="queued")["jobs"]:
        assert bob.ask("DELETE", f"/jobs/{job['job_id']}").status_code == 204


def test_a_job_is_removed_whatever_it_does(platform: Platform, ada: Caller, film: tuple[str, bytes]) -> None:
    running = ada.begin(text="A very long story. " * 60)
    until(lambda: ada.status(running)["stage"] == "drawing", "the drawing to begin")
    waiting = ada.begin(text="Later.")
    for job in (waiting, running):
        assert ada.ask("DELETE", f"/jobs/{job}").status_code == 204
        assert ada.over(job)["state"] == "cancelled"
        refused(ada.ask("GET", f"/video/{job}"), 409, "cancelled")
    until(lambda: not list(platform.outputs.rglob(f"*{running}*.mp4")), "its files to go")
    done, _ = film
    assert (platform.outputs / f"{done}.mp4").is_file()
    assert ada.ask("DELETE", f"/jobs/{done}").status_code == 204
    refused(ada.ask("GET", f"/video/{done}"), 410, "gone")
    assert not list(platform.outputs.glob(f"{done}*.*"))


def test_what_is_somebody_elses_looks_as_if_it_were_not_there(platform: Platform, ada: Caller) -> None:
    bob, admin = platform.bob, platform.admin
    job = ada.begin(text="Mine.")
    ada.done(job)
    nothing = "0" * 24
    for method, path in (
        ("GET", "/status/{}"), ("GET", "/video/{}"), ("GET", "/video/{}/captions.vtt"), ("GET", "/jobs/{}/events"),
        ("DELETE", "/jobs/{}"), ("POST", "/jobs/{}/retry"), ("GET", "/batch/{}"),
    ):  # fmt: skip
        theirs, none = (bob.ask(method, path.format(name)) for name in (job, nothing))
        assert refused(theirs, 404) == refused(none, 404), path
    assert job not in str(bob.get("/jobs", limit=200))
    assert admin.status(job)["job_id"] == job and job in str(admin.get("/jobs", limit=200))
    assert ada.status(job)["state"] == "done", "nothing happened to it"
    for path in ("/status/UPPER", "/status/..%2f..%2fetc", "/video/a b"):
        refused(ada.ask("GET", path), 404)
    assert httpx.get(f"{ada.address}/api/v1/jobs").status_code == 401


def test_a_page_of_another_site_changes_nothing(ada: Caller) -> None:
    answer = ada.generate({"Origin": "https://elsewhere.example"}, text="Hi.")
    refused(answer, 403, "origin")
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_a_site_that_was_named_may_use_everything(ada: Caller) -> None:
    origin = {"Origin": "https://app.example"}
    asked = {
        **origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }  # fmt: skip
    leave = httpx.options(f"{ada.address}/api/v1/generate", headers=asked)
    assert leave.status_code == 200 and leave.headers["access-control-allow-origin"] == "https://app.example"
    answer = ada.generate(origin, text="Hi.", resolution="64x64")
    assert answer.status_code == 202
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "Location" in answer.headers["access-control-expose-headers"]
    nobody = httpx.get(f"{ada.address}/api/v1/jobs", headers=origin)
    assert nobody.status_code == 401 and "access-control-allow-origin" in nobody.headers, "it may read why"


def test_sentences_in_russian(ada: Caller) -> None:
    told = refused(ada.generate({"Accept-Language": "ru"}, text="Hi.", avatar="nobody-12345678"), 404)
    assert any("а" <= letter <= "я" for letter in told["detail"]) and any("а" <= c <= "я" for c in told["hint"])


def test_events_follow_a_job_to_its_end(ada: Caller) -> None:
    job = ada.begin(text="Events are sent as it goes on. " * 3, resolution="128x128")
    events = list(followed(ada, job))
    names = [event["event"] for event in events]
    assert names[-1] == "done" and set(names[:-1]) <= {"progress"} and len(names) >= 2
    shares = [event["data"]["percent"] for event in events]
    assert shares == sorted(shares) and shares[-1] == 100
    assert events[-1]["data"]["links"]["video"] == f"/api/v1/video/{job}"
    # Who has heard the end is told not to come back; who has heard less hears it again.
    last = {"Last-Event-ID": events[-1]["id"]}
    assert ada.ask("GET", f"/jobs/{job}/events", headers=last).status_code == 204
    again = list(followed(ada, job, events[0]["id"]))
    assert [event["event"] for event in again] == ["done"]
    answer = ada.ask("GET", f"/jobs/{job}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store" and "retry: 2000" in answer.text


def followed(caller: Caller, job: str, last: str = "") -> Any:
    """The events of a job: name, id and data."""
    import json

    headers = {"Authorization": f"Bearer {caller.key}", **({"Last-Event-ID": last} if last else {})}
    with httpx.stream("GET", f"{caller.address}/api/v1/jobs/{job}/events", headers=headers, timeout=120) as answer:
        assert answer.status_code == 200
        event: dict[str, Any] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name in ("event", "id"):
                event[name] = value
            elif name == "data":
                event["data"] = json.loads(value)
            elif not line and "data" in event:
                yield event
                event = {}


def test_who_breaks_off_events_is_forgotten(ada: Caller, paused: Platform) -> None:
    job = ada.begin(text="Nobody listens.")
    heard = threading.Event()

    def listen() -> None:
        for _ in followed(ada, job):
            heard.set()
            break

    threads = [threading.Thread(target=listen) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert heard.is_set()
    assert ada.ask("DELETE", f"/jobs/{job}").status_code == 204
    assert [event["event"] for event in followed(ada, job)] == ["cancelled"]
