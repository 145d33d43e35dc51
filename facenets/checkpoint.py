"""Released weights into our networks: strict by name and shape, never by running code from the file.

Files are mapped into memory and their tensors handed to the network as they are, so loading costs one reading of the
file and one copy of it in memory; entries that nobody asks for (optimiser states) are not read at all.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
State = Mapping[str, Tensor]

#: What training on several devices puts before every key.
PARALLEL_PREFIX = "module."
#: Keys named in an error before the rest is only counted.
NAMED = 5


class CheckpointError(ValueError):
    """A weights file that cannot be used: which file, and what is wrong with it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Content of a weights file on the CPU: a safetensors file, or a file of ``torch.save``.

    Raises:
        CheckpointError: missing, truncated, neither format, or holding more than plain tensors and containers.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise CheckpointError(path, f"{error.strerror or error}") from error
    if not head:
        raise CheckpointError(path, "the file is empty")
    content = _read_safetensors(path) if head[8:] == b"{" else _read_torch(path, zipped=head[:2] == b"PK")
    if not isinstance(content, Mapping):
        raise CheckpointError(path, f"holds a {type(content).__name__}, expected named tensors")
    return content


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise CheckpointError(path, "reading it needs the safetensors package (pip install safetensors)") from error
    try:
        tensors: Mapping[str, Any] = load_file(path)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(path, f"not a whole safetensors file ({_first_line(error)})") from error
    return tensors


def _read_torch(path: Path, zipped: bool) -> Any:
    if zipped and not zipfile.is_zipfile(path):
        raise CheckpointError(path, "the file is cut short")
    try:
        # Only the newer, zipped layout can be mapped.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            path, "holds more than tensors, or is no weights file; it is not loaded because it could run code"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise CheckpointError(path, f"not a whole weights file ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


def section(content: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    """One named part of a file, such as "state_dict"; a file that is nothing but tensors is that part itself."""
    if name in content:
        part = content[name]
        if not isinstance(part, Mapping):
            raise CheckpointError(path, f"its {name!r} is a {type(part).__name__}, expected named tensors")
        return part
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return content
    raise CheckpointError(path, f"has no {name!r}, only {_names(list(content))}")


def select(content: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Entries under a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in content.items() if key.startswith(prefix)}


def bare(content: Mapping[str, Any]) -> dict[str, Any]:
    """Entries without the prefix that parallel training puts before all of them."""
    return {key.removeprefix(PARALLEL_PREFIX): value for key, value in content.items()}


def reject_surplus(content: Mapping[str, Any], prefixes: Sequence[str], path: Path) -> None:
    """Refuse a flat file with entries under none of the prefixes."""
    surplus = [key for key in content if not key.startswith(tuple(prefixes))]
    if surplus:
        raise CheckpointError(path, f"surplus {_names(surplus)}")


def build(builder: Callable[[], Network], content: Mapping[str, Any], path: Path, name: str) -> Network:
    """A network with the given weights, in evaluation mode and without gradients.

    Args:
        builder: makes the network; it is built without memory of its own and takes over the tensors.
        content: its entries by bare key.
        path: for errors.
        name: of the network, for errors.

    Raises:
        CheckpointError: naming missing keys, surplus keys, and shapes that differ.
    """
    with torch.device("meta"):
        network = builder()
    expected = network.state_dict()
    problems = []
    missing = [key for key in expected if key not in content]
    surplus = [key for key in content if key not in expected]
    if missing:
        problems.append(f"missing {_names(missing)}")
    if surplus:
        problems.append(f"surplus {_names(surplus)}")
    odd = []
    state: dict[str, Tensor] = {}
    for key, want in expected.items():
        value = content.get(key)
        if key not in content:
            continue
        if not isinstance(value, Tensor):
            odd.append(f"{key} is a {type(value).__name__}")
        elif value.shape != want.shape:
            odd.append(f"{key} is {list(value.shape)}, expected {list(want.shape)}")
        elif value.is_floating_point() != want.is_floating_point():
            odd.append(f"{key} is {value.dtype}, expected {want.dtype}")
        else:
            state[key] = value.to(want.dtype)
    if odd:
        problems.append(f"{len(odd)} of the wrong kind: {_names(odd)}")
    if problems:
        raise CheckpointError(path, f"does not fit the {name} network: {'; '.join(problems)}")
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _names(keys: Sequence[str]) -> str:
    shown = ", ".join(str(key) for key in keys[:NAMED]) or "nothing"
    return shown if len(keys) <= NAMED else f"{shown} and {len(keys) - NAMED} more"
