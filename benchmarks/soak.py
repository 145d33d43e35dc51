"""The live view for a long time: does its clock drift, does its memory grow, is anything left over?

    python benchmarks/soak.py [--minutes 30] [--quick] [--json]

A real server process and a few raw viewers. One talks all the time; one says something, is interrupted and says
something else; one watches; and every few seconds somebody comes, speaks and goes, cleanly or not. ``drift_ms_min`` is
how the sound's and pictures' stamps move against the clock of the operating system, per minute, by a line through
all of them; ``server_drift_ms_min`` the same of the time that the server tells. Growth is from the end of the warm-up
(a quarter of the time, 5 minutes at most) to the end: memory in percent, by the medians of a tenth of the time each;
files, threads, sockets, sessions and tasks in pieces, when all guests have left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from benchmarks.live_kit.avatars import make_avatar  # noqa: E402
from benchmarks.live_kit.readers import Reader  # noqa: E402
from benchmarks.live_kit.server import Running, free_port, running  # noqa: E402

TEXT = "This is number {}. The quick brown fox jumps over the lazy dog, and then it runs away into the dark woods. "
SAMPLE_S = 2.0
GUEST_S = 4.0
TARGETS = {"drift_ms_min": 1.0, "server_drift_ms_min": 1.0, "memory_growth_percent": 5.0}
NONE_MORE = ("files_growth", "threads_growth", "sockets_growth", "sessions_growth", "tasks_growth")


class Clocked(Reader):
    """A reader that keeps the time of what comes against this machine's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.early: list[tuple[float, float]] = []  # when it came, and how long before its time
        self.told: list[tuple[float, float, float]] = []  # pongs: when, the server's time less ours, round trip
        self.state = ""

    def take(self, opcode: int, buffer: bytearray, at: int, size: int) -> None:
        """See `Reader`."""
        super().take(opcode, buffer, at, size)
        now = time.monotonic()
        if opcode == 2 and buffer[at] == 2:
            self.early.append((now, struct.unpack_from("<d", buffer, at + 8)[0] - now))
        elif opcode == 1:
            message = json.loads(bytes(buffer[at : at + size]))
            if message["type"] == "pong":
                self.told.append((now, message["t"] - (now + message["c"]) / 2, now - message["c"]))
            elif message["type"] == "state":
                self.state = message["state"]


@dataclass
class Samples:
    """What the server's process held, over time."""

    at: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def growth(self, warm: float) -> float:
        """Percent from the end of the warm-up to the end."""
        at, memory = np.asarray(self.at), np.asarray(self.memory)
        tenth = (at[-1] - at[0]) / 10
        first = memory[(at >= warm) & (at < warm + tenth)]
        last = memory[at > at[-1] - tenth]
        return float(100 * (np.median(last) / np.median(first) - 1))


