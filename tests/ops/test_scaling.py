"""docs/scaling.md says what its program computes, and the program computes what it says."""

from __future__ import annotations

import csv
import importlib.util
import math
import random
import re
import sys
from types import ModuleType

import pytest

from visema.paths import ROOT


@pytest.fixture(scope="module")
def scaling() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scaling", ROOT / "tools/scaling.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaling"] = module
    spec.loader.exec_module(module)
    return module


def test_document_holds_the_tables(scaling: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs/scaling.md").read_text("utf-8")
    told = text.partition(scaling.BEGIN)[2].partition(scaling.END)[0].strip()
    assert told == scaling.tables(scaling.Figures())
    assert scaling.main([]) == 0 and capsys.readouterr().out.strip() == told
    assert scaling.main(["--core-hour", "0.4"]) == 0 and capsys.readouterr().out.strip() != told


def test_figures_are_those_of_the_readme(scaling: ModuleType) -> None:
    readme, figures = (ROOT / "README.md").read_text("utf-8"), scaling.Figures()
    slowest = re.findall(r"(512 × 512|1280 × 720) \| (\d+)(?:-\d+)? × real time", readme)
    assert dict(slowest) == {"512 × 512": f"{figures.realtime_512:.0f}", "1280 × 720": f"{figures.realtime_720:.0f}"}
    assert f"/ {figures.photo_s} s |" in readme
    live = re.search(r"200 idle viewers / 12 different talks .* \| (\d+) % / (\d+) % / (\d+) % of a core", readme)
    assert live
    assert [float(v) for v in live.groups()] == pytest.approx(
        [figures.idle_core * 200 * 100, figures.talkers_cores * 100, figures.shared_core * 200 * 100], abs=0.5
    )
    rows = [row for row in (ROOT / "visema/speech/prices.tsv").read_text().splitlines() if not row.startswith("#")]
    prices = {(row["engine"], row["model"]): row for row in csv.DictReader(rows, delimiter="\t")}
    assert float(prices["elevenlabs", "*"]["per_1000_characters"]) * 0.45 == pytest.approx(0.081)
    assert "| $0.081 |" in scaling.tables(figures)


def test_workers_keep_up(scaling: ModuleType) -> None:
    figures = scaling.Figures()
    assert scaling.service_s(figures, "512") == pytest.approx(3.0)
    # 100,000 a day: 3.47 a second in the busiest hour, 3 s each, 60 % busy.
    assert scaling.workers(figures, 100_000, "512") == math.ceil(100_000 * 3 / 86_400 * 3.0 / 0.6) == 18
    for kind in ("512", "720", "photo"):
        for a_day in (1, 100, 10_000, 100_000):
            load = a_day * figures.peak / 86_400 * scaling.service_s(figures, kind)
            assert load / scaling.workers(figures, a_day, kind) <= figures.busy + 1e-9


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (2, 1.2), (18, 10.4)])
def test_waiting_is_that_of_a_queue(scaling: ModuleType, servers: int, load: float) -> None:
    share, late = scaling.waiting(servers, load / 3.0, 3.0)
    chance, now, waits = random.Random(1), 0.0, []
    free = [0.0] * servers
    for _ in range(200_000):
        now += chance.expovariate(load / 3.0)
        first = min(range(servers), key=free.__getitem__)
        begin = max(now, free[first])
        free[first] = begin + chance.expovariate(1 / 3.0)
        waits.append(begin - now)
    waits.sort()
    assert sum(wait > 0 for wait in waits) / len(waits) == pytest.approx(share, abs=0.02)
    assert waits[int(0.95 * len(waits))] == pytest.approx(late, rel=0.1, abs=0.1)
    assert scaling.waiting(2, 1.0, 3.0) == (1.0, math.inf)
