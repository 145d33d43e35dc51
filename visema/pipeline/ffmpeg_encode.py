"""`FFmpegEncoder`: a video encoded again, with a sound, by the settings of `Config`, in a process with a time limit.

FFmpeg's libraries come with the `av` package, so no program of that name is needed.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import cv2

from visema.errors import InputError, MediaError, OutputError
from visema.media.container import check_file
from visema.paths import ROOT, atomic_file
from visema.pipeline.utils import Config
from visema.stage.render import check_output

log = logging.getLogger(__name__)

#: Tried in this order after the wanted one.
FALLBACKS = ("libx264", "libopenh264", "mpeg4")
#: Frames for debugging, at most.
MOST_FRAMES = 10_000


def codecs(wanted: str = "libx264") -> list[str]:
    """The encoders that are here, the wanted one first."""
    import av

    found = []
    for name in dict.fromkeys((wanted, *FALLBACKS)):
        try:
            av.codec.Codec(name, "w")
        except (ValueError, av.FFmpegError):
            continue
        found.append(name)
    return found


class FFmpegEncoder:
    """Encodes to an mp4 that plays everywhere.

    Args:
        timeout: Seconds after which an encoding is stopped; `Config.ENCODER_TIMEOUT` by default.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout

    def encode(self, video: str | Path, output: str | Path, audio_path: str | Path | None = None) -> Path:
        """Encode a video.

        Args:
            video: What to show.
            output: Where to write, ``.mp4``; nothing is left there unless all of it could be written.
            audio_path: What to hear instead of the video's own sound; cut or filled up to the picture's length.

        Returns:
            ``output``.

        Raises:
            MediaError: The video or the sound cannot be read.
            OutputError: It took too long, no encoder works, or the file cannot be written.
        """
        out = Path(output)
        check_output(out)
        check_file(Path(video), "video")
        if audio_path is not None:
            check_file(Path(audio_path), "recording")
        found = codecs(Config.FFMPEG_ENCODING["vcodec"])
        reason = "no encoder is here"
        for codec in found:
            if codec != Config.FFMPEG_ENCODING["vcodec"]:
                log.warning("%s cannot encode here (%s), so %s does.", Config.FFMPEG_ENCODING["vcodec"], reason, codec)
            with atomic_file(out) as temporary:
                reason = self._encode(Path(video), temporary, audio_path, codec)
                if not reason:
                    break
                temporary.unlink()
                temporary.open("xb").close()
        else:
            raise OutputError("{name} could not be encoded: {why}.", "Try other settings.", name=out.name, why=reason)
        return out

    def extract_frames(self, video: str | Path, folder: str | Path, *, every: int = 1) -> list[Path]:
        """Write frames as PNG, to look at what a step made.

        Args:
            video: The video.
            folder: Where to; made where it does not exist.
            every: One frame of so many.

        Returns:
            The files, ``frame_00000.png`` and so on, at most `MOST_FRAMES`.

        Raises:
            MediaError: The video cannot be read.
            OutputError: The folder cannot be written.
        """
        from visema.media.colour import i420_to_bgr
        from visema.media.video import VideoReader
        from visema.paths import explain_os_error

        if every < 1:
            raise InputError("One frame of {every} cannot be taken.", "Give 1 or more.", every=every)
        place = Path(folder)
        written: list[Path] = []
        try:
            place.mkdir(parents=True, exist_ok=True)
            with VideoReader(Path(video)) as reader:
                for number, frame in enumerate(reader):
                    if number % every or len(written) >= MOST_FRAMES:
                        continue
                    path = place / f"frame_{number:05d}.png"
                    path.write_bytes(cv2.imencode(".png", i420_to_bgr(frame))[1].tobytes())
                    written.append(path)
        except OSError as e:
            raise explain_os_error(e, place) from e
        return written

    def cleanup(self) -> None:
        """Nothing is kept between runs."""

    def _encode(self, video: Path, out: Path, audio: str | Path | None, codec: str) -> str:
        """Encode in a process of its own; why not, or an empty string.

        Raises:
            MediaError: The input is to blame.
            OutputError: The time is over, or the place cannot be written.
        """
        request = {
            "video": str(video.absolute()),
            "audio": None if audio is None else str(Path(audio).absolute()),
            "out": str(out.absolute()),
            "encoding": {**Config.FFMPEG_ENCODING, "vcodec": codec},
        }
        limit = Config.ENCODER_TIMEOUT if self.timeout is None else self.timeout
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "visema.pipeline.encoding", json.dumps(request)],
                capture_output=True,
                timeout=limit,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired as e:
            raise OutputError(
                "Encoding {name} took more than {seconds} s and was stopped.",
                "Use a shorter video.",
                name=video.name,
                seconds=f"{limit:g}",
            ) from e
        if done.returncode == 0:
            return ""
        try:
            told = json.loads(done.stdout)
        except ValueError:
            return "the encoder ended unexpectedly"
        kinds = {"media": MediaError, "output": OutputError}
        if told["kind"] in kinds:
            raise kinds[told["kind"]](told["what"], told["hint"])
        return str(told["what"])
