"""Weights and inputs by formula: every array follows from a name, a shape and a seed.

Reference vectors come without weights and pictures; both sides rebuild them with numpy's legacy generator, which is
frozen across releases. One generator per tensor, seeded by a checksum of its name, so the order does not matter.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Power iterations behind the stored vectors of a spectrally normalised layer.
SPECTRAL_STEPS = 20
#: The key-point detector's blur shrinks a picture to this scale.
BLUR_SCALE = 0.25
SPEECH_RATE = 16_000


class FormulaError(ValueError):
    """A rule or an input kind that the format does not know."""


def _generator(name: str, seed: int) -> np.random.RandomState:
    return np.random.RandomState((zlib.crc32(name.encode("utf-8")) ^ seed) & 0xFFFFFFFF)


def gaussian_kernel(channels: int, scale: float = BLUR_SCALE) -> NDArray[np.float32]:
    """Anti-alias kernel for shrinking to ``scale``, (channels, 1, k, k), each summing to 1; k is 13 for 1/4."""
    sigma = (1.0 / scale - 1.0) / 2.0
    size = 2 * round(sigma * 4) + 1
    offset = np.arange(size) - (size - 1) / 2.0
    bell = np.exp(-(offset**2) / (2.0 * sigma**2))
    kernel = np.outer(bell, bell)
    return np.repeat((kernel / kernel.sum())[None, None], channels, axis=0).astype(np.float32)


def _spectral(network: str, stem: str, shape: tuple[int, ...], seed: int) -> dict[str, Array]:
    """Kernel and singular vectors of one spectrally normalised layer, by the three rules that describe it."""
    normal = _generator(f"{network}/{stem}weight_orig", seed).standard_normal(shape)
    kernel = (normal / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    matrix = kernel.astype(np.float64).reshape(shape[0], -1)
    u = _generator(f"{network}/{stem}weight_u", seed).standard_normal((shape[0],))
    u /= np.linalg.norm(u)
    v = u
    for _ in range(SPECTRAL_STEPS):
        v = matrix.T @ u
        v /= np.linalg.norm(v)
        u = matrix @ v
        u /= np.linalg.norm(u)
    return {"sn_orig": kernel, "sn_u": u, "sn_v": v}


def _weight(rule: str, draw: np.random.RandomState, shape: tuple[int, ...], gain: float, shift: float) -> Array:
    """One tensor that depends on nothing but its own entry."""
    if rule == "weight":
        return draw.standard_normal(shape) * float(gain / np.sqrt(np.prod(shape[1:])))
    if rule == "weight_t":
        return draw.standard_normal(shape) * float(gain / np.sqrt(shape[0] * np.prod(shape[2:])))
    if rule == "param":
        return draw.standard_normal(shape) * gain + shift
    if rule == "norm_weight":
        return 1.0 + 0.1 * draw.standard_normal(shape)
    if rule in ("norm_bias", "running_mean"):
        return 0.1 * draw.standard_normal(shape)
    if rule == "running_var":
        return 0.8 + 0.4 * draw.random_sample(shape)
    if rule == "gauss":
        return gaussian_kernel(shape[0])
    raise FormulaError(f"unknown weight rule {rule!r}")


def make_state(network: str, tensors: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Array]:
    """All tensors of one network.

    Args:
        network: its id, part of every tensor's seed.
        tensors: entries with ``key``, ``shape``, ``rule`` and where needed ``gain`` and ``shift``.
        seed: the case's seed.

    Returns:
        float32 arrays (int64 for counters) by key, in the given order.
    """
    shapes = {entry["key"]: tuple(entry["shape"]) for entry in tensors}
    spectral: dict[str, dict[str, Array]] = {}
    state: dict[str, Array] = {}
    for entry in tensors:
        key, rule, shape = entry["key"], entry["rule"], shapes[entry["key"]]
        if rule == "count":
            state[key] = np.zeros(shape, np.int64)
            continue
        if rule.startswith("sn_"):
            stem = key[: key.rindex("weight_")]
            if stem not in spectral:
                spectral[stem] = _spectral(network, stem, shapes[f"{stem}weight_orig"], seed)
            if rule not in spectral[stem]:
                raise FormulaError(f"unknown weight rule {rule!r}")
            value = spectral[stem][rule]
        else:
            draw = _generator(f"{network}/{key}", seed)
            value = _weight(rule, draw, shape, entry.get("gain", 1.0), entry.get("shift", 0.0))
        state[key] = np.asarray(value, dtype=np.float32)
    return state


def _blocky(lead: tuple[int, ...], rows: int, columns: int, draw: np.random.RandomState) -> Array:
    low = draw.standard_normal((*lead, rows, columns))
    return np.repeat(np.repeat(low, 16, axis=-2), 16, axis=-1)


def _image(draw: np.random.RandomState, spec: Mapping[str, Any]) -> Array:
    shape = tuple(spec["shape"])
    blocks = _blocky(shape[:-2], shape[-2] // 16, shape[-1] // 16, draw)
    return np.clip(0.5 + 0.2 * blocks + 0.05 * draw.standard_normal(shape), 0.0, 1.0).astype(np.float32)


def _image_u8(draw: np.random.RandomState, spec: Mapping[str, Any]) -> Array:
    height, width = spec["shape"][:2]
    low = draw.standard_normal((height // 16 + 1, width // 16 + 1, 3))
    blocks = np.repeat(np.repeat(low, 16, axis=0), 16, axis=1)[:height, :width]
    picture = np.clip(0.5 + 0.2 * blocks + 0.05 * draw.standard_normal((height, width, 3)), 0.0, 1.0)
    levels: Array = np.floor(picture * 255.0 + 0.5).astype(np.uint8)
    return levels


def _wave(draw: np.random.RandomState, spec: Mapping[str, Any]) -> Array:
    """Six tones, swelling three times a second, faint noise and 0.1 s of digital silence in the middle."""
    count = spec["shape"][0]
    t = np.arange(count) / SPEECH_RATE
    hertz = 80.0 + 3000.0 * draw.random_sample(6)
    phase = 2 * np.pi * draw.random_sample(6)
    level = draw.random_sample(6)
    tones = np.zeros(count)
    for i in range(6):
        tones = tones + level[i] * np.sin(2 * np.pi * hertz[i] * t + phase[i])
    wave = tones / 6.0 * (0.55 + 0.45 * np.sin(2 * np.pi * 3.0 * t)) + 0.01 * draw.standard_normal(count)
    wave[count // 2 : count // 2 + 1600] = 0.0
    sound: Array = wave.astype(np.float32)
    return sound


def _points(draw: np.random.RandomState, spec: Mapping[str, Any]) -> Array:
    base = np.asarray(spec["base"], np.float64)
    points = base * spec.get("scale", 1.0) + spec.get("shift", 0.0) + spec["jitter"] * draw.standard_normal(base.shape)
    placed: Array = points.astype(spec.get("dtype", "float64"))
    return placed


def _normal(draw: np.random.RandomState, spec: Mapping[str, Any]) -> Array:
    values = draw.standard_normal(tuple(spec["shape"])) * spec.get("scale", 1.0) + spec.get("shift", 0.0)
    return np.asarray(values, dtype=np.float32)


def _uniform(draw: np.random.RandomState, spec: Mapping[str, Any]) -> Array:
    values = spec["lo"] + (spec["hi"] - spec["lo"]) * draw.random_sample(tuple(spec["shape"]))
    return np.asarray(values, dtype=np.float32)


def _const(_: np.random.RandomState, spec: Mapping[str, Any]) -> Array:
    return np.full(tuple(spec["shape"]), spec["value"], dtype=np.float32)


def _values(_: np.random.RandomState, spec: Mapping[str, Any]) -> Array:
    return np.asarray(spec["values"]).astype(spec.get("dtype", "float32"))


_INPUTS: dict[str, Callable[[np.random.RandomState, Mapping[str, Any]], Array]] = {
    "normal": _normal,
    "uniform": _uniform,
    "image": _image,
    "image_u8": _image_u8,
    "points": _points,
    "wave": _wave,
    "const": _const,
    "values": _values,
}


def make_input(case: str, name: str, spec: Mapping[str, Any], seed: int) -> Array:
    """One input of a case, float32 unless its kind says otherwise."""
    if spec["kind"] not in _INPUTS:
        raise FormulaError(f"unknown input kind {spec['kind']!r}")
    return _INPUTS[spec["kind"]](_generator(f"in/{case}/{name}", seed), spec)
