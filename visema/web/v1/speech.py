"""Words as sound, with the times of words and visemes; sentence by sentence where that is asked for."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from visema.errors import VisemaError
from visema.live.pieces import Pieces
from visema.service import tally
from visema.service.endings import month_of
from visema.speech.speak import speak
from visema.speech.types import Speech, SpeechSettings
from visema.visemes.plan import viseme_track
from visema.web.film_errors import NO_STORE, clean, language_of, problem
from visema.web.sound import wav_bytes
from visema.web.texts import in_language
from visema.web.v1 import answers
from visema.web.v1.asked import usual_voice
from visema.web.v1.choices import checked_voice
from visema.web.v1.context import Api, Server
from visema.web.v1.context import Speech as MaySpeak
from visema.web.v1.errors import Explained, as_problem, problems
from visema.web.v1.requests import Utter
from visema.web.v1.telling import BASE

router = APIRouter(prefix=BASE, route_class=Explained, tags=["speech"])

_LINES: Final = "application/x-ndjson"
_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The sound with its times; as WAV alone where Accept says audio/wav; where 'stream' is "
        "set, one line of JSON for each sentence, with 'begin' in seconds, and a last one with 'end': true",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Spoken"}},
            "audio/wav": {"schema": {"type": "string", "format": "binary"}},
            _LINES: {"schema": {"type": "string"}},
        },
    }
}


@router.post(
    "/tts", response_model=answers.Spoken, responses={**_FORMS, **problems(400)}, summary="Speak a text",
)  # fmt: skip
async def tts(asked: Utter, request: Request, api: Server, who: MaySpeak) -> Response:
    """Sound with the times of words and visemes, so that a mouth of your own can follow it."""
    voice = await asyncio.to_thread(checked_voice, api, who, asked.voice or usual_voice(api))
    settings = SpeechSettings(asked.rate, asked.pitch, asked.volume)
    say = partial(_counted, api, who.key, voice=voice, settings=settings)
    language = language_of(request)
    if asked.stream:
        pieces = Pieces(asked.text)
        # The first sentence is waited for, so that what is wrong with all of them is told by the answer's number.
        first = await _spoken(api, say, pieces)
        return StreamingResponse(
            _lines(api, say, pieces, first, language),
            media_type=_LINES,
            headers={**NO_STORE, "X-Accel-Buffering": "no"},
        )
    async with api.speaking:
        speech = await asyncio.to_thread(say, asked.text)
    if "audio/wav" in request.headers.get("accept", ""):
        data = await asyncio.to_thread(wav_bytes, speech.samples, speech.rate)
        return Response(data, media_type="audio/wav", headers=NO_STORE)
    return JSONResponse(await asyncio.to_thread(told_speech, speech, language), headers=NO_STORE)


def _counted(api: Api, key: str, text: str, *, voice: str, settings: SpeechSettings) -> Speech:
    """Speech, its cost counted among what a key has used."""
    speech = speak(text, voice, settings, offline=api.offline)
    if cost := speech.cost:
        month = month_of(time.time())
        with api.desk.store.writing() as connection:
            for what, amount in (("characters", float(cost.characters)), ("money", cost.money)):
                if amount > 0 and not cost.cached:
                    tally.add(connection, key, what, month, amount)
    return speech


async def _spoken(api: Api, say: partial[Speech], pieces: Pieces) -> Speech | None:
    """The next sentence; None after the last."""
    piece = pieces.next()
    if piece is None:
        return None
    async with api.speaking:
        return await asyncio.to_thread(say, piece.text)


async def _lines(
    api: Api, say: partial[Speech], pieces: Pieces, speech: Speech | None, language: str
) -> AsyncIterator[str]:
    """The sentences as lines of JSON; one that cannot be spoken ends them with the error."""
    begin = 0.0
    while speech is not None:
        yield _line({"begin": round(begin, 4), "text": speech.text, **told_speech(speech, language)})
        begin += speech.duration
        try:
            speech = await _spoken(api, say, pieces)
        except VisemaError as e:
            found = as_problem(e)
            yield _line(problem(found.code, found, language))
            return
    yield _line({"end": True, "duration": round(begin, 4)})


def _line(told: dict[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False) + "\n"


def told_speech(speech: Speech, language: str) -> dict[str, Any]:
    """Speech as `answers.Spoken` has it."""
    return {
        "audio": base64.b64encode(wav_bytes(speech.samples, speech.rate)).decode("ascii"),
        "rate": speech.rate,
        "duration": round(speech.duration, 4),
        "voice": speech.voice,
        "timing": speech.timing or "service",
        "words": [{"start": round(s, 4), "end": round(e, 4), "text": word} for s, e, word in speech.words],
        "visemes": [{"start": round(s, 4), "end": round(e, 4), "viseme": v} for s, e, v in viseme_track(speech)],
        "notes": [clean(in_language(note, language)) for note in speech.notes],
        "cost": speech.cost.to_json() if speech.cost else None,
    }
