"""Voices: listed, heard, made from a sample with the consent of the person, deleted."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError

from visema.consent import Consent
from visema.errors import VoiceError
from visema.live.requests import RequestError
from visema.message import Message
from visema.service.schema import VOICES
from visema.service.uploads import RAW_SOUND
from visema.service.who import Who
from visema.speech import own_voices
from visema.speech.own_voices import OwnVoice
from visema.speech.types import Voice
from visema.speech.voices import speaks
from visema.web.film_errors import NO_STORE
from visema.web.sound import wav_bytes
from visema.web.v1 import answers
from visema.web.v1.choices import checked_voice, may_use_voice, voice_owners
from visema.web.v1.context import Api, Reader, Server, Voices
from visema.web.v1.errors import Explained, not_found, problems
from visema.web.v1.greetings import greeting
from visema.web.v1.intake import form_only, read_form
from visema.web.v1.requests import Clone, Language, VoiceName
from visema.web.v1.telling import BASE
from visema.web.voice_choice import base_language

router = APIRouter(prefix=f"{BASE}/voices", route_class=Explained, tags=["voices"])

_SAMPLE: Final = {"sample": RAW_SOUND}
#: A sample is a few minutes at most.
MAX_SAMPLE: Final = 64 << 20
MAX_SAMPLE_S: Final = 600.0
_BODY: Final = form_only(
    Clone, {"sample": "Recording of one person's speech: some seconds; a minute is best"}, ["sample"]
)
_WAV: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The sound", "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}
}
InName = Annotated[
    str,
    InPath(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f/]+$", examples=["espeak:en-us"]),
]


@router.get("", response_model=answers.Voices, responses=problems(), summary="The voices that you may use")
async def voices(
    api: Server,
    who: Reader,
    language: Annotated[Language | None, Query(description="Only those that speak it, such as en or en-GB")] = None,
    gender: Annotated[Literal["female", "male"] | None, Query(description="Only those")] = None,
    engine: Annotated[str | None, Query(pattern="^[a-z0-9]{1,32}$", description="Only those of one engine")] = None,
) -> Response:
    """Of all engines that are set up here, and your own."""

    def read() -> dict[str, Any]:
        owners = voice_owners(api.desk.store.engine)
        mine = [voice for voice in api.voices() if may_use_voice(voice.name, who, owners)]
        shown = [told_voice(voice, who, owners) for voice in mine if not language or speaks(voice, language)]
        return {
            "voices": [
                voice for voice in shown if gender in (None, voice["gender"]) and engine in (None, voice["engine"])
            ],
            "engines": sorted({voice.name.partition(":")[0] for voice in mine}),
            "languages": sorted({base_language(voice.language) for voice in mine}),
        }

    return JSONResponse(await asyncio.to_thread(read), headers=NO_STORE)


@router.post(
    "/clone", status_code=201, response_model=answers.OwnVoice, responses=problems(400, 408, 409, 413, 415, 507),
    openapi_extra=_BODY, summary="Make a voice from a sample",
)  # fmt: skip
async def clone(request: Request, api: Server, who: Voices) -> Response:
    """Needs a statement of consent, which is kept with the voice.

    What is made on this server is a voice match: an embedded voice, set to the pitch, speed and timbre of the sample.
    It is called that and no clone; a clone is made by ElevenLabs where that is set up.
    """
    folder = api.desk.files.work(await asyncio.to_thread(api.desk.begin))
    try:
        limit = min(MAX_SAMPLE, api.desk.settings.max_bytes)
        asked, received = await read_form(request, folder, Clone, max_bytes=limit, max_field=8192, files=_SAMPLE)
        if "sample" not in received.files:
            raise RequestError(
                "missing", Message("There is no sample."), Message("Send it as the field 'sample', a recording."), 422
            )
        consent = Consent.given(asked.consent, asked.consent_by or who.name)
        async with api.opening:
            own = await asyncio.to_thread(_make, api, who, asked, consent, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    owners = {own.name.lower(): who.key}
    return JSONResponse(_made(own, who, owners), 201, {**NO_STORE, "Location": f"{BASE}/voices"})


@router.get(
    "/{name}/preview", response_class=Response, responses={**_WAV, **problems(404, 409)}, summary="Hear a voice"
)
async def preview(name: InName, api: Server, who: Reader) -> Response:
    """A short sentence in the voice's language, as WAV. A voice that cannot speak now is no other one instead: 409."""
    from visema.speech.speak import speak

    async with api.speaking:
        full = await asyncio.to_thread(_known, api, who, name)
        language = next((voice.language for voice in api.voices() if voice.name == full), "en-US")
        speech = await asyncio.to_thread(speak, greeting(language), full, offline=api.offline)
    if speech.voice != full:
        hint = Message("Try again later, or choose another voice.")
        raise RequestError("voice", Message("The voice cannot speak now."), hint, 409)
    data = wav_bytes(speech.samples, speech.rate)
    return Response(data, media_type="audio/wav", headers={"Cache-Control": "private, max-age=3600"})


