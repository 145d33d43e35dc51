"""Each network gives the released numbers: the reference vectors, case by case."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the networks need torch (pip install 'visema[neural]')")

from facenets.formula import make_state
from facenets.vectors import NETWORK, compare, read_manifests, sample, statistics
from facenets.verification import Suite, main

PACKAGES = ("wav2lip", "sadtalker", "liveportrait")
#: Kinds that take more than a few seconds of one core.
SLOW = re.compile("gen_|chain_|W_|G_|kp_p")


def suite(package: str) -> Suite:
    found: Suite = importlib.import_module(f"{package}.verify").SUITE
    return found


def run(package: str, folder: Path, *cases: str) -> int:
    return main(
        suite(package), [str(folder), "--threads", "1", *(part for case in cases for part in ("--case", case))]
    )


def case_ids(folder: Path, project: str, slow: bool) -> list[str]:
    document = json.loads((folder / f"cases_{project}_public.json").read_text())
    return [case["id"] for case in document["cases"] if bool(SLOW.match(case["id"])) == slow]


@pytest.mark.parametrize("package", PACKAGES)
def test_fast_cases(package: str, reference: Path) -> None:
    shared = [] if package == "liveportrait" else case_ids(reference, "frontend", slow=False)
    assert run(package, reference, *case_ids(reference, package, slow=False), *shared) == 0


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_all_cases(package: str, reference: Path) -> None:
    assert run(package, reference) == 0


@pytest.mark.parametrize("package", PACKAGES)
def test_state_dict_equals_the_manifest(package: str, reference: Path) -> None:
    import torch

    manifests = read_manifests(reference, package)
    for name, builder in suite(package).builders.items():
        with torch.device("meta"):
            state = builder().state_dict()
        ours = [(key, list(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for key, tensor in state.items()]
        assert ours == [(entry["key"], entry["shape"], entry["dtype"]) for entry in manifests[name]], name


def copy_case(reference: Path, folder: Path, project: str, case: str, **changes: object) -> None:
    """A folder with one case, some of its fields changed."""
    document = json.loads((reference / f"cases_{project}_public.json").read_text())
    entry = next(entry for entry in document["cases"] if entry["id"] == case)
    document["cases"] = [{**entry, **changes}]
    (folder / f"cases_{project}_other.json").write_text(json.dumps(document))
    for name in (document["npz"], f"networks_{project}.json"):
        if (reference / name).exists():
            (folder / name).symlink_to(reference / name)


def test_unknown_kind_is_an_error(reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_case(reference, tmp_path, "wav2lip", "chunks_p0", kind="surprise")
    assert run("wav2lip", tmp_path) == 1
    assert "unknown case kind 'surprise' FAIL" in capsys.readouterr().out


def test_other_cases_are_rebuilt_from_the_folder(reference: Path, tmp_path: Path) -> None:
    copy_case(reference, tmp_path, "liveportrait", "lip_p0")
    assert run("liveportrait", tmp_path) == 0


def test_another_seed_fails(reference: Path, tmp_path: Path) -> None:
    copy_case(reference, tmp_path, "liveportrait", "lip_p0", seed=999)
    assert run("liveportrait", tmp_path) == 1


@pytest.mark.parametrize(("fps", "code"), [(25.0, 0), (24.0, 1)])
def test_as_a_command(reference: Path, tmp_path: Path, fps: float, code: int) -> None:
    copy_case(reference, tmp_path, "wav2lip", "chunks_p0", params={"mel_frames": 81, "fps": fps})
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "wav2lip.verify", str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.splitlines()[0].endswith("FAIL" if code else "OK")


def test_a_case_that_cannot_run_fails(reference: Path, tmp_path: Path) -> None:
    copy_case(reference, tmp_path, "wav2lip", "chunks_p0", params={})
    assert run("wav2lip", tmp_path) == 1


def test_an_empty_folder_is_not_a_pass(tmp_path: Path) -> None:
    assert run("sadtalker", tmp_path) == 2


def test_missing_archive_is_reported(reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_case(reference, tmp_path, "wav2lip", "chunks_p0")
    (tmp_path / "wav2lip_public.npz").unlink()
    assert run("wav2lip", tmp_path) == 2
    assert "wav2lip_public.npz" in capsys.readouterr().out


def test_rules_are_those_of_the_reference(reference: Path) -> None:
    """Our formulas and the reference's own code give the same bits."""
    import numpy as np

    code = (reference / "RULES.md").read_text().split("# --- refrules begin")[1].split("# --- refrules end")[0]
    rules: dict[str, object] = {}
    exec(code, rules)
    theirs = rules["make_state"]
    for package, name in (("wav2lip", "disc"), ("liveportrait", "stitching"), ("sadtalker", "audio2exp")):
        tensors = read_manifests(reference, package)[name]
        expected = theirs(name, tensors, 7)  # type: ignore[operator]
        ours = make_state(name, tensors, 7)
        assert list(ours) == list(expected)
        assert all(np.array_equal(ours[key], expected[key]) for key in ours)


class TestCompare:
    """How near is near."""

    spec = {"shape": [2, 3], "dtype": "float32", "stride": 1}  # noqa: RUF012

    def verdict(self, ours: list[list[float]]) -> bool:
        import numpy as np

        reference = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -4.0]], dtype=np.float32)
        output = np.array(ours, dtype=np.float32)
        return compare(output, self.spec, sample(reference), statistics(reference), NETWORK).ok

    def test_equal_within_tolerance(self) -> None:
        assert self.verdict([[1.0, -2.0, 3.0], [0.5, 3e-4, -4.0]])

    def test_beyond_tolerance(self) -> None:
        assert not self.verdict([[1.0, -2.0, 3.0], [0.5, 5e-4, -4.0]])

    def test_not_finite(self) -> None:
        assert not self.verdict([[1.0, -2.0, 3.0], [0.5, float("nan"), -4.0]])

    def test_wrong_shape(self) -> None:
        assert not self.verdict([[1.0, -2.0], [3.0, 0.5], [0.0, -4.0]])

    def test_values_between_the_samples_count(self) -> None:
        import numpy as np

        reference = np.linspace(-1, 1, 7000, dtype=np.float32)
        output = reference.copy()
        output[1::7] += 0.5
        spec = {"shape": [7000], "dtype": "float32", "stride": 7}
        assert not compare(output, spec, reference[::7], statistics(reference), NETWORK).ok
