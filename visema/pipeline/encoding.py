"""The process that `FFmpegEncoder` starts: reads a video and perhaps a sound, writes the mp4, says what went wrong."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

from visema.errors import MediaError, OutputError
from visema.media.encode import Mp4Writer
from visema.provenance import Facts
from visema.types import Samples


def main() -> int:
    """Do what the only argument asks for; 0, or 1 with the reason as JSON on standard output."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    try:
        encode(
            Path(request["video"]),
            None if request["audio"] is None else Path(request["audio"]),
            Path(request["out"]),
            request["encoding"],
        )
    except MediaError as e:
        return _say("media", e.what, e.hint)
    except OutputError as e:
        return _say("output" if isinstance(e.__cause__, OSError) else "codec", e.what, e.hint)
    except ValueError as e:
        return _say("codec", str(e), "")
    return 0


def encode(video: Path, audio: Path | None, out: Path, encoding: dict[str, str]) -> None:
    """Encode with the settings of `Config.FFMPEG_ENCODING`.

    Raises:
        MediaError: The video or the sound cannot be read.
        OutputError: The encoder refuses, or the file cannot be written.
    """
    from visema.media.audio import decode_audio
    from visema.media.video import VideoReader

    samples: Samples | None = None
    rate = 0
    if audio is not None:
        samples, rate = decode_audio(audio)
    else:
        try:
            samples, rate = decode_audio(video)
        except MediaError:
            samples = None  # a silent video stays silent
    fps = float(Fraction(encoding["r"]))
    with VideoReader(video) as reader:
        source = float(reader.info.fps)
        with Mp4Writer(
            out,
            reader.info.size,
            fps,
            rate if samples is not None else None,
            crf=float(encoding["crf"]),
            codec=encoding["vcodec"],
            limits={"profile": encoding["profile"], "level": encoding["level"]},
            facts=Facts(engine="pipeline"),
        ) as writer:
            shown = 0
            for number, frame in enumerate(reader):
                until = round((number + 1) * fps / source)
                for _ in range(shown, until):
                    if samples is not None:
                        begin, end = (round((writer.frames + k) / fps * rate) for k in (0, 1))
                        writer.write_audio(samples[begin:end])
                    writer.write(frame)
                shown = max(shown, until)


def _say(kind: str, what: str, hint: str) -> int:
    sys.stdout.write(json.dumps({"kind": kind, "what": str(what), "hint": str(hint)}))
    return 1


if __name__ == "__main__":
    sys.exit(main())
