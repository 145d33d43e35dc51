from __future__ import annotations

import json

import pytest

from visema.live.requests import MAX_MESSAGE, RequestError, lead_of, manner, parse
from visema.live.theatre import LiveOptions
from visema.web.live_gate import Bucket, Gate


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("", "malformed"),
        ("hello", "malformed"),
        ("[1, 2]", "malformed"),
        ("null", "malformed"),
        ("{}", "malformed"),
        ('{"type": 5}', "malformed"),
        ('{"type": "dance"}', "malformed"),
        ('{"type": "say"}', "malformed"),
        ('{"type": "say", "text": 5}', "malformed"),
        ('{"type": "say", "text": "a", "rate": "fast"}', "malformed"),
        ('{"type": "say", "text": "a", "rate": true}', "malformed"),
        ('{"type": "say", "text": "a", "rate": NaN}', "malformed"),
        ('{"type": "say", "text": "a", "rate": 1e999}', "malformed"),
        ('{"type": "say", "text": "a", "interrupt": 1}', "malformed"),
        ('{"type": "hello", "version": 1.0, "audio": []}', "malformed"),
        ('{"type": "hello", "version": true, "audio": []}', "malformed"),
        ('{"type": "hello", "version": 1}', "malformed"),
        ('{"type": "ping", "id": 7}', "malformed"),
        (json.dumps({"type": "ping", "id": "x" * 65}), "malformed"),
        ("[" * 60_000, "malformed"),
        ('{"type": "say", "text": "' + "a" * MAX_MESSAGE + '"}', "too_large"),
    ],
)
def test_what_makes_no_sense_is_told(data: str, code: str) -> None:
    with pytest.raises(RequestError) as e:
        parse(data)
    assert e.value.code == code and e.value.what.endswith(".")


@pytest.mark.parametrize(
    "message",
    [
        {"type": "hello", "version": 1, "audio": ["opus"], "session": None, "new_field": [1]},
        {"type": "say", "text": "Hello.", "voice": "espeak:en-us", "rate": 1, "pitch": -2.5, "volume": 0.5},
        {"type": "queue", "id": "a", "text": "", "stream": True},
        {"type": "report", "skew_ms": -3.5, "late": 2},
        {"type": "interrupt"},
    ],
)
def test_what_makes_sense_is_taken(message: dict[str, object]) -> None:
    request = parse(json.dumps(message))
    assert request.type == message["type"]
    assert "new_field" not in request.fields and "session" not in request.fields


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": ""}, "text"),
        ({"text": "?!"}, "text"),
        ({"text": "a" * 5001}, "text"),
        ({"text": "a", "rate": 9}, "text"),
        ({"text": "a", "pitch": -60}, "text"),
        ({"text": "a", "voice": "espeak:xx-nowhere"}, "unknown_voice"),
        ({"text": "a", "voice": "nobody"}, "unknown_voice"),
    ],
)
def test_values_that_cannot_be(fields: dict[str, object], code: str) -> None:
    with pytest.raises(RequestError) as e:
        manner(parse(json.dumps({"type": "say", "id": "q", **fields})))
    assert (e.value.code, e.value.status, e.value.request_id) == (code, 422, "q")
    assert e.value.hint


def test_voice_and_settings() -> None:
    voice, settings = manner(parse('{"type": "say", "text": "a", "voice": "en-US-JennyNeural", "rate": 1.5}'))
    assert voice == "edge:en-US-JennyNeural" and settings.rate == 1.5 and settings.volume == 1.0
    assert lead_of(7) == 1.0 and lead_of(0) == 0.05


@pytest.mark.parametrize(
    ("headers", "good"),
    [
        ({"host": "a.example:7860"}, True),
        ({"host": "a.example:7860", "origin": "http://a.example:7860"}, True),
        ({"host": "A.example", "origin": "https://a.example"}, True),
        ({"host": "a.example:80", "origin": "http://a.example"}, True),
        ({"host": "127.0.0.1:7860", "origin": "https://a.example", "x-forwarded-host": "a.example"}, True),
        ({"host": "a.example", "origin": "https://embedder.example"}, True),
        ({"host": "a.example", "origin": "http://embedder.example:8080"}, False),
        ({"host": "a.example:7860", "origin": "http://a.example"}, False),
        ({"host": "a.example", "origin": "http://evil.example"}, False),
        ({"host": "a.example", "origin": "http://a.example.evil.example"}, False),
        ({"host": "a.example", "origin": "null"}, False),
        ({"host": "a.example", "origin": ""}, False),
        ({"host": "", "origin": "null"}, False),
        ({"host": "a.example", "origin": "http://a.example:x"}, False),
    ],
)
def test_origins(headers: dict[str, str], good: bool) -> None:
    gate = Gate(LiveOptions(origins=("https://embedder.example",)))
    if good:
        gate.check_origin(headers)
    else:
        with pytest.raises(RequestError) as e:
            gate.check_origin(headers)
        assert (e.value.code, e.value.status) == ("origin", 403)


def test_a_bucket_lets_so_many_at_once_and_then_so_many_a_second() -> None:
    now = [0.0]
    bucket = Bucket(2, 5, lambda: now[0])
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    now[0] = 1.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 100.0
    assert sum(bucket.take() for _ in range(20)) == 5


def test_sockets_are_bounded_by_address_and_in_all() -> None:
    gate = Gate(LiveOptions(sockets=3, sockets_per_address=2))
    gate.enter("a")
    gate.enter("a")
    with pytest.raises(RequestError) as e:
        gate.enter("a")
    assert e.value.status == 429
    gate.enter("b")
    with pytest.raises(RequestError) as e:
        gate.enter("c")
    assert e.value.status == 503
    gate.exit("a")
    gate.enter("c")
    for address in "abc":
        gate.exit(address)
    assert not gate._open, "nothing is kept of who has gone"


def test_addresses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    from visema.web import live_gate

    monkeypatch.setattr(live_gate, "MAX_ADDRESSES", 100)
    gate = Gate(LiveOptions())
    for k in range(1000):
        gate.check_rate(str(k))
    assert len(gate._buckets) == 100
