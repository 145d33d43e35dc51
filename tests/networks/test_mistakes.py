"""The vectors tell a mistake: each deliberate one makes verify fail, on the case that can see it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the networks need torch (pip install 'visema[neural]')")

from torch import nn

import facenets.frontend
import facenets.motion
import liveportrait.convnext
import liveportrait.warping
import sadtalker.keypoints
import sadtalker.mapping
from facenets.verification import Networks
from tests.networks.test_vectors import run

Patch = pytest.MonkeyPatch


def _loose_batch_norm(patch: Patch) -> None:
    get = Networks.get

    def altered(self: Networks, name: str, seed: int) -> nn.Module:
        network = get(self, name, seed)
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eps = 1e-3
        return network

    patch.setattr(Networks, "get", altered)


def _zero_padding(patch: Patch) -> None:
    right = facenets.frontend.melspectrogram
    patch.setattr(facenets.frontend, "melspectrogram", lambda wave, _padding: right(wave, "zeros"))


def _reflection(patch: Patch) -> None:
    right = facenets.frontend.melspectrogram
    patch.setattr(facenets.frontend, "melspectrogram", lambda wave, _padding: right(wave, "reflect"))


def _constant(module: Any, name: str, value: object) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(module, name, value)


MISTAKES = {
    "pi instead of 3.14": ("sadtalker", "kpt_p0", _constant(sadtalker.keypoints, "HALF_TURN", math.pi)),
    "97.5 instead of 99 degrees": ("sadtalker", "kpt_p0", _constant(sadtalker.keypoints, "DEGREE_OFFSET", 97.5)),
    "batch norm eps 1e-3 in the pose net": ("sadtalker", "a2p_p2", _loose_batch_norm),
    "batch norm eps 1e-3 in the expression net": ("sadtalker", "a2e_p0", _loose_batch_norm),
    "batch norm eps 1e-3 in the reconstruction": ("sadtalker", "recon_p0", _loose_batch_norm),
    "slope 0.01 in the mapping net": ("sadtalker", "map_p0", _constant(sadtalker.mapping, "SLOPE", 0.01)),
    "tanh GELU": ("liveportrait", "M_p0", _constant(liveportrait.convnext, "GELU_APPROXIMATION", "tanh")),
    "zero padding instead of reflection": ("wav2lip", "w2lmel_p0", _zero_padding),
    "reflection instead of zero padding": ("sadtalker", "sadmel_p0", _reflection),
}
SLOW_MISTAKES = {
    "aligned corners": ("liveportrait", "W_p1", _constant(facenets.motion, "ALIGN_CORNERS", True)),
    "a threshold on LivePortrait's mask": (
        "liveportrait",
        "W_p1",
        _constant(liveportrait.warping, "MASK_THRESHOLD", 1e-3),
    ),
    "slope 0.2 after warping": ("liveportrait", "W_p1", _constant(facenets.motion, "FUSE_SLOPE", 0.2)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_seen(name: str, reference: Path, monkeypatch: Patch) -> None:
    package, case, apply = MISTAKES[name]
    apply(monkeypatch)
    assert run(package, reference, case) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_MISTAKES)
def test_mistake_in_warping_is_seen(name: str, reference: Path, monkeypatch: Patch) -> None:
    package, case, apply = SLOW_MISTAKES[name]
    apply(monkeypatch)
    assert run(package, reference, case) == 1


def test_layer_norm_eps_is_read_not_seen() -> None:
    """The vectors move by 1e-5 only between 1e-5 and 1e-6, below their tolerance."""
    network = liveportrait.convnext.ConvNeXt()
    norms = [module for module in network.modules() if isinstance(module, nn.LayerNorm)]
    assert len(norms) == 4 + 18 + 1
    assert all(norm.eps == 1e-6 for norm in norms)
