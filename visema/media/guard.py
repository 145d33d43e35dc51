"""Decoding what users give in a child process with limits (`visema.media.child`), seen from the parent."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import numpy as np

from visema.errors import MediaError, OutputError, VisemaError
from visema.media.audio import decode_audio
from visema.media.child import CPU, DATA, END, ERROR, FACTS, HEADER
from visema.media.container import check_file
from visema.media.video import LONGEST_SIDE
from visema.message import from_json
from visema.paths import ROOT
from visema.types import I420, Image, Samples

C = TypeVar("C", bound="Child")

#: Pictures are handed over no larger than this; nothing here needs more.
LONGEST_PHOTO = 2560
#: Folders of `trust`.
_TRUSTED: set[tuple[Path, str]] = set()
#: Frames of a video that are read before somebody wants them.
AHEAD = 4


class _Spares:
    """Starts decoders, and has one wait for the next file where that is wanted."""

    def __init__(self) -> None:
        self._wanted = False
        self._lock = threading.Lock()
        self._waiting: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """From now on."""
        self._wanted = True
        self.prepare()

    def prepare(self) -> None:
        """Start the next one, if one is wanted and none waits."""
        with self._lock:
            if self._wanted and self._waiting is None:
                self._waiting = _start("spare")

    def take(self) -> subprocess.Popen[bytes]:
        """One that is for the caller alone: a file could have taken over the one that decoded it."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        return waiting if waiting is not None and waiting.poll() is None else _start()


_SPARES = _Spares()


def keep_spare() -> None:
    """Have a decoder that has started already wait for the next file, which saves .15 s each time; for servers."""
    _SPARES.keep()


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-m", "visema.media.child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Its BLAS has nothing to share out among threads, which cost memory and time to start.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
        # A Ctrl-C is the parent's to handle.
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    _widen(cast(IO[bytes], process.stdout))
    return process


class Child:
    """A running decoder. A context manager: leaving it ends the process, whatever it was doing.

    Args:
        job: "picture", "audio", "sound", "video" or "loop".
        path: The user's file.
        what: What it is to the user.
        request: Anything else that the job needs.
    """

    def __init__(self, job: str, path: Path, what: str, **request: Any) -> None:
        check_file(path, what)
        self.path = path
        text = json.dumps({"job": job, "path": str(path.absolute()), **request})
        self._process = _SPARES.take()
        asked = cast(IO[bytes], self._process.stdin)
        with suppress(BrokenPipeError):  # it died: that is told where its answer is read
            asked.write(text.encode() + b"\n")
            asked.flush()
        self._clock = threading.Timer(2 * CPU[job], self._process.kill)
        self._clock.daemon = True
        self._clock.start()

    def messages(self) -> Iterator[tuple[bytes, Any]]:
        """What the child says: `FACTS` with their value, `DATA` with its bytes as a new uint8 array.

        Raises:
            MediaError: The file cannot be decoded, or decoding it broke the child.
            OutputError: The child could not write its result.
        """
        out = cast(IO[bytes], self._process.stdout)
        while True:
            head = out.read(HEADER.size)
            if len(head) < HEADER.size:
                raise self._broken()
            kind, size = HEADER.unpack(head)
            data = np.empty(size, np.uint8)
            if size and cast(Any, out).readinto(data.data) < size:
                raise self._broken()
            if kind == END:
                return
            if kind == ERROR:
                raise _error(json.loads(data.tobytes()))
            yield kind, json.loads(data.tobytes()) if kind == FACTS else data

    def close(self) -> None:
        """End the child."""
        self._clock.cancel()
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()
        _SPARES.prepare()

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def _broken(self) -> MediaError:
        self._process.wait()
        return MediaError(
            "Decoding {name} failed; it is damaged or takes too much memory or time.",
            "Save it again as mp4, wav, jpg or png.",
            name=self.path.name,
        )


def trust(folder: Path, *names: str) -> None:
    """From now on, in this process, some files below ``folder`` are decoded without a child: we have written them.

    A child takes .3 s to start, and what it is for has been done when the file was taken in.

    Args:
        folder: Where they are, at any depth.
        names: What they are called; whatever else is there is somebody's own.
    """
    _TRUSTED.update((folder.absolute(), name) for name in names)


def trusted(path: Path) -> bool:
    """Whether a file is one of those that are trusted."""
    return not _TRUSTED.isdisjoint((parent, path.name) for parent in path.absolute().parents)


def read_photo(path: Path, longest: int = LONGEST_PHOTO, *, strict: bool = False) -> Image:
    """Like `visema.media.image.read_image` in a child, and no side longer than ``longest``, both even.

    Args:
        path: The user's file.
        longest: Of a side, pixels.
        strict: Refuse a picture that is another kind of file too; see `visema.media.polyglot`.

    Raises:
        MediaError: See there.
    """
    with Child("picture", path, "picture", longest=longest, strict=strict) as child:
        return photo_of(child)


