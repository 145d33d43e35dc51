"""How long setup takes.

    python benchmarks/setup.py [--quick] [--json]

The key to compare is a ratio: setup of a 10 s clip of 1280 x 720 over landmark detection alone, which is what any
program has to do to get the landmarks of that clip: read its frames, convert them to RGB and run the landmarker on
each, in the same process. The two take turns, so that other work on the machine meets both; the ratio is the median of
the pairs. `detector_s` is the landmarker's part of it. Models are loaded and a decoder waits before anything is timed,
as with a running page; `first_photo_s` has both to do, in its own process; `first_photo_to_speech_s` goes on to the
first frame of its first words.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line has it

import av  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402

from visema.face.landmarks import MediaPipeLandmarker  # noqa: E402
from visema.media.encode import Mp4Writer  # noqa: E402
from visema.media.guard import keep_spare  # noqa: E402
from visema.media.video import VideoReader  # noqa: E402
from visema.paths import ASSETS  # noqa: E402
from visema.setup import prepare_avatar  # noqa: E402
from visema.types import I420  # noqa: E402

FRAMES = 250
SIZE = (1280, 720)
TARGETS = {"setup_over_landmarks": 1.5, "photo_s": 1.0, "photo_1024_s": 1.0, "photo_12mp_s": 1.0}
TARGETS |= {"first_photo_to_speech_s": 2.0, "first_photo_12mp_to_speech_s": 2.0}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="once instead of three times")
    options.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VISEMA_CACHE"] = str(Path(folder) / "cache")
        result = measure(Path(folder), FRAMES, 1 if chosen.quick else 3)
    if chosen.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        target = f"   (target <= {TARGETS[key]})" if key in TARGETS else ""
        print(f"{key:28}{value:10.3f}{target}")


def measure(folder: Path, frames: int, rounds: int) -> dict[str, float]:
    """All figures; wall and CPU times are the best of some rounds, since other work only ever adds time."""
    clip = make_clip(folder / "clip.mp4", frames)
    portrait = ASSETS / "presenter.png"
    small, phone = folder / "small.png", folder / "phone.jpg"
    picture = cv2.imread(str(portrait))
    cv2.imwrite(str(small), cv2.resize(picture, (512, 512), interpolation=cv2.INTER_AREA))
    cv2.imwrite(str(phone), as_phones_take(picture))
    keep_spare()  # as the page does
    prepare_avatar(clip, force=True)
    prepare_avatar(small, force=True)
    pairs = [(timed(lambda: detect(clip)), timed(lambda: setup(clip))) for _ in range(rounds)]
    detector = min(detect(clip) for _ in range(rounds))
    photos = {name: best(rounds, path) for name, path in (("", small), ("_1024", portrait), ("_12mp", phone))}
    began = time.perf_counter()
    prepare_avatar(clip)
    again = time.perf_counter() - began
    first, speech = np.min([cold(small) for _ in range(rounds)], axis=0)
    first_phone, speech_phone = np.min([cold(phone) for _ in range(rounds)], axis=0)
    walls, cpus = (np.array([[a[i], b[i]] for a, b in pairs]) for i in (0, 1))
    return {
        "setup_over_landmarks": float(np.median(walls[:, 1] / walls[:, 0])),
        "setup_cpu_over_landmarks_cpu": float(np.median(cpus[:, 1] / cpus[:, 0])),
        "landmarks_s": walls[:, 0].min(),
        "detector_s": detector,
        "setup_s": walls[:, 1].min(),
        "setup_cpu_s": cpus[:, 1].min(),
        "second_run_s": again,
        **{f"photo{name}_s": wall for name, (wall, _) in photos.items()},
        **{f"photo{name}_cpu_s": cpu for name, (_, cpu) in photos.items()},
        "first_photo_s": first,
        "first_photo_to_speech_s": speech,
        "first_photo_12mp_s": first_phone,
        "first_photo_12mp_to_speech_s": speech_phone,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def best(rounds: int, source: Path) -> tuple[float, float]:
    """Least wall time and least CPU time of some setups, seconds."""
    runs = [timed(lambda: setup(source)) for _ in range(rounds)]
    return min(wall for wall, _ in runs), min(cpu for _, cpu in runs)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of some work, its child processes included."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    work()
    taken = time.perf_counter() - wall, cpu_seconds() - cpu
    settle()
    return taken


def setup(source: Path) -> None:
    """What is measured."""
    prepare_avatar(source, force=True)


def settle() -> None:
    """Until the next decoder waits."""
    time.sleep(0.4)


def detect(clip: Path) -> float:
    """Landmark detection alone: read the frames, convert them, find the face. Returns the landmarker's own seconds."""
    spent, frames = 0.0, 0
    with VideoReader(clip) as reader, MediaPipeLandmarker(video=True) as mesh:
        for frames, i420 in enumerate(reader, 1):  # noqa: B007
            rgb = np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8)
            began = time.perf_counter()
            assert mesh.find_rgb(rgb), "the clip shows a face in every frame"
            spent += time.perf_counter() - began
    assert frames
    return spent


