"""What a visitor sees and hears, in a real headless Chromium, by `probe.js`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live_kit.server import WORD_S, Running
from visema.avatar import Avatar

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PROBE = Path(__file__).with_name("probe.js")
#: A picture is compared with the sound of bursts so near at most.
NEAR_S = 0.3
#: What the embedded voice says: a greeting, as a visitor would have it answered.
GREETING = "Hello there, nice to meet you. What would you like to know?"
WAIT_MS = 60_000
Json = dict[str, Any]


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser.

    Raises:
        SystemExit: There is none.
    """
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        raise SystemExit("This benchmark needs Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A visitor on an avatar's own page, who has touched it already, so that sound may play.

    Args:
        browser: Of `chromium`.
        server: Where.
        avatar: Whom.
    """

    def __init__(self, browser: Any, server: Running, avatar: Avatar) -> None:
        self.avatar = avatar
        self.server = server
        self.page = browser.new_page(viewport={"width": 1360, "height": 960})
        self.page.set_default_timeout(WAIT_MS)
        self.page.add_init_script(path=str(PROBE))
        asked = time.monotonic()
        self.page.goto(f"{server.address}/live/{avatar.id}")
        self.page.wait_for_function("bench.paints.length > 0")
        self.first_visit_ms = 1000 * (time.monotonic() - asked)
        self.page.evaluate("(box) => { bench.mouth = box; }", self._mouth_box())
        self.page.mouse.click(5, 5)
        self.page.wait_for_function("bench.context?.state === 'running'")

    def _mouth_box(self) -> list[int]:
        """Where the mouth is over the whole loop, with some room for the jaw."""
        lips = self.avatar.track.landmarks[:, [61, 291, 0, 17], :2].reshape(-1, 2)
        left, top = lips.min(0)
        right, bottom = lips.max(0)
        room = 0.35 * (bottom - top)
        return [int(left), int(top), int(right - left), int(bottom - top + room)]

    def learn(self) -> None:
        """See every loop frame at rest."""
        self.page.evaluate("bench.learning = true")
        count = len(self.avatar.track)
        # Once round, and some more: frames that the screen left out come up in another round.
        wanted = f"bench.rest.size > {0.97 * count}"
        self.page.wait_for_function(wanted)
        self.page.evaluate("bench.learning = false")

    def say(self, text: str, kind: str = "started") -> None:
        """Have a text said, and wait until an event of it has come."""
        self.page.evaluate(
            """([text, kind]) => { const avatar = document.querySelector('visema-avatar');
            window.came = false;
            avatar.addEventListener(kind, () => { window.came = true; }, { once: true });
            if (!bench.listens) avatar.addEventListener('word', ({ detail }) => bench.words.push(detail.t));
            bench.listens = true;
            bench.clicked = bench.now();
            avatar.say(text); }""",
            [text, kind],
        )
        self.page.wait_for_function("window.came")

    def silence(self) -> None:
        """Wait until nothing is said and the mouth has come to rest."""
        self.page.wait_for_function("document.querySelector('visema-avatar').state === 'listening'")
        self.page.wait_for_timeout(500)
        self.page.wait_for_function("!bench.paints.at(-1)[2]")

    def wait(self, seconds: float) -> None:
        """Let the page run."""
        self.page.wait_for_timeout(1000 * seconds)

    def forget(self) -> None:
        """Measure from here."""
        self.page.evaluate("bench.forget()")

    def seen(self) -> Json:
        """What was measured since."""
        keys = ["paints", "bursts", "begins", "ends", "gaps", "stamps", "bytes", "rafs", "words", "clicked"]
        found: Json = self.page.evaluate(
            "(keys) => ({ ...Object.fromEntries(keys.map((k) => [k, bench[k]])), now: bench.now() })", keys
        )
        return found

    def close(self) -> None:
        """Leave."""
        self.page.close()


def heard(seen: Json, times: Sequence[float]) -> Any:
    """Performance seconds when what the audio clock plays at ``times`` is heard: the clocks' difference near it."""
    stamps = np.asarray(seen["stamps"])
    difference = stamps[:, 1] - stamps[:, 0]
    out = []
    for t in times:
        near = np.abs(stamps[:, 0] - t) < 1.0
        out.append(t + float(np.median(difference[near] if near.any() else difference)))
    return np.asarray(out)


def skews(seen: Json, words: Sequence[float], fps: float, count: int) -> Any:
    """Milliseconds by which each talking picture came after its sound.

    Args:
        seen: Of `Visit.seen`.
        words: Media times of the bursts, in order.
        fps: Of the loop.
        count: Its frames.
    """
    at = heard(seen, seen["bursts"])
    media = np.asarray(words[: len(at)])
    at = at[: len(media)]
    found = []
    for painted, index, _ in seen["paints"]:
        nearest = int(np.argmin(np.abs(at - painted)))
        about = media[nearest] + painted - at[nearest]
        if abs(painted - at[nearest]) > NEAR_S:
            continue
        # The stamp is the frame's number modulo the loop's length.
        round_ = np.round((about * fps - index) / count)
        frame = index + round_ * count
        found.append(1000 * (painted - at[nearest] - (frame / fps - media[nearest])))
    return np.asarray(found)


def changes(seen: Json, start: float, end: float) -> float:
    """Pictures a second between two performance times: changes of the stamp."""
    shown = [(t, i) for t, i, _ in seen["paints"] if start <= t <= end]
    count = sum(a[1] != b[1] for a, b in pairwise(shown))
    return count / (end - start)


def words_of(count: int) -> str:
    """A text for the known voice."""
    return " ".join(["ma"] * count)


def talk(visit: Visit, seconds: float) -> Json:
    """Skew, rate, bytes and drop-outs while the known voice speaks for so long."""
    fps, count = visit.avatar.fps, len(visit.avatar.track)
    visit.forget()
    visit.say(words_of(int((seconds + 1.5) / WORD_S)))
    visit.wait(0.7)
    visit.page.evaluate("bench.bytes = 0; bench.gaps.length = 0; bench.from = bench.now()")
    cpu = visit.server.cpu_seconds()
    visit.wait(seconds)
    seen = visit.seen()
    cpu = visit.server.cpu_seconds() - cpu
    began = visit.page.evaluate("bench.from")
    took = seen["now"] - began
    visit.page.evaluate("document.querySelector('visema-avatar').interrupt()")
    visit.silence()
    seen["paints"] = [paint for paint in seen["paints"] if paint[0] >= began]
    found = skews(seen, seen["words"], fps, count)
    return {
        "skew_median_ms": float(np.median(found)),
        "skew_p95_ms": float(np.percentile(np.abs(found), 95)),
        "fps": changes(seen, began, seen["now"]),
        "screen_fps": seen["rafs"] / (seen["now"] - seen["clicked"]),
        "kb_s": seen["bytes"] / took / 1000,
        "dropouts": len(seen["gaps"]),
        "server_percent": 100 * cpu / took,
    }


def starts(visit: Visit, times: int) -> Json:
    """From a click to the first sound and the first moved mouth, the embedded voice speaking; median of some."""
    sounds, motions = [], []
    for _ in range(times):
        visit.forget()
        visit.say(GREETING, "word")
        visit.wait(0.5)
        seen = visit.seen()
        sounds.append(float(heard(seen, seen["begins"][:1])[0]) - seen["clicked"])
        motions.append(next((t for t, _, moved in seen["paints"] if moved and t > seen["clicked"]), np.nan))
        motions[-1] -= seen["clicked"]
        visit.page.evaluate("document.querySelector('visema-avatar').interrupt()")
        visit.silence()
    return {"first_sound_ms": 1000 * float(np.median(sounds)), "first_motion_ms": 1000 * float(np.nanmedian(motions))}


def interrupts(visit: Visit, times: int) -> Json:
    """From `interrupt` to the last sample of sound, and to the mouth at rest; the 95th percentile of some."""
    silences, closings = [], []
    for number in range(times):
        visit.forget()
        visit.say(words_of(16))
        visit.wait(0.8 + 0.037 * number)
        visit.page.evaluate(
            "bench.cut = bench.now(); document.querySelector('visema-avatar').interrupt()",
        )
        visit.silence()
        seen = visit.seen()
        cut = visit.page.evaluate("bench.cut")
        silences.append(float(heard(seen, seen["ends"][-1:])[0]) - cut)
        paints = [(t, moved) for t, _, moved in seen["paints"] if t > cut]
        moving = [k for k, (_, moved) in enumerate(paints) if moved]
        closings.append(paints[moving[-1] + 1][0] - cut if moving and moving[-1] + 1 < len(paints) else 0.0)
    return {
        "interrupt_silence_p95_ms": 1000 * float(np.percentile(silences, 95)),
        "interrupt_closed_p95_ms": 1000 * float(np.percentile(closings, 95)),
        "interrupt_silence_median_ms": 1000 * float(np.median(silences)),
        "interrupt_closed_median_ms": 1000 * float(np.median(closings)),
    }


def idle(visit: Visit, seconds: float) -> Json:
    """Bytes and pictures of a visitor to whom nobody speaks."""
    visit.forget()
    began, cpu = visit.seen()["now"], visit.server.cpu_seconds()
    visit.wait(seconds)
    seen = visit.seen()
    cpu = visit.server.cpu_seconds() - cpu
    took = seen["now"] - began
    return {
        "idle_kb_s": seen["bytes"] / took / 1000,
        "idle_fps": changes(seen, began, seen["now"]),
        "idle_server_percent": 100 * cpu / took,
    }


def floor(visit: Visit, seconds: float) -> Json:
    """The same measured of pictures and sound that are in the browser already: what it can do at best."""
    url = visit.page.evaluate(
        "new URL(document.querySelector('visema-avatar').player.loop.url, document.baseURI).href"
    )
    fps = visit.avatar.fps
    made = visit.page.evaluate(
        "([url, seconds, fps, word]) => bench.floor(url, seconds, fps, word)", [url, seconds, fps, WORD_S]
    )
    visit.wait(0.3)
    seen = visit.seen()
    media = [WORD_S * k for k in range(int(seconds / WORD_S))]
    found = skews(seen, media, fps, made["used"])
    first, last = heard(seen, seen["bursts"][:1])[0], heard(seen, seen["bursts"][-1:])[0]
    return {
        "floor_skew_median_ms": float(np.median(found)),
        "floor_skew_p95_ms": float(np.percentile(np.abs(found), 95)),
        "floor_fps": changes(seen, first, last),
    }


def plain_view(browser: Any, server: Running, seconds: float) -> Json:
    """Pictures a second and server's processor of the page's plain view, while the avatar speaks."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{server.address}/?view=plain")
    page.wait_for_function("window.visemaStats && visemaStats.pictures > 20")
    page.fill("#text textarea", GREETING * 6)
    page.click("#speak")
    page.wait_for_function("document.querySelector('#visema-sound')?.currentTime > 0.5")
    cpu, pictures, began = server.cpu_seconds(), page.evaluate("visemaStats.pictures"), time.monotonic()
    page.wait_for_timeout(1000 * seconds)
    took = time.monotonic() - began
    found = {
        "plain_view_fps": (page.evaluate("visemaStats.pictures") - pictures) / took,
        "plain_view_server_percent": 100 * (server.cpu_seconds() - cpu) / took,
    }
    page.close()
    return found
