"""A server that speaks the API's form and fails as it is told, to see what a client makes of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

FILM = bytes(range(256)) * 2000
SOME = 100_000


@dataclass
class Faulty:
    """What it does, and what it has seen.

    Attributes:
        refusals: Answers that come before any other: status and headers.
        word: Their word for programs.
        events: What the stream of a job does: ``whole``, ``none``, or ``broken`` after its first event.
        cuts: How many downloads end in their middle.
        changed: Whether the film is another one after the first cut.
    """

    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    word: str = "busy"
    events: str = "whole"
    cuts: int = 0
    changed: bool = False
    seen: list[Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    asked: int = 0
    address: str = ""

    def job(self, state: str) -> dict[str, Any]:
        error = {"error": "no_face", "detail": "There is no face.", "hint": "Choose another."}
        return {"job_id": "j1", "kind": "speak", "state": state, "percent": 100 if state == "done" else 40,
                "notes": ["A fallback spoke."], "error": error if state == "failed" else None}  # fmt: skip

    async def answer(self, request: Request) -> Response:
        self.seen.append(request)
        self.bodies.append(await request.body())
        if self.refusals:
            status, headers = self.refusals.pop(0)
            told = {"error": self.word, "detail": "Too much.", "hint": "Wait."}
            return JSONResponse(told, status, headers)
        path = request.url.path
        if path.endswith("/generate"):
            return JSONResponse(self.job("queued"), 202)
        if "/status/" in path:
            self.asked += 1
            return JSONResponse(self.job("done" if self.asked > 2 else "running"))
        if path.endswith("/events"):
            return self.stream()
        if "/video/" in path:
            return self.film(request)
        if path.endswith("/jobs"):
            page = int(request.query_params.get("cursor", "0"))
            return JSONResponse({"jobs": [self.job("done")] * 2, "next": str(page + 1) if page < 2 else None})
        return JSONResponse({"error": "not_found", "detail": "Nothing here.", "hint": "Look elsewhere."}, 404)

    def stream(self) -> Response:
        if self.events == "none":
            return JSONResponse({"error": "not_found", "detail": "No events.", "hint": ""}, 404)

        async def told() -> AsyncIterator[str]:
            yield ": hello\n\n"
            for state in ("queued", "running", "done"):
                data = json.dumps(self.job(state), indent=1).replace("\n", "\ndata: ")
                yield f"event: progress\ndata: {data}\n\n"
                await asyncio.sleep(0.01)
                if self.events == "broken":
                    raise ConnectionResetError

        return StreamingResponse(told(), media_type="text/event-stream")

    def film(self, request: Request) -> Response:
        film, tag = (FILM[::-1], '"two"') if self.changed and self.asked else (FILM, '"one"')
        self.asked += 1
        begin = 0
        if request.headers.get("if-range") == tag:
            begin = int(request.headers["range"].removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Length": str(len(film) - begin), "ETag": tag}
        end = len(film)
        if self.cuts:
            self.cuts -= 1
            end = begin + SOME

        async def part() -> AsyncIterator[bytes]:
            yield film[begin:end]
            if end < len(film):
                raise ConnectionResetError

        return StreamingResponse(part(), 206 if begin else 200, headers, "video/mp4")


@contextmanager
def running(faulty: Faulty) -> Iterator[Faulty]:
    """The server, on a free port."""
    route = Route("/{path:path}", faulty.answer, methods=["GET", "POST", "DELETE"])
    config = uvicorn.Config(Starlette(routes=[route]), port=0, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    waiting = threading.Event()
    while not server.started:
        waiting.wait(0.01)
    faulty.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield faulty
    finally:
        server.should_exit = True
        thread.join(timeout=10)
