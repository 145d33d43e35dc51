"""A stand-in for the speech service: TLS, WebSocket and messages as the real one has them, sound from espeak-ng.

The certificate and its key are made for these tests only; nothing trusts them but the tests.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import socket
import ssl
import threading
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import aiohttp
import av
import numpy as np
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from scipy.signal import resample_poly

from visema.speech.espeak import EspeakEngine
from visema.speech.types import Span, Speech, SpeechSettings

CERTIFICATE = Path(__file__).with_name("edge_server.pem")
RATE = 24_000
#: The service's own silence before and after the words, seconds.
BEFORE, AFTER = 0.1, 0.8


def trusting_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def mp3(samples: np.ndarray) -> bytes:
    """MP3 frames without a header that declares their delay, 24 kHz 48 kbit/s, as the service sends."""
    encoder = av.CodecContext.create("libmp3lame", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = RATE, "mono", "fltp", 48_000
    encoder.time_base = Fraction(1, RATE)
    encoder.open()
    out = b""
    size = encoder.frame_size
    for i in range(0, len(samples), size):
        block = np.zeros(size, np.float32)
        block[: len(samples[i : i + size])] = samples[i : i + size]
        frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, i
        out += b"".join(bytes(p) for p in encoder.encode(frame))
    return out + b"".join(bytes(p) for p in encoder.encode(None))


@dataclass
class EdgeServer:
    """Runs in a thread of its own.

    Attributes:
        script: What to do at each connection, the last again and again: ok, 403, 500, hang, silent, garbage, noise,
            cut, empty, drop.
        asked: The SSML of each request.
        truth: What was spoken for each request, in times of the service.
    """

    script: list[str] = field(default_factory=lambda: ["ok"])
    voice: str = "en-gb+m3"
    rate: float = 0.9
    asked: list[str] = field(default_factory=list)
    truth: list[Speech] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def connector(self) -> aiohttp.BaseConnector:
        """A connector that finds every host here."""
        port = self.port

        class Here(AbstractResolver):
            async def resolve(
                self, host: str, port_: int = 0, family: socket.AddressFamily = socket.AF_INET
            ) -> list[ResolveResult]:
                return [
                    ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)
                ]

            async def close(self) -> None:
                pass

        return aiohttp.TCPConnector(resolver=Here())

    def __enter__(self) -> EdgeServer:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def start() -> None:
            application = web.Application()
            application.router.add_get("/{path:.*}", self._handle)
            self._runner = web.AppRunner(application, shutdown_timeout=0.1)
            await self._runner.setup()
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATE)
            site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
            await site.start()
            self.port = site._server.sockets[0].getsockname()[1]
            started.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(start())
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        act = self.script[min(self.connections, len(self.script) - 1)]
        self.connections += 1
        if "voices/list" in request.path:
            rows = [{"ShortName": "en-US-NovaNeural", "Gender": "Female", "Locale": "en-US", "FriendlyName": "Nova"}]
            return web.json_response(rows, status=200 if act == "ok" else 500)
        if act in ("403", "500"):
            return web.Response(status=int(act), headers={"Date": "Sat, 21 Nov 2026 09:00:00 GMT"})
        socket_ = web.WebSocketResponse()
        await socket_.prepare(request)
        await socket_.receive()
        ssml = (await socket_.receive()).data
        self.asked.append(html.unescape(ssml))
        if act == "hang":
            await asyncio.sleep(60)
        await socket_.send_str(_head("turn.start") + "{}")
        await socket_.send_str(_head("response") + "{}")
        if act == "silent":
            await asyncio.sleep(60)
        await self._answer(socket_, ssml, act)
        await socket_.close()
        return socket_

    async def _answer(self, socket_: web.WebSocketResponse, ssml: str, act: str) -> None:
        if act == "garbage":
            await socket_.send_bytes(b"\x00\x04nope")
            return
        if act in ("ok", "cut", "noise"):
            text = html.unescape(re.sub(r"<[^<>]+>", "", ssml.partition("\r\n\r\n")[2]))
            speech = EspeakEngine().speak(text, self.voice, SpeechSettings(rate=self.rate))
            self.truth.append(_later(speech, BEFORE))
            sound = mp3(_padded(speech))
            words = [(w.start + BEFORE, w.end - w.start, w.label.strip(".,!?")) for w in speech.words]
            if act == "noise":
                sound = bytes(np.random.default_rng(1).integers(0, 256, len(sound), np.uint8))
            chunks = [sound[i : i + 720] for i in range(0, len(sound), 720)]
            if act == "cut":
                chunks, words = chunks[: len(chunks) // 3], words[: len(words) // 3]
            each = max(1, len(chunks) // (len(words) + 1))
            for i, chunk in enumerate(chunks):
                if i % each == 0 and words:
                    await socket_.send_str(_word(*words.pop(0)))
                head = b"X-RequestId:1\r\nContent-Type:audio/mpeg\r\nPath:audio\r\n"
                await socket_.send_bytes(len(head).to_bytes(2, "big") + head + chunk)
            if act == "cut":
                socket_._writer.transport.abort()
                return
            for word in words:
                await socket_.send_str(_word(*word))
        if act != "drop":
            await socket_.send_str(_head("turn.end") + "{}")


def _head(path: str) -> str:
    return f"X-RequestId:1\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}\r\n\r\n"


def _word(start: float, duration: float, text: str) -> str:
    data = {
        "Offset": round(start * 1e7),
        "Duration": round(duration * 1e7),
        "text": {"Text": html.escape(text), "Length": len(text), "BoundaryType": "WordBoundary"},
    }
    return _head("audio.metadata") + json.dumps({"Metadata": [{"Type": "WordBoundary", "Data": data}]})


def _padded(speech: Speech) -> np.ndarray:
    sound = resample_poly(speech.samples, 160, 147).astype(np.float32)
    assert speech.rate == 22050
    return np.concatenate([np.zeros(round(BEFORE * RATE)), sound, np.zeros(round(AFTER * RATE))]).astype(np.float32)


def _later(speech: Speech, seconds: float) -> Speech:
    def move(spans: object) -> tuple[Span, ...]:
        return tuple(Span(s.start + seconds, s.end + seconds, s.label) for s in spans)  # type: ignore[attr-defined]

    return Speech(_padded(speech), RATE, move(speech.words), move(speech.phones))
