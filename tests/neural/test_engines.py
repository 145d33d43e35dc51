"""Each engine from the command line to a film, with weights by formula; and with weights that are no good."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.neural.conftest import NEEDS_TORCH

pytest.importorskip("torch", reason=NEEDS_TORCH)

import av
import torch

from tests.conftest import ROOT
from visema.mouth.library import read_library
from visema.mouth.viseme_words import say_viseme
from visema.visemes.classes import VISEMES

# Smaller pictures and fewer of them than the releases are for: what is tested is the way, not the weights.
SMALL = """
import sys
import visema.neural.sadtalker_studio, visema.portrait.liveportrait
visema.neural.sadtalker_studio.SIDES[256] = 128
visema.portrait.liveportrait.SLOW_SECONDS = 0.16
from visema.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str, cache: Path, weights: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "VISEMA_CACHE": str(cache),
        "VISEMA_DEVICE": "cpu",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": str(os.cpu_count()),
    }
    speech = ("--offline", "--voice", "espeak:en-us", "--text", "Hello.", "--weights", str(weights))
    return subprocess.run(
        [sys.executable, "-c", SMALL, *arguments, *speech, "--video", "presenter.png"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def manifest(cache: Path) -> tuple[Path, dict[str, object]]:
    path = next(cache.glob("*/avatar.json"))
    return path.parent, json.loads(path.read_text())


@pytest.mark.parametrize("engine", [pytest.param("sadtalker", marks=pytest.mark.slow), "wav2lip", "liveportrait"])
def test_from_a_photo_to_a_film(engine: str, home: Path, weights: Path) -> None:
    cache, film = home / "cache", home / "film.mp4"
    done = run("--engine", engine, "--setup", cache=cache, weights=weights, folder=home)
    assert done.returncode == 0, done.stderr
    folder, facts = manifest(cache)
    assert facts["engine"] == engine
    library = read_library(folder / "visemes")
    assert set(library.pictures) == set(VISEMES) and library.blink is not None
    if engine != "wav2lip":
        assert "which takes about" in done.stderr  # before it began
    done = run("--engine", engine, "--save", str(film), cache=cache, weights=weights, folder=home)
    assert done.returncode == 0, done.stderr
    assert "takes about" not in done.stderr  # the avatar was ready
    with av.open(str(film)) as box:
        assert sum(1 for _ in box.decode(video=0)) > 10


def truncated(path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(5000)}}, path)
    path.write_bytes(path.read_bytes()[:9000])


class Bomb:
    def __reduce__(self) -> object:
        return (os.system, ("touch exploded",))


def hostile(path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": Bomb()}))


def another(path: Path) -> None:
    torch.save({"state_dict": {"module.layer.weight": torch.zeros(3, 3)}}, path)


@pytest.mark.parametrize("spoil", [truncated, hostile, another])
def test_bad_weights_are_one_error_and_the_embedded_engine_goes_on(spoil, home: Path) -> None:
    cache, film, bad = home / "cache", home / "film.mp4", home / "wav2lip.pth"
    spoil(bad)
    done = run("--engine", "wav2lip", "--save", str(film), cache=cache, weights=bad, folder=home)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be used:") == 1 and "wav2lip.pth" in done.stderr
    assert "the embedded one draws the mouth" in done.stderr
    assert "Traceback" not in done.stderr
    assert film.is_file() and not list(home.rglob("exploded"))
    assert not [path for path in cache.glob("*/avatar.json") if json.loads(path.read_text())["engine"] == "wav2lip"]
    # What was no good is not remembered: a whole one may take its place.
    assert json.loads((cache / "weights" / "checksums.json").read_text()) == {}


def test_missing_weights_end_it_with_the_way_to_them(home: Path) -> None:
    (home / "empty").mkdir()
    done = run("--engine", "sadtalker", "--setup", cache=home / "cache", weights=home / "empty", folder=home)
    assert done.returncode == 2
    assert "mapping_00109-model.pth.tar" in done.stderr and "video.py --download sadtalker" in done.stderr


@pytest.mark.parametrize("viseme", VISEMES)
def test_every_viseme_is_said_in_little_time(viseme: str) -> None:
    said = say_viseme(viseme)
    assert 0 < said.time < len(said.samples) / 16_000 < 1.6
