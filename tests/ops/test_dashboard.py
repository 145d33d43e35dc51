"""The Grafana dashboard and whoever else asks Prometheus name numbers that a server tells."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest
import yaml

from tests.deploy.files import manifests
from tests.site import Site
from visema.paths import ROOT

GRAFANA = ROOT / "docker/grafana"
parser = pytest.importorskip("prometheus_client.parser")


def queries() -> list[str]:
    panels = json.loads((GRAFANA / "dashboards/visema.json").read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    scaled = (manifest["spec"]["triggers"] for manifest in manifests() if manifest["kind"] == "ScaledObject")
    return found + [trigger["metadata"]["query"] for triggers in scaled for trigger in triggers]


def test_queries_name_numbers_that_a_server_tells(site: Site) -> None:
    with urllib.request.urlopen(f"{site.address}/metrics", timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    known: set[str] = set()
    for one in parser.text_string_to_metric_families(text):
        parts = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(one.type, ("",))
        known |= {one.name + part for part in parts}
    assert {"visema_jobs", "visema_live_pictures_drawn_total", "visema_http_requests_total"} <= known
    named = {name for query in queries() for name in re.findall(r"\bvisema_\w+", query)}
    assert named and named <= known, named - known
    for query in queries():
        assert query.count("(") == query.count(")") and query.count("{") == query.count("}"), query


def test_panels_do_not_lie_on_one_another() -> None:
    panels = json.loads((GRAFANA / "dashboards/visema.json").read_text())["panels"]
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & cells and at["x"] + at["w"] <= 24, panel["title"]
        cells |= own
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_provisioning_names_what_is_there() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    panels = json.loads((GRAFANA / "dashboards/visema.json").read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    monitoring = yaml.safe_load((ROOT / "docker/compose.monitoring.yml").read_text())["services"]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in monitoring
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/visema.yml").read_text())["providers"]
    assert any(mount.split(":")[1] == provider["options"]["path"] for mount in monitoring["grafana"]["volumes"])
    for mount in monitoring["grafana"]["volumes"] + monitoring["prometheus"]["volumes"]:
        source_path = mount.split(":")[0]
        assert not source_path.startswith("./") or (ROOT / source_path).exists(), mount
