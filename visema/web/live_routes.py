"""The live view's addresses: the socket, the loops, the API; the player's page has a module of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import FileResponse, JSONResponse, Response

from visema.avatar import ID
from visema.errors import VisemaError
from visema.live.crew import Crew, speaker
from visema.live.seats import Seats
from visema.live.theatre import LiveOptions, Theatre
from visema.web.identity import asker
from visema.web.live_api import NO_STORE, add_live_api
from visema.web.live_gate import Gate, netloc
from visema.web.live_socket import LiveSockets

if TYPE_CHECKING:
    from visema.web.house import House
    from visema.web.owners import Owners

#: Loops never change under their address.
FOREVER: Final = "public, max-age=31536000, immutable"
#: What uvicorn is told for the socket: a peer that is silent is gone after 3 s, so that its stage, which is held for
#: `GRACE_S`, is freed within 5 s; and JPEG is not compressed again.
SOCKET_OPTIONS: Final[dict[str, Any]] = {
    "ws_ping_interval": 1.5,
    "ws_ping_timeout": 1.5,
    "ws_max_size": 65_536,
    "ws_per_message_deflate": False,
}


def make_theatre(house: House, options: LiveOptions) -> Theatre:
    """The stages of a server. A loop is made by `Theatre.get_ready`, or when somebody first watches an avatar live."""
    crew = Crew(speak=speaker(offline=house.offline), seats=Seats(options.seats))
    return Theatre(house.avatar, lambda: house.first, house.cache / "live", crew, options)


def usual_voice(house: House) -> Callable[[str], str]:
    """Gives the voice of a visitor who chooses none, by the ``Accept-Language`` of the browser."""
    from visema.web.texts import preferred_language

    def voice(languages: str) -> str:
        return house.first_voice(preferred_language(languages))

    return voice


def add_live_routes(
    app: FastAPI, theatre: Theatre, voice: Callable[[str], str], owners: Owners | None = None
) -> LiveSockets:
    """Put the live view's addresses on ``app``.

    Args:
        app: The application.
        theatre: Where the stages are.
        voice: Gives the usual voice by the ``Accept-Language`` of a browser.
        owners: Whose avatars and voices are whose; None where everything is everybody's.
    """
    gate = Gate(theatre.options, owners)
    sockets = LiveSockets(theatre, gate, voice)
    add_live_api(app, theatre, gate, voice)
    allowed = {netloc(origin): origin for origin in theatre.options.origins}

    def crossing(request: Request) -> dict[str, str]:
        """What lets pages of the sites that were named read this."""
        origin = request.headers.get("origin", "")
        if netloc(origin) not in allowed:
            return {"Vary": "Origin"} if allowed else {}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    @app.websocket("/live/ws")
    async def socket(websocket: WebSocket) -> None:
        await sockets.serve(websocket)

    @app.api_route("/live/loops/{avatar_id}/{edition}.vlp", methods=["GET", "HEAD"], include_in_schema=False)
    async def loop_file(avatar_id: str, edition: str, request: Request) -> Response:
        try:
            if not ID.fullmatch(avatar_id):
                raise VisemaError("There is no such avatar.")
            await asyncio.to_thread(gate.check_avatar, asker(request), avatar_id)
            loop, _ = await asyncio.to_thread(theatre.loop, avatar_id)
        except VisemaError as e:
            return JSONResponse({"error": "unknown_avatar", "detail": e.what, "hint": e.hint}, 404, NO_STORE)
        if loop.edition != edition:
            found = {"error": "unknown_loop", "detail": "That loop is no more.", "hint": "Connect again."}
            return JSONResponse(found, 404, NO_STORE)
        tag = f'"{loop.edition}"'
        headers = {"Cache-Control": FOREVER, "ETag": tag, **crossing(request)}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        theatre.crew.metrics.count("loop_bytes_total", loop.path.stat().st_size)
        return FileResponse(loop.path, media_type="application/octet-stream", headers=headers)

    @app.options("/live/opus-probe.ogg", include_in_schema=False)
    @app.options("/live/loops/{avatar_id}/{edition}.vlp", include_in_schema=False)
    async def leave(request: Request) -> Response:
        headers = crossing(request)
        if "Access-Control-Allow-Origin" in headers:
            headers |= {"Access-Control-Allow-Headers": "X-API-Key", "Access-Control-Max-Age": "86400"}
        return Response(status_code=204, headers=headers)

    @app.get("/live/opus-probe.ogg", include_in_schema=False)
    async def probe(request: Request) -> Response:
        headers = {"Cache-Control": "public, max-age=86400", **crossing(request)}
        return Response(opus_probe(), media_type="audio/ogg", headers=headers)

    return sockets


@lru_cache(maxsize=1)
def opus_probe() -> bytes:
    """A tenth of a second of a quiet tone, as pieces of sound are sent."""
    import numpy as np

    from visema.live.messages import RATE
    from visema.live.opus import OpusStream

    count = RATE // 10
    stream = OpusStream()
    stream.feed((0.1 * np.sin(2 * np.pi * 440 * np.arange(count) / RATE)).astype(np.float32))
    stream.finish()
    return stream.piece(0, count)
