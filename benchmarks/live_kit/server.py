"""The product's server in a process of its own, as the command line starts it, but for one voice.

A text of nothing but the word "ma" is spoken by a voice whose sound is known to the sample: each word takes a quarter
of a second and begins with a loud burst, and between the bursts there is a quieter tone without a gap. Every other
text goes to the product's own voices.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from visema.speech.types import Span, Speech, SpeechSettings  # noqa: E402

WORD_S, BURST_S, BURST, TONE = 0.25, 0.03, 0.8, 0.15
RATE = 24_000
START_S = 120.0


def bursts(text: str) -> Speech:
    """The known voice; sound from its first sample on to its end, the silence for the lips left aside."""
    import numpy as np

    from visema.speech.speak import TAIL

    words = text.split()
    spans, phones = [], []
    for number, word in enumerate(words):
        start = number * WORD_S
        spans.append(Span(start, start + WORD_S, word))
        phones += [Span(start, start + 0.09, "m"), Span(start + 0.09, start + WORD_S, "ɑ")]
    end = len(words) * WORD_S
    phones.append(Span(end, end + TAIL, ""))
    t = np.arange(round((end + TAIL) * RATE)) / RATE
    loud = np.where(t % WORD_S < BURST_S, BURST, TONE) * (t < end)
    samples = (loud * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    return Speech(samples, RATE, tuple(spans), tuple(phones), text=text, voice="bench:bursts")


def with_census(add: Callable[..., Any]) -> Callable[..., Any]:
    """Puts an address beside the live view's that tells what only the process itself can count."""

    def added(app: Any, theatre: Any, *more: Any) -> Any:
        @app.get("/bench/held")
        async def held() -> dict[str, int]:
            # The one that answers is there because it was asked.
            return {"sessions": theatre.crew.metrics.value("sessions"), "tasks": len(asyncio.all_tasks()) - 1}

        return add(app, theatre, *more)

    return added


def main() -> None:
    """Serve until told to stop."""
    from visema.live.theatre import LiveOptions
    from visema.web import live_routes
    from visema.web.server import serve

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--avatar", required=True)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--seats", type=int, default=0)
    options = parser.parse_args()
    own = live_routes.speaker(offline=True)

    def speak(text: str, voice: str, settings: SpeechSettings) -> Speech:
        known = set(text.lower().replace(".", "").replace(",", "").split()) == {"ma"}
        return bursts(text) if known else own(text, voice, settings)

    live_routes.speaker = lambda *, offline=False: speak
    live_routes.add_live_routes = with_census(live_routes.add_live_routes)

    from visema.avatar import Avatar

    serve(
        lambda: Avatar.load(Path(os.environ["VISEMA_CACHE"]) / options.avatar),
        port=options.port,
        browser=False,
        voice="espeak:en-us",
        offline=True,
        live=LiveOptions(shared=options.shared, seats=options.seats, sockets_per_address=2000),
    )


class Running:
    """A running server.

    Attributes:
        address: Where.
        pid: Its process.
    """

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid
        self.address = f"http://127.0.0.1:{port}"

    def cpu_seconds(self) -> float:
        """Processor time so far, user and system, children left aside."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(cache: Path, avatar: str, port: int, *options: str) -> Iterator[Running]:
    """Start a server and wait until it answers; stop it at the end."""
    command = [sys.executable, str(Path(__file__)), "--port", str(port), "--avatar", avatar, *options]
    with (cache / f"server-{port}.log").open("wb") as log:
        # The last as `visema.cli.main` sets it.
        environment = {**os.environ, "VISEMA_CACHE": str(cache), "OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(command, cwd=cache, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_S
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The server did not start:\n{(cache / f'server-{port}.log').read_text()[-2000:]}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Running(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()
