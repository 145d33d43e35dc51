"""What somebody asks for, as the options of a job: checked against what this server has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from visema.errors import InputError
from visema.live.requests import RequestError
from visema.message import Message
from visema.service.request import film_options
from visema.stage.framing import check_shape
from visema.web.v1.choices import checked_avatar, checked_voice
from visema.web.v1.errors import not_found

if TYPE_CHECKING:
    from visema.service.who import Who
    from visema.web.v1.context import Api
    from visema.web.v1.requests import Item

#: Options that say how a photo becomes a moving face; a prepared avatar moves already.
_OF_PHOTOS: Final = ("expression", "style", "face", "engine")
_USUAL_VOICE: Final = "en-US-JennyNeural"


def film_or_speech(api: Api, who: Who, item: Item, files: frozenset[str] = frozenset()) -> tuple[str, dict[str, Any]]:
    """The kind of a job and its options.

    Args:
        api: The server.
        who: Who asks.
        item: The fields.
        files: Which files came: ``image``, ``audio``.

    Raises:
        RequestError: The avatar is none, or is somebody else's; or the priority is for administrators.
        InputError: There is nothing to say, or something does not go together.
        VoiceError: There is no such voice.
    """
    check_priority(who, item.priority)
    photo, audio = "image" in files, "audio" in files
    if not item.text and not audio:
        raise InputError("There is nothing to say.", "Send 'text', or 'audio', a recording of speech.")
    options = {**item.options, "audio": audio}
    if item.text:
        options["text"] = item.text
    if item.voice:
        options["voice"] = checked_voice(api, who, item.voice)
    elif not audio:
        options["voice"] = checked_voice(api, who, usual_voice(api))
    if photo:
        if item.avatar:
            raise InputError("A photo and an avatar were sent.", "Send one of them: it is who speaks.")
        film_options(options, offline=api.offline).check()
        return "film", options
    if odd := [name for name in _OF_PHOTOS if name in options]:
        raise InputError(
            "'{name}' is for a photo that is sent.", "Leave it out: a prepared avatar moves already.", name=odd[0]
        )
    check_shape(item.resolution, item.crop)
    avatar = item.avatar or api.default_avatar
    if not avatar:
        raise not_found("avatar")
    options["avatar"] = checked_avatar(api, who, avatar)["id"]
    return "speak", options


def check_priority(who: Who, priority: int) -> None:
    """Refuse to let somebody before all others: turns are fair among jobs of one priority only.

    Raises:
        RequestError: The priority is above 0, and the key is no administrator's.
    """
    if priority > 0 and not who.may("admin"):
        raise RequestError(
            "forbidden", Message("A priority above 0 is for administrators."),
            Message("Leave it out or give -10 to 0, or use a key with the scope admin."), 403,
        )  # fmt: skip


def usual_voice(api: Api) -> str:
    """Who speaks where nobody is named."""
    return api.house.first_voice("en") if api.house else _USUAL_VOICE


def digest(address: str, fields: Mapping[str, Any], files: Mapping[str, str] | None = None) -> str:
    """SHA-256 of a request, to tell a repetition from a different one under the same key.

    Args:
        address: What was asked.
        fields: Of the request, as JSON.
        files: SHA-256 of each file by the name of its field.
    """
    told = json.dumps([address, fields, files or {}], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def once_of(headers: Mapping[str, str]) -> str | None:
    """The Idempotency-Key of a request; None without one.

    Raises:
        RequestError: It is too long or no plain text.
    """
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= 200 or not key.isprintable() or not key.isascii():
        raise RequestError(
            "unusable", Message("The Idempotency-Key is no plain text of 1 to 200 characters."),
            Message("Send something such as a UUID."), 422,
        )  # fmt: skip
    return key
