"""Make `assets/Video04.mp4`, the default avatar's base video, from `assets/presenter.png`.

    python tools/make_default_avatar.py

The same picture and package versions give the same video. The picture itself comes from our own procedural scripts;
see `assets/README.md`.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import av
import cv2

from visema.face.landmarks import MediaPipeLandmarker
from visema.media.encode import add_h264, i420_frame
from visema.paths import atomic_file
from visema.portrait.loop import PortraitLoop, make_loop

ASSETS = Path(__file__).resolve().parent.parent / "assets"
#: 640 x 640 is sharp on the page's 480 pixels, and on most of them where a screen has two for one.
SIDE = 640
SEED = 0
#: A base video is encoded again with every speech, so it is kept better than a film to look at would need.
QUALITY = {"preset": "slower", "crf": "15", "g": "25"}


def write_loop(loop: PortraitLoop, path: Path) -> None:
    """The loop as H.264 with a key frame every second."""
    with atomic_file(path) as temporary, av.open(str(temporary), "w", options={"movflags": "+faststart"}) as box:
        stream = add_h264(box, loop.size, Fraction(loop.fps), QUALITY)
        for frame in loop.frames():
            box.mux(stream.encode(i420_frame(frame)))
        box.mux(stream.encode(None))


def main() -> None:
    """Write the video and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=ASSETS / "presenter.png")
    parser.add_argument("--output", type=Path, default=ASSETS / "Video04.mp4")
    parser.add_argument("--side", type=int, default=SIDE, help="longer side in pixels")
    parser.add_argument("--seed", type=int, default=SEED, help="chooses the movements")
    options = parser.parse_args()
    photo = cv2.imread(str(options.picture))
    if photo is None:
        parser.error(f"{options.picture} is no picture")
    with MediaPipeLandmarker() as landmarker:
        faces = landmarker.find(photo)
    if not faces:
        parser.error(f"no face in {options.picture}")
    loop = make_loop(photo, faces[0], seed=options.seed, max_side=options.side)
    write_loop(loop, options.output)
    print(f"{options.output}: {len(loop)} frames, {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
