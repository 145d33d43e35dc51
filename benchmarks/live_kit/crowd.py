"""A crowd of raw readers, from a process of their own, and what it costs the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.live_kit.server import Running

READERS = Path(__file__).with_name("readers.py")


def crowd(server: Running, count: int, talkers: int, seconds: float) -> dict[str, float]:
    """What so many readers saw.

    Returns:
        The readers' own figures; ``server_percent`` of one core while they looked, ``readers_percent`` of theirs, and
        ``others_percent`` of all else on this machine: where that is much, the rates say little.
    """
    command = [sys.executable, str(READERS), str(server.port), str(count), str(talkers), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "now":
            raise SystemExit("The readers could not be opened.")
        readers = Running(0, process.pid)
        server_s, readers_s, all_s, began = (
            server.cpu_seconds(),
            readers.cpu_seconds(),
            busy_seconds(),
            time.monotonic(),
        )
        time.sleep(0.97 * seconds)
        took = time.monotonic() - began
        server_s, readers_s = server.cpu_seconds() - server_s, readers.cpu_seconds() - readers_s
        all_s = busy_seconds() - all_s
        found: dict[str, float] = json.loads(process.stdout.readline())
    return found | {
        "server_percent": 100 * server_s / took,
        "readers_percent": 100 * readers_s / took,
        "others_percent": 100 * max(0.0, all_s - server_s - readers_s) / took,
    }


def busy_seconds() -> float:
    """Processor time of everything on this machine so far."""
    user, nice, system, _, _, interrupt, soft, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + interrupt + soft) / os.sysconf("SC_CLK_TCK")
