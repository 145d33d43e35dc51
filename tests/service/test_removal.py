"""What is removed is gone, in the end: though the storage is away, a file is held, or a copy is on another machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from tests.service.bucket import KEYS, Bucket, Wire, s3_server
from tests.service.conftest import free_port
from visema.avatar import MANIFEST, Avatar
from visema.errors import AvatarError
from visema.live.requests import RequestError
from visema.package import export_avatar
from visema.paths import ASSETS
from visema.service import faces
from visema.service.desk import Desk
from visema.service.files import SOUND
from visema.service.jobs import State
from visema.service.numbers import ServiceNumbers
from visema.service.order import Order
from visema.service.quotas import stored
from visema.service.schema import AVATARS, GONE, JOBS
from visema.service.settings import Settings
from visema.service.storage import StorageAway
from visema.service.store import JobStore
from visema.service.sweeper import Sweeper
from visema.service.who import Who
from visema.setup import prepare_avatar
from visema.web import gallery
from visema.web.owners import Owners
from visema.web.v1 import avatars as api_avatars
from visema.web.v1.choices import checked_avatar, usable_avatars
from visema.web.v1.telling import told

ANNA = Who("anna", "Anna", frozenset({"avatars", "films", "read"}))
BORIS = Who("boris", "Boris", frozenset({"avatars", "films", "read"}))
BOTH = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def wire(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """What leads to the bucket, empty; who is cut off gives up soon."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    for name in ("CONNECT_S", "READ_S", "TRIES"):
        monkeypatch.setattr(f"visema.service.storage.{name}", 1)
    if left := bucket.storage().names(""):
        bucket.storage().delete(left)
    return Wire(free_port(), bucket.port)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database; SQLite where a test does not ask for both kinds."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    server = request.getfixturevalue("postgres_server")
    server.empty()
    return str(server.url)


class Machine:
    """One of several that share a database and a bucket."""

    def __init__(self, folder: Path, database: str, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = folder / "cache"
        settings = Settings(folder=folder / "outputs", database=database, storage=storage, offline=True, keep_s=3600)
        self.desk = Desk(settings)
        monkeypatch.setattr(self.desk.crew, "poke", lambda: None)
        self.files, self.store = self.desk.files, self.desk.store
        self.owners = Owners(self.store.engine, self.files)
        self.api: Any = SimpleNamespace(desk=self.desk, cache=self.cache, default_avatar="", house=None)
        self._patch, self._sweeper = monkeypatch, Sweeper(settings, self.store, self.files)

    def sweep(self) -> None:
        self._patch.setenv("VISEMA_CACHE", str(self.cache))
        self._sweeper.sweep()

    def make(self, who: Who, photo: Path = ASSETS / "presenter.png") -> Avatar:
        """Prepare an avatar, as the page does."""
        self._patch.setenv("VISEMA_CACHE", str(self.cache))
        avatar = prepare_avatar(photo, owner=who.key)
        self.owners.claim(who, avatar)
        return avatar

    def has(self, avatar_id: str) -> bool:
        return (self.cache / avatar_id).exists()

    def lists(self, who: Who) -> set[str]:
        """What the API and the page list, which is the same."""
        mine = {facts["id"] for facts, _ in usable_avatars(self.api, who)}
        self.owners._read_at = -10.0
        house: Any = SimpleNamespace(cache=self.cache, owners=self.owners)
        assert mine == {facts["id"] for facts in gallery.seen(house, who)}
        return mine

    def delete_on_page(self, who: Who, avatar_id: str) -> None:
        house: Any = SimpleNamespace(
            cache=self.cache, owners=self.owners, avatar=lambda name: Avatar.load(self.cache / name),
            drop=lambda *_: None,
        )  # fmt: skip
        viewer: Any = SimpleNamespace(who=who, avatar=Avatar.load(self.cache / avatar_id), text=str)
        gallery.delete(house, viewer)

    def delete_by_api(self, who: Who, avatar_id: str) -> None:
        api_avatars._delete(self.api, who, avatar_id)

    def key_of(self, avatar_id: str) -> str | None:
        with self.store.reading() as connection:
            key: str | None = connection.scalar(sa.select(AVATARS.c.key).where(AVATARS.c.id == avatar_id))
        return key


@pytest.fixture
def machines(
    bucket: Bucket, wire: Wire, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Machine, Machine]]:
    address = bucket.address.replace(str(bucket.port), str(wire.port))
    found = tuple(Machine(tmp_path / name, database, address, monkeypatch) for name in ("a", "b"))
    yield found[0], found[1]
    for machine in found:
        machine.store.close()


