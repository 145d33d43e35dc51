"""Setup: a video or a photo becomes an avatar in the cache, once."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

import cv2

from visema.avatar import LOOP, REFERENCE, SHEET, THUMBNAIL, Avatar, Source, clean_name
from visema.base import Base, Progress, photo_base, video_base
from visema.consent import Consent
from visema.errors import AvatarError, InputError, MediaError
from visema.locking import file_lock
from visema.media.container import check_file
from visema.media.image import PngWriter, read_header
from visema.message import Message
from visema.mouth.engine import EMBEDDED, LearnsByDrawing, MakesLoops, MouthEngine, NeedsWeights, Wishes, mouth_engine
from visema.neural.store import WeightsError
from visema.paths import ASSETS, atomic_folder, cache_dir, explain_os_error
from visema.types import Image

log = logging.getLogger(__name__)

#: The video in `assets/`, and what its avatar is called.
DEFAULT_VIDEO, DEFAULT_NAME = "Video04.mp4", "Presenter"
#: Height of a gallery's picture, pixels.
THUMBNAIL_HEIGHT = 240
#: Letters of a file name that become part of its avatar's id.
_SLUG = 40
#: Bytes that are enough to see whether a file is a picture.
_HEAD = 1 << 16


def prepare_avatar(
    source: Path,
    *,
    engine: str = "auto",
    frame: str = "-1",
    size: int = 256,
    name: str = "",
    force: bool = False,
    face: int = 1,
    consent: Consent | None = None,
    owner: str = "",
    progress: Progress | None = None,
) -> Avatar:
    """The avatar of a video or photo, made now or found in the cache.

    Args:
        source: A video, or a photo, from which an idle loop is made.
        engine: Name of the mouth engine.
        frame: Reference frame: an index, "-1" for the middle, "auto" for the best neutral one with closed lips.
        size: Picture size of neural engines; the embedded one draws at the video's own.
        name: What people call it; the file's name if empty.
        force: Make it anew even if it is there.
        face: Which face, where there are several; 1 is the largest.
        consent: Of the shown person; kept with the avatar, in place of an earlier one, and named in its films' facts.
        owner: Whose it will be; another one's avatar of the same file is another avatar.
        progress: Called with frames done and frames in all.

    Raises:
        MediaError: The file cannot be read, or is beyond the limits.
        FaceError: No face in it can be used.
        InputError: The frame does not exist.
        EngineError: The engine is not known or not installed.
        OutputError: The cache cannot be written.
    """
    avatar = _prepare(Path(source), engine, str(frame), size, name, force, face, owner, progress)
    return avatar.consented(str(consent)) if consent else avatar


def _prepare(
    source: Path,
    engine: str,
    frame: str,
    size: int,
    name: str,
    force: bool,
    face: int,
    owner: str,
    progress: Progress | None,
) -> Avatar:
    frame = _checked_frame(frame)
    chosen = EMBEDDED if engine == "auto" else engine
    kind = mouth_engine(chosen)
    check_file(source, "video or photo")
    digest = _digest(source)
    avatar_id = make_id(source.name, digest, chosen, frame, size, face, owner)
    cache = cache_dir()
    folder = cache / avatar_id
    if not force and (found := _cached(folder, name, log.debug)):
        return found
    if isinstance(kind, NeedsWeights):
        try:
            kind.ready(size)
        except WeightsError as e:
            log.error("%s", e)
            return _embedded_instead(_prepare(source, "auto", frame, size, name, force, face, owner, progress), chosen)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise explain_os_error(e, cache) from e
    with file_lock(cache / f".{avatar_id}.lock", f"preparing the avatar of {source.name}") as waited:
        if (waited or not force) and (found := _cached(folder, name, log.warning)):
            return found
        _sweep(folder)
        with atomic_folder(folder) as temporary:
            _make(
                source, digest, avatar_id, clean_name(name), chosen, frame, size, temporary, progress or _silent, face
            )
        return Avatar.load(folder)


def make_id(file_name: str, sha256: str, engine: str, frame: str, size: int, face: int = 1, owner: str = "") -> str:
    """The id of an avatar: its file's name and 8 digits for its content, settings and owner."""
    plain = unicodedata.normalize("NFKD", Path(file_name).stem).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG].strip("-") or "avatar"
    settings = f"{sha256} {engine} {frame}" + ("" if engine == EMBEDDED else f" {size}")
    settings += f" face {face}" if face != 1 else ""
    settings += f" of {owner}" if owner else ""
    return f"{slug}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"


