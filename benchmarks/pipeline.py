"""A photo and a recording to a film: how long, how much memory, how many blinks, and eight at once over HTTP.

    python benchmarks/pipeline.py [--quick] [--json]

The real server is started (`app.py`, two workers), warmed with short films, and asked over HTTP as anybody would ask:
the seconds run from the first byte sent to the last byte of the mp4. The recording is the embedded voice's, sent
without its words, so it is recognised. Memory is that of a process that makes a film of 60 s from start to end,
decoders included. Eight requests at once: a film counts as lost when it does not come, is of another length than its
sound, shows another photo's corner, or told a progress that fell.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line has it

import av  # noqa: E402
import cv2  # noqa: E402
import httpx  # noqa: E402
import numpy as np  # noqa: E402

from visema.paths import ASSETS  # noqa: E402
from visema.speech.speak import speak  # noqa: E402
from visema.types import Samples  # noqa: E402

TEXT = (
    "Good morning, and thank you for coming today. The weather has been better, but we are glad that you are here. "
    "Please take a seat; the first speaker will begin in a moment. Would you like some coffee before we start? "
)
SIDE = 512
AT_ONCE = 8
TARGETS = {"photo_5s_s": "<= 3.5", "photo_30s_s": "<= 15", "peak_mb_60s": "< 1000", "parallel_8_lost": "== 0"}
TARGETS |= {"blinks_per_min": ">= 10", "longest_without_blink_s": "<= 6"}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--quick", action="store_true", help="once instead of three times; 60 s aligned to their words"
    )
    options.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_argument("--long", metavar="FOLDER", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.long:
        print(json.dumps(long_film(Path(chosen.long), chosen.quick)))
        return
    with tempfile.TemporaryDirectory() as name:
        result = measure(Path(name), 1 if chosen.quick else 3, chosen.quick)
    if chosen.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        target = f"   (target {TARGETS[key]})" if key in TARGETS else ""
        print(f"{key:26}{value:10.2f}{target}")


def measure(folder: Path, rounds: int, quick: bool) -> dict[str, float]:
    """All figures; times are the best of some rounds, since other work only ever adds time."""
    sound, rate = said(60)
    picture = cv2.resize(cv2.imread(str(ASSETS / "presenter.png")), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    photo = bytes(cv2.imencode(".png", picture)[1])
    result: dict[str, float] = {}
    with server(folder) as ask:
        film(ask, photo, wav(sound[: 2 * rate], rate))  # each worker loads what it needs
        film(ask, photo, wav(sound[: 2 * rate], rate))
        for seconds in (5, 30):
            times = [film(ask, photo, wav(sound[: seconds * rate], rate))[1] for _ in range(rounds)]
            result[f"photo_{seconds}s_s"] = min(times)
        result |= eight(ask, picture, sound, rate)
    (folder / "photo.png").write_bytes(photo)
    (folder / "sound.wav").write_bytes(wav(sound[: 60 * rate], rate))
    command = [sys.executable, __file__, "--long", str(folder), *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **env(folder)})
    return result | json.loads(done.stdout.splitlines()[-1])


def said(seconds: float) -> tuple[Samples, int]:
    """At least so much speech."""
    speech = speak(TEXT * 8, "espeak:en-us", offline=True, cache=False)
    assert speech.duration >= seconds
    return speech.samples, speech.rate


def wav(samples: Samples, rate: int) -> bytes:
    """A wav file."""
    out = io.BytesIO()
    with av.open(out, "w", format="wav") as box:
        stream = box.add_stream("pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = rate
        box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    return out.getvalue()


def env(folder: Path) -> dict[str, str]:
    """Settings of a server and a cache of its own."""
    return {
        "VISEMA_OUTPUTS": str(folder / "outputs"),
        "VISEMA_CACHE": str(folder / "cache"),
        "VISEMA_OFFLINE": "1",
        "VISEMA_WORKERS": "2",
    }


@contextmanager
def server(folder: Path) -> Iterator[httpx.Client]:
    """A running server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--headless", "--port", str(port)],
            cwd=ROOT, env={**os.environ, **env(folder)}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as ask:
                deadline = time.monotonic() + 180
                while not _answers(ask):
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit((folder / "server.log").read_text())
                    time.sleep(0.2)
                yield ask
        finally:
            process.terminate()
            process.wait(timeout=60)


def _answers(ask: httpx.Client) -> bool:
    try:
        return ask.get("/health").is_success
    except httpx.TransportError:
        return False


def film(ask: httpx.Client, photo: bytes, sound: bytes) -> tuple[bytes, float, list[float]]:
    """A film over HTTP, the seconds it took, and the percents that it told."""
    began = time.perf_counter()
    form: dict[str, Any] = {"image": ("face.png", photo), "audio": ("speech.wav", sound)}
    session = ask.post("/generate", files=form).raise_for_status().json()["session_id"]
    percents: list[float] = []
    while True:
        status = ask.get(f"/status/{session}").raise_for_status().json()
        percents.append(status["percent"])
        if status["status"] != "processing":
            break
        time.sleep(0.03)
    if status["status"] != "completed":
        raise RuntimeError(str(status))
    content = ask.get(f"/download/{session}").raise_for_status().content
    return content, time.perf_counter() - began, percents


def eight(ask: httpx.Client, picture: np.ndarray[Any, Any], sound: Samples, rate: int) -> dict[str, float]:
    """Eight clients at once, each with a photo and a length of its own."""

    def one(number: int) -> float:
        photo, shade = picture.copy(), (20 + 28 * number, 128, 230 - 28 * number)
        photo[:32, :32] = shade
        seconds = 1.5 + 0.2 * number
        try:
            content, spent, percents = film(
                ask, bytes(cv2.imencode(".png", photo)[1]), wav(sound[: round(seconds * rate)], rate)
            )
            with av.open(io.BytesIO(content)) as box:
                frames = box.streams.video[0].frames
                corner = next(iter(box.decode(video=0))).to_ndarray(format="bgr24")[8:20, 8:20].reshape(-1, 3).mean(0)
        except (httpx.HTTPError, RuntimeError, OSError, av.FFmpegError):
            return -1.0
        right = abs(frames - seconds * 25) <= 1 and np.abs(corner - shade).max() < 20 and percents == sorted(percents)
        return spent if right else -1.0

    with ThreadPoolExecutor(AT_ONCE) as pool:
        times = list(pool.map(one, range(AT_ONCE)))
    return {"parallel_8_lost": float(sum(t < 0 for t in times)), "parallel_8_s": max(times)}


def long_film(folder: Path, aligned: bool) -> dict[str, float]:
    """60 s in this process: its memory, and how often the eyes blink."""
    import resource

    from visema.portrait.prosody import measure_prosody
    from visema.portrait.speaking import seed_of, speaking_motion
    from visema.stage.film import FilmOptions, make_film

    options = FilmOptions(transcript=TEXT * 8 if aligned else "")
    report = make_film(folder / "photo.png", folder / "long.mp4", audio=folder / "sound.wav", options=options)
    speech = report.speech
    prosody = measure_prosody(speech.samples, speech.rate)
    motion = speaking_motion(prosody, report.frames, report.fps, options.style, seed_of(speech.samples))
    starts = [0.0, *(b.start for b in motion.blinks), report.duration]
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "peak_mb_60s": (own + children) / 1024,
        "photo_60s_s": report.seconds,
        "blinks_per_min": 60 * report.blinks / report.duration,
        "longest_without_blink_s": float(np.diff(starts).max()),
    }


if __name__ == "__main__":
    main()
