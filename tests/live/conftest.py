"""A tiny avatar whose mouth can be read off the pixels, voices that are known, and a real server around them."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from tests.stage.conftest import FRAMES, TinyAvatar, tiny, tiny_loop  # noqa: F401
from visema.avatar import Avatar
from visema.errors import AvatarError, VoiceError
from visema.live.crew import Crew
from visema.live.loop_file import LoopFile
from visema.live.messages import Cut, LiveEvent, Picture, SoundChunk, Standing
from visema.live.patch import PatchMaker
from visema.live.seats import Seats
from visema.live.stage import Stage
from visema.live.theatre import LiveOptions, Theatre
from visema.paths import ASSETS
from visema.speech.speak import LEAD, TAIL, speak
from visema.speech.types import Span, Speech, SpeechSettings
from visema.web.live_page import add_live_pages
from visema.web.live_routes import SOCKET_OPTIONS, add_live_routes
from visema.web.observed import add_metrics
from visema.web.server import listen

PICTURE = struct.Struct("<BBHIdIHHHHBBH")
SOUND = struct.Struct("<BBHIdIIII")
VOICE_RATE = 24_000
#: A made word is so long, and a tone of this frequency.
WORD_S, TONE = 0.25, 220.0


def tone_voice(text: str, voice: str, settings: SpeechSettings) -> Speech:
    """Each word a quarter of a second of "ma", as a tone; the word FAIL fails, the word SLOW takes half a second."""
    words = text.split()
    if "FAIL" in words:
        raise VoiceError("The voice broke down.", "Try another one.")
    if "SLOW" in words:
        time.sleep(0.5)
    now, phones, spans = LEAD, [Span(0, LEAD, "")], []
    for word in words:
        spans.append(Span(now, now + WORD_S, word))
        phones += [Span(now, now + 0.08, "m"), Span(now + 0.08, now + WORD_S, "ɑ")]
        now += WORD_S
    total = now + TAIL
    phones.append(Span(now, total, ""))
    t = np.arange(round(total * VOICE_RATE)) / VOICE_RATE
    samples = 0.4 * np.sin(2 * np.pi * TONE * t) * ((t >= LEAD) & (t < now))
    return Speech(samples.astype(np.float32), VOICE_RATE, tuple(spans), tuple(phones), text=text, voice="espeak:tone")


def embedded_voice(text: str, voice: str, settings: SpeechSettings) -> Speech:
    return speak(text, "espeak:en-us", settings, offline=True, cache=False)


@dataclass
class Collector:
    """An output that keeps everything, with the media time when it came."""

    stage: Stage
    wants_pictures: bool = True
    pictures: list[tuple[float, Picture]] = field(default_factory=list)
    sounds: list[tuple[float, SoundChunk]] = field(default_factory=list)
    cuts: list[tuple[float, Cut]] = field(default_factory=list)
    told: list[tuple[float, LiveEvent]] = field(default_factory=list)
    states: list[Standing] = field(default_factory=list)
    ended: str | None = None

    def picture(self, picture: Picture) -> None:
        self.pictures.append((self.stage.now, picture))

    def sound(self, chunk: SoundChunk) -> None:
        self.sounds.append((self.stage.now, chunk))

    def cut(self, cut: Cut) -> None:
        self.cuts.append((self.stage.now, cut))

    def events(self, events: list[LiveEvent]) -> None:
        self.told += [(self.stage.now, event) for event in events]

    def standing(self, standing: Standing) -> None:
        self.states.append(standing)

    def closed(self, reason: str) -> None:
        self.ended = reason

    def kinds(self, *but: str) -> list[str]:
        return [e.kind for _, e in self.told if e.kind not in but]

    def event(self, kind: str, utterance: int = 0) -> LiveEvent:
        return next(e for _, e in self.told if e.kind == kind and utterance in (0, e.utterance))


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until ``condition`` holds; a generous bound, as the machine may be busy."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def created(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyAvatar, "created", "2026-01-01T00:00:00Z", raising=False)


@pytest.fixture(scope="session")
def loops_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loops")


@pytest.fixture
def loop(tiny: TinyAvatar, tmp_path: Path) -> LoopFile:  # noqa: F811
    return LoopFile(tiny, tmp_path / "live")


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew(speak=tone_voice, seats=Seats(4))
    yield made
    made.close()


@pytest.fixture
def stage(loop: LoopFile, crew: Crew) -> Iterator[Stage]:
    made = Stage(loop, PatchMaker(loop), crew, "espeak:tone")
    yield made
    made.close()


@pytest.fixture
def watched(stage: Stage) -> Collector:
    collector = Collector(stage)
    stage.attach(collector)
    return collector


@pytest.fixture(scope="session")
def presenter(tmp_path_factory: pytest.TempPathFactory) -> Avatar:
    """The shipped presenter as an avatar of 512 x 512."""
    import os

    import cv2

    from visema.setup import prepare_avatar

    folder = tmp_path_factory.mktemp("presenter")
    image = cv2.imread(str(ASSETS / "presenter.png"))
    side = min(image.shape[:2])
    left = (image.shape[1] - side) // 2
    photo = folder / "presenter512.png"
    cv2.imwrite(str(photo), cv2.resize(image[:side, left : left + side], (512, 512), interpolation=cv2.INTER_AREA))
    before = os.environ.get("VISEMA_CACHE")
    os.environ["VISEMA_CACHE"] = str(folder / "cache")
    try:
        return prepare_avatar(photo)
    finally:
        os.environ.pop("VISEMA_CACHE")
        if before is not None:
            os.environ["VISEMA_CACHE"] = before


@dataclass
class Server:
    """A running server with nothing but the live view."""

    port: int
    theatre: Theatre

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(
        self, path: str, body: Any = None, method: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = {"Content-Type": "application/json"} if data is not None else {}
        asked = urllib.request.Request(
            self.address + path, data, {**usual, **(headers or {})}, method=method or ("POST" if data else "GET")
        )
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as e:
            return e.code, {k.lower(): v for k, v in e.headers.items()}, e.read()

    def value(self, name: str) -> float:
        return self.theatre.crew.metrics.value(name)

    def player(self, **options: Any) -> Player:
        return Player(self, options)


class Player:
    """A raw WebSocket client that says hello and sorts what comes."""

    def __init__(self, server: Server, options: dict[str, Any]) -> None:
        self._server = server
        self._headers = options.pop("headers", {})
        self._hello = {"type": "hello", "version": 1, "audio": ["opus", "pcm"], **options}
        self.messages: list[dict[str, Any]] = []
        self.pictures: list[tuple[tuple[Any, ...], bytes]] = []
        self.sounds: list[tuple[tuple[Any, ...], bytes]] = []
        self.hello: dict[str, Any] = {}
        self.socket: ClientConnection

    async def __aenter__(self) -> Player:
        url = f"ws://127.0.0.1:{self._server.port}/live/ws"
        self.socket = await connect(
            url, compression=None, max_size=None, max_queue=None, additional_headers=self._headers
        )
        await self.send(**self._hello)
        self.hello = await self.until("hello")
        await self.until("state", state=self.hello["state"])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close(1000)

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def take(self) -> dict[str, Any] | None:
        """Receive one message; None for a binary one."""
        data = await asyncio.wait_for(self.socket.recv(), 10)
        if isinstance(data, str):
            self.messages.append(json.loads(data))
            return self.messages[-1]
        if data[0] == 1:
            self.pictures.append((PICTURE.unpack_from(data), data[32:]))
        else:
            self.sounds.append((SOUND.unpack_from(data), data[32:]))
        return None

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next message of a type, with these fields."""
        while True:
            found = await self.take()
            if found and found["type"] == kind and all(found.get(k) == v for k, v in fields.items()):
                return found

    async def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next event of a kind, with these fields; or one that came already."""
        while True:
            for found in self.events():
                if found["kind"] == kind and all(found.get(k) == v for k, v in fields.items()):
                    return found
            await self.take()

    def events(self) -> list[dict[str, Any]]:
        return [e for m in self.messages if m["type"] == "events" for e in m["events"]]

    async def closed(self) -> int:
        """Read to the end; the code."""
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                await self.take()
        except ConnectionClosed:
            return self.socket.close_code or 0


@pytest.fixture
def serve(tiny: TinyAvatar, loops_folder: Path) -> Iterator[Callable[..., Server]]:  # noqa: F811
    """Starts servers."""
    running: list[tuple[uvicorn.Server, threading.Thread, Theatre, socket.socket]] = []

    def start(speak: Any = tone_voice, seats: int = 4, avatar: Any = tiny, **options: Any) -> Server:
        def find(name: str) -> Any:
            if name != avatar.id:
                raise AvatarError("There is no such avatar.", "Choose another one.")
            return avatar

        crew = Crew(speak=speak, seats=Seats(seats))
        theatre = Theatre(find, lambda: avatar, loops_folder, crew, LiveOptions(seats=seats, **options))  # type: ignore[arg-type]
        app = FastAPI()
        add_live_routes(app, theatre, lambda languages: "espeak:tone")
        add_live_pages(app, SimpleNamespace(avatar_for=lambda who, name: find(name)))  # type: ignore[arg-type]
        add_metrics(app, crew.metrics.text)
        listener = listen("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", **SOCKET_OPTIONS))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread, theatre, listener))
        eventually(lambda: server.started)
        return Server(listener.getsockname()[1], theatre)

    yield start
    for server, thread, theatre, listener in running:
        theatre.close_all()
        server.should_exit = True
        server.force_exit = True
        thread.join(5)
        listener.close()


__all__ = ["FRAMES", "Collector", "Server", "eventually"]
