"""What players and callers ask for, checked field by field: by socket and by HTTP the same."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from visema.errors import VisemaError
from visema.live.stage import LEADS
from visema.live.utterance import MAX_TEXT
from visema.message import Message
from visema.speech.speak import PITCHES, RATES, VOLUMES
from visema.speech.types import SpeechSettings

#: Bytes of a message.
MAX_MESSAGE: Final = 65_536
MAX_ID: Final = 64
#: Field to its type in each message; a question mark in front says that it may be left out.
_TEXT = {"text": "str"}
_MANNER = {"voice": "?str", "rate": "?num", "pitch": "?num", "volume": "?num"}
_MEASURED: Final = (
    "skew_ms", "skew_p95_ms", "fps", "painted", "late", "skipped", "dropouts",
    "first_sound_ms", "first_picture_ms", "silence_ms", "closed_ms", "buffer_ms",
)  # fmt: skip
MESSAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "hello": {"version": "int", "avatar": "?str", "audio": "list", "session": "?str", "heard": "?num",
              "lead": "?num", "pictures": "?bool"},
    "say": {**_TEXT, **_MANNER, "interrupt": "?bool", "queue": "?bool", "stream": "?bool"},
    "queue": {**_TEXT, **_MANNER, "stream": "?bool"},
    "text": _TEXT,
    "end": {},
    "interrupt": {},
    "clear": {},
    "ping": {"c": "?num"},
    "lead": {"lead": "num"},
    "watch": {"pictures": "bool"},
    "report": dict.fromkeys(_MEASURED, "?num"),
    "close": {},
}  # fmt: skip
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "str": (str,), "num": (int, float), "int": (int,), "bool": (bool,), "list": (list,),
}  # fmt: skip
_NAMES: Final = {
    "str": "a text",
    "num": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list",
}


class RequestError(VisemaError):
    """A message that cannot be followed.

    Args:
        code: One of the protocol's words for errors.
        what: What is wrong.
        hint: What to do.
        status: HTTP's number for it.
        request_id: The player's name for the message.
        values: What fills the places of ``what`` and ``hint``.
    """

    def __init__(
        self, code: str, what: str, hint: str = "", status: int = 400, request_id: str = "", **values: object
    ) -> None:
        super().__init__(what, hint, **values)
        self.code = code
        self.status = status
        self.request_id = request_id

    def json(self) -> dict[str, str]:
        """As wire and HTTP have it."""
        found = {"error": self.code, "detail": self.what, "hint": self.hint}
        return found | {"id": self.request_id} if self.request_id else found


@dataclass(frozen=True)
class Request:
    """A checked message.

    Attributes:
        type: Which.
        id: The player's name for it; empty for none.
        fields: Its fields; those that were left out are missing.
    """

    type: str
    id: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


def parse(data: str | bytes) -> Request:
    """Read a message.

    Raises:
        RequestError: It makes no sense.
    """
    if len(data) > MAX_MESSAGE:
        raise RequestError("too_large", "The message is too large.", f"Send at most {MAX_MESSAGE} bytes.", 413)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise RequestError("malformed", "The message is not JSON.", "Send one object a message.") from None
    if not isinstance(found, dict):
        raise RequestError("malformed", "The message is not an object.", "Send one object a message.")
    return check(found, str(found.get("type", "")))


def check(found: Mapping[str, Any], kind: str) -> Request:
    """Check a message of the type ``kind``.

    Raises:
        RequestError: A field is missing, or of another type; or there is no such message.
    """
    request_id = found.get("id", "")
    if not isinstance(request_id, str) or len(request_id) > MAX_ID:
        raise RequestError("malformed", "The id is no short text.", f"Give up to {MAX_ID} characters.")
    if kind not in MESSAGES:
        hint = f"Known are {', '.join(MESSAGES)}."
        raise RequestError("malformed", f"There is no message '{kind:.40}'.", hint, 400, request_id)
    fields = {}
    for name, wanted in MESSAGES[kind].items():
        value = found.get(name)
        bare = wanted.lstrip("?")
        if value is None and wanted[0] == "?":
            continue
        good = isinstance(value, _KINDS[bare]) and (bare == "bool" or not isinstance(value, bool))
        if not good or (isinstance(value, float) and not math.isfinite(value)):
            what = f"'{name}' of '{kind}' is not {_NAMES[bare]}."
            raise RequestError("malformed", what, "See the protocol's table of messages.", 400, request_id)
        fields[name] = value
    return Request(kind, request_id, fields)


def manner(request: Request) -> tuple[str, SpeechSettings]:
    """Voice and settings of a `say` or `queue`; an empty voice for the usual one.

    Raises:
        RequestError: There is no such voice, a setting is out of range, or the text is too long.
    """
    settings: dict[str, Any] = {}
    for name, (low, high) in (("rate", RATES), ("pitch", PITCHES), ("volume", VOLUMES)):
        if name in request.fields:
            value = float(request.fields[name])
            if not low <= value <= high:
                what = "The {name} {value} is out of range."
                hint = "Give a {name} from {low} to {high}."
                values = {"name": Message(name), "value": f"{value:g}", "low": f"{low:g}", "high": f"{high:g}"}
                raise RequestError("text", what, hint, 422, request.id, **values)
            settings[name] = value
    if len(request.fields["text"]) > MAX_TEXT:
        what = "The text has more than {most} characters."
        raise RequestError("text", what, "Say it in several parts.", 422, request.id, most=MAX_TEXT)
    streams = request.fields.get("stream", False)
    if not streams and not any(c.isalnum() for c in request.fields["text"]):
        raise RequestError("text", "There is nothing to say.", "Give a text with words.", 422, request.id)
    voice = request.fields.get("voice", "")
    if voice:
        from visema.errors import VoiceError
        from visema.speech.voices import check_visitors, resolve_voice

        try:
            check_visitors(voice)
            voice = resolve_voice(voice, offline=True).name
        except VoiceError as e:
            raise RequestError("unknown_voice", e.what, e.hint, 422, request.id) from e
    return voice, replace(SpeechSettings(), **settings)


def lead_of(value: float) -> float:
    """A lead within its bounds."""
    return min(max(value, LEADS[0]), LEADS[1])
