"""The live view's HTTP API: open, say, interrupt, close, events, MJPEG, counters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from visema.errors import AvatarError, InputError, VisemaError
from visema.live import requests
from visema.live.requests import MAX_MESSAGE, RequestError, manner
from visema.live.theatre import Full, Session, Theatre
from visema.service.who import Who
from visema.web import live_description
from visema.web.identity import asker
from visema.web.live_feeds import BOUNDARY, EventFeed, Feed, PictureFeed
from visema.web.live_gate import Bucket, Gate
from visema.web.live_socket import TEXTS

NO_STORE: Final = {"Cache-Control": "no-store"}
STREAM: Final = {**NO_STORE, "X-Accel-Buffering": "no"}
Handler = Callable[..., Awaitable[Response]]


def add_live_api(app: FastAPI, theatre: Theatre, gate: Gate, voice: Callable[[str], str]) -> None:
    """Put the API on ``app``."""
    texts = Bucket(TEXTS[0] * 10, TEXTS[1] * 10)

    def guard(request: Request) -> None:
        gate.check_origin(request.headers)
        gate.check_rate(_address(request))

    def session_of(name: str, who: Who) -> Session:
        session = theatre.find(name)
        if session is None or not (theatre.options.shared or who.owns(session.owner)):
            hint = "Open one by POST /api/v1/live."
            raise RequestError("unknown_session", "There is no such session, or it has ended.", hint, 404)
        return session

    @app.get("/api/v1/live/stats", **live_description.STATS)
    async def stats() -> Response:
        return JSONResponse(theatre.crew.metrics.json(), headers=NO_STORE)

    @app.post("/api/v1/live", **live_description.OPEN)
    @explained
    async def open_session(request: Request) -> Response:
        guard(request)
        body = await _body(request)
        avatar = body.get("avatar", "")
        if not isinstance(avatar, str):
            raise RequestError("malformed", "'avatar' is not a text.", "Give the id of an avatar.")
        usual = voice(request.headers.get("accept-language", ""))
        who = asker(request)
        await asyncio.to_thread(gate.check_avatar, who, avatar)
        session = await asyncio.to_thread(theatre.open, avatar, voice=usual, lasting=True, owner=who.key)
        return JSONResponse(_facts(session), 201, NO_STORE)

    @app.get("/api/v1/live/{name}", **live_description.LOOK)
    @explained
    async def look(name: str, request: Request) -> Response:
        return JSONResponse(_facts(session_of(name, asker(request))), headers=NO_STORE)

    @app.post("/api/v1/live/{name}/say", **live_description.SAY)
    @explained
    async def say(name: str, request: Request) -> Response:
        guard(request)
        session = session_of(name, asker(request))
        if not texts.take():
            raise RequestError("flood", "Too many texts in a short time.", "Wait a second.", 429)
        asked = requests.check(await _body(request), "say")
        if asked.fields.get("stream"):
            raise RequestError("text", "A stream needs the socket.", "Send the text at once.", 422)
        chosen, settings = manner(asked)
        await asyncio.to_thread(gate.check_voice, asker(request), chosen)
        utterance = session.stage.begin(
            asked.fields["text"],
            chosen,
            settings,
            queue=asked.fields.get("queue", False),
            interrupt=asked.fields.get("interrupt", True),
            complete=True,
        )
        return JSONResponse({"utterance": utterance.number}, 202, NO_STORE)

    @app.post("/api/v1/live/{name}/interrupt", **live_description.INTERRUPT)
    @explained
    async def interrupt(name: str, request: Request) -> Response:
        guard(request)
        session_of(name, asker(request)).stage.interrupt()
        return JSONResponse({}, 202, NO_STORE)

    @app.post("/api/v1/live/{name}/clear", **live_description.CLEAR)
    @explained
    async def clear(name: str, request: Request) -> Response:
        guard(request)
        session_of(name, asker(request)).stage.clear()
        return JSONResponse({}, 202, NO_STORE)

    @app.post("/api/v1/live/{name}/close", **live_description.CLOSE)
    @explained
    async def close(name: str, request: Request) -> Response:
        guard(request)
        session = session_of(name, asker(request))
        if session.id != name or theatre.options.shared:
            raise RequestError("shared", "The stage is shared by all.", "Only the server's end closes it.", 422)
        await asyncio.to_thread(theatre.close, session)
        return JSONResponse({}, headers=NO_STORE)

    @app.get("/api/v1/live/{name}/events", **live_description.EVENTS)
    @explained
    async def events(name: str, request: Request) -> Response:
        guard(request)
        session = session_of(name, asker(request))
        feed = EventFeed(session.stage)
        stream = _watched(theatre, gate, _address(request), session, feed, feed.stream())
        return StreamingResponse(stream, media_type="text/event-stream", headers=STREAM)

    @app.get("/api/v1/live/{name}/mjpeg", **live_description.MJPEG)
    @explained
    async def mjpeg(name: str, request: Request) -> Response:
        guard(request)
        return _mjpeg(session_of(name, asker(request)), request)

    @app.get("/live/mjpeg/{avatar}", include_in_schema=False)
    @explained
    async def mjpeg_of(avatar: str, request: Request) -> Response:
        guard(request)
        usual = voice(request.headers.get("accept-language", ""))
        who = asker(request)
        await asyncio.to_thread(gate.check_avatar, who, avatar)
        session = await asyncio.to_thread(theatre.open, avatar, voice=usual, owner=who.key)
        return _mjpeg(session, request)

    def _mjpeg(session: Session, request: Request) -> Response:
        feed = PictureFeed(session.stage)
        stream = _watched(theatre, gate, _address(request), session, feed, feed.stream())
        headers = {**STREAM, "X-Visema-Session": session.id}
        return StreamingResponse(stream, media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}", headers=headers)


def explained(handler: Handler) -> Handler:
    """Answer errors as ``{error, detail, hint}``, with HTTP's number for them."""
    import functools

    @functools.wraps(handler)
    async def answer(*args: Any, **kwargs: Any) -> Response:
        try:
            return await handler(*args, **kwargs)
        except RequestError as e:
            error, status = e, e.status
        except AvatarError as e:
            error, status = RequestError("unknown_avatar", e.what, e.hint), 404
        except Full as e:
            error, status = RequestError("busy", e.what, e.hint), 503
        except InputError as e:
            error, status = RequestError("text", e.what, e.hint), 422
        except VisemaError as e:
            error, status = RequestError("internal", e.what, e.hint), 500
        return JSONResponse(error.json(), status, NO_STORE)

    return answer


