"""Stand-ins for ElevenLabs, OpenAI, the XTTS streaming server and Piper's server; the sound comes from espeak-ng.

Paths, headers, bodies, answers and refusals are those of the real ones; what each does next is scripted.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from visema.speech.espeak import EspeakEngine
from visema.speech.types import Speech, SpeechSettings

RATE = 24_000
KEY = "sk_test_4f9e1c7720aa55d1"
EMBEDDING = [0.25, -0.5, 0.125]
VOICES = {
    "voices": [
        {"voice_id": "21m00Tcm4TlvDq8ikWAM", "name": "Rachel", "category": "premade", "labels": {"gender": "female"}},
        {"voice_id": "pNInz6obpgDQGcFmaJgB", "name": "Adam", "category": "premade", "labels": {"gender": "male"}},
    ]
}


@dataclass
class VoiceServer:
    """Runs in threads of its own.

    Attributes:
        script: What to do with each POST, the last again and again: ok, cut, hang, drip, garbage, silent, html,
            or a status, such as ``429`` or ``429 retry=2``, with a code, such as ``401 quota_exceeded``.
        asked: Method, path, headers and body of each request.
        truth: What was spoken for each.
    """

    script: list[str] = field(default_factory=lambda: ["ok"])
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    truth: list[Speech] = field(default_factory=list)
    posts: int = 0
    old_piper: bool = False
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> VoiceServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                outer._get(self)

            def do_POST(self) -> None:
                outer._post(self)

        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    # -- answers --------------------------------------------------------------------------------------------------

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(("GET", handler.path, _headers(handler), None))
        if handler.path == "/v1/voices":
            if handler.headers.get("xi-api-key") != KEY:
                _json(handler, 401, {"detail": {"status": "invalid_api_key", "message": f"Invalid API key {KEY}"}})
                return
            _json(handler, 200, VOICES)
        elif handler.path == "/v1/models":
            if handler.headers.get("authorization") != f"Bearer {KEY}":
                _json(handler, 401, {"error": {"message": f"Incorrect key {KEY}", "code": "invalid_api_key"}})
                return
            _json(handler, 200, {"object": "list", "data": [{"id": "gpt-4o-mini-tts"}]})
        elif handler.path == "/studio_speakers":
            _json(handler, 200, {"Ana Florence": {"speaker_embedding": EMBEDDING, "gpt_cond_latent": [EMBEDDING]}})
        elif handler.path == "/voices":
            _json(handler, 200, {"en_US-lessac-medium": {"language": {"code": "en_US"}, "num_speakers": 1}})
        else:
            _json(handler, 404, {"detail": "Not Found"})

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        is_json = handler.headers.get("content-type", "").startswith("application/json")
        body = json.loads(raw) if is_json else raw
        self.asked.append(("POST", handler.path, _headers(handler), body))
        path = handler.path.partition("?")[0]
        if path == "/synthesize" and self.old_piper:
            _json(handler, 404, {"message": "Not Found"})
            return
        act = self.script[min(self.posts, len(self.script) - 1)]
        self.posts += 1
        if act[:3].isdigit():
            self._refuse(handler, path, act)
        elif act == "hang":
            self._ended.wait(60)
        elif act == "garbage":
            _send(handler, 200, b"\x00\x01nonsense{", "application/octet-stream")
        elif act == "html":
            _send(handler, 200, b"<html>a proxy's page</html>", "text/html")
        elif path == "/v1/voices/add":
            _json(handler, 200, {"voice_id": "c1oNedVoiceIdOf20Abc", "requires_verification": False})
        elif path.endswith("/with-timestamps"):
            self._elevenlabs(handler, path, body, act)
        elif path == "/v1/audio/speech":
            self._plain(handler, body["input"], act, body.get("speed", 1.0))
        elif path == "/tts_stream":
            assert body["speaker_embedding"] == EMBEDDING and body["gpt_cond_latent"] == [EMBEDDING]
            self._plain(handler, body["text"], act, 1.0, header=True)
        elif path in ("/synthesize", "/"):
            self._plain(handler, body["text"], act, 1 / body["length_scale"], header=True)
        else:
            _json(handler, 404, {"detail": "Not Found"})

    def _refuse(self, handler: BaseHTTPRequestHandler, path: str, act: str) -> None:
        words = act.split()
        code = next((w for w in words[1:] if "=" not in w), "")
        waits = [w.partition("=")[2] for w in words if w.startswith("retry=")]
        extra = {"Retry-After": waits[0]} if waits else {}
        said = f"You sent {KEY}: {code or 'no'}"
        if path == "/v1/audio/speech":
            told = {"error": {"message": said, "type": "some_error", "param": None, "code": code or None}}
        elif path.startswith("/v1/"):
            told = {"detail": {"status": code, "message": said}}
        else:
            told = {"detail": [{"loc": ["body", "text"], "msg": "no such text", "type": "value_error"}]}
        _json(handler, int(words[0]), told, extra)

    def _elevenlabs(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any], act: str) -> None:
        if handler.headers.get("xi-api-key") != KEY:
            _json(handler, 401, {"detail": {"status": "invalid_api_key", "message": f"Invalid API key {KEY}"}})
            return
        known = [v["voice_id"] for v in VOICES["voices"]] + ["c1oNedVoiceIdOf20Abc"]
        if path.split("/")[3] not in known:
            _json(handler, 404, {"detail": {"status": "voice_not_found", "message": "A voice was not found."}})
            return
        assert "output_format=pcm_24000" in handler.path
        samples, speech = self._sound(body["text"], body.get("voice_settings", {}).get("speed", 1.0), act)
        answer = {
            "audio_base64": base64.b64encode(samples).decode(),
            "alignment": characters_of(body["text"], speech, 0.1),
            "normalized_alignment": None,
        }
        self._stream(
            handler, json.dumps(answer).encode(), "application/json", act, {"character-cost": str(len(body["text"]))}
        )

    def _plain(self, handler: BaseHTTPRequestHandler, text: str, act: str, speed: float, header: bool = False) -> None:
        samples, _ = self._sound(text, speed, act)
        if header:  # of a stream, which does not know its length
            samples = (
                b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, RATE * 2, 2, 16)
                + b"data" + struct.pack("<I", 0) + samples
            )  # fmt: skip
        self._stream(handler, samples, "audio/wav" if header else "audio/pcm", act)

    def _sound(self, text: str, speed: float, act: str) -> tuple[bytes, Speech]:
        speech = EspeakEngine().speak(text, "en-gb+m3", SpeechSettings(rate=0.9 * speed))
        self.truth.append(speech)
        sound = np.concatenate([np.zeros(RATE // 10), resample_poly(speech.samples, 160, 147), np.zeros(RATE // 2)])
        if act == "silent":
            sound = sound * 0
        return np.rint(sound * 32767).clip(-32768, 32767).astype("<i2").tobytes(), speech

    def _stream(
        self, handler: BaseHTTPRequestHandler, data: bytes, kind: str, act: str, extra: dict[str, str] | None = None
    ) -> None:
        """Chunks, as the real ones send them."""
        handler.send_response(200)
        for name, value in {"Content-Type": kind, "Transfer-Encoding": "chunked", **(extra or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        size = 4096
        for i in range(0, len(data), size):
            if act == "cut" and i > len(data) // 2:
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
                return
            if act == "drip":
                time.sleep(0.15)
                if self._ended.is_set():
                    return
            piece = data[i : i + size]
            try:
                handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            except OSError:
                return
        handler.wfile.write(b"0\r\n\r\n")


def characters_of(text: str, speech: Speech, before: float) -> dict[str, Any]:
    """Times of characters as ElevenLabs has them: each word's share by letters, marks and spaces between the words."""
    starts, ends = [], []
    words = iter(speech.words)
    now = before
    for match in re.finditer(r"\S+|\s+", text):
        part = match.group()
        if part.isspace():
            starts += [now] * len(part)
            ends += [now] * len(part)
            continue
        word = next(words)
        letters = [k for k, c in enumerate(part) if c.isalnum()] or [0]
        step = (word.end - word.start) / (letters[-1] + 1)
        for k in range(len(part)):
            at = min(k, letters[-1] + 1)
            starts.append(before + word.start + at * step)
            ends.append(before + word.start + min(at + 1, letters[-1] + 1) * step)
        now = ends[-1]
    return {
        "characters": list(text),
        "character_start_times_seconds": starts,
        "character_end_times_seconds": ends,
    }


def _headers(handler: BaseHTTPRequestHandler) -> dict[str, str]:
    return {name.lower(): value for name, value in handler.headers.items()}


def _send(
    handler: BaseHTTPRequestHandler, status: int, data: bytes, kind: str, extra: dict[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(extra or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def _json(handler: BaseHTTPRequestHandler, status: int, told: object, extra: dict[str, str] | None = None) -> None:
    _send(handler, status, json.dumps(told).encode(), "application/json", extra)