@BOTH
@pytest.mark.parametrize("by", ["page", "api"])
def test_a_deleted_avatar_goes_from_the_machine_that_made_it(
    machines: tuple[Machine, Machine], bucket: Bucket, by: str
) -> None:
    a, b = machines
    own = b.make(Who())  # the server's own, of the same picture
    a.make(Who())
    face = b.make(ANNA).id
    assert b.lists(ANNA) == {own.id, face} and b.lists(BORIS) == {own.id}
    b.files.send_avatar(b.cache / face)
    assert a.lists(ANNA) == {own.id, face} and a.has(face), "it is fetched"
    (a.delete_on_page if by == "page" else a.delete_by_api)(ANNA, face)
    assert not a.has(face) and bucket.storage().names("avatars/") == []
    assert b.has(face), "it is left there until that machine looks"
    for machine in machines:
        for who in (ANNA, BORIS):
            assert machine.lists(who) == {own.id}, "and is nobody's meanwhile"
        with pytest.raises(RequestError):
            checked_avatar(machine.api, BORIS, face)
        with pytest.raises(AvatarError):
            machine.owners.check_avatar(BORIS, face)
    with b.store.reading() as connection:
        row = connection.execute(sa.select(AVATARS).where(AVATARS.c.id == face)).one()
    assert (row.key, row.name, row.consent, row.report, row.bytes) == (GONE, "", None, None, 0)
    b.sweep()
    a.sweep()
    assert not b.has(face) and not list(b.cache.glob(f".{face}*deleted"))
    assert b.has(own.id) and a.has(own.id), "the server's own stays"


@pytest.mark.parametrize("by", ["page", "api"])
def test_an_avatar_deleted_while_the_bucket_is_away_goes_from_it_later(
    machines: tuple[Machine, Machine], bucket: Bucket, wire: Wire, by: str
) -> None:
    a, b = machines
    a.make(Who())
    face = a.make(ANNA).id
    a.files.send_avatar(a.cache / face)
    assert b.files.fetch_avatar(face, b.cache)
    wire.cut()
    (a.delete_on_page if by == "page" else a.delete_by_api)(ANNA, face)
    assert not a.has(face) and a.key_of(face) == GONE
    b.sweep()
    assert not b.has(face), "what is on this disk does not wait for the bucket"
    assert bucket.storage().names("avatars/") == [f"avatars/{face}.zip"]
    wire.mend()
    b.sweep()
    assert bucket.storage().names("avatars/") == []
    a.sweep()


def test_the_servers_own_is_deleted_whole_or_not(
    machines: tuple[Machine, Machine], bucket: Bucket, wire: Wire
) -> None:
    a, _ = machines
    own = a.make(Who()).id
    a.files.send_avatar(a.cache / own)
    wire.cut()
    with pytest.raises(StorageAway):
        a.delete_by_api(Who(), own)
    assert a.has(own), "so that it can be tried again"
    wire.mend()
    a.delete_by_api(Who(), own)
    assert not a.has(own) and bucket.storage().names("avatars/") == []


