"""How fast the networks draw, on this CPU and on a GPU where torch finds one.

    python benchmarks/networks.py [--quick] [--json] [--network NAME]

Weights are made by formula: speed does not depend on them. For each network, `cpu_s_per_frame` is CPU time of one
picture on one thread as the product runs it (folded, source encoded once) and `speedup_over_plain` the same modules
run in a straightforward way (source encoded for every picture) over it, in the same run and in turns.
`gmac_per_frame` counts multiplications, `share_of_peak` is their rate over that of the largest matrix product this
machine was seen to do. On a GPU: `fps_fp32`, `fps_fp16` and `fps_compiled` pictures a second in batch,
`first_call_s_fp32` and so on, `peak_gb`, `psnr_fp16_db` against 32 bits, and the `live_avatars` of Wav2Lip. `loading`
has the time of reading a checkpoint of 700 MB as networks over that of reading the file, and memory over its size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from facenets.appearance import AppearanceEncoder  # noqa: E402
from facenets.checkpoint import build, read_checkpoint  # noqa: E402
from facenets.spade import SpadeDecoder  # noqa: E402
from facenets.synthetic import synthetic  # noqa: E402
from liveportrait.warping import WarpingModule  # noqa: E402
from sadtalker.generator import FaceGenerator  # noqa: E402
from visema.neural.machine import Machine  # noqa: E402
from wav2lip.model import Wav2Lip  # noqa: E402

GPU_TARGETS = {"sadtalker": 150.0, "wav2lip": 6000.0, "liveportrait": 150.0}
GPU_BATCH = {"sadtalker": 8, "wav2lip": 128, "liveportrait": 8}
GPU_S = 3.0
LIVE_FPS, LIVE_AIM = 25, 20
#: Numbers in a page of memory.
PAGE = 1024
CPU = Machine("cpu", "this CPU", half=False, kernels_last=False)
CPU_KERNELS_LAST = Machine("cpu", "this CPU", half=False, kernels_last=True)


class Pair(nn.Module):
    """LivePortrait's two networks of a picture, and its encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.appearance = synthetic(AppearanceEncoder, "F")
        self.warping = synthetic(WarpingModule, "W")
        self.generator = synthetic(partial(SpadeDecoder, doubled=True), "G")

    def render(self, volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Pictures of driven key points."""
        out: Tensor = self.generator(self.warping(volume, source, driving).features)
        return out


@dataclass(frozen=True)
class Subject:
    """A network to be measured.

    Attributes:
        make: Builds it.
        cpu: How the product runs it without an accelerator.
        exact: Its children that stay in 32 bits.
        inputs: Of a batch on a device.
        prepare: What is done once for a source; its result goes to ``draw``.
        draw: Draws the batch.
    """

    make: Callable[[], nn.Module]
    cpu: Machine
    exact: tuple[str, ...]
    inputs: Callable[[int, str, int], dict[str, Tensor]]
    prepare: Callable[[Any, dict[str, Tensor]], dict[str, Tensor]]
    draw: Callable[[Any, dict[str, Tensor]], Tensor]


def points_inputs(count: int, batch: int, device: str, side: int) -> dict[str, Tensor]:
    """A picture, and key points of source and drivers."""
    g = torch.Generator().manual_seed(0)
    source = 0.3 * torch.randn(1, count, 3, generator=g)
    driving = source + 0.05 * torch.randn(batch, count, 3, generator=g)
    picture = torch.rand(1, 3, side, side, generator=g)
    tensors = {"picture": picture, "source": source.expand(batch, -1, -1).contiguous(), "driving": driving}
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def lip_inputs(batch: int, device: str, side: int) -> dict[str, Tensor]:
    """Mels and faces; their size is the network's own."""
    g = torch.Generator().manual_seed(0)
    mel, face = torch.randn(batch, 1, 80, 16, generator=g), torch.rand(batch, 6, 96, 96, generator=g)
    return {"mel": mel.to(device), "face": face.to(device)}


def with_volume(encode: Callable[[Any], Callable[[Tensor], Tensor]]) -> Callable[..., dict[str, Tensor]]:
    """The source's features, for every picture of the batch."""

    def prepare(network: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        volume = encode(network)(inputs["picture"])
        return inputs | {"volume": volume.expand(len(inputs["driving"]), -1, -1, -1, -1)}

    return prepare


SUBJECTS = {
    "sadtalker": Subject(
        make=lambda: synthetic(FaceGenerator, "generator"),
        cpu=CPU,
        exact=("first", "down_blocks", "second", "resblocks_3d"),
        inputs=partial(points_inputs, 15),
        prepare=with_volume(lambda network: network.encode),
        draw=lambda network, t: network.render(t["volume"], t["source"], t["driving"]).picture,
    ),
    "wav2lip": Subject(
        make=lambda: synthetic(Wav2Lip, "wav2lip"),
        cpu=CPU_KERNELS_LAST,
        exact=(),
        inputs=lip_inputs,
        prepare=lambda network, inputs: inputs,
        draw=lambda network, t: network(t["mel"], t["face"]),
    ),
    "liveportrait": Subject(
        make=Pair,
        cpu=CPU,
        exact=("appearance",),
        inputs=partial(points_inputs, 21),
        prepare=with_volume(lambda network: network.appearance),
        draw=lambda network, t: network.render(t["volume"], t["source"], t["driving"]),
    ),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="pictures of 128 on the CPU, two rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--network", choices=tuple(SUBJECTS), action="append", help="only this one")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {"cpu_peak_gflops": round(matrix_peak(), 1), "gpu": gpu_name()}
    for name in options.network or SUBJECTS:
        results[name] = on_cpu(name, options.quick, results["cpu_peak_gflops"])
        if results["gpu"]:
            results[name] |= on_gpu(name)
    results["loading"] = loading(64 if options.quick else 700)
    if options.json:
        print(json.dumps(results))
        return
    show(results)


def show(results: dict[str, Any]) -> None:
    """The results for people."""
    networks = [name for name in SUBJECTS if name in results]
    peak = results["cpu_peak_gflops"]
    print(f"CPU, one thread; its largest matrix product runs at {peak:.0f} GFLOP/s")
    print(f"{'network':<14}{'side':>5}{'s/picture':>11}{'over plain':>12}{'GMAC':>8}{'GFLOP/s':>9}{'of peak':>9}")
    for name in networks:
        r = results[name]
        print(
            f"{name:<14}{r['side']:>5}{r['cpu_s_per_frame']:>11.3f}{r['speedup_over_plain']:>12.2f}"
            f"{r['gmac_per_frame']:>8.1f}{r['gflops']:>9.1f}{r['share_of_peak']:>9.0%}"
        )
    load = results["loading"]
    print(
        f"loading {load['megabytes']} MB: {load['time_over_reading']:.2f} x the time of reading the file, "
        f"{load['memory_over_size']:.2f} x its size in memory"
    )
    if not results["gpu"]:
        print("There is no GPU that torch can use: run the same command where there is one.")
        return
    print(f"{results['gpu']}, pictures a second in batch")
    for name in networks:
        r, aim = results[name], GPU_TARGETS[name]
        best = max(r["fps_fp16"], r["fps_compiled"] or 0)
        print(f"{name:<14}{best:>8.0f}, aim {aim:.0f}: {'reached' if best >= aim else 'MISSED'}; " + json.dumps(r))
    if "wav2lip" in results:
        live = results["wav2lip"]["live_avatars"]
        print(f"live avatars at {LIVE_FPS} pictures a second: {live:.0f}, aim {LIVE_AIM}")


def gpu_name() -> str:
    """The GPU, or nothing."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def matrix_peak() -> float:
    """Billion operations a second of this CPU's best matrix product on one thread."""
    side = 1024
    a, b = torch.rand(side, side), torch.rand(side, side)
    with torch.inference_mode():
        return 2 * side**3 / least(lambda: a @ b, 5) / 1e9


def least(work: Callable[[], object], rounds: int) -> float:
    """Least CPU time of some rounds, after one that does not count."""
    work()
    return min(cpu_time(work) for _ in range(rounds))


def cpu_time(work: Callable[[], object]) -> float:
    """CPU seconds of one call on this thread."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def multiplications(subject: Subject, network: nn.Module, side: int) -> float:
    """Billion multiplications of one picture without its source."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode():
        inputs = subject.prepare(network, subject.inputs(1, "cpu", side))
        with FlopCounterMode(display=False) as counter:
            subject.draw(network, inputs)
    return counter.get_total_flops() / 2e9


def on_cpu(name: str, quick: bool, peak: float) -> dict[str, Any]:
    """One network on one thread."""
    subject, side = SUBJECTS[name], 128 if quick else 256
    plain, ours = subject.make(), subject.make()
    gmac = multiplications(subject, plain, side)
    subject.cpu.settle(ours, subject.exact)
    with subject.cpu.drawing():
        inputs = subject.inputs(1, "cpu", side)
        once = subject.prepare(ours, inputs)

        def straight() -> None:
            subject.draw(plain, subject.prepare(plain, inputs))

        def tuned() -> None:
            subject.draw(ours, once)

        straight()
        tuned()
        rounds = 9 if name == "wav2lip" else 2 if quick else 3
        pairs = [(cpu_time(straight), cpu_time(tuned)) for _ in range(rounds)]
    seconds = min(fast for _, fast in pairs)
    return {
        "side": 96 if name == "wav2lip" else side,
        "cpu_s_per_frame": round(seconds, 4),
        "speedup_over_plain": round(statistics.median(slow / fast for slow, fast in pairs), 3),
        "gmac_per_frame": round(gmac, 2),
        "gflops": round(2 * gmac / seconds, 1),
        "share_of_peak": round(2 * gmac / seconds / peak, 3),
    }


def on_gpu(name: str) -> dict[str, Any]:
    """One network on the GPU, in batch: 32 bits, 16 bits, and those compiled."""
    subject, batch, results = SUBJECTS[name], GPU_BATCH[name], {}
    torch.cuda.reset_peak_memory_stats()
    pictures: dict[bool, Tensor] = {}
    for half in (False, True):
        machine = Machine("cuda", gpu_name(), half=half, kernels_last=True)
        network: Any = machine.settle(subject.make(), subject.exact)
        with machine.drawing(exact=True):
            once = subject.prepare(network, subject.inputs(batch, "cuda", 256))
        with machine.drawing():
            draw = partial(subject.draw, network, once)
            kind = "fp16" if half else "fp32"
            began = time.perf_counter()
            pictures[half] = draw().float()
            torch.cuda.synchronize()
            results[f"first_call_s_{kind}"] = round(time.perf_counter() - began, 2)
            results[f"fps_{kind}"] = round(batch * calls_per_second(draw), 1)
    results["psnr_fp16_db"] = round(psnr(pictures[True], pictures[False]), 2)
    results |= compiled(subject, network, machine, once, batch)
    results["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    results["batch"] = batch
    if name == "wav2lip":
        results["live_avatars"] = live_avatars(network, machine, 2 * LIVE_AIM)
    return results


def live_avatars(network: Any, machine: Machine, viewers: int, pictures: int = 4 * LIVE_FPS) -> float:
    """How many avatars could speak at once, as many threads as ``viewers`` asking for pictures as live stages do."""
    from visema.mouth.heard import RATE, Heard
    from visema.neural.lips import LipPainter, drawing

    painter = LipPainter(drawing(network, machine), slow=False)
    speech = np.random.default_rng(0).standard_normal(RATE * (1 + pictures // LIVE_FPS)).astype(np.float32) / 10
    crop = np.full((96, 96, 3), 127, np.uint8)

    def speak(viewer: int) -> None:
        for number in range(pictures):
            painter.paint(crop, Heard(speech, RATE, number, float(LIVE_FPS), live=True), viewer)

    speak(0)
    began = time.perf_counter()
    with ThreadPoolExecutor(viewers) as stages:
        list(stages.map(speak, range(viewers)))
    return round(viewers * pictures / (time.perf_counter() - began) / LIVE_FPS, 1)


def compiled(subject: Subject, network: Any, machine: Machine, once: dict[str, Tensor], batch: int) -> dict[str, Any]:
    """The 16-bit one through torch.compile; nothing where it cannot be compiled, and why."""
    draw = torch.compile(partial(subject.draw, network))
    began = time.perf_counter()
    try:
        with machine.drawing():
            draw(once)
            torch.cuda.synchronize()
            first = time.perf_counter() - began
            return {
                "fps_compiled": round(batch * calls_per_second(lambda: draw(once)), 1),
                "first_call_s_compiled": round(first, 1),
            }
    except Exception as error:  # whatever a compiler that is not there raises
        return {"fps_compiled": None, "not_compiled": str(error).splitlines()[0][:200]}


def calls_per_second(draw: Callable[[], object]) -> float:
    """Over some seconds, after three calls that do not count."""
    for _ in range(3):
        draw()
    torch.cuda.synchronize()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < GPU_S:
        draw()
        torch.cuda.synchronize()
        count += 1
    return count / (time.perf_counter() - began)


def psnr(a: Tensor, b: Tensor) -> float:
    """In decibels, of pictures in [0, 1]."""
    return float(-10 * torch.log10((a - b).square().mean()))


class Slab(nn.Module):
    """A network that is nothing but large."""

    def __init__(self, megabytes: int) -> None:
        super().__init__()
        self.rows = nn.ParameterList([nn.Parameter(torch.empty(1 << 18)) for _ in range(megabytes)])


def loading(megabytes: int) -> dict[str, Any]:
    """Reading a checkpoint as a network over reading its file, in turns, and memory that it takes over its size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slab.safetensors"
        from safetensors.torch import save_file

        save_file({f"rows.{i}": torch.full((1 << 18,), float(i)) for i in range(megabytes)}, path)
        size = path.stat().st_size

        def read() -> None:
            with path.open("rb", buffering=0) as file:
                block = bytearray(1 << 22)
                while file.readinto(block):
                    pass

        def load() -> int:
            """Load it and touch every page, as the file is only mapped; bytes in memory with it."""
            network = build(partial(Slab, megabytes), read_checkpoint(path), path, "slab")
            for tensor in network.parameters():
                tensor[::PAGE].sum()
            return resident()

        read()
        before = resident()
        memory = (load() - before) / size
        ratios = []
        for _ in range(3):
            began = time.perf_counter()
            read()
            middle = time.perf_counter()
            load()
            ratios.append((time.perf_counter() - middle) / (middle - began))
    return {
        "megabytes": round(size / 1e6),
        "time_over_reading": round(statistics.median(ratios), 3),
        "memory_over_size": round(memory, 3),
    }


def resident() -> int:
    """Bytes of this process in memory; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    main()
