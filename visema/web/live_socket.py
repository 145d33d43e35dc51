"""The live view's WebSocket: the conversation with one player, from `hello` to the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from visema.errors import AvatarError, InputError, VisemaError
from visema.live.messages import VERSION
from visema.live.opus import available
from visema.live.requests import MAX_MESSAGE, Request, RequestError, lead_of, manner, parse
from visema.live.stage import MAX_WAITING
from visema.live.theatre import Full, Session, Theatre
from visema.live.utterance import MAX_TEXT, Utterance
from visema.web.identity import asker
from visema.web.live_gate import Bucket, Gate
from visema.web.live_watcher import Watcher
from visema.web.texts import in_language, preferred_language

if TYPE_CHECKING:
    from visema.live.loop_file import LoopFile

log = logging.getLogger(__name__)

#: A player says hello at once.
HELLO_S: Final = 5.0
#: One message that takes longer than this to leave belongs to a reader that is gone.
STUCK_S: Final = 4.0
#: Messages a second, and at once; texts to speak a second, and at once; nonsense before the socket is closed.
MESSAGES: Final = (200.0, 400.0)
TEXTS: Final = (3.0, 12.0)
NONSENSE: Final = 10
#: Texts of one socket that may be coming in pieces at once.
STREAMS: Final = 16
#: Codes with which a player leaves for good; any other, and none, means that the connection broke off.
LEAVES: Final = (1000, 1001)


class Ended(Exception):
    """The conversation is over: close with this code."""

    def __init__(self, code: int, detail: str, *, retry: bool = False) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry = code, detail, retry


class LiveSockets:
    """All sockets of a theatre.

    Args:
        theatre: Where the stages are.
        gate: Who may come in.
        voice: Gives the usual voice of a visitor by the ``Accept-Language`` of their browser.
    """

    def __init__(self, theatre: Theatre, gate: Gate, voice: Callable[[str], str]) -> None:
        self._theatre, self._gate, self._voice = theatre, gate, voice
        # Opening may wait for a loop to be made; that must not hold up the default executor.
        self._openers = ThreadPoolExecutor(4, "live-open")
        self._open: dict[Watcher, asyncio.Task[Any]] = {}
        self._watchdog: asyncio.Task[None] | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Have the whole conversation."""
        address = socket.client.host if socket.client else ""
        metrics = self._theatre.crew.metrics
        try:
            self._gate.check_origin(socket.headers)
            self._gate.check_rate(address)
            self._gate.enter(address)
        except RequestError as e:
            metrics.count("refused_total")
            await _refuse(socket, e)
            return
        self._theatre.sockets += 1
        metrics.count("sockets_opened_total")
        try:
            await socket.accept()
            await self._converse(socket)
        except (WebSocketDisconnect, RuntimeError, OSError) as e:
            log.debug("A live socket ended: %r", e)
        finally:
            self._theatre.sockets -= 1
            self._gate.exit(address)

    async def close(self) -> None:
        """Stop looking after sockets; they are closed by their stages."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._openers.shutdown(wait=False, cancel_futures=True)

    async def _converse(self, socket: WebSocket) -> None:
        try:
            request = await _hello(socket)
            session, resumed = await self._find_session(socket, request)
        except Ended as e:
            await _say_bye(socket, e, _language(socket))
            return
        stage = session.stage
        opus = available() and next((c for c in request.fields["audio"] if c in ("opus", "pcm")), "pcm") == "opus"
        watcher = Watcher(socket, stage, self._theatre.crew.metrics, opus=opus, language=_language(socket))
        watcher.wants_pictures = request.fields.get("pictures", True)
        if "lead" in request.fields and not session.lasting:
            stage.lead = lead_of(request.fields["lead"])
        with stage.watching() as now:
            watcher.tell(self._greeting(session, stage.loop, now, opus=opus, resumed=resumed, request=request))
            self._theatre.join(session, watcher, request.fields.get("heard"))
        code = 1006
        if self._watchdog is None or self._watchdog.done():
            self._watchdog = asyncio.create_task(self._watch())
        sender = asyncio.create_task(watcher.send())
        check = partial(self._gate.check_voice, asker(socket))
        receiver = asyncio.create_task(Conversation(self._theatre, session, watcher, socket, check).run())
        self._open[watcher] = receiver
        try:
            await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
            if watcher.end[0] and not sender.done():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.shield(sender), 1.0)
            if receiver.done() and not receiver.cancelled() and receiver.exception() is None:
                code = receiver.result()
            if watcher.end[0]:
                code = watcher.end[0]
        finally:
            del self._open[watcher]
            for task in (sender, receiver):
                task.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)
            lost = code not in LEAVES and code != 1008
            if lost:
                self._theatre.crew.metrics.count("sockets_lost_total")
            self._theatre.leave(session, watcher, lost=lost)

    async def _find_session(self, socket: WebSocket, request: Request) -> tuple[Session, bool]:
        """The session that `hello` asks for, or a new one, and whether it is an old one.

        Raises:
            Ended: There is none to be had.
        """
        voice = self._voice(socket.headers.get("accept-language", ""))
        loop = asyncio.get_running_loop()
        fields, who = request.fields, asker(socket)
        try:
            name = fields.get("session", "")
            if name:
                resume = partial(self._theatre.resume, name, fields.get("heard"), voice, who.key)
                session = await loop.run_in_executor(self._openers, resume)
                if session is not None:
                    return session, True
            avatar = fields.get("avatar", "")
            await loop.run_in_executor(self._openers, self._gate.check_avatar, who, avatar)
            opening = partial(self._theatre.open, avatar, voice=voice, owner=who.key)
            return await loop.run_in_executor(self._openers, opening), False
        except AvatarError as e:
            raise Ended(4004, e.message) from e
        except Full as e:
            raise Ended(1013, e.message, retry=True) from e
        except VisemaError as e:
            raise Ended(1011, e.message, retry=True) from e

    def _greeting(
        self, session: Session, loop: LoopFile, now: float, *, opus: bool, resumed: bool, request: Request
    ) -> dict[str, Any]:
        stage, seats = session.stage, self._theatre.crew.seats
        found = {
            "type": "hello",
            "version": VERSION,
            "session": session.id,
            "resumed": resumed,
            "shared": self._theatre.options.shared,
            "t": round(now, 6),
            "avatar": {"id": stage.avatar.id, "name": stage.avatar.name},
            "voice": stage.voice,
            "size": list(loop.size),
            "fps": float(loop.fps),
            "loop": {"url": f"loops/{stage.avatar.id}/{loop.edition}.vlp", "count": loop.count},
            "audio": "opus" if opus else "pcm",
            "lead": stage.lead,
            "epoch": stage.epoch,
            "state": stage.standing.state,
            "seats": {"total": seats.total, "taken": seats.taken},
            "limits": {"text": MAX_TEXT, "message": MAX_MESSAGE, "waiting": MAX_WAITING},
        }
        return found | ({"id": request.id} if request.id else {})

    async def _watch(self) -> None:
        """End the sockets whose reader no longer reads."""
        while self._open:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for watcher, receiver in list(self._open.items()):
                since = watcher.sending_since
                if since is not None and now - since > STUCK_S:
                    receiver.cancel()


class Conversation:
    """What a player says after `hello`, and what is done about it.

    Args:
        theatre: For the seats and the counters.
        session: The player's.
        watcher: Answers go there.
        socket: Messages come from there.
        check_voice: Refuses voices that are somebody else's.
    """

    def __init__(
        self,
        theatre: Theatre,
        session: Session,
        watcher: Watcher,
        socket: WebSocket,
        check_voice: Callable[[str], None],
    ) -> None:
        self._theatre, self._session, self._watcher, self._socket = theatre, session, watcher, socket
        self._check_voice = check_voice
        self._stage = session.stage
        self._messages, self._texts = Bucket(*MESSAGES), Bucket(*TEXTS)
        self._nonsense = 0
        self._streams: dict[str, Utterance] = {}

    async def run(self) -> int:
        """Listen until the socket is closed; the code that it was closed with."""
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return int(message.get("code") or 1005)
                data = message.get("text")
                if data is None:
                    raise Ended(1003, "Binary messages are not understood.")
                if not self._messages.take():
                    self._theatre.crew.metrics.count("refused_total")
                    raise Ended(1008, "Too many messages.", retry=True)
                self._answer(data)
        except Ended as e:
            self._watcher.close(e.code, e.detail, retry=e.retry)
            return e.code

    def _answer(self, data: str) -> None:
        request_id = ""
        try:
            request = parse(data)
            request_id = request.id
            self._follow(request)
        except RequestError as e:
            self._theatre.crew.metrics.count("malformed_total")
            self._watcher.tell({"type": "error", **e.json()})
            if e.code == "too_large":
                raise Ended(1009, e.what) from e
            self._nonsense += e.code in ("malformed", "order")
            if self._nonsense >= NONSENSE:
                raise Ended(1008, "Too many messages that make no sense.", retry=True) from e
        except InputError as e:
            found = RequestError("busy" if "wait" in e.what else "text", e.what, e.hint, 422, request_id)
            self._watcher.tell({"type": "error", **found.json()})

    def _follow(self, request: Request) -> None:
        fields, stage = request.fields, self._stage
        match request.type:
            case "say" | "queue":
                self._say(request)
            case "text":
                stage.add(self._stream(request), fields["text"])
            case "end":
                stage.finish(self._stream(request))
                del self._streams[request.id]
            case "interrupt":
                stage.interrupt()
            case "clear":
                stage.clear()
            case "ping":
                self._watcher.tell({"type": "pong", **fields, "t": round(stage.now, 6)})
            case "lead":
                if not self._session.lasting:
                    stage.lead = lead_of(fields["lead"])
            case "watch":
                self._watcher.wants_pictures = fields["pictures"]
            case "report":
                take_report(self._theatre, request)
            case "close":
                raise Ended(1000, "Goodbye.")
            case _:
                raise RequestError("order", f"'{request.type}' comes once, and first.", "", 400, request.id)

    def _say(self, request: Request) -> None:
        if not self._texts.take():
            self._theatre.crew.metrics.count("refused_total")
            raise RequestError("flood", "Too many texts in a short time.", "Wait a second.", 429, request.id)
        voice, settings = manner(request)
        self._check_voice(voice)
        streams = bool(request.fields.get("stream", False))
        if streams and (not request.id or request.id in self._streams or len(self._streams) >= STREAMS):
            what = "A text that comes in pieces needs an id of its own, and there may be few at once."
            raise RequestError("order", what, "Give another id, or end a stream first.", 400, request.id)
        utterance = self._stage.begin(
            request.fields["text"],
            voice,
            settings,
            queue=request.type == "queue" or bool(request.fields.get("queue", False)),
            interrupt=request.fields.get("interrupt", True),
            complete=not streams,
        )
        self._streams = {name: u for name, u in self._streams.items() if not u.over}
        if streams:
            self._streams[request.id] = utterance
        answer: dict[str, Any] = {"type": "accepted", "utterance": utterance.number}
        self._watcher.tell(answer | ({"id": request.id} if request.id else {}))

    def _stream(self, request: Request) -> Utterance:
        if request.id not in self._streams:
            what = f"No text '{request.id}' is coming."
            raise RequestError("order", what, "Begin it by 'say' with stream and this id.", 400, request.id)
        return self._streams[request.id]


def take_report(theatre: Theatre, request: Request) -> None:
    """Keep what a player measured."""
    metrics, fields = theatre.crew.metrics, request.fields
    for name in ("late", "skipped", "dropouts"):
        if 0 < fields.get(name, 0) < 1e6:
            metrics.count(f"player_{name}_total", float(fields[name]))
    for name, histogram in (
        ("skew_ms", "player_skew_seconds"),
        ("first_sound_ms", "player_first_sound_seconds"),
        ("first_picture_ms", "player_first_picture_seconds"),
    ):
        if name in fields:
            metrics.observe(histogram, min(abs(float(fields[name])) / 1000, 60.0))


async def _hello(socket: WebSocket) -> Request:
    """Wait for `hello`.

    Raises:
        Ended: It did not come, or is of another version.
    """
    try:
        message = await asyncio.wait_for(socket.receive(), HELLO_S)
    except asyncio.TimeoutError:
        raise Ended(4000, "No hello came.") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(int(message.get("code") or 1005))
    try:
        request = parse(message.get("text") or "")
    except RequestError as e:
        await socket.send_json({"type": "error", **e.json()})
        raise Ended(1009 if e.code == "too_large" else 4000, e.what) from e
    if request.type != "hello":
        raise Ended(4000, "The first message must be hello.")
    if request.fields["version"] != VERSION:
        await socket.send_json({"type": "error", "error": "version", "detail": f"Version {VERSION} is spoken here.",
                                "hint": "Reload the page."})  # fmt: skip
        raise Ended(4000, f"Version {VERSION} is spoken here.")
    return request


async def _say_bye(socket: WebSocket, end: Ended, language: str) -> None:
    detail = in_language(end.detail, language)
    await socket.send_json({"type": "bye", "code": end.code, "detail": detail, "retry": end.retry})
    await socket.close(end.code, end.detail[:100])


def _language(socket: WebSocket) -> str:
    """What the browser behind a socket asks for."""
    return preferred_language(socket.headers.get("accept-language", ""))


async def _refuse(socket: WebSocket, error: RequestError) -> None:
    """Answer the handshake by HTTP; by 1008 where the server cannot."""
    answer = JSONResponse(error.json(), error.status, {"Cache-Control": "no-store"})
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(answer)
    else:
        await socket.close(1008, error.what[:100])
