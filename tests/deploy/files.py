"""The deployment's files as data: Compose files put together and filled in, manifests by kind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from visema.paths import ROOT

DOCKER = ROOT / "docker"
COMPOSE = ROOT / "docker-compose.yml"
OVERRIDES = sorted(DOCKER.glob("compose.*.yml"))
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:?[-?])([^}]*))?\}")


def variables(text: str) -> dict[str, str]:
    """The variables that a Compose file asks for: name to what follows it (``:?…`` must be given)."""
    return {name: f"{sign}{rest}" for name, sign, rest in _VARIABLE.findall(text)}


def filled(text: str, env: dict[str, str]) -> str:
    """``text`` with its variables filled in, as Compose does it."""

    def value(match: re.Match[str]) -> str:
        name, sign, rest = match[1], match[2] or "", match[3] or ""
        if env.get(name):
            return env[name]
        assert not sign.endswith("?"), f"{name} must be given: {rest}"
        return rest if sign else ""

    return _VARIABLE.sub(value, text)


def merged(one: Any, two: Any) -> Any:
    """Two Compose files together: maps by key, lists one after the other, else the second."""
    if isinstance(one, dict) and isinstance(two, dict):
        return {key: merged(one[key], two[key]) if key in one and key in two else {**one, **two}[key]
                for key in {**one, **two}}  # fmt: skip
    if isinstance(one, list) and isinstance(two, list):
        return one + two
    return two


def compose(*files: Path, env: dict[str, str]) -> dict[str, Any]:
    """Compose files, filled in and put together."""
    found: Any = {}
    for path in files:
        found = merged(found, yaml.safe_load(filled(path.read_text(), env)))
    return {key: value for key, value in found.items() if not key.startswith("x-")}


def manifests() -> list[dict[str, Any]]:
    """Every document in `k8s/`, with its file's name under ``file``."""
    found = []
    for path in sorted((ROOT / "k8s").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            found.append({**document, "file": path.name})
    return found


def schema() -> dict[str, Any]:
    """Of Compose files."""
    data: dict[str, Any] = json.loads((ROOT / "tests/deploy/data/compose_spec.json").read_text())
    return data
