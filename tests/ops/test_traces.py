"""Traces, as a collector sees them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.ops.collector import Collector, collecting, facts
from visema.ops import traces

pytest.importorskip("opentelemetry.sdk")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        assert traces.start("tests", found.address)
        yield found
        traces.stop()


def test_spans_lie_in_one_another_and_say_what_went_wrong(collector: Collector) -> None:
    before = time.time()
    with pytest.raises(ValueError), traces.span("outer", role="server", **{"http.route": "/a", "count": 3}):
        with traces.span("inner", job="j1", done=True, share=0.5):
            pass
        raise ValueError("broken")
    traces.flush()
    found = {span["name"]: span for span in collector.spans}
    outer, inner = found["outer"], found["inner"]
    assert inner["traceId"] == outer["traceId"] and inner["parentSpanId"] == outer["spanId"]
    assert "parentSpanId" not in outer and (outer["kind"], inner["kind"]) == (2, 1)
    assert facts(outer) == {"http.route": "/a", "visema.count": "3"}
    assert facts(inner) == {"visema.job": "j1", "visema.done": True, "visema.share": 0.5}
    assert outer["status"]["code"] == 2 and "broken" in outer["status"]["message"]
    assert outer["events"][0]["name"] == "exception" and inner["status"] == {"code": 0}
    begin, end = (int(outer[name]) / 1e9 for name in ("startTimeUnixNano", "endTimeUnixNano"))
    assert before <= begin <= end <= time.time()
    assert len(outer["traceId"]) == 32 and len(outer["spanId"]) == 16 and outer["service"] == "tests"


def test_trace_goes_on_in_another_process(collector: Collector) -> None:
    with traces.span("request"):
        parent = traces.traceparent()
        assert traces.current_ids()["trace_id"] in parent
    script = (
        "import sys; from visema.ops import traces; traces.start('other', sys.argv[1]);\n"
        "with traces.span('job', parent=sys.argv[2]):\n"
        "    stages = traces.Stages({'speaking': 'speech', 'drawing': 'drawing'}, iter([1.0, 2.0, 4.0]).__next__)\n"
        "    [stages.at(stage) for stage in ('speaking', 'speaking', 'drawing', 'drawing')]; stages.end()\n"
        "traces.stop()"
    )
    subprocess.run([sys.executable, "-c", script, collector.address, parent], check=True, timeout=60)
    traces.flush()
    found = collector.wait(lambda spans: {"request", "job", "speech", "drawing"} <= set(spans))
    assert found["job"]["parentSpanId"] == found["request"]["spanId"]
    assert {span["traceId"] for span in found.values()} == {found["request"]["traceId"]}
    assert found["job"]["service"] == "other"
    for name, seconds in (("speech", 1), ("drawing", 2)):
        assert found[name]["parentSpanId"] == found["job"]["spanId"]
        assert int(found[name]["endTimeUnixNano"]) - int(found[name]["startTimeUnixNano"]) == seconds * 10**9


def test_nobody_wants_traces() -> None:
    assert not traces.start("tests", "")
    with traces.span("nothing") as span:
        assert span is None and traces.traceparent() == "" and traces.current_ids() == {}
    traces.past("nothing", 0.0, 1.0)
    script = "import sys, visema.ops.traces as t\nwith t.span('a'): pass\nassert 'opentelemetry' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_collector_that_is_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    assert traces.start("tests", "http://127.0.0.1:9")
    try:
        for _ in range(3):
            with traces.span("lost"):
                pass
            traces.flush()
    finally:
        traces.stop()
    assert [record.message for record in caplog.records if "cannot be sent" in record.message].__len__() == 1
