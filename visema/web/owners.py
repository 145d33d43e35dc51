"""Whose an avatar and a voice are, for the page and the live view: one's own and the server's are there, others not.

What somebody made with a key is theirs; what has no row here is the server's own, which everybody with a key may use
and only its administrators change.
"""

from __future__ import annotations

import time
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from visema.avatar import Avatar
from visema.errors import AvatarError, VoiceError
from visema.service import faces
from visema.service.files import Files
from visema.service.schema import AVATARS, GONE, VOICES
from visema.service.who import Who
from visema.speech.own_voices import ENGINE

#: What was read is believed for so long, seconds.
BELIEVED_S: Final = 1.0


class Owners:
    """Knows whose things are.

    Args:
        engine: The database.
        files: Where avatars are that several machines share; None where it does not matter.
    """

    def __init__(self, engine: Engine, files: Files | None = None) -> None:
        self._engine, self._files = engine, files
        self._read_at = -BELIEVED_S
        self._avatars: dict[str, str] = {}
        self._voices: dict[str, str] = {}

    def sees(self, who: Who, avatar_id: str) -> bool:
        """Whether an avatar is there for somebody."""
        if who.owns(""):
            return True
        self._read()
        key = self._avatars.get(avatar_id)
        return key is None or who.owns(key)

    def owned(self, avatar_id: str) -> bool:
        """Whether an avatar is a key's own."""
        self._read()
        return avatar_id in self._avatars

    def check_avatar(self, who: Who, avatar_id: str) -> None:
        """Refuse an avatar that is somebody else's as one that is not there.

        Raises:
            AvatarError: It is.
        """
        if not self.sees(who, avatar_id):
            raise AvatarError("There is no such avatar.", "Reload the page to see those that are left.")

    def check_change(self, who: Who, avatar_id: str) -> None:
        """Refuse to change what is not one's own.

        Raises:
            AvatarError: It is the server's own, or the key allows no changes.
        """
        self.check_avatar(who, avatar_id)
        if who.owns(""):
            return
        self.check_make(who)
        self._read()
        if avatar_id not in self._avatars:
            raise AvatarError("This avatar is the server's own.", "Only who runs the server changes it.")

    def check_make(self, who: Who) -> None:
        """Refuse to make avatars by a key that does not allow it.

        Raises:
            AvatarError: It does not.
        """
        if not who.may("avatars"):
            raise AvatarError("Your key does not allow this.", "It needs the scope {scope}.", scope="avatars")

    def check_voice(self, who: Who, name: str) -> None:
        """Refuse a voice that is somebody else's as one that is not there.

        Raises:
            VoiceError: It is.
        """
        engine, _, rest = name.strip().partition(":")
        if engine.strip().lower() != ENGINE or who.owns(""):
            return
        self._read()
        key = self._voices.get(rest.strip().lower())
        if key is not None and not who.owns(key):
            raise VoiceError("There is no voice '{name}'.", "Choose one that the page lists.", name=name)

    def has_voice(self, name: str) -> bool:
        """Whether a voice is a key's own."""
        self._read()
        return name.partition(":")[2].strip().lower() in self._voices

    def claim(self, who: Who, avatar: Avatar) -> None:
        """An avatar was made or taken in by somebody: theirs, or the server's own where they administer it."""
        with self._engine.begin() as connection:
            connection.execute(AVATARS.delete().where(AVATARS.c.id == avatar.id, AVATARS.c.key == GONE))
        self._read_at = -BELIEVED_S
        if self._files:
            self._files.unmark(avatar.id)
        if who.owns(""):
            return
        size = sum(path.stat().st_size for path in avatar.folder.rglob("*") if path.is_file())
        values = {"id": avatar.id, "key": who.key, "name": avatar.name, "created": time.time(), "bytes": size}
        with self._engine.begin() as connection:
            known = connection.scalar(sa.select(AVATARS.c.id).where(AVATARS.c.id == avatar.id))
            if known is None:
                connection.execute(AVATARS.insert().values(**values))
        self._read_at = -BELIEVED_S

    def delete(self, avatar: Avatar) -> None:
        """Delete an avatar, here and wherever else a copy of it is; see `visema.service.faces.delete`.

        Raises:
            StorageError: It is the server's own, and its copy in the storage cannot be removed.
            OutputError: It is the server's own, and its folder cannot be removed.
        """
        faces.delete(self._engine, self._files, avatar.id, avatar.folder)
        self._read_at = -BELIEVED_S

    def _read(self) -> None:
        if time.monotonic() - self._read_at < BELIEVED_S:
            return
        with self._engine.connect().execution_options(reads=True) as connection:
            self._avatars = {row.id: row.key for row in connection.execute(sa.select(AVATARS.c.id, AVATARS.c.key))}
            voices = connection.execute(sa.select(VOICES.c.name, VOICES.c.key))
            self._voices = {row.name.lower(): row.key for row in voices}
        self._read_at = time.monotonic()
