"""The examples, the documentation and the commands, against a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import av
import cv2
import httpx
import numpy as np
import pytest

from tests.client.conftest import KEY, Platform
from visema.client import Conflict, Invalid, NotFound, Unauthorised, Visema
from visema.paths import ASSETS, ROOT

NODE = shutil.which("node")
posix = pytest.mark.skipif(os.name != "posix", reason="written for a POSIX shell")


@pytest.fixture(scope="module")
def folder(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples of the documentation find: a face, a recording, a table, and the command ``visema``."""
    made = tmp_path_factory.mktemp("client")
    shutil.copy(ASSETS / "presenter.png", made / "face.jpg")
    cv2.imwrite(str(made / "not_a_face.png"), np.full((300, 300, 3), 128, np.uint8))
    with Visema(platform.address, KEY) as api:
        (made / "speech.wav").write_bytes(api.tts("A short recording.", voice="espeak:en-us").audio)
    (made / "films.csv").write_text("text,voice,rate\nGood morning.,espeak:en-us,1.1\nGood night.,espeak:en-us,\n")
    command = made / "bin" / "visema"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m visema "$@"\n')
    command.chmod(0o755)
    return made


def run(*command: str, platform: Platform, folder: Path, code: int = 0) -> str:
    env = {**platform.env, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("number", range(1, 8))
def test_example(platform: Platform, tmp_path: Path, folder: Path, number: int) -> None:
    command = (sys.executable, str(ROOT / "examples.py"), str(number), "--folder", str(tmp_path))
    said = run(*command, platform=platform, folder=folder)
    made = {path.name for path in tmp_path.iterdir()}
    expected = {
        1: {"simple.mp4"},
        2: {"trained.mp4"},
        3: {"sample.wav", "cloned.wav"},
        4: set(),
        5: {"batch-1.mp4", "batch-2.mp4", "batch-3.mp4"},
        6: {"custom.mp4", "custom.srt"},
        7: set(),
    }[number]
    assert made == expected, said
    for name in made:
        if name.endswith(".mp4"):
            assert seconds(tmp_path / name) > 0.5
    told = {2: "sharpness", 3: "match", 4: "English voices", 6: "Slowly, and a little lower.", 7: "not_found"}
    assert told.get(number, f"{number}.") in said


def seconds(path: Path) -> float:
    """Length of a film, which is decoded."""
    with av.open(str(path)) as film:
        pictures = sum(1 for _ in film.decode(video=0))
        assert film.streams.audio and film.duration
        return min(pictures / float(film.streams.video[0].average_rate or 1), film.duration / 1e6)


def blocks(kind: str) -> list[str]:
    found = re.findall(rf"```{kind}\n(.*?)```", (ROOT / "docs/client.md").read_text("utf-8"), re.DOTALL)
    assert found
    return found


@posix
@pytest.mark.parametrize("kind", ["sh", "python", "js"])
def test_the_documentation_runs(platform: Platform, folder: Path, kind: str) -> None:
    if kind == "js" and NODE is None:
        pytest.skip("node is not here")
    commands = {"sh": ("bash", "-euo", "pipefail", "-c"), "python": (sys.executable, "-c"),
                "js": (str(NODE), "--input-type=module", "-e")}  # fmt: skip
    said = ""
    for code in blocks(kind):
        here = code.replace("http://127.0.0.1:8000", platform.address).replace("your-key", KEY)
        said += run(*commands[kind], here, platform=platform, folder=folder)
    films = {
        "sh": ["hello.mp4", "me.mp4", "films/001.mp4", "films/002.mp4", "curl.mp4"],
        "python": ["python.mp4", "async-0.mp4", "async-1.mp4", "async-2.mp4"],
        "js": ["javascript.mp4"],
    }
    for name in films[kind]:
        assert seconds(folder / name) > 0.3, name
    if kind == "sh":
        assert "Hello from curl." in (folder / "curl.srt").read_text("utf-8")
        times = json.loads((folder / "morning.json").read_text())
        assert [word["text"] for word in times["words"]] == ["Good", "morning."] and len(times["visemes"]) > 5
        with wave.open(str(folder / "morning.wav")) as sound:
            assert sound.getnframes() / sound.getframerate() > 0.4
        assert "event: done" in said and '"video_seconds"' in said
    if kind == "python":
        assert not (folder / "never.mp4").exists()


def test_commands_for_faces_and_voices(platform: Platform, folder: Path) -> None:
    def visema(*words: str) -> str:
        return run(sys.executable, "-m", "visema", *words, platform=platform, folder=folder)

    said = visema("avatars", "train", "face.jpg", "--name", "Ada", "--consent", "My face may speak.")
    found = re.search(r"^avatar: (\S+)$", said, re.MULTILINE)
    assert found and re.search(r"^  sharpness +\d+%", said, re.MULTILINE), said
    assert found[1] in visema("avatars") and "My face may speak." in visema("avatars", "show", found[1])
    said = visema("generate", "--avatar", found[1], "--text", "Mine.", "--voice", "espeak:en-us", "-o", "mine.mp4")
    assert "saved: mine.mp4" in said and seconds(folder / "mine.mp4") > 0.3
    assert re.search(r"consent \(face\) +My face may speak.", visema("provenance", "mine.mp4"))
    visema("avatars", "delete", found[1])
    assert found[1] not in visema("avatars")
    words = "This is how I speak, all day long, to everybody who listens."
    visema("tts", words, "--voice", "espeak:de+f3", "--output", "me.wav")
    visema("clone", "me.wav", "--name", "ada", "--consent", "I agree that my voice may be imitated.")
    assert "voice:ada" in visema("voices")


def test_commands_say_what_is_wrong(platform: Platform, folder: Path) -> None:
    python = (sys.executable, "-m", "visema")
    said = run(*python, "generate", "--text", "Hi.", "--key", "wrong" * 9, platform=platform, folder=folder, code=2)
    assert said.startswith("visema: ") and "key" in said and "Traceback" not in said
    said = run(*python, "status", "0123456789abcdef", platform=platform, folder=folder, code=2)
    assert "no such job" in said
    (folder / "bad.csv").write_text("text,colour\nHi.,red\n")
    said = run(*python, "batch", "bad.csv", platform=platform, folder=folder, code=2)
    assert "colour" in said
    said = run(*python, "jobs", "--json", "--limit", "1", platform=platform, folder=folder)
    assert len(json.loads(said)) == 1


def test_same_idempotency_key_makes_one_job(platform: Platform) -> None:
    with Visema(platform.address, KEY) as api:
        first = api.generate(text="Once.", voice="espeak:en-us", once="order-77")
        assert api.generate(text="Once.", voice="espeak:en-us", once="order-77").id == first.id
        with pytest.raises(Conflict):
            api.generate(text="Twice.", voice="espeak:en-us", once="order-77")
        assert api.wait(first).check().duration
        link = str(api.link(first.id)["url"])
        assert httpx.get(link).content[4:8] == b"ftyp"  # without a key
        assert api.usage()["video_seconds"] > 0 and not api.webhooks().items and not api.jobs(dead=True).items
        with pytest.raises(Conflict):
            api.retry(first.id)
        api.delete_job(first.id)
        with pytest.raises(NotFound):
            api.status("0123456789abcdef01234567")
    with Visema(platform.address, "wrong" * 9) as stranger, pytest.raises(Unauthorised):
        stranger.jobs()


def test_speech_comes_sentence_by_sentence(platform: Platform) -> None:
    with Visema(platform.address, KEY) as api:
        spoken = list(api.tts_stream("This is the first. And this is the second one.", voice="espeak:en-us"))
        assert len(spoken) == 2 and all(speech.audio[:4] == b"RIFF" and speech.visemes for speech in spoken)
        with pytest.raises(Invalid):
            list(api.tts_stream("Hello.", voice="nobody"))


def test_a_batch_is_given_up(platform: Platform) -> None:
    with Visema(platform.address, KEY) as api:
        batch = api.batch([{"text": f"Number {n}.", "voice": "espeak:en-us"} for n in range(4)])
        api.delete_batch(batch.id)
        report = api.wait_batch(batch, timeout=120)
        assert report.counts.get("queued", 0) == 0 and report.over