def resident(pid: int) -> float:
    """Memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def held(server: Running) -> dict[str, int]:
    """What the server holds that must not grow."""
    folder = Path(f"/proc/{server.pid}")
    links = []
    for entry in (folder / "fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    with urllib.request.urlopen(f"{server.address}/bench/held", timeout=10) as answer:
        own: dict[str, int] = json.load(answer)
    sockets = sum(link.startswith("socket:") for link in links)
    return {"files": len(links) - sockets, "sockets": sockets, "threads": len(list((folder / "task").iterdir()))} | own


async def open_reader(server: Running) -> Clocked:
    """A viewer who has been greeted."""
    _, reader = await asyncio.get_running_loop().create_connection(Clocked, "127.0.0.1", server.port)
    while not reader.origin:
        await asyncio.sleep(0.02)
    return reader


async def guests(server: Running, until: float) -> None:
    """People who come and go; every third breaks off without a word."""
    number = 0
    while time.monotonic() < until:
        number += 1
        await guest(server, number)
        await asyncio.sleep(0.6 * GUEST_S)


async def guest(server: Running, number: int) -> None:
    """Comes, says something, goes."""
    reader = await open_reader(server)
    reader.tell(type="say", text=TEXT.format(number))
    await asyncio.sleep(0.4 * GUEST_S)
    if number % 3 == 0:
        reader.transport.abort()
    else:
        reader.send(8, struct.pack(">H", 1000))


async def interrupter(reader: Clocked, until: float) -> None:
    """Says something, stops it, says something else."""
    number = 0
    while time.monotonic() < until:
        number += 1
        reader.tell(type="say", text=TEXT.format(number))
        await asyncio.sleep(1.7)
        reader.tell(type="interrupt")
        await asyncio.sleep(0.3)


async def talker(reader: Clocked, until: float) -> None:
    """Never runs out of words, and asks for the time."""
    number = 0
    while time.monotonic() < until:
        if reader.state in ("", "listening"):
            number += 1
            reader.tell(type="say", text=TEXT.format(number) * 8)
        reader.tell(type="ping", c=time.monotonic())
        await asyncio.sleep(1.0)


async def soak(server: Running, minutes: float) -> dict[str, float]:
    """All figures."""
    await asyncio.gather(*(guest(server, number) for number in range(16)))  # every thread has its first work
    readers = [await open_reader(server) for _ in range(3)]
    started = time.monotonic()
    seconds = 60 * minutes
    warm = started + min(0.25 * seconds, 300.0)
    until = started + seconds
    people = [
        asyncio.create_task(talker(readers[0], until)),
        asyncio.create_task(interrupter(readers[1], until)),
        asyncio.create_task(guests(server, until)),
    ]
    samples = Samples()
    before: dict[str, int] = {}
    while time.monotonic() < until:
        await asyncio.sleep(SAMPLE_S)
        samples.at.append(time.monotonic())
        samples.memory.append(resident(server.pid))
        if not before and time.monotonic() >= warm:
            before = await still(server)
    await asyncio.gather(*people)
    after = await still(server)
    one = readers[0]
    told = [(t, value, -trip) for t, value, trip in one.told if t >= warm]
    takes = [(t, early, early) for t, early in one.early if t >= warm]
    out = {
        "minutes": minutes,
        "drift_ms_min": abs(slope(takes)),
        "server_drift_ms_min": abs(slope(told)),
        "memory_mb": samples.memory[-1],
        "memory_growth_percent": samples.growth(warm),
        "pictures": float(one.pictures),
        "lost": float(sum(reader.closed for reader in readers)),
    }
    out |= {f"{key}_growth": float(max(0, after[key] - before[key])) for key in after}
    return out | {key: float(value) for key, value in after.items()}


async def still(server: Running) -> dict[str, int]:
    """What is held when whoever came has gone: the least of some looks, as a guest may be there."""
    looks = []
    for _ in range(12):
        looks.append(await asyncio.to_thread(held, server))
        await asyncio.sleep(0.5)
    return {key: min(look[key] for look in looks) for key in looks[0]}


def slope(points: list[tuple[float, float, float]]) -> float:
    """Milliseconds a minute of times and values; of each twentieth of the time the one that is trusted most counts.

    What comes may come later than it could, never sooner, and of round trips the shortest tells most.
    """
    at, value, trust = np.asarray(points).T
    edges = np.linspace(at[0], at[-1], 21)
    best = []
    for low, high in pairwise(edges):
        inside = np.flatnonzero((at >= low) & (at <= high))
        if len(inside):
            best.append(inside[np.argmax(trust[inside])])
    return float(np.polyfit(at[best], value[best], 1)[0] * 60_000)


def measure(minutes: float) -> dict[str, Any]:
    """Start a server and watch it."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["VISEMA_CACHE"] = scratch
        avatar = make_avatar(Path(scratch), "512", 0.8, 25)
        with running(Path(scratch), avatar.id, free_port()) as server:
            found = asyncio.run(soak(server, minutes))
            log = (Path(scratch) / f"server-{server.port}.log").read_text(errors="replace")
    found["errors_logged"] = float(log.count("Traceback"))
    return {key: round(value, 3) for key, value in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    parser.add_argument("--quick", action="store_true", help="half a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    found = measure(0.5 if options.quick else options.minutes)
    if options.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        note = ""
        bound = 0.0 if key in NONE_MORE else TARGETS.get(key)
        if bound is not None:
            note = f"target <= {bound:g}   {'ok' if value <= bound else 'MISSED'}"
        print(f"{key:26}{value:12.3f}   {note}")


if __name__ == "__main__":
    main()
