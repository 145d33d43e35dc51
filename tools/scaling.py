"""Machines and cost for a number of films a day or of live viewers, from measured figures and prices.

`python tools/scaling.py` prints the tables of docs/scaling.md; `--write` writes them into it; every figure can be
replaced: `python tools/scaling.py --core-hour 0.02 --film-s 60`. A test compares the document with these tables.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "scaling.md"
BEGIN, END = "<!-- tables: python tools/scaling.py --write -->", "<!-- end of tables -->"
DAY_S = 86_400.0
MONTH_DAYS = 30.4


@dataclass(frozen=True)
class Figures:
    """What the tables are made of: measured (README, benchmarks), assumed, and prices."""

    film_s: float = 30.0  # seconds of a film, as in the targets
    realtime_512: float = 12.0  # seconds of film in a second of a two-core worker, 512 x 512
    realtime_720: float = 12.0  # the same, 1280 x 720
    photo_s: float = 10.1  # a photo and 30 s of recording to mp4, 512 x 512, over HTTP, two cores
    job_s: float = 0.5  # speech by the embedded voice, start and publication of a job
    worker_cores: float = 2.0  # of a worker, which makes one film at a time
    film_kb_s: float = 80.0  # kilobytes of a film's second
    base_cores: float = 2.0  # app, nginx, Redis and PostgreSQL together, at 500 status requests a second
    talkers: float = 12.0  # different talks of 512 x 512 at 25 pictures a second …
    talkers_cores: float = 1.3  # … take so many cores
    idle_core: float = 0.05 / 200  # cores of an idle viewer
    shared_core: float = 0.31 / 200  # cores of a viewer of a talk that many watch
    talk_kb_s: float = 116.0  # kilobytes a second of a talking viewer, 512 x 512; 162 in 720p
    talking: float = 0.2  # assumed: share of live viewers whose avatar talks just now
    peak: float = 3.0  # assumed: the busiest hour has so many times the mean
    busy: float = 0.6  # workers are busy for at most this share of the busiest hour
    machine_cores: float = 8.0  # of one machine
    core_hour: float = 0.04  # US dollars, a cloud's list price for an hour of a virtual core with 4 GB
    gigabyte_out: float = 0.09  # US dollars, sent to the internet
    gigabyte_month: float = 0.023  # US dollars, kept for a month
    kept_days: float = 1.0  # a film is kept for so long
    views: float = 1.0  # downloads of each film
    voice: float = 0.0  # US dollars of voice for a film; the target counts 0.05
    target: float = 0.15  # US dollars a film
    target_s: float = 120.0  # seconds until a film of 30 s is there


def service_s(f: Figures, kind: str) -> float:
    """Seconds in which a worker makes a film: ``512``, ``720`` or ``photo``."""
    if kind == "photo":
        return f.photo_s * f.film_s / 30.0 + f.job_s
    return f.film_s / (f.realtime_512 if kind == "512" else f.realtime_720) + f.job_s


def workers(f: Figures, a_day: float, kind: str) -> int:
    """Workers that are busy for at most ``busy`` of the busiest hour."""
    return max(1, math.ceil(a_day * f.peak / DAY_S * service_s(f, kind) / f.busy))


def waiting(servers: int, rate: float, service: float) -> tuple[float, float]:
    """Erlang's C: the share of jobs that wait, and how long 95 % of all wait at most, seconds.

    Args:
        servers: Workers.
        rate: Jobs a second.
        service: Mean seconds of a job; taken as exponential, which is worse than films of one length.
    """
    load = rate * service
    if load >= servers:
        return 1.0, math.inf
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    share = blocked / (1 - load / servers * (1 - blocked))
    late = max(0.0, math.log(share / 0.05)) * service / (servers - load) if share > 0 else 0.0
    return share, late


def films_table(f: Figures, kind: str) -> list[str]:
    """A row for each number of films a day."""
    rows = [
        "| films a day | workers | machines | there after (95 %, busiest hour) | a month | of it compute | a film |",
        "|---|---|---|---|---|---|---|",
    ]
    for a_day in (100, 1_000, 10_000, 100_000):
        count = workers(f, a_day, kind)
        service = service_s(f, kind)
        _, late = waiting(count, a_day * f.peak / DAY_S, service)
        cores = count * f.worker_cores + f.base_cores
        compute = cores * 24 * MONTH_DAYS * f.core_hour
        gigabytes = a_day * f.film_s * f.film_kb_s / 1e6
        traffic = gigabytes * MONTH_DAYS * f.views * f.gigabyte_out
        kept = gigabytes * f.kept_days * f.gigabyte_month
        month = compute + traffic + kept + a_day * MONTH_DAYS * f.voice
        film = month / (a_day * MONTH_DAYS)
        rows.append(
            f"| {a_day:,} | {count} | {math.ceil(cores / f.machine_cores)} | {late + service:.0f} s | "
            f"${month:,.0f} | ${compute:,.0f} | ${film:.4f} |"
        )
    return rows


def live_table(f: Figures, viewers: int) -> list[str]:
    """What so many live viewers take, each with a talk of their own, or all with one."""
    talker = f.talkers_cores / f.talkers
    own_cores = viewers * (f.talking * talker + (1 - f.talking) * f.idle_core)
    shared_cores = viewers * f.shared_core
    own_mb = viewers * f.talking * f.talk_kb_s / 1e3
    shared_mb = viewers * f.talk_kb_s / 1e3
    idle_cores = viewers * f.idle_core
    cases = (
        (f"each their own; {f.talking:.0%} are being spoken to", own_cores, own_mb),
        ("all idle", idle_cores, 0.0),
        ("all watch one talk", shared_cores, shared_mb),
    )
    rows = [
        f"| {viewers:,} viewers | cores | machines | Gbit/s | compute an hour | traffic an hour |",
        "|---|---|---|---|---|---|",
    ]
    for about, cores, megabytes in cases:
        machines = max(1, math.ceil(cores / f.busy / f.machine_cores))
        traffic = megabytes * 3600 / 1e3 * f.gigabyte_out
        rows.append(
            f"| {about} | {cores:.0f} | {machines} | {megabytes * 8 / 1e3:.1f} | "
            f"${machines * f.machine_cores * f.core_hour:,.2f} | ${traffic:,.2f} |"
        )
    return rows


def targets_table(f: Figures) -> list[str]:
    """The targets beside what comes out."""
    rows = [f"| a film of {f.film_s:.0f} s | target | here |", "|---|---|---|"]
    kinds = {"512": "prepared avatar, 512 x 512", "720": "the same, 720p", "photo": "a photo, 512 x 512"}
    for kind, name in kinds.items():
        cost = service_s(f, kind) * f.worker_cores / f.busy / 3600 * f.core_hour
        rows.append(f"| {name}: time | {f.target_s:.0f} s | {service_s(f, kind):.1f} s |")
        rows.append(f"| {name}: compute, workers busy {f.busy:.0%} | $0.10 | ${cost:.5f} |")
    per_character = 0.18 / 1000
    characters = f.film_s * 15
    cost = characters * per_character
    rows.append(f"| voice, ElevenLabs by the price table, {characters:.0f} characters | $0.05 | ${cost:.3f} |")
    rows.append("| voice, embedded or Piper | $0.05 | $0 |")
    return rows


def tables(f: Figures) -> str:
    """All of it, as Markdown."""
    paid = replace(f, voice=0.05)
    parts = [
        ["### Beside the targets", "", *targets_table(f)],
        ["### Films of a prepared avatar, 512 x 512", "", *films_table(f, "512")],
        ["### Films of a prepared avatar, 1280 x 720", "", *films_table(f, "720")],
        ["### Films of a photo, 512 x 512", "", *films_table(f, "photo")],
        ["### The same, with a voice of $0.05 a film, as the target has it", "", *films_table(paid, "512")],
        ["### Live", "", *live_table(f, 10_000)],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def main(arguments: list[str]) -> int:
    """Print the tables, or write them into the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/scaling.md")
    for figure in fields(Figures):
        parser.add_argument(f"--{figure.name.replace('_', '-')}", type=float, default=figure.default)
    given = vars(parser.parse_args(arguments))
    write = given.pop("write")
    text = tables(Figures(**given))
    if not write:
        sys.stdout.write(text + "\n")
        return 0
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