def test_an_avatar_made_again_is_not_touched(
    machines: tuple[Machine, Machine], bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = machines
    b.make(Who())
    face = b.make(ANNA).id
    b.files.send_avatar(b.cache / face)
    a.lists(ANNA)
    export_avatar(Avatar.load(b.cache / face), tmp_path / "face.zip")
    b.delete_by_api(ANNA, face)
    # On the other machine, which has not looked since: there it is found as it was.
    assert a.make(ANNA).id == face and a.key_of(face) == "anna"
    a.files.send_avatar(a.cache / face)
    b.sweep()
    bucket.storage().delete([f"avatars/{face}.zip"])
    a.sweep()
    assert a.has(face) and a.lists(ANNA) >= {face} and face not in a.lists(BORIS)
    # As a file that was exported.
    a.owners.delete(Avatar.load(a.cache / face))
    house: Any = SimpleNamespace(cache=a.cache, owners=a.owners, keep=lambda _: None)
    assert gallery.import_file(house, ANNA, tmp_path / "face.zip").id == face and a.key_of(face) == "anna"
    a.sweep()
    assert a.has(face) and a.lists(ANNA) >= {face} and face not in a.lists(BORIS)
    # On the command line, which asks no database.
    a.owners.delete(Avatar.load(a.cache / face))
    monkeypatch.setenv("VISEMA_CACHE", str(a.cache))
    assert prepare_avatar(ASSETS / "presenter.png", owner="anna").id == face
    a.sweep()
    assert a.has(face) and a.key_of(face) == GONE and face not in a.lists(BORIS)


@BOTH
def test_who_claims_an_avatar_at_the_last_moment_keeps_it(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = machines
    face = b.make(ANNA)
    Owners(a.store.engine).delete(SimpleNamespace(id=face.id, folder=a.cache / face.id))  # type: ignore[arg-type]
    made = faces._made

    def claimed(folder: Path) -> float:
        b.owners.claim(ANNA, face)
        return float(made(folder))

    monkeypatch.setattr(faces, "_made", claimed)
    b.sweep()
    assert b.has(face.id) and b.key_of(face.id) == "anna"


# -- films ------------------------------------------------------------------------------------------------------------


def film(machine: Machine, content: bytes = b"film") -> str:
    """A film of Anna's that is done, with captions and a log."""
    desk = machine.desk
    job = desk.submit(desk.begin(), Order("speak", ANNA, {"text": "Hi."}))
    assert (found := desk.store.claim("me", 60, 3)) and found.id == job.id
    draft = desk.files.draft(job.id, 1)
    draft.write_bytes(content)
    draft.with_suffix(".srt").write_text("1")
    desk.files.publish(job.id, draft)
    assert desk.store.finish(job.id, "me", message="", duration=1.0, size=len(content))
    desk.files.clear(job.id)
    return job.id


def age(store: JobStore, seconds: float) -> None:
    with store.writing() as connection:
        connection.execute(JOBS.update().values(ended=time.time() - seconds))


def bytes_kept(machine: Machine) -> tuple[int, str]:
    """What counts as kept for Anna, and what the metrics say of films."""
    with machine.store.reading() as connection:
        quota = stored(connection, "anna")
    text = ServiceNumbers(machine.store.engine, lambda: 0).text()
    return quota, next(line for line in text.splitlines() if line.startswith('visema_storage_bytes{what="films"}'))


def removed_early(machine: Machine, job_id: str) -> None:
    assert machine.desk.remove(job_id, ANNA)


def kept_long_enough(machine: Machine, job_id: str) -> None:
    age(machine.store, 7200)
    machine.sweep()


@BOTH
@pytest.mark.parametrize("end", [removed_early, kept_long_enough])
def test_a_film_that_could_not_be_removed_is_removed_later(
    machines: tuple[Machine, Machine], bucket: Bucket, wire: Wire, end: Callable[[Machine, str], None]
) -> None:
    a, b = machines
    job_id = film(a)
    assert bytes_kept(a) == (4, 'visema_storage_bytes{what="films"} 4')
    wire.cut()
    end(a, job_id)
    standing = a.desk.look(job_id)
    assert standing and standing.job.state is State.EXPIRED
    assert bytes_kept(a) == (0, 'visema_storage_bytes{what="films"} 0'), "it counts no more at once"
    assert told(standing, "en", a.files)["bytes"] is None
    assert not a.desk.remove(job_id, ANNA), "there is nothing to remove twice"
    b.sweep()
    assert a.store.remains() == [job_id] and len(bucket.storage().names(job_id)) == 2
    age(a.store, 30 * 86400)
    b.sweep()
    assert a.store.get(job_id), "it is not forgotten before it is gone"
    wire.mend()
    age(a.store, 7200)
    b.sweep()
    assert bucket.storage().names(job_id) == [] and a.store.remains() == []
    gone = a.store.get(job_id)
    assert gone and gone.state is State.EXPIRED and gone.bytes == 0


def test_a_film_that_is_held_does_not_keep_the_others(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path / "m", database, "", monkeypatch)
    held, other = film(machine), film(machine)
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == machine.files.film(held):
            raise PermissionError(13, "it is being given out", str(path))
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        kept_long_enough(machine, held)
        left = {path.name for path in machine.files.folder.iterdir() if path.stem in (held, other)}
        assert left == {f"{held}.mp4"} and machine.store.remains() == [held]
        third = film(machine)
        assert machine.desk.remove(third, ANNA) and machine.store.remains() == [held]
    machine.sweep()
    assert not machine.files.film(held).exists() and machine.store.remains() == []
    machine.store.close()


def test_a_film_that_is_held_is_removed_by_hand_all_the_same(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path / "m", database, "", monkeypatch)
    job_id = film(machine)
    with monkeypatch.context() as patch:
        patch.setattr("visema.service.files.CAPTIONS", ())
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "held", "x")))
        assert machine.desk.remove(job_id, ANNA) and machine.store.remains() == [job_id]
    assert bytes_kept(machine)[0] == 0
    machine.sweep()
    assert not machine.files.film(job_id).exists() and machine.store.remains() == []
    machine.store.close()


def test_a_dead_job_keeps_its_uploads_in_the_bucket(machines: tuple[Machine, Machine], bucket: Bucket) -> None:
    a, b = machines
    job_id = a.desk.begin()
    (a.files.work(job_id) / SOUND).write_bytes(b"as it was sent")
    a.desk.submit(job_id, Order("film", ANNA, {}))
    assert b.store.claim("w", 60, 1) and b.store.fail(job_id, "w", "storage", "", "", attempts=1) is State.FAILED
    age(b.store, 3000)
    shutil.rmtree(a.files.work(job_id))
    job = b.store.get(job_id)
    assert job and job.dead
    with b.store.writing() as connection:  # longer ago than uploads of other jobs are left, not yet its time
        connection.execute(JOBS.update().values(ended=time.time() - 5400))
    for machine in machines:
        machine._sweeper = Sweeper(
            Settings(folder=machine.desk.settings.folder, keep_s=7200, offline=True), machine.store, machine.files
        )
        machine.sweep()
    assert bucket.storage().names("inputs/") == [f"inputs/{job_id}/{SOUND}"]
    assert b.desk.retry(job_id, ANNA)
    b.files.fetch(job_id)
    assert (b.files.work(job_id) / SOUND).read_bytes() == b"as it was sent"
    assert b.store.claim("w", 60, 1) and b.store.fail(job_id, "w", "storage", "", "", attempts=1) is State.FAILED
    age(b.store, 9000)
    b.sweep()
    assert bucket.storage().names("inputs/") == [] and b.store.remains() == []


def test_manifests_tell_when_an_avatar_was_made(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert abs(faces._made(folder) - time.time()) < 60
