"""Made-up weights by formula for any network, so that whole chains can be run where no released file is at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from facenets.formula import make_state

Network = TypeVar("Network", bound=nn.Module)

#: Keeps the spread of ReLU networks from layer to layer.
WEIGHT_GAIN = float(np.sqrt(2.0))
BIAS_GAIN = 0.05
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)
_LAST_NAME_RULES = {
    "num_batches_tracked": "count",
    "running_mean": "running_mean",
    "running_var": "running_var",
    "weight_orig": "sn_orig",
    "weight_u": "sn_u",
    "weight_v": "sn_v",
}


def _entry(key: str, shape: list[int], owner: nn.Module) -> dict[str, Any]:
    name = key.rpartition(".")[2]
    if name in _LAST_NAME_RULES:
        return {"key": key, "shape": shape, "rule": _LAST_NAME_RULES[name]}
    if isinstance(owner, _NORMS):
        return {"key": key, "shape": shape, "rule": f"norm_{name}"}
    if isinstance(owner, nn.ConvTranspose2d) and name == "weight":
        return {"key": key, "shape": shape, "rule": "weight_t", "gain": WEIGHT_GAIN}
    if name == "weight" and owner.__class__.__name__ == "AntiAliasShrink":
        return {"key": key, "shape": shape, "rule": "gauss"}
    if name == "weight":
        return {"key": key, "shape": shape, "rule": "weight", "gain": WEIGHT_GAIN}
    return {"key": key, "shape": shape, "rule": "param", "gain": BIAS_GAIN}


def synthetic(builder: Callable[[], Network], name: str, seed: int = 0) -> Network:
    """A network in evaluation mode whose weights follow from its name and a seed."""
    with torch.device("meta"):
        network = builder()
    entries = []
    for key, tensor in network.state_dict().items():
        owner = network.get_submodule(key.rpartition(".")[0])
        entries.append(_entry(key, list(tensor.shape), owner))
    state = {key: torch.from_numpy(array) for key, array in make_state(name, entries, seed).items()}
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)
