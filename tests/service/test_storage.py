"""Storage in a bucket, against a real server: what is kept, given out, signed, refused, and shared by two machines."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.service.bucket import KEYS, Bucket, Wire, s3_server
from tests.service.conftest import Server, free_port, until
from visema.errors import InputError
from visema.paths import ASSETS
from visema.provenance import read_mark
from visema.service import provenance
from visema.service.crew import Crew
from visema.service.desk import Desk
from visema.service.files import PICTURE, Files
from visema.service.jobs import State, new_id
from visema.service.keys import Keys, Limits
from visema.service.links import Links
from visema.service.order import Order
from visema.service.schema import JOBS
from visema.service.settings import Settings
from visema.service.storage import (
    PART,
    NotStored,
    S3Storage,
    StorageAway,
    StorageError,
    storage_of,
)
from visema.service.store import JobStore
from visema.service.sweeper import Sweeper
from visema.service.who import Who
from visema.web.giving import add_links

SECRET = b"0" * 32


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives up soon."""
    monkeypatch.setattr("visema.service.storage.CONNECT_S", 1)
    monkeypatch.setattr("visema.service.storage.READ_S", 1)
    monkeypatch.setattr("visema.service.storage.TRIES", 1)


def some_bytes(count: int) -> bytes:
    return random.Random(count).randbytes(count)


@pytest.mark.parametrize("size", [0, 1, 100_000, 2 * PART + 12345])
def test_what_is_put_is_got_and_read_in_ranges(bucket: Bucket, tmp_path: Path, size: int) -> None:
    storage, path, content = bucket.storage(), tmp_path / "a.mp4", some_bytes(size)
    path.write_bytes(content)
    storage.put("inputs/x/a.mp4", path)
    stat = storage.stat("inputs/x/a.mp4")
    assert stat and stat.size == size and abs(stat.modified - time.time()) < 600
    storage.get("inputs/x/a.mp4", tmp_path / "b.mp4")
    assert (tmp_path / "b.mp4").read_bytes() == content
    for begin, end in ((0, size), (size // 3, size // 2), (size // 2, None)):
        if begin < (size if end is None else end):
            assert b"".join(storage.read("inputs/x/a.mp4", begin, end)) == content[begin:end]
    assert storage.names("inputs/x/") == ["inputs/x/a.mp4"]
    storage.delete(["inputs/x/a.mp4", "inputs/x/never.mp4"])
    assert storage.stat("inputs/x/a.mp4") is None and storage.names("inputs/") == []
    with pytest.raises(NotStored):
        storage.get("inputs/x/a.mp4", tmp_path / "c.mp4")
    assert not (tmp_path / "c.mp4").exists()


def test_a_link_of_the_bucket_opens_it_for_a_time(bucket: Bucket, tmp_path: Path) -> None:
    storage, path = bucket.storage(), tmp_path / "a.mp4"
    path.write_bytes(b"0123456789")
    storage.put("a.mp4", path)
    link = storage.link("a.mp4", 60, "film.mp4")
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in link and "X-Amz-Expires=60" in link
    answer = httpx.get(link, headers={"Range": "bytes=2-4"})
    assert answer.status_code == 206 and answer.content == b"234"
    assert answer.headers["content-disposition"] == 'attachment; filename="film.mp4"'


def test_what_is_wrong_is_said_in_words(bucket: Bucket, tmp_path: Path, quick: None) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"a")
    with pytest.raises(StorageError, match="no bucket 'nothing-here'") as caught:
        bucket.storage("nothing-here").put("a.mp4", path)
    assert not isinstance(caught.value, StorageAway)
    with pytest.raises(StorageError, match="no bucket"):
        bucket.storage("nothing-here").check()
    away = S3Storage("films", "", f"http://127.0.0.1:{free_port()}", "eu-central-1")
    for action in (
        lambda: away.put("a.mp4", path),
        lambda: away.get("a.mp4", tmp_path / "b"),
        lambda: away.stat("a"),
        lambda: away.names(""),
        lambda: away.delete(["a"]),
        lambda: list(away.read("a")),
        lambda: away.check(),
    ):
        with pytest.raises(StorageAway, match="does not answer"):
            action()
    assert "films at 127.0.0.1" in bucket.storage().check()


def test_keys_that_are_wrong_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"a")
    with s3_server(tmp_path, INITIAL_NO_AUTH_ACTION_COUNT="1") as strict:
        with pytest.raises(StorageError, match="refuses the keys") as caught:
            strict.storage().put("a.mp4", path)
        assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value) and not isinstance(caught.value, StorageAway)
        for name in KEYS:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(StorageError, match="no keys"):
            strict.storage().put("a.mp4", path)


