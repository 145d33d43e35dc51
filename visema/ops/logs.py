"""Logs as lines of JSON (``VISEMA_LOG=json``) or as text, each with the job or the request that it is about."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import IO, Any, Final

#: ``json`` or ``text``.
VARIABLE: Final = "VISEMA_LOG"
_TEXT: Final = "%(asctime)s %(levelname)-7s %(message)s"
#: What the line is about, of this task: request id, address, …
_ABOUT: ContextVar[Mapping[str, Any]] = ContextVar("visema_log_about", default={})  # noqa: B039
#: The same for all threads of a process that makes one job at a time.
_everywhere: dict[str, Any] = {}


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Lines of the block, in this task, say ``facts`` too."""
    token = _ABOUT.set({**_ABOUT.get(), **facts})
    try:
        yield
    finally:
        _ABOUT.reset(token)


@contextmanager
def about_everywhere(**facts: Any) -> Iterator[None]:
    """Lines of the block say ``facts`` too, whichever thread writes them: for a process that makes one job."""
    _everywhere.update(facts)
    try:
        yield
    finally:
        for name in facts:
            _everywhere.pop(name, None)


def facts() -> dict[str, Any]:
    """What a line written now is about."""
    return {**_everywhere, **_ABOUT.get()}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, logger, message, what it is about, and the error if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        from visema.ops.traces import current_ids

        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **facts(),
            **current_ids(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = type(record.exc_info[1]).__name__
            line["trace"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """A record as a line for people, with its job."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        job = facts().get("job")
        return f"{super().format(record)} [job {job}]" if job else super().format(record)


def wanted(env: Mapping[str, str] | None = None) -> str:
    """How logs are written: ``json``, ``text``, or empty where nothing was said."""
    said = (os.environ if env is None else env).get(VARIABLE, "").strip().lower()
    return said if said in ("json", "text") else ""


def set_up(stream: IO[str] | None = None, *, kind: str | None = None) -> logging.Handler | None:
    """Write everything from INFO on to ``stream`` (the terminal's error stream); None where nothing is wanted.

    Args:
        stream: Where to.
        kind: ``json`` or ``text``; None takes `wanted`.
    """
    kind = wanted() if kind is None else kind
    if not kind:
        return None
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if kind == "json" else TextLines())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for chatty in ("alembic", "httpx", "httpcore", "matplotlib", "PIL", "botocore", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return handler
