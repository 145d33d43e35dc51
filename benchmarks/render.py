"""How fast films are made and mouths are drawn.

    python benchmarks/render.py [--quick] [--json]

Times depend on the machine, so the keys to compare are ratios: real time, and total time over what the slower of
encoding and drawing would take alone, of the same frames, with the same settings, in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line has it

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from visema.avatar import Avatar  # noqa: E402
from visema.media.encode import Mp4Writer  # noqa: E402
from visema.media.image import read_image  # noqa: E402
from visema.paths import ASSETS  # noqa: E402
from visema.setup import prepare_avatar  # noqa: E402
from visema.speech.speak import speak  # noqa: E402
from visema.speech.types import Speech, SpeechSettings  # noqa: E402
from visema.stage.compositor import Compositor  # noqa: E402
from visema.stage.performer import Performer  # noqa: E402
from visema.stage.render import frame_count, pose_at, render_file, speaking_frames, with_tail  # noqa: E402
from visema.visemes.plan import Plan, plan  # noqa: E402

VOICE = "espeak:en-us"
TWELVE_WORDS = "The quick brown fox jumps over the lazy dog by the river."
TEXT = (
    "Hello, this is your avatar speaking. I was prepared from a single picture, and everything you hear and see is "
    "made on this machine. The lips close on every bee, pea and em; they round for you, and open wide for father. "
)
TARGETS = {
    "realtime_512": (">=", 12.0),
    "realtime_720p": (">=", 5.0),
    "over_floor_512": ("<=", 1.3),
    "over_floor_720p": ("<=", 1.3),
    "draw_ms_512": ("<=", 1.7),
    "draw_ms_720p": ("<=", 2.2),
    "peak_mb_720p": ("<=", 700.0),
    "first_frame_ms": ("<=", 60.0),
    "setup_over_landmarks": ("<=", 1.5),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter films, fewer repetitions; under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--peak-of", nargs=2, metavar=("AVATAR", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        print(peak_mb(*map(Path, options.peak_of)))
        return
    results = measure(quick=options.quick)
    if options.json:
        print(json.dumps(results))
        return
    for key, value in results.items():
        relation, bound = TARGETS[key]
        good = value >= bound if relation == ">=" else value <= bound
        print(f"{key:<22}{value:9.2f}   target {relation} {bound:g}   {'ok' if good else 'MISSED'}")


def measure(*, quick: bool) -> dict[str, float]:
    """All keys of `TARGETS`."""
    repeat = 2 if quick else 4
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="visema-bench-") as name:
        folder = Path(name)
        os.environ["VISEMA_CACHE"] = str(folder / "cache")
        small = prepare_avatar(square_picture(folder / "square.png"))
        large = prepare_avatar(wide_picture(folder / "wide.png"))
        speech = speech_of(8 if quick else 20)
        for key, avatar in (("512", small), ("720p", large)):
            planned = plan(speech, avatar.fps)
            total, floor = film_and_floor(avatar, speech, planned, folder / "film.mp4", repeat)
            results[f"realtime_{key}"] = speech.duration / total
            results[f"over_floor_{key}"] = total / floor
            results[f"draw_ms_{key}"] = draw_ms(avatar, planned)
        results["peak_mb_720p"] = peak_in_child(large, folder / "film.mp4")
        results["first_frame_ms"] = first_frame_ms(small, 3 if quick else 9)
    results["setup_over_landmarks"] = setup_over_landmarks(quick)
    return {key: round(results[key], 3) for key in TARGETS}


def setup_over_landmarks(quick: bool) -> float:
    """As `benchmarks/setup.py` measures it, in a process of its own."""
    command = [sys.executable, str(ROOT / "benchmarks" / "setup.py"), "--json", *(["--quick"] if quick else [])]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(json.loads(output.splitlines()[-1])["setup_over_landmarks"])


def square_picture(path: Path) -> Path:
    """The presenter at 512 x 512."""
    face = read_image(ASSETS / "presenter.png")
    cv2.imwrite(str(path), cv2.resize(face, (512, 512), interpolation=cv2.INTER_AREA))
    return path


def wide_picture(path: Path) -> Path:
    """The presenter in a picture of 1280 x 720, over a blurred copy of herself."""
    face = read_image(ASSETS / "presenter.png")
    background = cv2.GaussianBlur(cv2.resize(face, (1280, 1280))[280:1000], (0, 0), 30)
    background[:, 280:1000] = cv2.resize(face, (720, 720), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), background)
    return path


def speech_of(seconds: float) -> Speech:
    """Exactly so long a speech."""
    speech = speak(TEXT, VOICE, offline=True, cache=False)
    if speech.duration < seconds:
        speech = speak(TEXT * round(1 + seconds / speech.duration), VOICE, offline=True, cache=False)
    n = round(seconds * speech.rate)
    phones = tuple(p for p in speech.phones if p.end <= seconds)
    return Speech(speech.samples[:n], speech.rate, (), phones, speech.alphabet, voice=speech.voice)


def film_and_floor(avatar: Avatar, speech: Speech, planned: Plan, out: Path, repeat: int) -> tuple[float, float]:
    """Seconds for the film, and for the slower of its encoding and its drawing alone; the best of ``repeat``."""
    total = frame_count(speech.duration, avatar.fps)
    frames = [frame.copy() for frame in speaking_frames(avatar, planned.curve, avatar.fps, total)]

    def encode() -> None:
        with Mp4Writer(out, avatar.size, avatar.fps, speech.rate) as writer:
            for number, frame in enumerate(frames):
                a, b = (round((number + k) / avatar.fps * speech.rate) for k in (0, 1))
                writer.write_audio(speech.samples[a:b])
                writer.write(frame)

    def draw() -> None:
        for _ in speaking_frames(avatar, planned.curve, avatar.fps, total):
            pass

    def film() -> None:
        render_file(avatar, speech, planned, out)

    best = dict.fromkeys((encode, draw, film), float("inf"))
    for _ in range(repeat):
        for job in best:
            best[job] = min(best[job], seconds_of(job))
    return best[film], max(best[encode], best[draw])


def seconds_of(job: Callable[[], None]) -> float:
    """Wall time of a call."""
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def draw_ms(avatar: Avatar, planned: Plan) -> float:
    """CPU milliseconds to put a mouth on a frame: the engine's drawing and the conversion of its region."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # so that this thread's time is all of it
    compositor = Compositor(avatar)
    times = []
    with avatar.open_loop() as loop:
        # What the engine learns of each base frame, once (30 ms in all), is no part of drawing.
        for number in [*range(len(planned.curve))] * 2:
            index, frame = loop.index, next(loop)
            pose = pose_at(planned.curve, number, avatar.fps)
            began = time.thread_time()
            compositor.compose(frame, index, pose)
            times.append(time.thread_time() - began)
    cv2.setNumThreads(threads)
    return 1000 * statistics.mean(times[len(planned.curve) :])


