"""`LivePortraitRunner`: one picture to a video of a person who breathes, blinks and moves a little."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType

from visema.errors import EngineError, InputError
from visema.media.encode import Mp4Writer
from visema.mouth.engine import Loop
from visema.pipeline.utils import Config, settings_of
from visema.provenance import Facts
from visema.stage.film import choose_face
from visema.stage.render import check_output
from visema.types import I420, FloatArray, Image

log = logging.getLogger(__name__)

#: Length where neither seconds nor a sound are given, and the longest that is made.
DEFAULT_SECONDS, LONGEST_SECONDS = 5.0, 600.0
#: Longer side of the video, pixels.
LONGEST_SIDE = 1280


class LivePortraitRunner:
    """Brings a portrait to life with LivePortrait, or with the embedded engine where its weights are missing.

    Args:
        device: ``cuda``, ``cpu``, ``mps`` or ``auto``; `Config.DEVICE` by default.

    Attributes:
        fallback: Whether the last run was the embedded engine's.
    """

    def __init__(self, device: str | None = None) -> None:
        self.device = device or Config.DEVICE
        self.fallback = False

    def run(
        self,
        image: str | Path,
        duration_sec: float | None = None,
        output: str | Path = "liveportrait.mp4",
        *,
        audio_path: str | Path | None = None,
    ) -> Path:
        """Make the video.

        Args:
            image: Picture of a face.
            duration_sec: Seconds; the sound's length by default, else `DEFAULT_SECONDS`.
            output: Where to write, ``.mp4``.
            audio_path: A sound to be as long as.

        Returns:
            ``output``.

        Raises:
            MediaError: The picture or the sound cannot be read.
            FaceError: The picture shows no usable face.
            InputError: The duration is out of bounds.
            OutputError: The file cannot be written.
        """
        from visema.media.guard import read_photo

        out = Path(output)
        check_output(out)
        seconds = _seconds(duration_sec, audio_path)
        photo = read_photo(Path(image))
        landmarks, _ = choose_face(photo)
        fps = float(Config.FFMPEG_ENCODING["r"])
        made = self._loop(photo, landmarks, fps, seconds)
        for note in made.notes:
            log.warning("%s", note)
        crf, facts = float(Config.FFMPEG_ENCODING["crf"]), Facts(engine="liveportrait")
        with Mp4Writer(out, made.size, fps, crf=crf, facts=facts) as writer:
            for frame in islice(_endless(made), max(1, round(seconds * fps))):
                writer.write(frame)
        return out

    def cleanup(self) -> None:
        """Give memory back, the accelerator's too."""
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def __enter__(self) -> LivePortraitRunner:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.cleanup()

    def _loop(self, photo: Image, landmarks: FloatArray, fps: float, seconds: float) -> Loop:
        from visema.portrait import liveportrait, loop

        self.fallback = False
        try:
            with settings_of(self.device, Config.LIVEPORTRAIT_CKPT):
                return liveportrait.make_loop(
                    photo, landmarks, fps=fps, max_side=LONGEST_SIDE, progress=lambda done, total: None
                )
        except (EngineError, InputError) as e:
            log.warning("LivePortrait cannot draw, so the embedded engine does: %s", e)
        self.fallback = True
        # as long as is asked for, so that nothing repeats within a minute
        return loop.make_loop(photo, landmarks, fps=fps, seconds=min(seconds, 60.0), max_side=LONGEST_SIDE)


def _endless(made: Loop) -> Iterator[I420]:
    """The loop again and again; drawn anew each time, which is cheaper than keeping it."""
    while True:
        yield from made.frames()


def _seconds(wanted: float | None, sound: str | Path | None) -> float:
    if wanted is None and sound is not None:
        from visema.media.audio import read_audio

        samples, rate = read_audio(sound)
        wanted = len(samples) / rate
    wanted = DEFAULT_SECONDS if wanted is None else wanted
    if not 0 < wanted <= LONGEST_SECONDS:
        raise InputError(
            "A video of {seconds} s cannot be made.",
            "Give up to {most} seconds.",
            seconds=f"{wanted:g}",
            most=f"{LONGEST_SECONDS:g}",
        )
    return wanted
