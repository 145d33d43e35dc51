"""What who runs a server sees of a job: its trace and its lines in the log, over both processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import KEY, Platform
from tests.ops.collector import facts
from visema.client import Visema


def test_a_job_is_one_trace_and_its_lines_name_it(platform: Platform, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk")
    with Visema(platform.address, KEY) as api:
        job = api.make(
            tmp_path / "traced.mp4", text="This is followed from the request to the film.", voice="espeak:en-us"
        )

    def mine(spans: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        own = [s for s in spans if s["name"] == "job" and facts(s).get("visema.job") == job.id]
        return {s["name"]: s for s in spans if own and s["traceId"] == own[0]["traceId"]}

    names = {"POST /api/v1/generate", "queue", "job", "reading", "speech", "drawing", "encoding"}
    platform.collector.wait(lambda _: names <= set(mine(list(platform.collector.spans))))
    found = mine(list(platform.collector.spans))
    request, made = found["POST /api/v1/generate"], found["job"]
    assert (request["service"], made["service"]) == ("visema", "visema-worker")
    assert made["parentSpanId"] == found["queue"]["parentSpanId"] == request["spanId"]
    stages = [found[name] for name in ("reading", "speech", "drawing", "encoding")]
    assert all(stage["parentSpanId"] == made["spanId"] for stage in stages)
    times = [int(stage[name]) for stage in stages for name in ("startTimeUnixNano", "endTimeUnixNano")]
    assert times == sorted(times) and int(made["startTimeUnixNano"]) <= times[0]
    assert facts(request)["http.response.status_code"] == "202"

    lines = [json.loads(line) for line in platform.log.read_text("utf-8").splitlines() if line.startswith("{")]
    own = [line for line in lines if line.get("job") == job.id]
    assert {"Attempt 1 begins."} < {line["message"] for line in own}
    assert {line["trace_id"] for line in own} == {request["traceId"]}
    asked = [line for line in lines if line["message"] == "POST /api/v1/generate 202"]
    assert request["traceId"] in {line["trace_id"] for line in asked}
