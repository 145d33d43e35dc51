"""The Avatar package: a prepared face on disk, what setup writes and everything else reads.

Nothing in it is executable or pickled: JSON, NPZ of plain arrays, PNG and one mp4. Loading checks everything, so that
what comes after may rely on it, also for packages that strangers made.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from visema.errors import AvatarError, MediaError
from visema.face.pose import N_POINTS
from visema.face.track import FaceTrack
from visema.media.container import check_size
from visema.media.image import read_header, read_image
from visema.media.loop import LoopReader
from visema.message import from_json, to_json
from visema.mouth.engine import MouthEngine, Rig, mouth_engine
from visema.paths import atomic_file, explain_os_error
from visema.types import Image
from visema.visemes.classes import BLINK, VISEMES

#: Version of the package's layout; setup rebuilds packages of any other.
SCHEMA = 2
ID = re.compile(r"[a-z0-9-]{1,64}")
MAX_NAME = 80
#: Frames of the longest loop: 60 s at 60 fps, there and back.
MAX_FRAMES = 7_200
#: Bytes of arrays in one NPZ; the track of `MAX_FRAMES` frames takes 41 MB.
MAX_ARRAYS = 256 << 20
MAX_JSON = 1 << 20

MANIFEST, TRACK, RIG = "avatar.json", "track.npz", "rig.npz"
REFERENCE, LOOP, THUMBNAIL, SHEET = "ref_frame.png", "loop.mp4", "thumbnail.png", "visemes.png"
LIBRARY = tuple(f"visemes/mouth_vid_{v}.png" for v in (*VISEMES, BLINK))
LIBRARY_LANDMARKS = "visemes/landmarks.json"
#: Every file of a package.
FILES = (MANIFEST, TRACK, RIG, REFERENCE, LOOP, THUMBNAIL, SHEET, *LIBRARY, LIBRARY_LANDMARKS)

# What the readers of JSON, NPZ, ZIP and PNG raise on rubbish.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    MemoryError,
    RecursionError,
    NotImplementedError,
    MediaError,
    zipfile.BadZipFile,
    zlib.error,
)
_REBUILD = "Prepare it again with --setup --force."


@dataclass(frozen=True)
class Source:
    """What an avatar was made from.

    Attributes:
        name: File name, without its folder.
        sha256: Of the file, 64 hexadecimal digits.
        kind: Photo or video.
        consent: What is known of the shown person's consent, as the maker wrote it; empty when nothing is.
    """

    name: str
    sha256: str
    kind: Literal["photo", "video"]
    consent: str = ""


@dataclass(frozen=True)
class Avatar:
    """A prepared face.

    Attributes:
        id: Name of its folder, matching `ID`.
        name: What people call it.
        folder: Where it is.
        engine: Name of the mouth engine that it was prepared for.
        fps: Frames a second of the loop.
        size: (width, height) of the loop, even.
        track: The face in every frame of the loop.
        rig: What the engine learned at setup.
        mirrored: Whether the loop plays its video forward and then backward, the end frames once.
        reference_index: Loop frame that the viseme library was drawn on.
        created: ISO 8601, UTC.
        source: What it was made from.
        notes: What is odd about this face or its source, in sentences.
    """

    id: str
    name: str
    folder: Path
    engine: str
    fps: float
    size: tuple[int, int]
    track: FaceTrack
    rig: Rig
    mirrored: bool
    reference_index: int
    created: str
    source: Source
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Avatar:
        """Read a package and check all of it.

        Raises:
            AvatarError: It is missing, damaged or of another version; the message says which in one line.
        """
        facts = read_manifest(folder)
        with _damage(folder):
            _check_files(folder)
            track = _read_track(folder / TRACK, facts["frames"])
            avatar = cls(
                id=facts["id"],
                name=facts["name"],
                folder=folder,
                engine=facts["engine"],
                fps=facts["fps"],
                size=(facts["width"], facts["height"]),
                track=track,
                rig=_read_arrays(folder / RIG),
                mirrored=facts["mirrored"],
                reference_index=facts["reference_index"],
                created=facts["created"],
                source=Source(**facts["source"]),
                notes=tuple(from_json(n) for n in facts["notes"]),
            )
            with avatar.open_loop() as loop:
                if (loop.count, loop.size) != (len(track), avatar.size) or abs(loop.fps - avatar.fps) > 0.01:
                    raise ValueError(f"{LOOP} does not fit {MANIFEST} in length, size or rate")
        return avatar

    def save(self, folder: Path) -> None:
        """Write the manifest, the track and the rig into ``folder``, beside the pictures and the loop."""
        with (folder / TRACK).open("wb") as file:
            np.savez(file, landmarks=self.track.landmarks.astype(np.float32), found=self.track.found)
        with (folder / RIG).open("wb") as file:
            np.savez(file, **cast(dict[str, Any], dict(self.rig)))
        facts = {
            "schema": SCHEMA,
            "id": self.id,
            "name": self.name,
            "engine": self.engine,
            "fps": self.fps,
            "width": self.size[0],
            "height": self.size[1],
            "frames": len(self.track),
            "mirrored": self.mirrored,
            "reference_index": self.reference_index,
            "created": self.created,
            "source": asdict(self.source),
            "notes": [to_json(n) for n in self.notes],
        }
        (folder / MANIFEST).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def renamed(self, name: str) -> Avatar:
        """Give it another name, on disk too; its id and folder stay.

        Raises:
            OutputError: The folder cannot be written.
            AvatarError: The manifest is damaged.
        """
        name = clean_name(name) or self.id
        self._write(name=name)
        return replace(self, name=name)

    def consented(self, consent: str) -> Avatar:
        """Keep what the shown person agreed to, on disk too.

        Raises:
            OutputError: The folder cannot be written.
            AvatarError: The manifest is damaged.
        """
        source = replace(self.source, consent=consent)
        self._write(source=asdict(source))
        return replace(self, source=source)

    def _write(self, **changes: object) -> None:
        facts = read_manifest(self.folder) | changes
        with atomic_file(self.folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @property
    def loop_path(self) -> Path:
        """The loop video: H.264, yuv420p, BT.601 limited, constant rate, a key frame at least every 25 frames.

        A mirrored loop's holds its forward half; `open_loop` plays it whole.
        """
        return self.folder / LOOP

    def open_loop(self, start: int = 0) -> LoopReader:
        """The loop's frames, endless, from frame ``start``."""
        return LoopReader(self.loop_path, start, mirrored=self.mirrored)

    def mouth(self) -> MouthEngine:
        """A mouth engine for this face.

        Raises:
            EngineError: Its engine is not installed.
        """
        return mouth_engine(self.engine)(self.rig, self.track, self.size)

    @cached_property
    def reference_frame(self) -> Image:
        """The loop frame `reference_index`, (h, w, 3) BGR."""
        return read_image(self.folder / REFERENCE)


