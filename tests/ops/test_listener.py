"""Numbers on a port of their own."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from visema.errors import InputError
from visema.ops.listener import listen


def test_numbers_are_told_until_it_is_closed() -> None:
    listener = listen(lambda: "visema_up 1\n", {"VISEMA_METRICS": "127.0.0.1:0"})
    assert listener
    address = f"http://127.0.0.1:{listener.port}"
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"visema_up 1\n", "text/plain; version=0.0.4")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/generate", timeout=10)
    second = listen(lambda: "", {"VISEMA_METRICS": str(listener.port)})
    assert second is None  # taken: said in the log, and no reason not to serve
    listener.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{address}/metrics", timeout=10)


def test_what_is_no_address_is_refused() -> None:
    assert listen(lambda: "", {}) is None
    for wrong in ("here", "127.0.0.1:", "1:99999"):
        with pytest.raises(InputError, match="VISEMA_METRICS"):
            listen(lambda: "", {"VISEMA_METRICS": wrong})
