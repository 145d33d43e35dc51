"""Reading the body of ``POST /api/v1/generate`` and its like: JSON, or a form with files."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from visema.live.requests import RequestError
from visema.message import Message
from visema.web.film_intake import FILES, Received, drain, receive
from visema.web.v1.errors import of_fields

M = TypeVar("M", bound=BaseModel)

#: Bytes of a JSON body; the longest text in the widest letters, escaped, is a tenth of it.
MAX_JSON: Final = 1 << 20
_BLOCK: Final = 1 << 20


def is_form(request: Request) -> bool:
    """Whether a form comes."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def read_json(request: Request, model: type[M], most: int = MAX_JSON) -> M:
    """The body as JSON.

    Raises:
        RequestError: It is none, is too large, or holds what it may not.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        await drain(request.stream())
        hint = Message("Send application/json, or multipart/form-data where files are sent.")
        raise RequestError("unsupported", Message("The body is of a kind that is not taken here."), hint, 415)
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > most:
            await drain(request.stream())
            what = Message("The body is too large.")
            raise RequestError("too_large", what, Message("Send at most {most} bytes.", most=most), 413)
    try:
        return model.model_validate_json(bytes(body), strict=True)
    except ValidationError as e:
        raise of_fields(e.errors()) from e


def checked(model: type[M], found: Any, *, strict: bool) -> M:
    """A model out of its fields.

    Args:
        model: Which.
        found: The fields.
        strict: A number is a number; else texts that read like one, as forms have them, will do.

    Raises:
        RequestError: A field holds what it may not.
    """
    try:
        return model.model_validate(found, strict=strict)
    except ValidationError as e:
        raise of_fields(e.errors()) from e


async def read_form(
    request: Request, folder: Path, model: type[M], *, max_bytes: int, max_field: int, files: Mapping[str, str] = FILES
) -> tuple[M, Received]:
    """A form: its files go into ``folder``, its texts are the fields of ``model``.

    Raises:
        RequestError: 400, 408, 413, 415 or 422.
        NoSpace: The disk is full.
    """
    received = await receive(
        request.headers, request.stream(), folder, known=frozenset(model.model_fields), max_bytes=max_bytes,
        max_field=max_field, files=files,
    )  # fmt: skip
    return checked(model, received.fields, strict=False), received


async def digests(folder: Path, received: Received, files: Mapping[str, str] = FILES) -> dict[str, str]:
    """SHA-256 of the files that came."""
    return {name: await asyncio.to_thread(_digest, folder / files[name]) for name in sorted(received.files)}


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def form_of(model: type[BaseModel], files: Mapping[str, str], required: Sequence[str] = ()) -> dict[str, Any]:
    """How the description tells of a form: the fields of ``model``, and files by name with what they are."""
    found = {name: {"type": "string", "format": "binary", "description": about} for name, about in files.items()}
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    texts = {name: {k: v for k, v in told.items() if k != "title"} for name, told in schema["properties"].items()}
    needed = [*required, *schema.get("required", ())]
    return {"type": "object", "properties": {**found, **texts}, "additionalProperties": False} | (
        {"required": needed} if needed else {}
    )


def form_or_json(model: type[BaseModel], files: Mapping[str, str]) -> dict[str, Any]:
    """The description of a body that is JSON or, where files are sent, a form."""
    content = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}},
        "multipart/form-data": {"schema": form_of(model, files)},
    }
    return {"requestBody": {"required": True, "content": content}}


def form_only(model: type[BaseModel], files: Mapping[str, str], required: Sequence[str]) -> dict[str, Any]:
    """The description of a body that is a form."""
    return {"requestBody": {"required": True, "content": {
        "multipart/form-data": {"schema": form_of(model, files, required)}
    }}}  # fmt: skip
