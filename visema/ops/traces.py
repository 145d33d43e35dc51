"""Traces (OpenTelemetry): what a request did, over all processes that had a part in it.

``VISEMA_TRACES`` names the collector (OTLP over HTTP, such as ``http://localhost:4318``). Without it, or without the
package ``opentelemetry-sdk`` (extra ``service``), nothing is loaded and a span costs a function call.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

log = logging.getLogger(__name__)

VARIABLE: Final = "VISEMA_TRACES"
#: Seconds to nanoseconds.
_NS: Final = 1_000_000_000
_lock = threading.Lock()
_provider: TracerProvider | None = None


def start(service: str, address: str | None = None) -> bool:
    """Send spans from now on; False where nobody wants them or the package is missing.

    Args:
        service: What this process is called: ``visema``, ``visema-worker``.
        address: Of the collector; None takes ``VISEMA_TRACES``.
    """
    global _provider
    address = (os.environ.get(VARIABLE, "") if address is None else address).strip().rstrip("/")
    if not address:
        return False
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning(
            "%s is set, but traces need the package opentelemetry-sdk: pip install 'visema[service]'.", VARIABLE
        )
        return False
    from visema import __version__
    from visema.ops.otlp import HttpJsonExporter

    with _lock:
        if _provider is None:
            resource = Resource.create({"service.name": service, "service.version": __version__})
            _provider = TracerProvider(resource=resource)
            _provider.add_span_processor(BatchSpanProcessor(HttpJsonExporter(address), schedule_delay_millis=1000))
    return True


def stop() -> None:
    """Send what is left, and no more."""
    global _provider
    with _lock:
        provider, _provider = _provider, None
    if provider:
        provider.shutdown()


def flush(timeout_s: float = 5.0) -> None:
    """Send what is left now."""
    if _provider:
        _provider.force_flush(int(timeout_s * 1000))


@contextmanager
def span(
    name: str, *, role: str = "internal", parent: str = "", start_s: float | None = None, **facts: Any
) -> Iterator[Span | None]:
    """The block as a span; an error that leaves it is noted. None where there are no traces.

    Args:
        name: What is done.
        role: ``internal``, ``server``, ``client``, ``producer`` or ``consumer``.
        parent: Traceparent of the span that it belongs to; empty takes the one around it.
        start_s: When it began, seconds since 1970; None is now.
        facts: What to say of it.
    """
    if _provider is None:
        yield None
        return
    from opentelemetry import trace

    tracer = _provider.get_tracer("visema")
    with tracer.start_as_current_span(
        name,
        context=_context(parent),
        kind=trace.SpanKind[role.upper()],
        attributes=_attributes(facts),
        start_time=None if start_s is None else round(start_s * _NS),
    ) as opened:
        yield opened


def past(name: str, start_s: float, end_s: float, *, parent: str = "", **facts: Any) -> None:
    """A span of something that is over: from ``start_s`` to ``end_s``, seconds since 1970."""
    if _provider is None:
        return
    tracer = _provider.get_tracer("visema")
    begun = tracer.start_span(
        name, context=_context(parent), attributes=_attributes(facts), start_time=round(start_s * _NS)
    )
    begun.end(end_time=round(max(start_s, end_s) * _NS))


def traceparent() -> str:
    """The span around this, for another process to go on with (W3C Trace Context); empty where there is none."""
    if _provider is None:
        return ""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def current_ids() -> dict[str, str]:
    """Ids of the trace and the span around this, for a line of the log."""
    parts = traceparent().split("-")
    return {"trace_id": parts[1], "span_id": parts[2]} if len(parts) == 4 else {}


def _context(parent: str) -> Any:
    """What a traceparent stands for; None takes what is around."""
    if not parent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})


def _attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"visema.{name}" if "." not in name else name: value
        for name, value in facts.items()
        if isinstance(value, (str, bool, int, float))
    }


class Stages:
    """Spans of the stages of a job, by what its maker tells of its progress.

    Encoding runs beside drawing; the span ``encoding`` is what is left of it when the last picture is drawn.

    Args:
        names: Stage to the span's name; a stage that is not there has no span.
    """

    def __init__(self, names: Mapping[str, str], clock: Any) -> None:
        self._names, self._clock = names, clock
        self._parent = traceparent()
        self._stage, self._since = "", 0.0

    def at(self, stage: str) -> None:
        """Such a stage goes on, or has begun."""
        if stage == self._stage or _provider is None:
            return
        now = self._clock()
        self._close(now)
        self._stage, self._since = stage, now

    def end(self) -> None:
        """The last one is over."""
        if self._stage:
            self._close(self._clock())
        self._stage = ""

    def _close(self, now: float) -> None:
        if name := self._names.get(self._stage):
            past(name, self._since, now, parent=self._parent)
