"""What those who run a server see of a job while a worker makes it: lines of the log with its id, and its trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from visema.ops import logs, traces
from visema.service.jobs import Job

#: What the stages of a job are called in a trace. Encoding is what is left of it when the last picture is drawn.
SPANS: Final = {
    "reading": "reading", "speaking": "speech", "listening": "hearing", "drawing": "drawing", "encoding": "encoding",
}  # fmt: skip


@contextmanager
def observed(job: Job) -> Iterator[traces.Stages]:
    """The block makes ``job``: its lines name it, and its spans go on with the trace of the request that asked for it.

    Gives what is to be told of the stages.
    """
    facts: dict[str, Any] = {"job": job.id, "kind": job.kind, "attempt": job.attempts}
    parent = job.trace or ""
    with logs.about_everywhere(job=job.id, key=job.key or "local"):
        if job.started is not None:
            traces.past("queue", job.created, job.started, parent=parent, **facts)
        with traces.span("job", role="consumer", parent=parent, **facts):
            stages = traces.Stages(SPANS, time.time)
            try:
                yield stages
            finally:
                stages.end()
