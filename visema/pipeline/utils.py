"""What the pipeline is set to, and what it finds on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from visema.neural.machine import HALF_VARIABLE
from visema.neural.machine import VARIABLE as DEVICE_VARIABLE
from visema.neural.store import VARIABLE as WEIGHTS_VARIABLE
from visema.paths import ROOT

log = logging.getLogger(__name__)


class Config:
    """Settings that all runners share; assign to them before a run.

    Attributes:
        MODELS_DIR: Where networks' weights may lie, beside the cache that `video.py --download` fetches them to.
        TEMP_DIR: For what lies between two steps.
        OUTPUTS_DIR: Where results go that are named without a folder by `output_path`.
        LIVEPORTRAIT_CKPT: Folder of LivePortrait's weights.
        WAV2LIP_CHECKPOINT: Wav2Lip's weights.
        FFMPEG_ENCODING: Codec, pixel format, profile, level, quality (0-51, lower is better) and frame rate.
        ENCODER_TIMEOUT: Seconds after which an encoder is stopped.
        DEVICE: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        FP16: Half precision on CUDA; CPUs compute with 32 bits in any case.
    """

    MODELS_DIR: ClassVar[Path] = ROOT / "models"
    TEMP_DIR: ClassVar[Path] = ROOT / "temp"
    OUTPUTS_DIR: ClassVar[Path] = ROOT / "outputs"
    LIVEPORTRAIT_CKPT: ClassVar[Path] = MODELS_DIR / "liveportrait" / "checkpoints"
    WAV2LIP_CHECKPOINT: ClassVar[Path] = MODELS_DIR / "wav2lip" / "checkpoint.pth"
    FFMPEG_ENCODING: ClassVar[dict[str, str]] = {
        "vcodec": "libx264",
        "pix_fmt": "yuv420p",
        "profile": "high",
        "level": "4.2",
        "crf": "18",
        "r": "25",
    }
    ENCODER_TIMEOUT: ClassVar[float] = 600.0
    DEVICE: ClassVar[str] = "auto"
    FP16: ClassVar[bool] = True


def output_path(name: str | Path) -> Path:
    """A path in `Config.OUTPUTS_DIR` for a name without a folder, which is made; any other path as it is."""
    path = Path(name).expanduser()
    if path.parent != Path():
        return path
    Config.OUTPUTS_DIR.mkdir(parents=True, exist_ok=True)
    return Config.OUTPUTS_DIR / path


def log_config() -> list[str]:
    """Log what the pipeline is set to and what is missing; also returned, a line for each."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    codec = Config.FFMPEG_ENCODING
    lines = [
        _device(),
        _encoder(),
        _weights("LivePortrait", "liveportrait", Config.LIVEPORTRAIT_CKPT),
        _weights("Wav2Lip", "wav2lip", Config.WAV2LIP_CHECKPOINT),
        f"  {codec['vcodec']}, {codec['profile']} {codec['level']}, CRF {codec['crf']}, {codec['r']} fps",
        f"  outputs: {Config.OUTPUTS_DIR}",
    ]
    for line in lines:
        log.info("%s", line)
    return lines


@contextmanager
def settings_of(device: str, weights: Path | None = None) -> Iterator[None]:
    """Let networks that are opened in the block run on a device, with the weights of a place where it exists."""
    wanted = {DEVICE_VARIABLE: "" if device == "auto" else device, HALF_VARIABLE: "1" if Config.FP16 else "0"}
    if weights is not None and weights.exists() and not os.environ.get(WEIGHTS_VARIABLE):
        wanted[WEIGHTS_VARIABLE] = str(weights)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "✗ torch is not installed: the embedded engines do the work"
    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        return f"✓ GPU: {facts.name} ({facts.total_memory / 2**30:.1f} GB)"
    return "✗ no GPU: networks run on the CPU"


def _encoder() -> str:
    from visema.pipeline.ffmpeg_encode import codecs

    found = codecs(Config.FFMPEG_ENCODING["vcodec"])
    return f"✓ FFmpeg: {', '.join(found)}" if found else "✗ FFmpeg has no H.264 or MPEG-4 encoder"


def _weights(title: str, name: str, place: Path) -> str:
    from visema.neural.releases import release_of
    from visema.neural.store import locate

    with settings_of("auto", place):
        missing = [file.path for file in release_of(name).needed(256) if locate(release_of(name), file) is None]
    if missing:
        return f"✗ {title}: no weights (video.py --download {name}); the embedded engine takes its place"
    return f"✓ {title}: its weights are here"
