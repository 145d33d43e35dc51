"""The live view as a visitor sees and hears it, in real headless Chromium, and as a crowd costs it.

    python benchmarks/live.py [--quick] [--json] [--crowd] [--minutes N]

Nothing is believed that the player says about itself: every loop frame carries its number as blocks that are read back
from the canvas after each frame of the screen, a voice of bursts is caught on the audio clock by a worklet, and the
mouth is seen to move where pixels around it differ from the loop's. Skew: positive where the picture came after its
sound; ``skew_*`` are the worse of 512 x 512 and 1280 x 720, both at 30 pictures a second. ``floor_*`` are ready
pictures and sound drawn by the same clock, with nothing sent or decoded: what this browser can do at best on this
machine. ``*_over_*`` are the ratios. ``others_percent`` is what everything else on the machine took, of one core, and
``machine_percent`` what everything took: where the first is much, or the second is all that there is, times and rates
say little, and only ratios can be trusted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.live_kit import browser as seen_by  # noqa: E402
from benchmarks.live_kit.avatars import make_avatar  # noqa: E402
from benchmarks.live_kit.crowd import busy_seconds, crowd  # noqa: E402
from benchmarks.live_kit.server import free_port, running  # noqa: E402
from visema.avatar import Avatar  # noqa: E402

#: What issue and README promise.
TARGETS = {
    "skew_median_ms": ("<=", 15),
    "skew_p95_ms": ("<=", 35),
    "fps": (">=", 29),
    "first_sound_ms": ("<=", 250),
    "first_motion_ms": ("<=", 250),
    "interrupt_silence_p95_ms": ("<=", 100),
    "interrupt_closed_p95_ms": ("<=", 200),
    "idle_kb_s": ("<=", 1),
    "talking_kb_s_512": ("<=", 150),
    "talking_kb_s_720p": ("<=", 300),
    "dropouts": ("<=", 0),
    "crowd_idle_server_percent": ("<=", 10),
    "crowd_talk_fps_least": (">=", 24.5),
    "crowd_shared_fps_least": (">=", 24.5),
}
CROWD_FPS = 25
IDLE_VIEWERS, TALKERS, SHARED_VIEWERS = 200, 12, 200


def visitor(folder: Path, *, quick: bool) -> dict[str, float]:
    """All figures of one visitor."""
    seconds, starts, cuts = (4.0, 3, 8) if quick else (20.0, 10, 20)
    loop_s = 0.8 if quick else 2.5
    avatars = {name: make_avatar(folder, name, loop_s, 30) for name in ("512", "720p")}
    talks: dict[str, dict[str, float]] = {}
    floors: dict[str, dict[str, float]] = {}
    found: dict[str, float] = {}
    others, began = busy_seconds(), time.monotonic()
    with running(folder, avatars["512"].id, free_port()) as server, seen_by.chromium() as browser:
        for name, avatar in avatars.items():
            visit = seen_by.Visit(browser, server, avatar)
            visit.learn()
            visit.say("Warm.")
            visit.silence()
            talks[name] = seen_by.talk(visit, seconds)
            if name == "512":
                found |= {"first_visit_ms": visit.first_visit_ms}
                found |= seen_by.starts(visit, starts) | seen_by.interrupts(visit, cuts)
                found |= seen_by.idle(visit, seconds)
            floors[name] = seen_by.floor(visit, seconds)
            visit.close()
        found |= seen_by.plain_view(browser, server, seconds)
    worse = [talks[name] for name in talks]
    out = {
        "skew_median_ms": max((talk["skew_median_ms"] for talk in worse), key=abs),
        "skew_p95_ms": max(talk["skew_p95_ms"] for talk in worse),
        "fps": min(talk["fps"] for talk in worse),
        **{key: found[key] for key in ("first_sound_ms", "first_motion_ms")},
        **{key: found[key] for key in ("interrupt_silence_p95_ms", "interrupt_closed_p95_ms", "idle_kb_s")},
        "talking_kb_s_512": talks["512"]["kb_s"],
        "talking_kb_s_720p": talks["720p"]["kb_s"],
        "dropouts": sum(talk["dropouts"] for talk in worse),
        "plain_view_fps": found["plain_view_fps"],
    }
    for name, talk in talks.items():
        out |= {f"{key}_{name}": talk[key] for key in ("skew_median_ms", "skew_p95_ms", "fps", "server_percent")}
        out |= {f"{key}_{name}": value for key, value in floors[name].items()}
        out[f"fps_over_floor_{name}"] = talk["fps"] / floors[name]["floor_fps"]
        out[f"skew_p95_over_floor_{name}"] = talk["skew_p95_ms"] / floors[name]["floor_skew_p95_ms"]
    out |= {key: value for key, value in found.items() if key not in out}
    out["fps_over_plain"] = talks["512"]["fps"] / found["plain_view_fps"]
    out["server_over_plain"] = talks["512"]["server_percent"] / found["plain_view_server_percent"]
    out["machine_percent"] = 100 * (busy_seconds() - others) / (time.monotonic() - began)
    return out


def listened(folder: Path, minutes: int) -> dict[str, float]:
    """One visitor who listens for so long, a minute at a time, at 30 pictures a second of 512 x 512."""
    avatar = make_avatar(folder, "512", 2.5, 30)
    with running(folder, avatar.id, free_port()) as server, seen_by.chromium() as browser:
        visit = seen_by.Visit(browser, server, avatar)
        visit.learn()
        visit.say("Warm.")
        visit.silence()
        talks = [seen_by.talk(visit, 60.0) for _ in range(minutes)]
        visit.close()
    return {
        "minutes": float(minutes),
        "dropouts": sum(talk["dropouts"] for talk in talks),
        "skew_median_ms": max((talk["skew_median_ms"] for talk in talks), key=abs),
        "skew_p95_ms": max(talk["skew_p95_ms"] for talk in talks),
        "fps": min(talk["fps"] for talk in talks),
        "fps_median": sorted(talk["fps"] for talk in talks)[minutes // 2],
    }


def crowds(folder: Path, *, quick: bool) -> dict[str, float]:
    """All figures of crowds, at 25 pictures a second of 512 x 512."""
    seconds = 5.0 if quick else 20.0
    avatar: Avatar = make_avatar(folder, "512", 0.8 if quick else 2.5, CROWD_FPS)
    out: dict[str, float] = {}

    def keep(name: str, found: dict[str, float]) -> None:
        out.update({f"crowd_{name}_{key}": value for key, value in found.items()})

    with running(folder, avatar.id, free_port(), "--seats", str(TALKERS)) as server:
        keep("idle", crowd(server, IDLE_VIEWERS, 0, seconds))
        keep("talk", crowd(server, TALKERS, TALKERS, seconds))
        keep("one", crowd(server, 1, 1, seconds))
    with running(folder, avatar.id, free_port(), "--shared") as server:
        keep("shared", crowd(server, SHARED_VIEWERS, 1, seconds))
    out["crowd_talk_ms_each_picture"] = 10 * out["crowd_talk_server_percent"] / (TALKERS * out["crowd_talk_fps_mean"])
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds of each, under a minute on an idle machine"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--crowd", action="store_true", help="raw readers in place of a browser")
    parser.add_argument(
        "--minutes", type=int, metavar="N", help="one visitor who listens for N minutes: drop-outs, skew; nothing else"
    )
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["VISEMA_CACHE"] = scratch
        if options.minutes:
            found = listened(Path(scratch), options.minutes)
        else:
            found = (crowds if options.crowd else visitor)(Path(scratch), quick=options.quick)
    found["load"] = load
    found = {key: round(value, 2) for key, value in found.items()}
    if options.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        print(f"{key:30}{value:10.2f}   {judged(key, value)}")


def judged(key: str, value: Any) -> str:
    """Whether a target is met."""
    if key not in TARGETS:
        return ""
    relation, bound = TARGETS[key]
    good = abs(value) <= bound if relation == "<=" else value >= bound
    return f"target {relation} {bound:g}   {'ok' if good else 'MISSED'}"


if __name__ == "__main__":
    main()
