"""What the benchmarks measure with has to start: it reaches into the server."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

from benchmarks.live_kit.server import free_port, running


def test_the_server_of_the_benchmarks(avatar_cache: Path, tmp_path: Path) -> None:
    cache = shutil.copytree(avatar_cache, tmp_path / "cache")
    identity = next(cache.glob("*/avatar.json")).parent.name
    with (
        running(cache, identity, free_port(), "--seats", "2") as server,
        urllib.request.urlopen(f"{server.address}/bench/held", timeout=10) as answer,
    ):
        assert json.load(answer)["sessions"] == 0
