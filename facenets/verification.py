"""The verify command of each network package: run every case of a folder, compare, report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facenets.formula import make_state
from facenets.vectors import NETWORK, Case, Rule, VectorError, compare, read_cases, read_manifests

Array = NDArray[Any]
#: The vectors were made with as many.
REFERENCE_THREADS = 2
Outputs = Mapping[str, Array | Tensor]


class Networks:
    """Networks with formula weights, built on demand and kept while the seed stays the same."""

    def __init__(
        self, builders: Mapping[str, Callable[[], nn.Module]], manifests: Mapping[str, list[dict[str, Any]]]
    ) -> None:
        self._builders = builders
        self._manifests = manifests
        self._seed: int | None = None
        self._built: dict[str, nn.Module] = {}

    def get(self, name: str, seed: int) -> nn.Module:
        """Network ``name`` with the weights of ``seed``, in evaluation mode."""
        if name not in self._builders or name not in self._manifests:
            raise VectorError(f"unknown network {name!r}")
        if seed != self._seed:
            self._built.clear()
            self._seed = seed
        if name not in self._built:
            with torch.device("meta"):
                network = self._builders[name]()
            state = {key: torch.from_numpy(a) for key, a in make_state(name, self._manifests[name], seed).items()}
            expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
            found = {key: tuple(tensor.shape) for key, tensor in state.items()}
            if expected != found:
                odd = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
                raise VectorError(f"network {name}: {len(odd)} tensors differ from the manifest, first {odd[0]}")
            network.load_state_dict(state, strict=True, assign=True)
            self._built[name] = network.eval()
        return self._built[name]


@dataclass(frozen=True)
class Kind:
    """What a case kind means: how it is run, and how its outputs are judged.

    Attributes:
        run: takes the case, its input arrays and a function from network id to network; returns outputs by name.
        rule: for every output that ``rules`` does not name.
        rules: for single outputs.
    """

    run: Callable[[Case, Mapping[str, Array], Callable[[str], Any]], Outputs]
    rule: Rule = NETWORK
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def rule_for(self, output: str) -> Rule:
        """The rule for one output."""
        return self.rules.get(output, self.rule)


@dataclass(frozen=True)
class Suite:
    """All that one package can be asked to verify.

    Attributes:
        project: its name, as in the file names.
        builders: networks by id.
        kinds: case kinds by (file's project, kind).
        elsewhere: kinds of shared files that another package verifies, with its name.
    """

    project: str
    builders: Mapping[str, Callable[[], nn.Module]]
    kinds: Mapping[tuple[str, str], Kind]
    elsewhere: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def projects(self) -> list[str]:
        """Projects whose files are read."""
        return list(dict.fromkeys(project for project, _ in self.kinds))


def run_case(suite: Suite, case: Case, networks: Networks) -> tuple[list[str], int]:
    """Run one case.

    Returns:
        A line per output, and how many of them failed.
    """
    head = f"{case.project} {case.id}"
    kind = suite.kinds.get((case.project, case.kind))
    if kind is None:
        return [f"{head} unknown case kind {case.kind!r} FAIL"], 1
    started = time.process_time()
    try:
        with torch.inference_mode():
            produced = kind.run(case, case.arrays(), lambda name: networks.get(name, case.seed))
        references = _references(case)
    except Exception as error:  # whatever a case file asks for, one bad case must not hide the others
        return [f"{head} {type(error).__name__}: {error} FAIL"], 1
    seconds = time.process_time() - started
    lines, failed = [], 0
    for name, spec in case.outputs.items():
        if name not in produced:
            lines.append(f"{head} {name} not produced FAIL")
            failed += 1
            continue
        value = produced[name]
        output = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
        rule = kind.rule_for(name)
        verdict = compare(output, spec, *references[name], rule)
        failed += not verdict.ok
        errors = f"max {verdict.max_error:.1e} l2 {verdict.l2_error:.1e} ({rule.mode} <= {rule.bound:g})"
        lines.append(f"{head} {name} {verdict.why or errors} [{seconds:.2f} CPU s] {'OK' if verdict.ok else 'FAIL'}")
    return lines, failed


def _references(case: Case) -> dict[str, tuple[Array, Array]]:
    """Stored values and statistics of every output."""
    with np.load(case.archive, allow_pickle=False) as archive:
        return {name: (archive[f"{case.id}|{name}"], archive[f"{case.id}|{name}|stats"]) for name in case.outputs}


def verify(suite: Suite, folder: Path, only: Sequence[str] = ()) -> int:
    """Run every case of a folder and print what came out.

    Args:
        suite: the package's cases and networks.
        folder: holds ``networks_*.json``, ``cases_*.json`` and ``*.npz``.
        only: case ids to run instead of all.

    Returns:
        0 when every output is within tolerance, 1 when one is not, 2 when nothing could be run.
    """
    try:
        cases = read_cases(folder, suite.projects())
        networks = Networks(suite.builders, read_manifests(folder, suite.project))
    except (VectorError, OSError, KeyError, TypeError) as error:
        print(f"{suite.project}: {folder} cannot be read: {error}")
        return 2
    if only:
        cases = [case for case in cases if case.id in only]
    # Networks are rebuilt when the seed changes, so cases of one seed run together.
    cases.sort(key=lambda case: (case.project != suite.project, case.seed))
    outputs = failures = 0
    for case in cases:
        other = suite.elsewhere.get((case.project, case.kind))
        if other:
            print(f"{case.project} {case.id} is checked by python -m {other}.verify")
            continue
        lines, failed = run_case(suite, case, networks)
        print("\n".join(lines), flush=True)
        outputs += len(lines)
        failures += failed
    if not outputs:
        print(f"{suite.project}: no cases in {folder}")
        return 2
    print(f"{suite.project}: {outputs} outputs, {failures} failed")
    return 1 if failures else 0


def main(suite: Suite, arguments: Sequence[str] | None = None) -> int:
    """The command line of ``python -m <package>.verify``."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {suite.project}.verify",
        description=f"Reproduce the reference vectors of {suite.project} with formula weights.",
    )
    parser.add_argument("folder", type=Path, help="folder with networks_*.json, cases_*.json and *.npz")
    parser.add_argument("--case", action="append", default=[], metavar="ID", help="run this case only (repeatable)")
    parser.add_argument(
        "--threads",
        type=int,
        default=REFERENCE_THREADS,
        metavar="N",
        help=f"CPU threads, {REFERENCE_THREADS} unless told: sums in the order of the reference round alike",
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return verify(suite, options.folder, options.case)
