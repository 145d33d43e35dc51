"""Made faster, the networks draw what they drew; in 16 bits, nearly."""

from __future__ import annotations

import pytest

from tests.neural.conftest import NEEDS_TORCH

pytest.importorskip("torch", reason=NEEDS_TORCH)

import torch

import liveportrait.model
import sadtalker.model
from facenets.synthetic import synthetic
from facenets.vectors import read_manifests
from facenets.verification import Networks
from tests.conftest import SHARED
from visema.errors import InputError
from visema.neural.machine import VARIABLE, Machine, choose_machine, in_words
from wav2lip.model import Wav2Lip

PLAIN = Machine("cpu", "this CPU", half=False, kernels_last=False)
HALF = Machine("cpu", "an accelerator's arithmetic", half=True, kernels_last=True)
ENCODER = ("first", "down_blocks", "second", "resblocks_3d")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def psnr(a, b) -> float:
    return float(-10 * torch.log10((a.float() - b.float()).square().mean()))


@pytest.mark.parametrize(("machine", "least"), [(PLAIN, 80.0), (HALF, 45.0)])
def test_wav2lip(machine: Machine, least: float) -> None:
    g = torch.Generator().manual_seed(0)
    mel, face = torch.randn(2, 1, 80, 16, generator=g), torch.rand(2, 6, 96, 96, generator=g)
    network = synthetic(Wav2Lip, "wav2lip")
    with torch.inference_mode():
        before = network(mel, face)
    machine.settle(network)
    with machine.drawing():
        assert psnr(network(mel, face), before) >= least


def reference_network(project: str, builders, name: str):
    """With the reference's weights, whose pictures are not all black and white as those of any random ones."""
    folder = SHARED / "reference" / "networks"
    if not folder.is_dir():
        pytest.skip("the reference's weights are not beside the project")
    return Networks(builders, read_manifests(folder, project)).get(name, 7).requires_grad_(False)


@pytest.mark.parametrize(("machine", "least"), [(PLAIN, 70.0), (HALF, 45.0)])
def test_sadtalker_with_its_source_encoded_once(machine: Machine, least: float) -> None:
    g = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 128, 128, generator=g)
    source = 0.3 * torch.randn(1, 15, 3, generator=g)
    driving = source + 0.05 * torch.randn(1, 15, 3, generator=g)
    network = reference_network("sadtalker", sadtalker.model.BUILDERS, "generator")
    with torch.inference_mode():
        before = network(picture, source, driving)
    machine.settle(network, exact=ENCODER)
    with machine.drawing(exact=True):
        volume = network.encode(picture)
    with machine.drawing():
        assert psnr(network.render(volume, source, driving).picture, before) >= least


@pytest.mark.parametrize(("machine", "least"), [(PLAIN, 70.0), (HALF, 45.0)])
def test_liveportrait(machine: Machine, least: float) -> None:
    g = torch.Generator().manual_seed(0)
    volume = torch.randn(1, 32, 16, 32, 32, generator=g)
    source = 0.3 * torch.randn(1, 21, 3, generator=g)
    driving = source + 0.03 * torch.randn(1, 21, 3, generator=g)
    warping = reference_network("liveportrait", liveportrait.model.BUILDERS, "W")
    generator = reference_network("liveportrait", liveportrait.model.BUILDERS, "G")
    with torch.inference_mode():
        before = generator(warping(volume, source, driving).features)
    machine.settle(warping)
    machine.settle(generator)
    with machine.drawing():
        assert psnr(generator(warping(volume, source, driving).features), before) >= least


def test_the_machine_is_ones_own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "cpu")
    machine = choose_machine()
    assert machine.slow and not machine.half
    assert machine.seconds(10) == pytest.approx(10 * machine.seconds(1))
    monkeypatch.setenv(VARIABLE, "abacus")
    with pytest.raises(InputError, match="abacus"):
        choose_machine()
    if not torch.cuda.is_available():
        monkeypatch.setenv(VARIABLE, "cuda")
        with pytest.raises(InputError, match="finds none"):
            choose_machine()


def test_times_in_words() -> None:
    assert [in_words(s) for s in (0.2, 40, 300, 9000)] == ["1 seconds", "40 seconds", "5 minutes", "2.5 hours"]
