"""`Message`: a sentence for the user that knows which one it is, so that it can be said in another language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLACE = re.compile(r"\{(\w+)\}")


class Message(str):
    """A sentence in English; it is a string, and goes wherever one goes.

    Args:
        template: The sentence with places for its values, as in ``There is no voice '{name}'.`` It is what
            translations are found by. Braces stay as they are where there is no such value.
        values: What fills the places; another message is translated too.

    Attributes:
        template: As given.
        values: As given, as strings.
    """

    template: str
    values: Mapping[str, str]

    def __new__(cls, template: str, **values: object) -> Message:
        """The sentence with its values in place."""
        words = {name: value if isinstance(value, Message) else str(value) for name, value in values.items()}
        message = super().__new__(cls, fill(template, words))
        message.template, message.values = template, words
        return message


def message_of(text: str) -> Message:
    """``text`` itself if it is a message, else a message without values."""
    return text if isinstance(text, Message) else Message(text)


def fill(template: str, values: Mapping[str, str]) -> str:
    """``template`` with its places filled; a place in a value is left alone."""
    return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), template)


def to_json(text: str) -> Any:
    """A message for JSON: a string, or an object where it has values."""
    if not isinstance(text, Message) or not text.values:
        return str(text)
    return {"template": text.template, "values": {name: to_json(value) for name, value in text.values.items()}}


def from_json(told: object, deep: int = 3) -> Message:
    """What `to_json` made, checked: it may come from somebody else.

    Args:
        told: A string, or an object with template and values.
        deep: How many messages may lie in one another.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(told, str):
        return Message(told)
    if not isinstance(told, dict) or set(told) != {"template", "values"} or not deep:
        raise ValueError("a note is no sentence")
    template, values = told["template"], told["values"]
    if not isinstance(template, str) or not isinstance(values, dict):
        raise ValueError("a note is no sentence")
    if not all(isinstance(name, str) and name.isidentifier() for name in values):
        raise ValueError("a note has values without names")
    return Message(template, **{name: from_json(value, deep - 1) for name, value in values.items()})