def clean_name(name: str) -> str:
    """A display name without control characters, at most `MAX_NAME` long."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:MAX_NAME].strip()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The checked facts of ``avatar.json``; cheap, for lists of avatars.

    Raises:
        AvatarError: Missing, damaged or of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise AvatarError("There is no avatar in {folder}.", "Prepare one with --setup.", folder=folder)
    with _damage(folder):
        if path.stat().st_size > MAX_JSON:
            raise ValueError(f"{MANIFEST} is too large")
        facts = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise ValueError(f"{MANIFEST} is not an object")
        if facts.get("schema") != SCHEMA:
            raise AvatarError(
                "The avatar in {folder} was made by another version (layout {layout}, now {schema}).",
                _REBUILD,
                folder=folder,
                layout=facts.get("schema"),
                schema=SCHEMA,
            )
        _check_facts(facts)
    return facts


def list_avatars(cache: Path) -> list[dict[str, Any]]:
    """The manifests of all avatars in a cache folder, newest first; damaged ones are left out."""
    found = []
    for path in sorted(cache.glob(f"*/{MANIFEST}")) if cache.is_dir() else []:
        if not ID.fullmatch(path.parent.name):
            continue
        try:
            found.append(read_manifest(path.parent))
        except AvatarError:
            continue
    return sorted(found, key=lambda facts: str(facts["created"]), reverse=True)


def delete_avatar(folder: Path) -> None:
    """Remove an avatar's folder; nothing happens where there is none.

    Raises:
        OutputError: The folder cannot be written.
    """
    try:
        # Out of sight first: a reader sees a whole avatar or none.
        gone = folder.with_name(f".{folder.name}-deleted")
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
    except FileNotFoundError:
        return
    except OSError as e:
        raise explain_os_error(e, folder) from e
    shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Turn whatever a damaged file raises into one line."""
    try:
        yield
    except AvatarError:
        raise
    except _DAMAGE as e:
        why = str(e) or type(e).__name__
        raise AvatarError(
            "The avatar in {folder} is damaged: {reason}.", _REBUILD, folder=folder, reason=why.splitlines()[0][:200]
        ) from e


