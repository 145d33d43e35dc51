"""News: signed, sent, tried again, written down; to public addresses only."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.service import receiver as kinds
from tests.service.conftest import until
from tests.service.receiver import Receiver, receiver
from visema.errors import InputError
from visema.paths import ROOT
from visema.service import courier as service_courier
from visema.service.courier import PAUSES_S, Courier, key_secret
from visema.service.destinations import check_url, is_public
from visema.service.housekeeping import tidy
from visema.service.keys import Keys
from visema.service.schema import DELIVERIES
from visema.service.store import JobStore
from visema.webhooks import Forged, sign, verify

SECRET = b"s" * 32


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """SQLite; PostgreSQL where a test asks for it by its parameter."""
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    if getattr(request, "param", "") == "postgresql":
        server = request.getfixturevalue("postgres_server")
        server.empty()
        url = str(server.url)
    store = JobStore(url)
    yield store.engine
    store.close()


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def courier(engine: sa.Engine, clock: Clock) -> Courier:
    return Courier(engine, SECRET, ["127.0.0.1"], now=clock, seconds=2.0)


def post(engine: sa.Engine, url: str, number: int = 0, key: str = "", now: float = 1_800_000_000.0) -> str:
    name = f"d{number:031d}"
    with engine.begin() as connection:
        connection.execute(
            DELIVERIES.insert().values(
                id=name, key=key, job="0123456789abcdef01234567", event="job.done", url=url, state="waiting", due=now,
                payload={"job": "0123456789abcdef01234567", "state": "done", "name": "Анна"}, created=now,
            )
        )  # fmt: skip
    return name


def row(engine: sa.Engine, name: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(DELIVERIES.select().where(DELIVERIES.c.id == name)).one()


def test_news_arrive_signed(engine: sa.Engine, courier: Courier, there: Receiver, clock: Clock) -> None:
    name = post(engine, there.url + "?x=1")
    assert courier.send_due() == 1 and courier.send_due() == 0
    [taken] = there.taken
    assert taken.path == "/hooks?x=1" and taken.headers["Content-Type"] == "application/json"
    assert taken.headers["X-Visema-Event"] == "job.done" and taken.headers["X-Visema-Delivery"] == name
    told = json.loads(taken.body)
    assert told["id"] == name and told["event"] == "job.done" and told["data"]["name"] == "Анна"
    assert told["created"] == "2027-01-15T08:00:00Z"
    verify(key_secret(SECRET, ""), taken.headers, taken.body, now=clock.time)
    kept = row(engine, name)
    assert (kept.state, kept.attempts, kept.ended) == ("sent", 1, clock.time)
    assert kept.tries[0]["status"] == 204 and kept.tries[0]["error"] == "" and kept.tries[0]["ms"] >= 0


def test_a_receiver_tells_news_from_forgeries() -> None:
    body, now = b'{"a":1}', 1_800_000_000
    secret = key_secret(SECRET, "a" * 12)
    assert secret != key_secret(SECRET, "b" * 12) != key_secret(b"t" * 32, "b" * 12)
    good = {"x-visema-timestamp": str(now), "X-VISEMA-SIGNATURE": sign(secret, now, body)}
    verify(secret, good, body, now=now + 299)
    verify(secret, {**good, "X-VISEMA-SIGNATURE": f"v1=00, {sign(secret, now, body)}"}, body, now=now)
    for headers, sent, at in (
        (good, body + b" ", now), (good, body, now + 301), (good, body, now - 301), ({}, body, now),
        ({**good, "x-visema-timestamp": str(now + 1)}, body, now), ({**good, "x-visema-timestamp": "soon"}, body, now),
        ({**good, "X-VISEMA-SIGNATURE": "v1="}, body, now), ({**good, "X-VISEMA-SIGNATURE": "v1=é"}, body, now),
    ):  # fmt: skip
        with pytest.raises(Forged):
            verify(secret, headers, sent, now=at)


def test_what_fails_is_tried_again_ever_more_rarely(
    engine: sa.Engine, courier: Courier, there: Receiver, clock: Clock
) -> None:
    name = post(engine, there.url)
    there.answers = [500, 404, 302, 500, 500, 500, 500, 500]
    for number, pause in enumerate(PAUSES_S, 1):
        assert courier.send_due() == 1
        kept = row(engine, name)
        assert kept.state == "waiting" and kept.attempts == number
        assert 0.9 * pause <= kept.due - clock.time <= 1.11 * pause
        assert courier.send_due() == 0, "before it is due"
        clock.time = kept.due
    assert courier.send_due() == 1
    kept = row(engine, name)
    assert kept.state == "failed" and kept.attempts == len(PAUSES_S) + 1 == len(there.taken)
    assert [t["status"] for t in kept.tries][:4] == [500, 404, 302, 500]
    clock.time += 1e6
    assert courier.send_due() == 0
    assert len({taken.body for taken in there.taken}) == 1, "the same bytes at every try"
    assert len({taken.headers["X-Visema-Signature"] for taken in there.taken}) == len(there.taken)
    assert tidy(engine, clock.time, 90) == 0
    assert tidy(engine, clock.time + service_courier.KEPT_S + 1, 90) == 1


def test_a_receiver_may_ask_for_time_or_for_an_end(
    engine: sa.Engine, courier: Courier, there: Receiver, clock: Clock
) -> None:
    def later(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 503 x\r\nRetry-After: 4000\r\nContent-Length: 0\r\n\r\n")

    there.answers = [later, 410]
    first, second = post(engine, there.url, 1), post(engine, there.url, 2)
    courier.send_due()
    courier.send_due()
    assert row(engine, first).due == clock.time + 4000
    assert row(engine, second).state == "failed" and row(engine, second).attempts == 1


@pytest.mark.parametrize("behaviour", ["drips", "drips_headers", "nothing", "nonsense", "closes"])
def test_hostile_receivers_do_not_hold_the_courier(
    engine: sa.Engine, courier: Courier, there: Receiver, behaviour: str
) -> None:
    found = {
        "drips": kinds.drips, "drips_headers": kinds.drips_headers, "nothing": lambda h: time.sleep(4),
        "nonsense": lambda h: h.wfile.write(b"\x00\xff" * 50 + b"\r\n\r\n"), "closes": lambda h: None,
    }  # fmt: skip
    there.answers = [found[behaviour]]
    name = post(engine, there.url)
    begun = time.monotonic()
    courier.send_due()
    assert time.monotonic() - begun < 10, "it has two seconds in all"
    kept = row(engine, name)
    assert kept.state == "waiting" and kept.tries[0]["error"] in ("no answer in time", "no answer in HTTP")


def test_an_endless_answer_is_not_read(engine: sa.Engine, courier: Courier, there: Receiver) -> None:
    there.answers = [kinds.endless]
    name = post(engine, there.url)
    courier.send_due()
    assert row(engine, name).state == "sent"


def test_redirects_are_not_followed(engine: sa.Engine, courier: Courier, there: Receiver) -> None:
    with receiver() as inner:
        there.answers = [kinds.leads_to(inner.url)]
        name = post(engine, there.url)
        courier.send_due()
        assert not inner.taken
    assert row(engine, name).tries[0]["status"] == 307 and row(engine, name).state == "waiting"


#: This machine, its neighbours and the cloud's metadata, in every way in which they can be written.
PRIVATE = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0",
    "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "10.0.0.1", "10.1", "172.16.0.1", "192.168.1.1",
    "169.254.169.254", "2852039166", "0xA9FEA9FE", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001::1]", "[ff02::1]", "metadata.google.internal", "printer.local",
    "x.localhost", "①②⑦.⓪.⓪.①", "127。0。0。1",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_refused_when_they_are_named(host: str) -> None:
    with pytest.raises(InputError):
        check_url(f"http://{host}/hooks")
    with pytest.raises(InputError):
        check_url(f"https://{host}:8443/hooks")


@pytest.mark.parametrize("host", [h for h in PRIVATE if h.isascii()])
def test_and_when_they_are_connected_to(engine: sa.Engine, host: str, there: Receiver, clock: Clock) -> None:
    name = post(engine, f"http://{host}:{there.port}/")
    Courier(engine, SECRET, now=clock, seconds=3.0).send_due()
    kept = row(engine, name)
    assert not there.taken and kept.state in ("failed", "waiting")
    assert kept.tries[0]["error"] in ("not a public address", "no connection")


@pytest.mark.parametrize("url", [
    "ftp://a.org/", "file:///etc/passwd", "gopher://a.org/", "http://", "https://", "//a.org", "a.org", "",
    "http://a b/",
    "http://user:pw@a.org/", "http://a.org:0/", "http://a.org:99999/", "http://[::1", "http://a.org/\r\nX: y",
    "http://a.org\\@127.0.0.1/", "javascript:alert(1)", "http://a.org/" + "x" * 3000,
])  # fmt: skip
def test_what_is_no_address_of_the_web(url: str) -> None:
    with pytest.raises(InputError):
        check_url(url)


def test_what_may_be_named() -> None:
    for url in ("https://example.org/hooks?a=b", "http://93.184.215.14/", "https://[2606:2800:21f:cb07::1]:8443/x"):
        check_url(url)
    check_url("http://127.0.0.1:9/", ["127.0.0.1"])
    check_url("http://hooks.internal:9/", ["hooks.internal:9"])
    with pytest.raises(InputError):
        check_url("http://hooks.internal:8/", ["hooks.internal:9"])
    assert is_public(ipaddress.ip_address("64:ff9b::5db8:d70e")) and not is_public(
        ipaddress.ip_address("::ffff:10.0.0.1")
    )


def test_a_name_that_changes_its_mind(
    engine: sa.Engine, there: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the address that was judged is the one that is connected to."""
    asked: list[str] = []
    connected: list[tuple[str, int]] = []
    real_connect = socket.create_connection

    def resolver(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        asked.append(host)
        public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))]
        private = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        return public if len(asked) == 1 else private

    def connect(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        connected.append(address)
        if address[0] == "93.184.215.14":  # as if it answered there
            raise ConnectionRefusedError
        return real_connect(address, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(socket, "create_connection", connect)
    name = post(engine, f"http://rebound.example:{there.port}/")
    courier = Courier(engine, SECRET, now=clock, seconds=3.0)
    courier.send_due()
    assert connected == [("93.184.215.14", there.port)] and asked == ["rebound.example"], "looked up once"
    clock.time += 20
    courier.send_due()
    assert len(connected) == 1 and not there.taken, "the second time it means this machine"
    assert row(engine, name).tries[1]["error"] == "not a public address" and row(engine, name).state == "failed"


def test_a_name_with_one_private_address_is_refused(engine: sa.Engine, there: Receiver, clock: Clock) -> None:
    def both(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", ("93.184.215.14", port)), (2, 1, 6, "", ("10.0.0.1", port))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", both)
        name = post(engine, f"http://two.example:{there.port}/")
        Courier(engine, SECRET, now=clock).send_due()
    assert row(engine, name).tries[0]["error"] == "not a public address"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_two_couriers_send_once_and_a_killed_ones_news_are_sent(
    engine: sa.Engine, there: Receiver, clock: Clock
) -> None:
    names = [post(engine, there.url, n, key="") for n in range(30)]
    couriers = [Courier(engine, SECRET, ["127.0.0.1"], now=clock) for _ in range(3)]

    def all_of(courier: Courier) -> None:
        quiet = 0
        while quiet < 20:
            quiet = 0 if courier.send_due() else quiet + 1
            time.sleep(0.005)

    threads = [threading.Thread(target=all_of, args=(courier,)) for courier in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken.headers["X-Visema-Delivery"] for taken in there.taken) == sorted(names)
    last = post(engine, there.url, 99)
    assert couriers[0]._claim() is not None  # and it is killed
    assert couriers[1].send_due() == 0
    clock.time += service_courier.LEASE_S + 1
    assert couriers[1].send_due() == 1 and row(engine, last).state == "sent"


def test_one_slow_receiver_does_not_hold_up_the_others(engine: sa.Engine, there: Receiver) -> None:
    now = time.time()
    keys = Keys(engine)
    slow, quick = (keys.create(name, ["films"])[0].id for name in ("slow", "quick"))
    with receiver() as stuck:
        stuck.answers = [lambda h: time.sleep(3)] * 8
        for number in range(8):
            post(engine, stuck.url, number, slow, now)
        for number in range(8, 14):
            post(engine, there.url, number, quick, now)
        courier = Courier(engine, SECRET, ["127.0.0.1"], seconds=3.0)
        courier.start()
        until(lambda: len(there.taken) == 6, "the quick one's news", 30)
        assert len(stuck.taken) <= 2 * 2, "two at once of one key"
        courier.close()


def test_a_revoked_keys_news_are_not_sent(engine: sa.Engine, courier: Courier, there: Receiver, clock: Clock) -> None:
    keys = Keys(engine)
    key, _ = keys.create("a", ["films"])
    first, second = post(engine, there.url, 1, key.id), post(engine, there.url, 2, key.id)
    courier.send_due()
    keys.revoke(key.id)
    courier.send_due()
    assert (row(engine, first).state, row(engine, second).state) == ("sent", "failed")
    verify(key_secret(SECRET, key.id), there.taken[0].headers, there.taken[0].body, now=clock.time)
    assert len(there.taken) == 1


def test_the_examples_of_the_documentation(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
    examples = dict(re.findall(r"```(python|javascript)\n(.*?)```", text, re.DOTALL))
    body, secret, now = '{"event":"job.done","name":"Анна"}'.encode(), key_secret(SECRET, ""), int(time.time())
    headers = {"X-Visema-Timestamp": str(now), "X-Visema-Signature": sign(secret, now, body)}
    (tmp_path / "body").write_bytes(body)
    (tmp_path / "headers").write_text(json.dumps({name.lower(): value for name, value in headers.items()}))
    python = f"""{examples["python"]}
import json
body, headers = open("body", "rb").read(), json.load(open("headers"))
print(is_genuine({secret!r}, headers, body), is_genuine({secret!r}, headers, body + b" "))
"""
    done = subprocess.run([sys.executable, "-c", python], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr
    assert "visema" not in examples["python"].lower().replace("x-visema", ""), "it needs no package of ours"
    node = shutil.which("node")
    if not node:
        pytest.skip("there is no Node.js here to run the example in JavaScript")
    script = f"""{examples["javascript"]}
const fs = require('node:fs');
const body = fs.readFileSync('body'), headers = JSON.parse(fs.readFileSync('headers'));
console.log(isGenuine('{secret}', headers, body), isGenuine('{secret}', headers, Buffer.concat([body, body])));
"""
    (tmp_path / "x.cjs").write_text(script)
    done = subprocess.run([node, "x.cjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["true", "false"], done.stderr