@router.delete(
    "/{name}", status_code=204, response_class=Response, responses=problems(404), summary="Delete a voice of your own"
)
async def delete(name: InName, api: Server, who: Voices) -> Response:
    """The voice and the consent; ``voice:<name>``, or the name alone. A clone stays with its service."""
    await asyncio.to_thread(_delete, api, who, name)
    return Response(status_code=204)


def _known(api: Api, who: Who, name: VoiceName) -> str:
    try:
        return checked_voice(api, who, name)
    except VoiceError as e:
        raise not_found("voice") from e


def _make(api: Api, who: Who, asked: Clone, consent: Consent, folder: Path) -> OwnVoice:
    """Make the voice, its name taken before: of two at once one hears that it is taken."""
    from visema.media.guard import rewrite_sound

    clean = folder / "sample.wav"
    rewrite_sound(folder / RAW_SOUND, clean, MAX_SAMPLE_S)
    name = asked.name.strip()
    engine = api.desk.store.engine
    try:
        own_voices.load(name)
    except VoiceError:
        pass
    else:
        raise _taken()
    try:
        with engine.begin() as connection:
            connection.execute(VOICES.insert().values(name=name.lower(), key=who.key, created=time.time()))
    except IntegrityError as e:
        raise _taken() from e
    try:
        if asked.engine == "elevenlabs":
            from visema.speech.voices import check_visitors

            check_visitors("elevenlabs:")
            return own_voices.make_clone(clean, name, consent)
        return own_voices.make_match(clean, name, consent, asked.language)
    except BaseException:
        _forget(api, name)
        raise


def _taken() -> RequestError:
    return RequestError("taken", Message("There is a voice of that name."), Message("Choose another name."), 409)


def _forget(api: Api, name: str) -> None:
    with api.desk.store.engine.begin() as connection:
        connection.execute(VOICES.delete().where(sa.func.lower(VOICES.c.name) == name.lower()))


def _delete(api: Api, who: Who, name: str) -> None:
    """Delete one's own voice.

    Raises:
        RequestError: There is none, or it is somebody else's; of the server's own only its owner deletes one.
    """
    engine, colon, rest = name.partition(":")
    own = (rest if colon else engine).strip()
    if colon and engine != own_voices.ENGINE:
        raise not_found("voice")
    key = voice_owners(api.desk.store.engine).get(own.lower(), "")
    if not who.owns(key):
        raise not_found("voice")
    try:
        own_voices.delete(own)
    except VoiceError as e:
        raise not_found("voice") from e
    finally:
        _forget(api, own)


def told_voice(voice: Voice, who: Who, owners: dict[str, str]) -> dict[str, Any]:
    """A voice as `answers.Voice` has it."""
    engine, _, rest = voice.name.partition(":")
    own = engine == own_voices.ENGINE
    return {
        "name": voice.name,
        "label": voice.label or rest,
        "language": voice.language,
        "gender": voice.gender.lower() if voice.gender in ("Female", "Male") else "",
        "engine": engine,
        "cloud": voice.cloud,
        "own": own and who.owns(owners.get(rest.lower(), "")),
        "kind": ("clone" if voice.cloud else "voice match") if own else "voice",
        "preview": f"{BASE}/voices/{voice.name}/preview",
    }


def _made(own: OwnVoice, who: Who, owners: dict[str, str]) -> dict[str, Any]:
    match = own.match
    said = (
        f"A voice match, not a clone: {match.base}, rate {match.rate:g}, pitch {match.pitch:+.1f} semitones."
        if match
        else f"A clone, made and kept by ElevenLabs: {own.base}."
    )
    distances = {
        name: {"semitones": away.semitones, "rate": away.rate, "timbre_db": away.colour} if away else None
        for name, away in (("before", match and match.before), ("after", match and match.after))
    }
    consent = {"text": own.consent.text, "who": own.consent.who, "when": own.consent.when}
    return {**told_voice(own.voice, who, owners), "base": own.base, "said": said, **distances, "consent": consent}
