"""What the description for programs (``/openapi.json``) tells of the live view's addresses."""

from __future__ import annotations

from typing import Any, Final

from visema.live.utterance import MAX_TEXT
from visema.speech.speak import PITCHES, RATES, VOLUMES
from visema.web.v1.errors import problems

_OBJECT: Final[dict[str, Any]] = {"application/json": {"schema": {"type": "object"}}}
_FACTS: Final[dict[str, Any]] = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["session", "avatar"],
            "properties": {
                "session": {"type": "string", "description": "For the other addresses"},
                "avatar": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}},
            },
        }
    }
}
_STREAMED: Final = {"description": "A stream that goes on until it is closed"}


def _body(properties: dict[str, Any], example: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "example": example}
    content = {"application/json": {"schema": schema | ({"required": list(required)} if required else {})}}
    return {"requestBody": {"required": True, "content": content}}


def _told(summary: str, status: int, what: dict[str, Any], *codes: int, **more: Any) -> dict[str, Any]:
    answers: dict[int | str, Any] = {status: what, **problems(*codes)}
    return {"tags": ["live"], "summary": summary, "status_code": status, "responses": answers, **more}


def _number(bounds: tuple[float, float], about: str) -> dict[str, Any]:
    return {"type": "number", "minimum": bounds[0], "maximum": bounds[1], "description": about}


_MANNER: Final[dict[str, Any]] = {
    "voice": {"type": "string", "description": "A name that GET /api/v1/voices lists"},
    "rate": _number(RATES, "Speed"),
    "pitch": _number(PITCHES, "Semitones up or down"),
    "volume": _number(VOLUMES, "Loudness"),
}
_SAY: Final = _body(
    {
        "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        **_MANNER,
        "interrupt": {"type": "boolean", "description": "Break off what is being said"},
        "queue": {"type": "boolean", "description": "Say it after what is being said"},
    },
    {"text": "Hello, and welcome.", "voice": "espeak:en-us"},
    "text",
)
_OPEN: Final = _body(
    {"avatar": {"type": "string", "description": "Its id; the one on stage where it is left out"}}, {}
)

STATS: Final = _told("Counters of the live view", 200, {"description": "Counters", "content": _OBJECT})
OPEN: Final = _told(
    "Open a stage", 201, {"description": "The stage", "content": _FACTS}, 400, 404, 413, 415, openapi_extra=_OPEN
)
LOOK: Final = _told("A stage", 200, {"description": "The stage", "content": _FACTS}, 404)
SAY: Final = _told(
    "Say something", 202,
    {"description": "It will be said", "content": {"application/json": {"schema": {
        "type": "object", "required": ["utterance"], "properties": {"utterance": {"type": "integer"}},
    }}}},
    400, 404, 413, 415, openapi_extra=_SAY,
)  # fmt: skip
INTERRUPT: Final = _told("Break off what is being said", 202, {"description": "Done", "content": _OBJECT}, 404)
CLEAR: Final = _told("Forget what was to be said next", 202, {"description": "Done", "content": _OBJECT}, 404)
CLOSE: Final = _told("Close a stage", 200, {"description": "Closed", "content": _OBJECT}, 404)
EVENTS: Final = _told(
    "What happens on a stage (Server-Sent Events)", 200,
    {**_STREAMED, "content": {"text/event-stream": {"schema": {"type": "object"}}}}, 404,
)  # fmt: skip
MJPEG: Final = _told(
    "The pictures of a stage (Motion JPEG)", 200,
    {**_STREAMED, "content": {"multipart/x-mixed-replace": {"schema": {"type": "string", "format": "binary"}}}}, 404,
)  # fmt: skip
