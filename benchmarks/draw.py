"""How fast and how sharply the warp engine draws a mouth.

    python benchmarks/draw.py [--quick] [--json]

Milliseconds are CPU time of the drawing thread; they depend on the machine and on what else runs on it, so compare
`over_floor`: drawing over a mere copy and bilinear resampling of the same region in the same run. `sharpness` is the
variance of the Laplacian around the mouth over that of a quality path, the same pose drawn on a picture enlarged twice
by cubic resampling and reduced again; the mean over all visemes and the least.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from visema.face.landmarks import MediaPipeLandmarker  # noqa: E402
from visema.face.track import FaceTrack  # noqa: E402
from visema.media.image import read_image  # noqa: E402
from visema.mouth.engine import Rig  # noqa: E402
from visema.mouth.warp import WarpEngine  # noqa: E402
from visema.paths import ASSETS  # noqa: E402
from visema.types import FloatArray, Image  # noqa: E402
from visema.visemes.articulation import TARGETS as POSES  # noqa: E402

#: Distance between the pupils, pixels, of a face that fills a 512 picture, and of a presenter at 720p.
SCALES = {"512": ((512, 512), 103.0), "720p": ((1280, 720), 145.0)}
TARGETS = {
    "draw_ms_512": ("<=", 1.7),
    "draw_ms_720p": ("<=", 2.2),
    "sharpness_512": (">=", 0.9),
    "sharpness_720p": (">=", 0.9),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and visemes")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    results = measure(quick=options.quick)
    if options.json:
        print(json.dumps(results))
        return
    for key, value in results.items():
        note = ""
        if key in TARGETS:
            relation, bound = TARGETS[key]
            good = value >= bound if relation == ">=" else value <= bound
            note = f"target {relation} {bound:g}   {'ok' if good else 'MISSED'}"
        print(f"{key:<22}{value:9.3f}   {note}")


def measure(*, quick: bool) -> dict[str, float]:
    """All numbers by key."""
    photo = read_image(ASSETS / "presenter.png")
    with MediaPipeLandmarker() as landmarker:
        mesh = landmarker.find(photo)[0]
    results: dict[str, float] = {}
    for name, (size, scale) in SCALES.items():
        image, landmarks = placed(photo, mesh, size, scale)
        for key, value in measure_size(image, landmarks, quick).items():
            results[f"{key}_{name}"] = round(value, 3)
    return results


def placed(photo: Image, mesh: FloatArray, size: tuple[int, int], scale: float) -> tuple[Image, FloatArray]:
    """The photo and its mesh in a picture of ``size``, its face of ``scale``."""
    factor = scale / float(FaceTrack(mesh[None], np.ones(1, bool)).poses.scale[0])
    centre = mesh[:468, :2].mean(0)
    shift = np.array(size) * (0.5, 0.47) - factor * centre
    small = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    image = cv2.warpAffine(small, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    landmarks = mesh * np.float32(factor)
    landmarks[:, :2] += shift
    return np.asarray(image, np.uint8), landmarks.astype(np.float32)


def measure_size(image: Image, landmarks: FloatArray, quick: bool) -> dict[str, float]:
    """Numbers of one picture."""
    height, width = image.shape[:2]
    track = FaceTrack(np.repeat(landmarks[None], 64, 0), np.ones(64, bool))
    _ = track.poses
    prepare_ms = cpu_ms(lambda: WarpEngine.prepare({0: image}, track), 1 if quick else 3)
    rig = WarpEngine.prepare({0: image}, track)
    start_ms = cpu_ms(lambda: WarpEngine(rig, track, (width, height)), 1 if quick else 3)
    engine = WarpEngine(rig, track, (width, height))
    box = engine.region(0)
    assert box is not None
    base = np.ascontiguousarray(image[box.y0 : box.y1, box.x0 : box.x1])
    poses = speech_like()
    rounds = 2 if quick else 8
    draw_ms = cpu_ms(lambda: [engine.draw(base, 0, pose) for pose in poses], rounds) / len(poses)
    grid = np.stack(np.meshgrid(np.arange(box.width) + 0.3, np.arange(box.height) + 0.3), -1).astype(np.float32)
    empty = np.empty(0, np.float32)
    floor_ms = cpu_ms(lambda: cv2.remap(base.copy(), grid, empty, cv2.INTER_LINEAR), 10 * rounds)
    sharpness = sharpness_ratios(image, landmarks, rig, list(POSES)[:: 4 if quick else 1])
    return {
        "draw_ms": draw_ms,
        "floor_ms": floor_ms,
        "over_floor": draw_ms / floor_ms,
        "sharpness": float(np.mean(sharpness)),
        "sharpness_least": min(sharpness),
        "prepare_ms": prepare_ms,
        "start_ms": start_ms,
    }


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """Least CPU time of some rounds, after one that does not count."""
    work()
    best = float("inf")
    for _ in range(rounds):
        start = time.thread_time()
        work()
        best = min(best, time.thread_time() - start)
    return best * 1e3


def speech_like() -> list[FloatArray]:
    """Every viseme and two poses on the way to the next."""
    names = list(POSES)
    return [
        ((1 - t) * POSES[a] + t * POSES[b]).astype(np.float32)
        for a, b in zip(names, names[1:] + names[:1], strict=True)
        for t in (0.0, 0.33, 0.67)
    ]


def sharpness_ratios(image: Image, landmarks: FloatArray, rig: Rig, visemes: list[str]) -> list[float]:
    """Sharpness of each viseme over that of the quality path."""
    height, width = image.shape[:2]
    large = np.asarray(cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    large_landmarks = 2 * landmarks
    large_landmarks[:, :2] += 0.5  # a pixel's middle, not its corner, is where it is sampled
    ratios = []
    for viseme in visemes:
        fast = drawn(image, landmarks, rig, viseme)
        slow = cv2.resize(drawn(large, large_landmarks, rig, viseme), (width, height), interpolation=cv2.INTER_AREA)
        ratios.append(sharpness_of(fast, landmarks) / sharpness_of(np.asarray(slow, np.uint8), landmarks))
    return ratios


def drawn(image: Image, landmarks: FloatArray, rig: Rig, viseme: str) -> Image:
    """The whole picture with a mouth drawn."""
    track = FaceTrack(landmarks[None], np.ones(1, bool))
    engine = WarpEngine(rig, track, (image.shape[1], image.shape[0]))
    box = engine.region(0)
    assert box is not None
    out = image.copy()
    base = np.ascontiguousarray(image[box.y0 : box.y1, box.x0 : box.x1])
    out[box.y0 : box.y1, box.x0 : box.x1] = engine.draw(base, 0, POSES[viseme])
    return out


def sharpness_of(image: Image, landmarks: FloatArray) -> float:
    """Variance of the Laplacian around the mouth."""
    x, y = landmarks[[61, 291], :2].mean(0)
    reach = 1.4 * float(np.ptp(landmarks[[61, 291], 0])) / 2
    crop = image[int(y - 0.7 * reach) : int(y + reach), int(x - reach) : int(x + reach)]
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return float(cv2.Laplacian(grey, cv2.CV_32F, ksize=3).var())


if __name__ == "__main__":
    main()
