"""Avatars as zip files: export, and import of what a stranger sent."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path

from visema.avatar import FILES, ID, LIBRARY_LANDMARKS, LOOP, MANIFEST, Avatar, read_manifest
from visema.errors import AvatarError, MediaError
from visema.locking import file_lock
from visema.media.guard import check_loop
from visema.media.image import read_image
from visema.mouth.library import read_library
from visema.paths import atomic_file, atomic_folder, explain_os_error

#: Bytes that an avatar may take, packed or not: a minute of 1920 x 1080 takes about 150 MB.
MAX_BYTES = 600 << 20
#: What one file may take unpacked, by ending.
_LARGEST = {".mp4": 500 << 20, ".npz": 128 << 20, ".png": 32 << 20, ".json": 1 << 20}
#: JSON, PNG and video are packed already or small; a member that grows more than this is a bomb.
_MAX_RATIO = 200
_BLOCK = 1 << 20
_FOREIGN = "Only zip files that were exported here can be imported."


def export_avatar(avatar: Avatar, path: Path) -> None:
    """Write an avatar into a zip file, which appears whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as box:
        for name in FILES:
            box.write(avatar.folder / name, f"{avatar.id}/{name}")


def import_avatar(path: Path, cache: Path) -> Avatar:
    """Take an avatar from a zip file into the cache, trusting nothing in it.

    An avatar that is there already is not replaced: the new one gets a number after its id.

    Raises:
        AvatarError: It is no avatar, or damaged, or holds more than an avatar does.
        OutputError: The cache cannot be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that a rename puts it there; hidden, so that no list shows it.
        with tempfile.TemporaryDirectory(prefix=".import-", dir=cache) as temporary:
            unpacked = Path(temporary)
            _unpack(path, unpacked)
            _decode(unpacked)
            avatar = Avatar.load(unpacked)
            with file_lock(cache / f".{avatar.id}.lock", f"working on {avatar.id}"):
                return _take_in(unpacked, cache, avatar.id)
    except OSError as e:
        raise explain_os_error(e, cache) from e


def _take_in(unpacked: Path, cache: Path, avatar_id: str) -> Avatar:
    new_id = avatar_id
    number = 2
    while (cache / new_id).exists():
        new_id = f"{avatar_id[:60]}-{number}"
        number += 1
    if not ID.fullmatch(new_id):
        raise AvatarError("There are too many avatars called {name}.", "Delete some first.", name=avatar_id)
    facts = read_manifest(unpacked)
    with atomic_folder(cache / new_id) as folder:
        for name in FILES:
            target = folder / name
            target.parent.mkdir(exist_ok=True)
            (unpacked / name).replace(target)
        if new_id != avatar_id:
            (folder / MANIFEST).write_text(json.dumps(facts | {"id": new_id}, ensure_ascii=False), "utf-8")
    return Avatar.load(cache / new_id)


def _unpack(path: Path, folder: Path) -> None:
    """The members that an avatar has, all and only those, to names of our own choosing."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise AvatarError(
                "{name} is larger than {most} MB.", "That is no avatar.", name=path.name, most=MAX_BYTES >> 20
            )
        with zipfile.ZipFile(path) as box:
            members = [m for m in box.infolist() if not m.is_dir()]
            _check_members(members, path.name)
            for member in members:
                _extract(box, member, folder / _inside(member.filename))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError) as e:
        raise AvatarError(
            "{name} is no zip file that can be read ({reason}).", "Export the avatar again.", name=path.name, reason=e
        ) from e
    except FileNotFoundError:
        raise AvatarError("There is no file {path}.", "Check its name.", path=path) from None


def _inside(name: str) -> str:
    """A member's name without the avatar's own folder; whatever is not a known name is refused by the caller."""
    return name if name in FILES else name.partition("/")[2]


def _check_members(members: list[zipfile.ZipInfo], name: str) -> None:
    inside = [_inside(m.filename) for m in members]
    unknown = sorted(m.filename for m, i in zip(members, inside, strict=True) if i not in FILES)
    if unknown:
        raise AvatarError(
            "{name} holds a file that no avatar has: {file}.", _FOREIGN, name=name, file=f"{unknown[0]!r:.80}"
        )
    if sorted(inside) != sorted(FILES):
        missing = sorted(set(FILES) - set(inside))
        if missing:
            raise AvatarError("{name} lacks {file}.", _FOREIGN, name=name, file=missing[0])
        raise AvatarError("{name} holds a file twice.", _FOREIGN, name=name)
    if sum(m.file_size for m in members) > MAX_BYTES:
        raise AvatarError("{name} unpacks to more than {most} MB.", _FOREIGN, name=name, most=MAX_BYTES >> 20)
    for member, plain in zip(members, inside, strict=True):
        too_large = member.file_size > _LARGEST[Path(plain).suffix]
        if too_large or member.file_size > _MAX_RATIO * max(member.compress_size, 64):
            raise AvatarError(
                "{plain} in {name} is too large ({size} MB).",
                _FOREIGN,
                plain=plain,
                name=name,
                size=member.file_size >> 20,
            )


def _extract(box: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Copy one member, no further than its stated size, which a crafted file may understate."""
    target.parent.mkdir(exist_ok=True)
    left = member.file_size
    with box.open(member) as source, target.open("xb") as file:
        while block := source.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise AvatarError(
                    "{name} is larger than it says.", "That is no avatar.", name=f"{member.filename!r:.80}"
                )
            file.write(block)


def _decode(folder: Path) -> None:
    """Decode all pictures, and the loop in a child process: it is a stranger's video."""
    try:
        for name in FILES:
            if name.endswith(".png"):
                read_image(folder / name)
        check_loop(folder / LOOP)
    except MediaError as e:
        raise AvatarError("The avatar is damaged: {reason}", "Export it again.", reason=e.what) from e
    read_library((folder / LIBRARY_LANDMARKS).parent)
