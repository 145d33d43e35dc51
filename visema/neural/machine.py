"""What the networks run on: the best device that is there, in the precision that suits it, and how fast it is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from visema import settings
from visema.errors import EngineError, InputError

if TYPE_CHECKING:
    from torch import nn

    Network = TypeVar("Network", bound=nn.Module)

#: Names the device to use: cpu, cuda, cuda:1, mps.
VARIABLE = "VISEMA_DEVICE"
#: Set to 0, it keeps CUDA at 32 bits: twice the memory and time, for comparisons.
HALF_VARIABLE = "VISEMA_FP16"
#: The renderers reach about so much of the speed of their largest convolution alone.
SHARE_OF_PEAK = 0.75


def import_torch() -> Any:
    """The torch package.

    Raises:
        EngineError: It is not installed, or cannot be loaded.
    """
    # Some operations have no kernel for Apple's devices yet; the CPU does those.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    # Threads that wait by spinning take eight times the time of one alone as soon as anything else wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
    except (ImportError, OSError) as e:
        raise EngineError(
            f"Neural engines need torch, which cannot be loaded ({str(e).splitlines()[0]}).",
            "Install it with: pip install 'visema[neural]'.",
        ) from e
    return torch


@dataclass(frozen=True)
class Machine:
    """A device.

    Attributes:
        device: As torch names it.
        name: For people.
        half: Convolutions run in 16 bits.
        kernels_last: Channels come last in two-dimensional networks.
    """

    device: str
    name: str
    half: bool
    kernels_last: bool

    @property
    def slow(self) -> bool:
        """No accelerator."""
        return self.device == "cpu"

    def settle(self, network: Network, exact: Sequence[str] = ()) -> Network:
        """Make an evaluation-mode network ready to draw here; in place.

        Args:
            network: float32.
            exact: Its children that stay in 32 bits: what is run once for a source, and sets the quality of the rest.
        """
        from visema.neural.tuning import channels_last, fold, halve

        fold(network)
        network.to(self.device)
        if self.half:
            for name, child in network.named_children():
                if name not in exact:
                    halve(child)
        if self.kernels_last:
            channels_last(network)
        network.requires_grad_(False)
        return network

    @contextmanager
    def drawing(self, *, exact: bool = False) -> Iterator[None]:
        """Run networks in the block, as they were settled.

        Args:
            exact: Whether it is 32-bit parts that run.

        Raises:
            EngineError: The device has too little memory.
        """
        torch = import_torch()
        try:
            half = self.half and not exact
            with torch.inference_mode(), torch.autocast(self.device.partition(":")[0], torch.float16, half):
                yield
        except torch.OutOfMemoryError as e:
            raise EngineError(
                f"The memory of {self.name} is not enough.",
                f"Close other programs that use it, or set {VARIABLE}=cpu.",
            ) from e

    def seconds(self, gmac: float) -> float:
        """About how long so many billion multiplications and additions take here."""
        return 2 * gmac / (_billions_per_second(self) * SHARE_OF_PEAK)


def choose_machine() -> Machine:
    """The best device, or the one that `VARIABLE` names.

    Raises:
        EngineError: torch is missing.
        InputError: The named device is not there.
    """
    torch = import_torch()
    wanted = settings.DEVICE.of()
    kind = wanted.partition(":")[0]
    if kind not in ("", "cpu", "cuda", "mps"):
        raise InputError(f"{VARIABLE} is '{wanted}'.", "Use cpu, cuda or mps.")
    if kind == "cuda" or (not kind and torch.cuda.is_available()):
        if not torch.cuda.is_available():
            raise InputError(f"{VARIABLE} asks for CUDA, and torch finds none.", "Use cpu, or install torch for CUDA.")
        device = wanted or "cuda"
        half = settings.FP16.of()
        return Machine(device, torch.cuda.get_device_name(device), half=half, kernels_last=True)
    if kind == "mps" or (not kind and torch.backends.mps.is_available()):
        if not torch.backends.mps.is_available():
            raise InputError(f"{VARIABLE} asks for Apple's GPU, and torch finds none.", "Use cpu.")
        return Machine("mps", "Apple's GPU", half=False, kernels_last=False)
    # On CPUs 16 bits cost more than 45 dB allow (bfloat16) or are slower (float16), so they stay with 32.
    return Machine("cpu", f"this CPU ({torch.get_num_threads()} threads)", half=False, kernels_last=False)


@lru_cache(maxsize=4)
def _billions_per_second(machine: Machine) -> float:
    """Operations per second of a convolution as the renderers have most of."""
    torch = import_torch()
    channels, side = 256, 64
    with machine.drawing():
        network = torch.nn.Conv2d(channels, channels, 3, padding=1).to(machine.device)
        picture = torch.zeros(1, channels, side, side, device=machine.device)
        network(picture)
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            float(network(picture)[0, 0, 0, 0])  # waits for the device
            best = min(best, time.perf_counter() - began)
    return 2 * channels * channels * 9 * side * side / best / 1e9


def in_words(seconds: float) -> str:
    """A time that was estimated."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