def photo_of(child: Child) -> Image:
    """The picture that a "picture" child sends."""
    shape: list[int] = []
    for kind, value in child.messages():
        if kind == FACTS:
            shape = value["shape"]
        else:
            return cast(Image, value.reshape(shape))
    raise MediaError("{name} has no picture in it.", "Choose another file.", name=child.path.name)


def read_recording(path: Path) -> tuple[Samples, int]:
    """Like `visema.media.audio.decode_audio`, in a child.

    Raises:
        MediaError: See there.
    """
    if trusted(path):
        return decode_audio(path)
    with Child("audio", path, "recording") as child:
        rate = 0
        for kind, value in child.messages():
            if kind == FACTS:
                rate = value["rate"]
            else:
                return cast(Samples, value.view(np.float32)), rate
    raise MediaError("{name} has no sound in it.", "Choose another recording.", name=path.name)


def rewrite_sound(path: Path, out: Path, most_seconds: float) -> float:
    """Decode a recording in a child and write it anew as ``out``, a mono wav file; its seconds.

    Raises:
        MediaError: See `visema.media.audio.write_plain`; or it is another kind of file too.
        OutputError: ``out`` cannot be written.
    """
    with Child("sound", path, "recording", out=str(out.absolute()), seconds=most_seconds) as child:
        seconds = 0.0
        for _, facts in child.messages():
            seconds = float(facts["seconds"])
    return seconds


def check_loop(path: Path) -> None:
    """Decode the loop video of an avatar that somebody sent, once, to the end.

    Raises:
        MediaError: It cannot be decoded, or decoding it broke the child.
    """
    with Child("loop", path, "loop video") as child:
        for _ in child.messages():
            pass


class VideoChild(Child):
    """A child that turns a video into a loop video and hands over its frames on the way.

    Args:
        path: The user's video.
        out: Where it writes the loop video.
        seconds: At most so much is used.
        longest: The longest side of the loop, at most.

    Attributes:
        fps, size, expected, notes: From the header, once `frames` has begun.
        mirrored: Whether the end does not join the beginning, so that the loop goes there and back; known after
            `frames`.
    """

    def __init__(self, path: Path, out: Path, seconds: float, longest: int = LONGEST_SIDE) -> None:
        super().__init__("video", path, "video", out=str(out.absolute()), seconds=seconds, longest=longest)
        self.fps = Fraction(25)
        self.size = (0, 0)
        self.expected = 0
        self.notes: tuple[str, ...] = ()
        self.mirrored = False
        self._messages = self.messages()
        self._ahead: queue.Queue[tuple[bytes, Any] | BaseException] = queue.Queue(AHEAD)
        self._reader = threading.Thread(target=self._read_ahead, name="frames-ahead", daemon=True)

    def open(self) -> None:
        """Wait for the header."""
        _, facts = next(self._messages)
        self.fps, self.size = Fraction(facts["fps"]), tuple(facts["size"])
        self.expected, self.notes = facts["frames"], tuple(from_json(n) for n in facts["notes"])

    def frames(self) -> Iterator[I420]:
        """The forward frames, a few of them read ahead in a thread of its own; call `open` first."""
        width, height = self.size
        if self._reader.ident is None:
            self._reader.start()
        while True:
            read = self._ahead.get()
            if isinstance(read, BaseException):
                raise read
            kind, value = read
            if kind != DATA:
                self.mirrored = bool(value["mirrored"])
                return
            yield cast(I420, value.reshape(height * 3 // 2, width))

    def close(self) -> None:
        """End the child, and the thread that reads from it."""
        self._process.kill()
        while self._reader.is_alive():
            with suppress(queue.Empty):
                self._ahead.get(timeout=0.01)
        super().close()

    def _read_ahead(self) -> None:
        """Read frames until their end; a pipe holds less than one, so without this the two would take turns."""
        try:
            for message in self._messages:
                self._ahead.put(message)
                if message[0] != DATA:
                    return
        except BaseException as e:
            self._ahead.put(e)

    def finish(self) -> None:
        """Wait until the loop video is complete."""
        for _ in self._messages:
            pass


def _widen(pipe: IO[bytes]) -> None:
    """Let a megabyte wait in a pipe instead of 64 KB, where the system can: fewer turns for each frame."""
    if sys.platform == "linux":
        import fcntl

        # Refused where a user's pipes hold too much already; then it stays as it is.
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


def _error(told: dict[str, Any]) -> VisemaError:
    kind = OutputError if told["type"] == "OutputError" else MediaError
    return kind(from_json(told["what"]), from_json(told["hint"]))
