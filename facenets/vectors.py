"""Reference vectors on disk: cases with formula inputs, stored outputs, network manifests, and how near is near."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facenets.formula import make_input

Array = NDArray[Any]

#: Outputs up to this size are stored whole, larger ones every n-th value.
WHOLE_LIMIT = 6000
STORED_TARGET = 4096


class VectorError(ValueError):
    """A folder of vectors that does not hold what its own lists promise."""


@dataclass(frozen=True)
class Case:
    """One run to reproduce: inputs by name, parameters, and the shapes of what comes out."""

    project: str
    id: str
    kind: str
    seed: int
    nets: tuple[str, ...]
    params: Mapping[str, Any]
    inputs: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]]
    archive: Path

    def arrays(self) -> dict[str, Array]:
        """The inputs, rebuilt from their formulas."""
        return {name: make_input(self.id, name, spec, self.seed) for name, spec in self.inputs.items()}


@dataclass(frozen=True)
class Rule:
    """How an output is judged, all errors relative to the largest reference value.

    Attributes:
        mode: "max" bounds the largest error; "l2" the relative L2 error; "frames" bounds the L2 error and the share
            of values beyond ``outlier``, for pictures behind a threshold that may flip single voxels.
        bound: the bound on that error.
        outlier: in "frames", the error from which a value counts as an outlier.
        outliers: in "frames", the share of outliers allowed.
    """

    mode: Literal["max", "l2", "frames"] = "max"
    bound: float = 1e-4
    outlier: float = 1e-4
    outliers: float = 0.02


NETWORK = Rule()
MATHS = Rule(bound=1e-5)
ENERGY = Rule(mode="l2")
FRAMES = Rule(mode="frames", bound=1e-3)


@dataclass(frozen=True)
class Verdict:
    """What a comparison found."""

    max_error: float
    l2_error: float
    ok: bool
    why: str = ""


def stride_for(size: int) -> int:
    """Sub-sampling stride of an output: 1, else odd and free of 3 and 5 so that it meets every channel."""
    if size <= WHOLE_LIMIT:
        return 1
    stride = -(-size // STORED_TARGET)
    while any(stride % prime == 0 for prime in (2, 3, 5)):
        stride += 1
    return stride


def statistics(output: Array) -> NDArray[np.float64]:
    """Mean, population standard deviation, L2 norm and largest magnitude of a whole output."""
    flat = np.asarray(output, dtype=np.float64).reshape(-1)
    return np.array([flat.mean(), flat.std(), np.linalg.norm(flat), np.abs(flat).max()])


def sample(output: Array) -> Array:
    """The stored form of an output: whole when small, else flattened and sub-sampled."""
    stride = stride_for(output.size)
    return output if stride == 1 else output.reshape(-1)[::stride]


def compare(output: Array, spec: Mapping[str, Any], stored: Array, stats: Array, rule: Rule) -> Verdict:
    """Judge one output against its stored values and statistics.

    Args:
        output: what was computed.
        spec: its entry in the cases file (``shape``, ``dtype``, ``stride``).
        stored: the reference values, sub-sampled.
        stats: the reference's statistics over the whole output.
        rule: how near is near; integers are compared exactly instead.
    """
    nothing = float("nan")
    if list(output.shape) != list(spec["shape"]):
        return Verdict(nothing, nothing, False, f"shape {list(output.shape)}, expected {list(spec['shape'])}")
    if not np.isfinite(output).all():
        return Verdict(nothing, nothing, False, "not finite")
    exact = not np.issubdtype(np.dtype(spec["dtype"]), np.floating)
    if exact and np.issubdtype(output.dtype, np.floating):
        return Verdict(nothing, nothing, False, f"{output.dtype}, expected {spec['dtype']}")
    ours = output.reshape(-1)[:: spec["stride"]].astype(np.float64)
    reference = stored.reshape(-1).astype(np.float64)
    if ours.shape != reference.shape:
        return Verdict(nothing, nothing, False, f"{len(reference)} stored values, expected {len(ours)}")
    error = np.abs(ours - reference)
    peak = float(stats[3]) or 1.0
    largest = float(error.max()) / peak
    energy = float(np.linalg.norm(error) / (np.linalg.norm(reference) or 1.0))
    whole = np.abs(statistics(output) - stats) / np.array([peak, peak, float(stats[2]) or 1.0, peak])
    if exact:
        ok = largest == 0.0 and bool((whole < 1e-12).all())
        return Verdict(largest, energy, ok)
    if rule.mode == "max":
        ok = largest <= rule.bound and bool((whole <= rule.bound).all())
    elif rule.mode == "l2":
        ok = energy <= rule.bound and bool((whole[:3] <= rule.bound).all())
    else:
        outliers = float((error > rule.outlier * peak).mean())
        ok = energy < rule.bound and outliers <= rule.outliers and bool((whole[:3] <= rule.bound).all())
    return Verdict(largest, energy, ok)


def read_cases(folder: Path, projects: Sequence[str]) -> list[Case]:
    """All cases of the given projects: ``cases_<project>*.json`` in the folder."""
    cases = []
    for project in projects:
        for path in sorted(folder.glob(f"cases_{project}*.json")):
            document = _read_json(path)
            archive = folder / document.get("npz", path.name.removeprefix("cases_").removesuffix(".json") + ".npz")
            if not archive.is_file():
                raise VectorError(f"{path.name} needs {archive.name}, which is not in {folder}")
            for entry in document["cases"]:
                fields = {name: entry[name] for name in ("id", "kind", "seed", "params", "inputs", "outputs")}
                cases.append(Case(project=project, nets=tuple(entry["nets"]), archive=archive, **fields))
    return cases


def read_manifests(folder: Path, project: str) -> dict[str, list[dict[str, Any]]]:
    """Tensor lists by network id, from ``networks_<project>*.json``."""
    manifests: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob(f"networks_{project}*.json")):
        for network, entry in _read_json(path)["networks"].items():
            manifests[network] = entry["tensors"]
    return manifests


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise VectorError(f"{path.name} is not JSON: {error}") from error
    return document
