"""The child process in which files that users give are decoded, with limits. Run by `visema.media.guard`.

A decoder that crashes, hangs or eats memory on a crafted file takes only this process with it. The answer goes to
standard output as messages: a kind (one byte), a length (eight bytes, big-endian), that many bytes.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from visema.errors import MediaError, OutputError, VisemaError
from visema.message import to_json

HEADER = struct.Struct(">cQ")
#: Kinds of message: facts as JSON, raw pixels or samples, an error as JSON, the end.
FACTS, DATA, ERROR, END = b"J", b"D", b"E", b"Z"

GIB = 1 << 30
#: Address space: an 8K frame has 50 MB and a decoder holds some twenty; two hours of sound are 1.4 GB, and again to
#: join the parts.
MEMORY = {"picture": 3 * GIB, "video": 4 * GIB, "audio": 5 * GIB, "loop": 2 * GIB, "sound": 2 * GIB}
#: CPU seconds: a minute of 4K takes about 60.
CPU = {"picture": 30, "video": 900, "audio": 600, "loop": 300, "sound": 120}
#: Largest file that it may write: videos write the loop, sound itself anew.
WRITE = {"picture": 0, "video": 2 * GIB, "audio": 0, "loop": 0, "sound": GIB}


def main() -> int:
    """Do the job that comes as a line of JSON; with an argument, be ready for it first."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not get between the messages
    if sys.argv[1:]:
        import visema.media.audio
        import visema.media.image
        import visema.media.loop_writer
        import visema.media.video  # noqa: F401
    line = sys.stdin.buffer.readline()
    if not line:
        return 0  # the parent ended before it had a file
    request: dict[str, Any] = json.loads(line)
    job = str(request["job"])
    _limit(job)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        work = {"picture": _picture, "audio": _audio, "video": _video, "loop": _loop, "sound": _sound}[job]
        work(request, lambda kind, data: _send(out, kind, data))
        _send(out, END, b"")
    except BrokenPipeError:
        return 1
    except (VisemaError, OSError, MemoryError) as e:
        _send(out, ERROR, json.dumps(_words(e, request)).encode())
    return 0


def _words(error: BaseException, request: dict[str, Any]) -> dict[str, Any]:
    """An error as what `guard` raises again."""
    if isinstance(error, OSError) and error.errno is not None and "out" in request:
        from visema.paths import explain_os_error

        error = explain_os_error(error, Path(request["out"]).parent)
    if not isinstance(error, VisemaError):
        name = Path(request["path"]).name
        error = MediaError("{name} needs too much memory to decode.", "Save it smaller.", name=name)
    kind = "OutputError" if isinstance(error, OutputError) else "MediaError"
    return {"type": kind, "what": to_json(error.what), "hint": to_json(error.hint)}


def _limit(job: str) -> None:
    """Limits where the system has them; Windows has none of these, there `guard`'s clock remains."""
    try:
        import resource
    except ImportError:
        return
    wanted = {"RLIMIT_AS": MEMORY[job], "RLIMIT_CPU": CPU[job], "RLIMIT_FSIZE": WRITE[job], "RLIMIT_NOFILE": 64}
    for name, value in (wanted | {"RLIMIT_CORE": 0}).items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        try:
            resource.setrlimit(number, (value, hard))
        except (ValueError, OSError):
            continue  # macOS knows the name of some limits but not the limit


def _die_with_parent() -> None:
    """Nobody writes to standard input any more; it ends when the parent does, even when that was killed."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _send(out: BinaryIO, kind: bytes, data: bytes | memoryview) -> None:
    out.write(HEADER.pack(kind, len(data)))
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


Send = Callable[[bytes, "bytes | memoryview"], None]


def _picture(request: dict[str, Any], send: Send) -> None:
    from visema.media.image import limit_size, read_image

    longest = int(request["longest"])
    if request.get("strict"):
        from visema.media.polyglot import refuse_polyglot

        refuse_polyglot(Path(request["path"]))
    image = limit_size(read_image(Path(request["path"]), longest), longest)
    send(FACTS, json.dumps({"shape": image.shape}).encode())
    send(DATA, image.reshape(-1).data)


def _audio(request: dict[str, Any], send: Send) -> None:
    from visema.media.audio import decode_audio

    samples, rate = decode_audio(Path(request["path"]))
    send(FACTS, json.dumps({"rate": rate, "count": len(samples)}).encode())
    send(DATA, samples.view("u1").data)


def _sound(request: dict[str, Any], send: Send) -> None:
    """Decode a recording once and write it anew as a plain wav file, bit by bit."""
    from visema.media.audio import write_plain
    from visema.media.polyglot import refuse_polyglot

    path = Path(request["path"])
    refuse_polyglot(path)
    seconds = write_plain(path, Path(request["out"]), float(request["seconds"]))
    send(FACTS, json.dumps({"seconds": seconds}).encode())


def _video(request: dict[str, Any], send: Send) -> None:
    from visema.media.loop_writer import LoopWriter
    from visema.media.video import VideoReader

    with VideoReader(Path(request["path"]), request["seconds"], request["longest"]) as reader:
        info = reader.info
        facts = {
            "fps": str(info.fps),
            "size": info.size,
            "frames": info.frames,
            "notes": [to_json(n) for n in info.notes],
        }
        send(FACTS, json.dumps(facts).encode())
        writer = LoopWriter(Path(request["out"]), info.size, info.fps)
        try:
            for frame in reader:
                writer.write(frame)
                send(DATA, frame.reshape(-1).data)
        except BaseException:
            writer.abandon()
            raise
    if writer.count == 0:
        raise MediaError(
            "{name} has no pictures in it.", "Check that it plays elsewhere.", name=Path(request["path"]).name
        )
    send(FACTS, json.dumps({"mirrored": writer.seam_shows()}).encode())
    writer.close()


def _loop(request: dict[str, Any], send: Send) -> None:
    """Decode a whole loop video of an avatar that somebody sent."""
    from visema.media.loop import LoopReader

    with LoopReader(Path(request["path"])) as loop:
        for _ in range(loop.count):
            next(loop)
        send(FACTS, json.dumps({"count": loop.count}).encode())


if __name__ == "__main__":
    sys.exit(main())
