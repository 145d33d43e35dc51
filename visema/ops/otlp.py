"""Sends spans to a collector: OTLP over HTTP with JSON, as the protocol's specification 1.x has it.

OpenTelemetry's own exporters need protobuf 5 or newer, MediaPipe one older than 5; JSON needs neither.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode

log = logging.getLogger(__name__)

#: Seconds that a collector may take.
TIMEOUT_S: Final = 5.0
_KINDS: Final = {
    SpanKind.INTERNAL: 1, SpanKind.SERVER: 2, SpanKind.CLIENT: 3, SpanKind.PRODUCER: 4, SpanKind.CONSUMER: 5,
}  # fmt: skip
_STATUS: Final = {StatusCode.UNSET: 0, StatusCode.OK: 1, StatusCode.ERROR: 2}


class HttpJsonExporter(SpanExporter):
    """Posts spans to ``<address>/v1/traces``. A collector that is away costs the spans, and one line of the log.

    Args:
        address: Of the collector.
    """

    def __init__(self, address: str) -> None:
        self._url = f"{address}/v1/traces"
        self._away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them."""
        body = json.dumps(request_of(spans)).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                answer.read()
        except OSError as e:
            if not self._away:
                log.warning("Traces cannot be sent to %s: %s", self._url, e)
            self._away = True
            return SpanExportResult.FAILURE
        self._away = False
        return SpanExportResult.SUCCESS


def request_of(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """Spans as an ``ExportTraceServiceRequest``; all of them are of one process."""
    if not spans:
        return {"resourceSpans": []}
    scope = spans[0].instrumentation_scope
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(spans[0].resource.attributes)},
                "scopeSpans": [
                    {"scope": {"name": scope.name if scope else ""}, "spans": [span_of(span) for span in spans]}
                ],
            }
        ]
    }


def span_of(span: ReadableSpan) -> dict[str, Any]:
    """A span; ids in hexadecimal and times in nanoseconds as strings, as the JSON form has them."""
    context = span.get_span_context()
    found: dict[str, Any] = {
        "traceId": f"{context.trace_id:032x}" if context else "",
        "spanId": f"{context.span_id:016x}" if context else "",
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
        "attributes": attributes(span.attributes or {}),
        "status": {"code": _STATUS[span.status.status_code]},
    }
    if span.status.description:
        found["status"]["message"] = span.status.description
    if span.parent:
        found["parentSpanId"] = f"{span.parent.span_id:016x}"
    if span.events:
        found["events"] = [
            {
                "name": event.name,
                "timeUnixNano": str(event.timestamp),
                "attributes": attributes(event.attributes or {}),
            }
            for event in span.events
        ]
    return found


def attributes(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Facts as a list of ``KeyValue``."""
    return [{"key": key, "value": _value(value)} for key, value in facts.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": str(value)}