def _cached(folder: Path, name: str, tell: Callable[[str, str, str], None]) -> Avatar | None:
    """The avatar in ``folder`` if it is there and whole; ``tell`` is told why it is not."""
    if not folder.exists():
        return None
    try:
        avatar = Avatar.load(folder)
    except AvatarError as e:
        tell("Preparing %s again: %s", folder.name, e.what)
        return None
    wanted = clean_name(name)
    return avatar.renamed(wanted) if wanted not in ("", avatar.name) else avatar


def _make(
    source: Path,
    digest: str,
    avatar_id: str,
    name: str,
    engine: str,
    frame: str,
    size: int,
    folder: Path,
    progress: Progress,
    face: int,
) -> None:
    """Make the avatar's files in ``folder``."""
    from visema.face.diagnose import diagnose
    from visema.mouth.library import write_library
    from visema.mouth.sheet import contact_sheet
    from visema.portrait.blink import closed_eyes

    mouth = mouth_engine(engine)
    with _base(source, folder / LOOP, frame, progress, mouth, face) as base, PngWriter() as pngs:
        picture = base.frames[base.reference]
        pngs.add(folder / REFERENCE, picture)
        pngs.add(folder / THUMBNAIL, thumbnail(picture))
        looked_at = base.frames if base.kind == "video" else {0: picture}
        landmarks = base.track.landmarks[base.reference]
        # What does not wait for the engine is done beside its learning.
        with ThreadPoolExecutor(1, "setup") as beside:
            noting = beside.submit(diagnose, base.measured, base.size, base.kind, base.faces, looked_at)
            blink = beside.submit(closed_eyes, picture, landmarks)
            if isinstance(mouth, LearnsByDrawing):
                noting.result()  # nobody waits minutes for a face that is no good
                rig = mouth.learn(base.frames, base.track, Wishes(base.reference, size, progress))
            else:
                rig = mouth.prepare(base.frames, base.track)
            notes = noting.result()
        library = write_library(
            folder / "visemes",
            mouth(rig, base.track, base.size),
            picture,
            base.reference,
            landmarks,
            blink.result(),
        )
        pngs.add(folder / SHEET, contact_sheet(library))
    avatar = Avatar(
        id=avatar_id,
        name=name or _usual_name(source) or avatar_id,
        folder=folder,
        engine=engine,
        fps=float(base.fps),
        size=base.size,
        track=base.track,
        rig=rig,
        mirrored=base.mirrored,
        reference_index=base.reference,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        source=Source(source.name, digest, base.kind),
        notes=(*base.notes, *notes),
    )
    avatar.save(folder)


def _usual_name(source: Path) -> str:
    """What an avatar is called that nobody gives a name."""
    if source.name == DEFAULT_VIDEO and source.resolve().parent == ASSETS:
        return DEFAULT_NAME
    return clean_name(source.stem)


def _base(
    source: Path, loop: Path, frame: str, progress: Progress, mouth: type[MouthEngine], face: int
) -> AbstractContextManager[Base]:
    """A photo's or a video's base, by what the file's first bytes say."""
    if looks_like_picture(source):
        return photo_base(source, loop, frame, progress, mouth if isinstance(mouth, MakesLoops) else None, face)
    return video_base(source, loop, frame, progress, face)


def _embedded_instead(avatar: Avatar, engine: str) -> Avatar:
    """The avatar with a note of the engine that it was to have."""
    told = "The weights of the engine '{engine}' cannot be used, so the embedded one draws the mouth."
    note = Message(told, engine=engine)
    return replace(avatar, notes=(*avatar.notes, note))


def looks_like_picture(path: Path) -> bool:
    """Whether a file begins as a picture does, whatever it is called; a HEIC says so in its error later."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    try:
        read_header(head)
    except MediaError:
        return head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif") or head[:3] == b"\xff\xd8\xff"
    return True


def thumbnail(picture: Image) -> Image:
    """A small copy, `THUMBNAIL_HEIGHT` high at most."""
    h, w = picture.shape[:2]
    k = min(1.0, THUMBNAIL_HEIGHT / h)
    return cast(Image, cv2.resize(picture, (max(1, round(w * k)), round(h * k)), interpolation=cv2.INTER_AREA))


def _checked_frame(frame: str) -> str:
    if frame in ("-1", "auto"):
        return frame
    if not frame.isdecimal() or len(frame) > 7:
        raise InputError("'{frame}' is not a frame.", "Use a number from 0, -1 for the middle, or auto.", frame=frame)
    return str(int(frame))


def _digest(path: Path) -> str:
    """SHA-256 of a file."""
    total = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    except OSError as e:
        raise MediaError(
            "{path} cannot be read: {reason}.", "Check its permissions.", path=path, reason=e.strerror
        ) from e
    return total.hexdigest()


def _sweep(folder: Path) -> None:
    """Remove what a run that was killed left of this avatar; only for the holder of its lock."""
    for left in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _silent(done: int, total: int) -> None:
    """Nobody watches the progress."""
