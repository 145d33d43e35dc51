"""Lines of the log."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from visema.ops import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_json_with_what_they_are_about(written: io.StringIO) -> None:
    logs.set_up(written, kind="json")
    log = logging.getLogger("visema.test")
    with logs.about_everywhere(job="j1"), logs.about(request="r1"):
        log.info("Said «%s»\nin two lines.", "да", extra={"facts": {"seconds": 0.5}})
        thread = threading.Thread(target=log.warning, args=("Elsewhere.",))
        thread.start()
        thread.join()
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("It failed.")
    said, elsewhere, failed = lines(written)
    assert said["message"] == "Said «да»\nin two lines."
    assert (said["level"], said["logger"], said["job"], said["request"]) == ("info", "visema.test", "j1", "r1")
    assert said["seconds"] == 0.5 and said["time"].endswith("+00:00")
    assert elsewhere["job"] == "j1" and "request" not in elsewhere
    assert failed["error"] == "ValueError" and "broken" in failed["trace"] and "job" not in failed


def test_lines_for_people_name_the_job(written: io.StringIO) -> None:
    logs.set_up(written, kind="text")
    with logs.about_everywhere(job="j1"):
        logging.getLogger("visema.test").info("Begun.")
    assert written.getvalue().rstrip().endswith("INFO    Begun. [job j1]")


def test_nothing_changes_where_nothing_is_said(written: io.StringIO) -> None:
    before = logging.getLogger().handlers[:]
    assert logs.wanted({"VISEMA_LOG": " JSON "}) == "json" and logs.wanted({"VISEMA_LOG": "loud"}) == ""
    assert logs.set_up(written, kind="") is None
    assert logging.getLogger().handlers == before
