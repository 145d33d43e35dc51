"""Raw WebSocket readers in a process of their own, as cheap as they can be: the load of a crowd.

    python readers.py PORT COUNT TALKERS SECONDS

Prints one JSON object: for each reader that is to see a talk, pictures a second and how many of them came after their
time; bytes a second of all. The first TALKERS readers speak, each another text.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
import sys
import time

TEXT = (
    "The quick brown fox jumps over the lazy dog, and five more people came to see what had happened there. "
    "It was a fine day, and nobody wanted to go home before the evening. "
)
#: Opening many at once is no part of what is measured.
OPENINGS_PER_SECOND = 40
SETTLE_S = 2.0
_HEAD = struct.Struct("<BBHIdI")


class Reader(asyncio.Protocol):
    """Says hello, then counts what comes."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.transport: asyncio.WriteTransport
        self.buffer = bytearray()
        self.upgraded = False
        self.closed = False
        self.origin = 0.0
        self.reset()

    def reset(self) -> None:
        """Count from here."""
        self.bytes = self.pictures = self.late = self.sounds = self.messages = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /live/ws HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        transport.write("\r\n".join(lines).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.closed = True

    def send(self, opcode: int, payload: bytes) -> None:
        """One frame; the mask is all zero, which leaves the payload as it is."""
        size = len(payload)
        head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else struct.pack(">BBH", 0x80 | opcode, 0xFE, size)
        self.transport.write(head + b"\0\0\0\0" + payload)

    def tell(self, **message: object) -> None:
        """One JSON message."""
        self.send(1, json.dumps(message).encode())

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        buffer = self.buffer
        buffer += data
        if not self.upgraded:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self.upgraded = True
            del buffer[: end + 4]
            self.tell(type="hello", version=1, audio=["opus", "pcm"])
        at = 0
        while len(buffer) - at >= 2:
            size, head = buffer[at + 1] & 0x7F, 2
            if size == 126:
                head = 4
            elif size == 127:
                head = 10
            if len(buffer) - at < head:
                break
            if head > 2:
                size = int.from_bytes(buffer[at + 2 : at + head], "big")
            if len(buffer) - at < head + size:
                break
            self.bytes += head + size
            self.take(buffer[at] & 15, buffer, at + head, size)
            at += head + size
        del buffer[:at]

    def take(self, opcode: int, buffer: bytearray, at: int, size: int) -> None:
        """Count one frame."""
        if opcode == 2:
            kind, codec, _, _, t, _ = _HEAD.unpack_from(buffer, at)
            if kind == 2:
                self.sounds += 1
            elif codec:
                self.pictures += 1
                self.late += time.monotonic() - self.origin > t
        elif opcode == 1:
            self.messages += 1
            if not self.origin:
                hello = json.loads(bytes(buffer[at : at + size]))
                self.origin = time.monotonic() - hello["t"]
        elif opcode == 9:
            self.send(10, bytes(buffer[at : at + size]))


async def crowd(port: int, count: int, talkers: int, seconds: float, warm_s: float = 3.0) -> dict[str, object]:
    """Open all, have some talk, and count."""
    loop = asyncio.get_running_loop()
    readers = []
    for _ in range(count):
        _, reader = await loop.create_connection(Reader, "127.0.0.1", port)
        readers.append(reader)
        await asyncio.sleep(1 / OPENINGS_PER_SECOND)
    while not all(reader.origin for reader in readers):
        await asyncio.sleep(0.1)
        if any(reader.closed for reader in readers):
            raise SystemExit("A reader was refused.")
    await asyncio.sleep(SETTLE_S)
    for number, reader in enumerate(readers[:talkers]):
        reader.tell(type="say", text=f"This is number {number}. " + TEXT * 20)
    await asyncio.sleep(warm_s if talkers else 0.5)
    for reader in readers:
        reader.reset()
    print("now", flush=True)  # whoever watches the server's processor begins here
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    seen = [reader for reader in readers if reader.pictures]
    rates = [reader.pictures / took for reader in seen]
    found = {
        "readers": count,
        "lost": sum(reader.closed for reader in readers),
        "watching": len(seen),
        "fps_mean": sum(rates) / len(rates) if rates else 0.0,
        "fps_least": min(rates, default=0.0),
        "late_percent": 100 * sum(r.late for r in seen) / max(1, sum(r.pictures for r in seen)),
        "kb_s_each": sum(reader.bytes for reader in readers) / took / 1000 / count,
    }
    for reader in readers:
        reader.send(8, struct.pack(">H", 1000))
    await asyncio.sleep(0.5)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(crowd(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))))