async def _body(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request.

    Only JSON is taken, which pages of other sites cannot send without asking first.

    Raises:
        RequestError: It is something else, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RequestError("malformed", "The body is not JSON.", "Send Content-Type: application/json.", 415)
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MAX_MESSAGE:
            raise RequestError("too_large", "The body is too large.", f"Send at most {MAX_MESSAGE} bytes.", 413)
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise RequestError("malformed", "The body is not JSON.", "Send one object.") from None
    if not isinstance(found, dict):
        raise RequestError("malformed", "The body is not an object.", "Send one object.")
    return found


async def _watched(
    theatre: Theatre, gate: Gate, address: str, session: Session, feed: Feed, stream: AsyncIterator[Any]
) -> AsyncIterator[Any]:
    """``stream``, while ``feed`` watches the session; it counts as a socket of its address."""
    try:
        gate.enter(address)
    except RequestError as e:
        yield json.dumps(e.json())
        return
    try:
        theatre.join(session, feed)
        try:
            async for item in stream:
                yield item
        finally:
            theatre.leave(session, feed)
    finally:
        gate.exit(address)


def _facts(session: Session) -> dict[str, Any]:
    stage = session.stage
    at = f"/api/v1/live/{session.id}"
    actions = ("say", "interrupt", "clear", "close", "events", "mjpeg")
    return {
        "session": session.id,
        "avatar": {"id": stage.avatar.id, "name": stage.avatar.name},
        "state": stage.standing.state,
        "place": stage.standing.place,
        "viewers": session.watchers,
        "t": round(stage.now, 4),
        "urls": {action: f"{at}/{action}" for action in actions},
    }


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
