"""What the page costs and how well it keeps up, in a real browser on a real server process.

Keys of ``--json``: ``idle_cpu_percent`` (server, of one core, one viewer watching the idle avatar), ``idle_fps``,
``talking_cpu_percent``, ``talking_fps`` and ``video_fps`` (what it should be), ``skew_median_ms`` and ``skew_p95_ms``
(how far pictures are from the sound in the browser), ``first_sound_ms`` (click to the sound's start),
``first_motion_ms`` (click to the first picture that moves the mouth), ``temp_mb`` (temporary files at the end) and
``load`` (of the machine before the start; above the number of cores, only the percentages can be trusted).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SENTENCE = "The quick brown fox jumps over the lazy dog, and then it runs away into the dark woods. "
#: The sentence takes about five seconds.
SENTENCE_S = 5
START_S = 120.0
#: Every skew and the first moments after a click, as the page's own script sees them.
WATCH = """() => {
  window.bench = { skews: [], sound: null, motion: null, clicked: null };
  const audio = document.querySelector('#visema-sound');
  audio.addEventListener('playing', () => { bench.sound ??= performance.now(); });
  document.querySelector('#speak').addEventListener('click', () => { bench.clicked = performance.now(); }, true);
  document.addEventListener('load', (event) => {
    if (!event.target.closest?.('#view')) return;
    const at = event.target.src.split('#t=')[1];
    if (!at || audio.paused) return;
    bench.motion ??= performance.now();
    if (audio.currentTime > 1) bench.skews.push(1000 * (audio.currentTime - Number(at)));
  }, true);
}"""


@contextmanager
def page_server(folder: Path) -> Iterator[tuple[str, int]]:
    """The page from the command line: its address and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "video.py"), "--ui", "--headless", "--offline", "--port", str(port)]
    environment = {**os.environ, "VISEMA_CACHE": str(folder / "cache")}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + START_S
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The page did not start; try: python video.py --ui --headless")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def temp_bytes(pid: int) -> int:
    """Bytes in the page's temporary folder."""
    folders = Path(tempfile.gettempdir()).glob(f"visema-page-{pid}-*")
    return sum(f.stat().st_size for folder in folders for f in folder.rglob("*") if f.is_file())


def rates(page: Any, pid: int, seconds: float) -> tuple[float, float]:
    """Server CPU in percent of a core, and pictures a second in the browser, over some seconds."""
    cpu, pictures, began = cpu_seconds(pid), page.evaluate("visemaStats.pictures"), time.monotonic()
    page.wait_for_timeout(1000 * seconds)
    took = time.monotonic() - began
    percent = 100 * (cpu_seconds(pid) - cpu) / took
    return round(percent, 1), round((page.evaluate("visemaStats.pictures") - pictures) / took, 1)


def measure(seconds: float) -> dict[str, float]:
    """All keys."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise SystemExit("This benchmark needs Chromium; on Debian: apt-get install chromium")
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as scratch,
        page_server(Path(scratch)) as (address, pid),
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{address}/")
        page.wait_for_function("window.visemaStats && visemaStats.pictures > 110", timeout=60_000)  # once round
        idle_cpu, idle_fps = rates(page, pid, seconds)
        page.evaluate(WATCH)
        page.fill("#text textarea", "Warm.")
        page.click("#speak")
        page.wait_for_function("document.querySelector('#status .line').textContent.startsWith('Spoken')")
        page.evaluate("bench.sound = bench.motion = null; bench.skews = []")
        page.fill("#text textarea", SENTENCE * (2 + int(seconds) // SENTENCE_S))
        page.click("#speak")
        page.wait_for_function("bench.motion !== null && bench.sound !== null")
        page.wait_for_timeout(1500)
        talking_cpu, talking_fps = rates(page, pid, seconds)
        seen = page.evaluate("bench")
        page.click("#stop")
        kept = temp_bytes(pid)
        browser.close()
        manifest = next((Path(scratch) / "cache").glob("*/avatar.json"))
        video_fps = json.loads(manifest.read_text(encoding="utf-8"))["fps"]
    skews = sorted(seen["skews"])
    return {
        "idle_cpu_percent": idle_cpu,
        "idle_fps": idle_fps,
        "talking_cpu_percent": talking_cpu,
        "talking_fps": talking_fps,
        "video_fps": video_fps,
        "skew_median_ms": round(statistics.median(skews), 1),
        "skew_p95_ms": round(sorted(map(abs, skews))[int(0.95 * len(skews))], 1),
        "first_sound_ms": round(seen["sound"] - seen["clicked"]),
        "first_motion_ms": round(seen["motion"] - seen["clicked"]),
        "temp_mb": round(kept / 1e6, 3),
        "load": round(load, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="5 seconds of each instead of 20")
    parser.add_argument("--seconds", type=float, help="so many seconds of each")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    found = measure(options.seconds or (5.0 if options.quick else 20.0))
    if options.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:22} {value}")


if __name__ == "__main__":
    main()
