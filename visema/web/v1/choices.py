"""Which avatars and voices somebody may use: those of the server, and their own; nobody else's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from visema.avatar import ID, list_avatars, read_manifest
from visema.errors import AvatarError, VoiceError
from visema.service.schema import AVATARS, GONE, VOICES
from visema.speech import own_voices
from visema.speech.voices import check_visitors, list_voices, resolve_voice
from visema.web.v1.errors import not_found

if TYPE_CHECKING:
    from visema.service.who import Who
    from visema.speech.types import Voice
    from visema.web.house import House
    from visema.web.v1.context import Api

log = logging.getLogger(__name__)

_LIST: Final = "GET /api/v1/voices lists those that there are."
_READS: Final = {"reads": True}


def usable_voices(house: House | None, *, offline: bool) -> list[Voice]:
    """The voices of the server, and all that were made here; those that its owner pays for only where allowed."""
    fixed = house.voices if house else [voice for voice in list_voices(offline=True) if _allowed(voice.name)]
    prefix = f"{own_voices.ENGINE}:"
    # Others are listed once in the life of a server; of these there may be new ones.
    own = [own.voice for own in own_voices.list_own()]
    return [*(voice for voice in fixed if not voice.name.startswith(prefix)), *filter(_voice_allowed, own)]


def _voice_allowed(voice: Voice) -> bool:
    return _allowed(voice.name)


def _allowed(name: str) -> bool:
    try:
        check_visitors(name)
    except VoiceError:
        return False
    return True


def voice_owners(engine: Engine) -> dict[str, str]:
    """Name of each voice that somebody made over the API (in lower case), and whose key that was."""
    with engine.connect().execution_options(**_READS) as connection:
        return {row.name.lower(): row.key for row in connection.execute(sa.select(VOICES.c.name, VOICES.c.key))}


def may_use_voice(name: str, who: Who, owners: dict[str, str]) -> bool:
    """Whether a voice is the server's or this one's own."""
    engine, _, rest = name.strip().partition(":")
    if engine.strip().lower() != own_voices.ENGINE:
        return True
    key = owners.get(rest.strip().lower())
    return key is None or who.owns(key)


def checked_voice(api: Api, who: Who, name: str) -> str:
    """The full name of a voice that may be used.

    Raises:
        VoiceError: There is none of that name, or it is somebody else's.
    """
    if not may_use_voice(name, who, voice_owners(api.desk.store.engine)):
        raise VoiceError("There is no voice '{name}'.", _LIST, name=name)
    try:
        check_visitors(name)
        return resolve_voice(name, offline=True).name
    except VoiceError as e:
        if "--" in e.hint:  # which is for the command line
            raise VoiceError(e.what, _LIST) from e
        raise


def avatar_rows(engine: Engine) -> dict[str, Any]:
    """The rows of the avatars that were made over the API, by id."""
    with engine.connect().execution_options(**_READS) as connection:
        return {row.id: row for row in connection.execute(sa.select(AVATARS))}


def avatar_row(engine: Engine, avatar_id: str) -> Any:
    """The row of one of them; None for an avatar of the server."""
    with engine.connect().execution_options(**_READS) as connection:
        return connection.execute(sa.select(AVATARS).where(AVATARS.c.id == avatar_id)).one_or_none()


def usable_avatars(api: Api, who: Who) -> list[tuple[dict[str, Any], Any]]:
    """The manifests of the avatars that somebody may use, the newest first, each with its row or None."""
    rows = avatar_rows(api.desk.store.engine)
    for row in rows.values():
        if who.owns(row.key) and row.key != GONE:
            _bring(api, row.id)
    found = [(facts, rows.get(facts["id"])) for facts in list_avatars(api.cache)]
    return [(facts, row) for facts, row in found if row is None or (who.owns(row.key) and row.key != GONE)]


def _bring(api: Api, avatar_id: str) -> None:
    """Have an avatar here that another machine has made, or that this one has forgotten."""
    try:
        api.desk.files.fetch_avatar(avatar_id, api.cache)
    except AvatarError as e:
        log.error("The avatar %s in the storage cannot be used: %s", avatar_id, e)


def checked_avatar(api: Api, who: Who, avatar_id: str) -> dict[str, Any]:
    """The manifest of an avatar that may be used.

    Raises:
        RequestError: There is none of that id, or it is somebody else's.
    """
    if not ID.fullmatch(avatar_id):
        raise not_found("avatar")
    row = avatar_row(api.desk.store.engine, avatar_id)
    if row is not None and (row.key == GONE or not who.owns(row.key)):
        raise not_found("avatar")
    if row is not None:
        _bring(api, avatar_id)
    try:
        return read_manifest(api.cache / avatar_id)
    except AvatarError as e:
        raise not_found("avatar") from e