@pytest.mark.parametrize(
    "address",
    [
        "http://films", "s3://", "s3://AB", "s3://user:pass@films", "s3://films:80", "s3://films?acl=public",
        "s3://films?endpoint=ftp://a", "s3://films?endpoint=http://u:p@a", "s3://films?region=../x", "s3://films/../a",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be(address: str) -> None:
    with pytest.raises(InputError):
        storage_of(address)


def test_no_address_is_the_folder() -> None:
    assert storage_of("") is None
    assert storage_of("s3://films/a/b?region=eu-west-1") is not None


def give_app(files: Files) -> TestClient:
    app = FastAPI()
    add_links(app, files)
    return TestClient(app)


@pytest.mark.parametrize("stored", [False, True])
def test_a_film_is_given_out_by_signed_links(bucket: Bucket, tmp_path: Path, stored: bool) -> None:
    files = Files(tmp_path / "outputs", bucket.storage() if stored else None)
    job_id, content = new_id(), some_bytes(3000)
    files.work(job_id).mkdir()
    draft = files.draft(job_id, 1)
    draft.write_bytes(content)
    draft.with_suffix(".srt").write_text("1")
    files.publish(job_id, draft)
    assert files.size(job_id) == 3000 and files.film(job_id).is_file() is not stored
    client = give_app(files)
    link = files.links.sign(f"{job_id}.mp4", 60)
    whole = client.get(link)
    assert whole.status_code == 200 and whole.content == content and whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "video/mp4" and "attachment" in whole.headers["content-disposition"]
    for wanted, part in (("0-9", content[:10]), ("2990-", content[2990:]), ("-5", content[-5:]), ("0-99999", content)):
        answer = client.get(link, headers={"Range": f"bytes={wanted}"})
        assert answer.status_code == 206 and answer.content == part, wanted
    assert client.get(link, headers={"Range": "bytes=5000-"}).status_code == 416
    again = {"Range": "bytes=1-2", "If-Range": whole.headers["etag"]}
    assert client.get(link, headers=again).content == content[1:3]
    assert client.get(link, headers={**again, "If-Range": '"other"'}).content == content
    head = client.head(link)
    assert head.status_code == 200 and head.headers["content-length"] == "3000" and not head.content
    assert client.get(files.links.sign(f"{job_id}.srt", 60)).text == "1"
    files.remove(job_id)
    assert client.get(link).status_code == 410
    if stored:
        assert bucket.storage().names(job_id) == [] and bucket.storage().names("inputs/") == []


def test_a_link_that_was_changed_or_is_over_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links, name = Links(SECRET), f"{new_id()}.mp4"
    address = links.sign(name, 60)
    expires, signature = (part.partition("=")[2] for part in address.partition("?")[2].split("&"))
    assert links.opens(name, expires, signature)
    assert not links.opens(f"{new_id()}.mp4", expires, signature)
    assert not links.opens(name, str(int(expires) + 1), signature)
    assert not Links(b"1" * 32).opens(name, expires, signature)
    for odd in ("", "x", signature.upper(), signature[:-1], "é" * 64):
        assert not links.opens(name, expires, odd)
    for odd in ("", "-1", "9" * 20, "1e9", "٣"):
        assert not links.opens(name, odd, signature)
    monkeypatch.setattr(time, "time", lambda: float(expires))
    assert not links.opens(name, expires, signature)
    files = Files(tmp_path / "outputs")
    (files.folder / "secret-notes.txt").write_text("x")
    client = give_app(files)
    for odd in ("secret-notes.txt", "jobs.db", "..%2Fsecret", "secret"):
        assert client.get(files.links.sign(odd, 60)).status_code in (403, 404)


def test_a_job_taken_in_here_is_made_elsewhere(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders that share a database and a bucket, as two machines would."""
    common = {
        "database": f"sqlite:///{tmp_path / 'jobs.db'}", "storage": bucket.address, "offline": True, "workers": 1,
    }  # fmt: skip
    here, there = Settings(folder=tmp_path / "here", **common), Settings(folder=tmp_path / "there", **common)
    monkeypatch.setenv("VISEMA_CACHE", str(tmp_path / "cache"))
    desk = Desk(here)
    monkeypatch.setattr(desk.crew, "poke", lambda: None)
    job_id = desk.begin()
    (desk.files.work(job_id) / PICTURE).write_bytes((ASSETS / "presenter.png").read_bytes())
    who = Who("key-1", "Ada", frozenset({"films"}), "127.0.0.1")
    options = {"text": "Hi.", "voice": "espeak:en-us", "resolution": "160x160", "mark": "true", "captions": True}
    desk.submit(job_id, Order("film", who, options))
    assert bucket.storage().names(f"inputs/{job_id}/") == [f"inputs/{job_id}/{PICTURE}"]
    store = JobStore(there.database_url)
    crew = Crew(there, store, Files(there.folder, storage_of(there.storage)))
    crew.start()
    try:
        job = until(lambda: (j := store.get(job_id)) and j.state.over and j, "the film")
        until(lambda: not bucket.storage().names("inputs/"), "the uploads to go")
    finally:
        crew.close()
    assert job.state is State.DONE, (job.error, job.detail)
    stat = bucket.storage().stat(f"{job_id}.mp4")
    assert stat and job.bytes == stat.size == desk.files.size(job_id)
    assert sorted(bucket.storage().names(job_id)) == [f"{job_id}.{kind}" for kind in ("mp4", "srt", "vtt")]
    assert not list(there.folder.glob("*.mp4")), "no second copy is kept"
    bucket.storage().get(f"{job_id}.mp4", tmp_path / "film.mp4")
    mark = read_mark(tmp_path / "film.mp4")
    assert mark and mark.facts["visible_mark"] == "yes" and job.result == {"provenance": mark.id}
    known = provenance.look_up(store.engine, mark.id)
    assert known and known["job"] == job_id and known["key"] == "key-1"
    left = f"inputs/{job_id}/{PICTURE}"
    bucket.storage().put(left, ASSETS / "presenter.png")  # as of a worker that was killed before it tidied up
    sweeper = Sweeper(there, store, crew_files := Files(there.folder, storage_of(there.storage)))
    sweeper.sweep()
    assert crew_files.stored_inputs() == {job_id}, "it may be tried again by hand"
    with store.writing() as connection:
        connection.execute(JOBS.update().values(ended=time.time() - 4000))
    sweeper.sweep()
    assert crew_files.stored_inputs() == set()
    assert desk.remove(job_id) and bucket.storage().names(job_id) == []
    assert provenance.look_up(store.engine, mark.id), "what was given out stays known"
    desk.close()
    store.close()


def test_avatars_are_shared(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visema.setup import prepare_avatar

    monkeypatch.setenv("VISEMA_CACHE", str(tmp_path / "one"))
    avatar = prepare_avatar(ASSETS / "presenter.png")
    one, two = (Files(tmp_path / name, bucket.storage()) for name in ("a", "b"))
    one.send_avatar(avatar.folder)
    stat = bucket.storage().stat(f"avatars/{avatar.id}.zip")
    one.send_avatar(avatar.folder)
    again = bucket.storage().stat(f"avatars/{avatar.id}.zip")
    assert stat and again and again.modified == stat.modified, "it is not sent twice"
    assert two.fetch_avatar(avatar.id, tmp_path / "two")
    assert (tmp_path / "two" / avatar.id / "loop.mp4").read_bytes() == (avatar.folder / "loop.mp4").read_bytes()
    assert not two.fetch_avatar("nobody-12345678", tmp_path / "two") and not two.fetch_avatar("../x", tmp_path)
    one.forget_avatar(avatar.id)
    assert two.drop_fetched(tmp_path / "two") == [avatar.id] and not (tmp_path / "two" / avatar.id).exists()
    assert one.drop_fetched(tmp_path / "one") == [] and avatar.folder.is_dir(), "what was made here is not touched"
    assert not Files(tmp_path / "c", bucket.storage()).fetch_avatar(avatar.id, tmp_path / "three")
    assert not list((tmp_path / "a" / "temp").iterdir())


def test_a_bucket_that_is_away_is_waited_out(bucket: Bucket, tmp_path: Path, photo: bytes) -> None:
    """The bucket goes while a film is made, and comes back: the film is there, and nothing was answered by a 500."""
    wire = Wire(free_port(), bucket.port)
    address = bucket.address.replace(str(bucket.port), str(wire.port))
    server = Server(tmp_path / "server", env={**KEYS, "VISEMA_STORAGE": address}).start()
    text = "Hello there, this takes a little while to be said and drawn. " * 4
    film = {"image": photo, "text": text, "voice": "espeak:en-us", "resolution": "512x512"}
    try:
        job = server.begin(**film)
        until(lambda: "Attempt 1 begins" in server.log_of(job), "the film to be begun")
        wire.cut()
        refused = server.generate(**film)
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0, refused.text
        until(lambda: "The storage does not answer" in server.log_of(job), "the first attempt to fail")
        assert server.status(job)["status"] == "processing"
        wire.mend()
        assert server.over(job)["status"] == "completed", server.said()
        part = server.ask("GET", f"/download/{job}", headers={"Range": "bytes=0-999"})
        assert part.status_code == 206 and len(part.content) == 1000
        wire.cut()
        away = server.ask("GET", f"/download/{job}")
        assert away.status_code == 503 and away.headers["retry-after"]
    finally:
        server.stop()
    assert "Traceback" not in server.said(), server.said()


def test_a_key_s_films_are_kept_as_long_as_it_says(tmp_path: Path) -> None:
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    keys = Keys(store.engine)
    kept = {
        hours: keys.create("k", ["films"], Limits(keep_hours=hours))[0].id if hours else "" for hours in (0, 1, 100)
    }
    jobs = {}
    for hours, key in kept.items():
        who = Who(key, "k", frozenset({"films"}), "127.0.0.1")
        job_id = store.submit(Order("film", who, {}), job_id=new_id(), most=9, most_own=9).id
        store.cancel(job_id)
        jobs[hours] = job_id
    ended = time.time() - 2 * 3600
    with store.writing() as connection:
        connection.execute(JOBS.update().values(ended=ended))
    settings = Settings(folder=tmp_path, keep_s=24 * 3600)
    sweeper = Sweeper(settings, store, Files(tmp_path))
    sweeper.sweep()
    states = {hours: store.get(job_id).state for hours, job_id in jobs.items()}  # type: ignore[union-attr]
    assert states == {0: State.CANCELLED, 1: State.EXPIRED, 100: State.CANCELLED}
    with store.writing() as connection:
        connection.execute(JOBS.update().values(ended=time.time() - 30 * 3600))
    sweeper.sweep()
    assert store.get(jobs[0]).state is State.EXPIRED and store.get(jobs[100]).state is State.CANCELLED  # type: ignore[union-attr]
    store.close()
