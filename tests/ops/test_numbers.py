"""Numbers for Prometheus, read by Prometheus' own parser and compared with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from visema.ops.numbers import Counter, Histogram, family
from visema.service.numbers import ServiceNumbers
from visema.service.schema import DELIVERIES, JOBS, KEYS, USAGE
from visema.service.store import JobStore

parser = pytest.importorskip("prometheus_client.parser")


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples by name and labels."""
    found = {}
    for one in parser.text_string_to_metric_families(text):
        assert one.documentation and one.type != "unknown", one.name
        for sample in one.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def at(found: dict[Any, float], metric: str, /, **labels: str) -> float:
    return found[metric, frozenset(labels.items())]


def test_text_is_read_by_prometheus() -> None:
    odd = 'a "b" \\ c\nd'
    histogram, counter = Histogram("h_seconds", "Some.", (1.0, 2.5)), Counter("c_total", "Many.")
    for value in (0.5, 1.0, 2.0, 99.0):
        histogram.observe({"kind": "film"}, value)
    counter.add({"code": odd}, 2.5)
    found = read(family("g", "gauge", "One.", [({}, 7), ({"x": odd}, 1e-9)]) + histogram.text() + counter.text())
    assert at(found, "g") == 7 and at(found, "g", x=odd) == 1e-9 and at(found, "c_total", code=odd) == 2.5
    buckets = [at(found, "h_seconds_bucket", kind="film", le=le) for le in ("1", "2.5", "+Inf")]
    assert buckets == [2, 3, 4]
    assert at(found, "h_seconds_sum", kind="film") == 102.5 and at(found, "h_seconds_count", kind="film") == 4


def test_jobs_as_the_rows_have_them(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}", now=lambda: now[0])
    engine = store.engine
    old = {"id": "old", "state": "done", "created": now[0] - 99, "started": now[0] - 90, "ended": now[0] - 80}
    add(engine, JOBS, {**old, "duration": 5.0})
    numbers = ServiceNumbers(engine, lambda: 123, now=lambda: now[0])
    at_first = read(numbers.text())
    assert at(at_first, "visema_jobs", queue="render", state="queued") == 0
    assert at(at_first, "visema_jobs", queue="train", state="running") == 0
    assert not [key for key in at_first if key[0] == "visema_jobs_ended_total"]  # that was before this server

    begun = {"created": now[0] + 1, "started": now[0] + 4}
    rows = [
        {"id": "a", "kind": "speak", "state": "done", "ended": now[0] + 6, "duration": 30.0, "cost": {"money": 0.05},
         "attempts": 3, "bytes": 1000, **begun},
        {"id": "b", "kind": "train", "queue": "train", "state": "failed", "error": "no_face", **begun,
         "ended": now[0] + 7},
        {"id": "c", "state": "queued", "created": now[0] + 2},
        {"id": "d", "state": "queued", "created": now[0] + 3},
        {"id": "e", "state": "running", **begun},
        {"id": "f", "state": "cancelled", "created": now[0] + 1, "ended": now[0] + 3},
    ]  # fmt: skip
    for row in rows:
        add(engine, JOBS, row)
    key = {"id": "k1", "name": "Ann", "hash": "", "scopes": [], "limits": {}, "created": 0.0}
    delivery = {"id": "x", "job": "a", "event": "job.done", "url": "", "payload": {}, "due": 0.0, "created": 0.0}
    with engine.begin() as connection:
        connection.execute(KEYS.insert().values(**key))
        connection.execute(USAGE.insert().values(key="k1", what="video_s", span=202701, amount=30.0))
        connection.execute(USAGE.insert().values(key="k1", what="video_s", span=202612, amount=99.0))
        connection.execute(DELIVERIES.insert().values(**delivery, state="failed"))
    now[0] += 10
    for _ in range(2):  # looked at twice, counted once
        numbers._kept = -99.0
        found = read(numbers.text())
    assert at(found, "visema_jobs", queue="render", state="queued") == 2
    assert at(found, "visema_jobs", queue="render", state="running") == 1
    assert at(found, "visema_oldest_wait_seconds") == 8
    assert at(found, "visema_jobs_ended_total", kind="speak", state="done") == 1
    assert at(found, "visema_jobs_ended_total", kind="film", state="cancelled") == 1
    assert at(found, "visema_jobs_failed_total", kind="train", code="no_face") == 1
    assert at(found, "visema_jobs_retried_total", kind="speak") == 2
    assert at(found, "visema_job_wait_seconds_sum", kind="speak") == 3
    assert at(found, "visema_job_make_seconds_sum", kind="train") == 3
    assert at(found, "visema_job_make_seconds_bucket", kind="speak", le="2.5") == 1
    assert at(found, "visema_film_seconds_total", kind="speak") == 30
    assert at(found, "visema_money_total", kind="speak") == 0.05
    assert at(found, "visema_webhooks", state="failed") == 1 and at(found, "visema_webhooks", state="waiting") == 0
    assert at(found, "visema_key_usage", key="k1", name="Ann", what="video_s") == 30
    assert at(found, "visema_storage_bytes", what="films") == 1000
    assert at(found, "visema_storage_free_bytes") == 123 and at(found, "visema_database_up") == 1
    store.close()


def test_database_that_is_away_is_a_number(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'none' / 'jobs.db'}")
    assert at(read(ServiceNumbers(engine, lambda: 0).text()), "visema_database_up") == 0


def add(engine: sa.Engine, table: sa.Table, values: dict[str, Any]) -> None:
    usual = {"client": "c", "turn": 0, "options": {}}
    with engine.begin() as connection:
        connection.execute(table.insert().values(**usual, **values))