#: A process that has loaded nothing but Python: setup of a photo, then on to the first frame of its first words.
COLD = """
import time
began = time.perf_counter()
import sys
from pathlib import Path
from visema.setup import prepare_avatar
avatar = prepare_avatar(Path(sys.argv[1]), force=True)
made = time.perf_counter()
from visema.speech.speak import speak
from visema.stage.performer import Performer
def offline(text, voice, settings):
    return speak(text, voice, settings, offline=True, cache=False)
with Performer(avatar, speaker=offline) as performer:
    frame = performer.current_frame()
    utterance = performer.say("Hello, I have just been made.", "espeak:en-us")
    while frame is None or frame.utterance != utterance:
        frame = performer.wait_frame(frame.number if frame else 0)
print(made - began, time.perf_counter() - began)
"""


def cold(photo: Path) -> tuple[float, float]:
    """Seconds of setup of a photo, and to its first spoken frame, in a process that has loaded nothing but Python."""
    out = subprocess.run(
        [sys.executable, "-c", COLD, str(photo)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    made, spoke = out.stdout.split()[-2:]
    return float(made), float(spoke)


def cpu_seconds() -> float:
    """CPU time of this process and of the children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def as_phones_take(picture: np.ndarray) -> np.ndarray:
    """A portrait of 12 megapixels, 3024 x 4032: the picture enlarged, above it more of its border."""
    h, w = picture.shape[:2]
    large = cv2.resize(picture, (3024, round(3024 * h / w)), interpolation=cv2.INTER_CUBIC)
    over = 4032 - large.shape[0]
    return np.asarray(cv2.copyMakeBorder(large, over, 0, 0, 0, cv2.BORDER_REPLICATE), np.uint8)


def make_clip(path: Path, frames: int) -> Path:
    """A clip of a person who listens, 1280 x 720: a real one where there is one, else the presenter's loop."""
    real = ROOT.parent / "shared" / "media" / "loop_closed_mouth_720p.mp4"
    with VideoReader(real if real.exists() else ASSETS / "Video04.mp4") as reader:
        pictures = [fitted(frame) for frame in islice(reader, frames)]
    # As a camera writes it; x264's own defaults for the rest.
    with Mp4Writer(path, SIZE, 25, crf=18, preset="medium") as writer:
        for i in range(frames):
            writer.write(pictures[i % len(pictures)])
    with av.open(str(path)) as box:
        assert box.streams.video[0].average_rate == Fraction(25)
    return path


def fitted(frame: I420) -> I420:
    """An I420 frame scaled to `SIZE`, its sides filled from its border."""
    picture = cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420)
    h, w = picture.shape[:2]
    if (w, h) == SIZE:
        return frame
    k = min(SIZE[0] / w, SIZE[1] / h)
    picture = cv2.resize(picture, (round(w * k), round(h * k)))
    h, w = picture.shape[:2]
    x, y = (SIZE[0] - w) // 2, (SIZE[1] - h) // 2
    whole = cv2.copyMakeBorder(picture, y, SIZE[1] - h - y, x, SIZE[0] - w - x, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(whole, cv2.COLOR_BGR2YUV_I420), np.uint8)


if __name__ == "__main__":
    main()