def peak_in_child(avatar: Avatar, out: Path) -> float:
    """Megabytes that a process takes that does nothing but render a film."""
    command = [sys.executable, str(Path(__file__).resolve()), "--peak-of", str(avatar.folder), str(out)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def peak_mb(folder: Path, out: Path) -> float:
    """Render 10 s and give this process's peak memory in megabytes."""
    avatar = Avatar.load(folder)
    speech = with_tail(speak(TEXT, VOICE, offline=True, cache=False))
    render_file(avatar, speech, plan(speech, avatar.fps), out)
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` would count what the parent held when it started this process
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def first_frame_ms(avatar: Avatar, repeat: int) -> float:
    """Milliseconds from text to the first picture of it, on a stage that is warm."""

    def fresh(text: str, voice: str, settings: SpeechSettings) -> Speech:
        return speak(text, voice, settings, offline=True, cache=False)

    times = []
    with Performer(avatar, speaker=fresh) as performer:
        for number in range(repeat + 1):
            frame = performer.current_frame()
            began = time.perf_counter()
            utterance = performer.say(TWELVE_WORDS, VOICE)
            while frame is None or frame.utterance != utterance:
                frame = performer.wait_frame(frame.number if frame else 0)
            if number:  # the first one warms up
                times.append(time.perf_counter() - began)
            performer.stop()
            while performer.state != "listening":
                time.sleep(0.01)
            time.sleep(0.4)  # the mouth closes
    return 1000 * float(np.median(times))


if __name__ == "__main__":
    main()