def _check_facts(facts: dict[str, Any]) -> None:
    """Types and bounds of every field; ValueError names the first that is wrong."""

    def need(key: str, good: bool) -> None:
        if not good:
            raise ValueError(f"'{key}' in {MANIFEST} is {facts.get(key)!r:.60}")

    def whole(key: str, low: int, high: int) -> None:
        need(key, type(facts.get(key)) is int and low <= facts[key] <= high)

    need("id", isinstance(facts.get("id"), str) and bool(ID.fullmatch(facts["id"])))
    need("name", isinstance(facts.get("name"), str) and facts["name"] == clean_name(facts["name"]) != "")
    need("engine", isinstance(facts.get("engine"), str) and bool(re.fullmatch(r"[a-z0-9_-]{1,32}", facts["engine"])))
    fps = facts.get("fps")
    need("fps", isinstance(fps, (int, float)) and not isinstance(fps, bool) and math.isfinite(fps) and 1 <= fps <= 120)
    facts["fps"] = float(facts["fps"])
    whole("width", 16, 8192)
    whole("height", 16, 8192)
    need("width", facts["width"] % 2 == 0)
    need("height", facts["height"] % 2 == 0)
    whole("frames", 1, MAX_FRAMES)
    need("mirrored", type(facts.get("mirrored")) is bool)
    whole("reference_index", 0, facts["frames"] - 1)
    need("created", isinstance(facts.get("created"), str))
    datetime.fromisoformat(facts["created"])
    notes = facts.get("notes")
    need("notes", isinstance(notes, list) and len(notes) < 100)
    for note in cast(list[object], notes):
        from_json(note)
    source = facts.get("source")
    need("source", isinstance(source, dict) and set(source) == {"name", "sha256", "kind", "consent"})
    assert isinstance(source, dict)
    need("source", all(isinstance(v, str) and len(v) <= 4096 for v in source.values()))
    need("source", source["kind"] in ("photo", "video") and bool(re.fullmatch(r"[0-9a-f]{64}", source["sha256"])))


def _check_files(folder: Path) -> None:
    """Every file is there, and every picture says in its header that it is a whole PNG of a sane size."""
    for name in FILES:
        path = folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size == 0:
            raise ValueError(f"{name} is missing or empty")
        if name.endswith(".png"):
            header = read_header(path.read_bytes(), name)
            check_size(header.width, header.height, name)
            if header.kind != "png" or not header.complete:
                raise ValueError(f"{name} is not a whole PNG picture")


def _read_track(path: Path, frames: int) -> FaceTrack:
    arrays = _read_arrays(path)
    landmarks, found = arrays["landmarks"], arrays["found"]
    if landmarks.shape != (frames, N_POINTS, 3) or landmarks.dtype != np.float32:
        raise ValueError(f"{path.name} holds landmarks {landmarks.shape} for {frames} frames")
    if found.shape != (frames,) or found.dtype != np.bool_:
        raise ValueError(f"{path.name} holds no flag for each frame")
    if not np.abs(landmarks).max() < 1e5:  # no number at all is not less either
        raise ValueError(f"{path.name} has points far outside the picture")
    return FaceTrack(cast(NDArray[np.float32], landmarks), cast(NDArray[np.bool_], found))


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Plain arrays of bounded size from an NPZ, never pickled objects; NaN may stand for what is not known."""
    with zipfile.ZipFile(path) as box:
        if sum(m.file_size for m in box.infolist()) > MAX_ARRAYS:
            raise ValueError(f"{path.name} is too large")
    out: dict[str, NDArray[Any]] = {}
    with np.load(path, allow_pickle=False) as data:
        for name in data.files:
            array = data[name]
            if array.dtype.kind not in "fiub" or not re.fullmatch(r"\w{1,64}", name):
                raise ValueError(f"'{name}' in {path.name} is not an array of numbers")
            if array.dtype.kind == "f" and np.isinf(array).any():
                raise ValueError(f"'{name}' in {path.name} has infinite values")
            out[name] = array
    return out
