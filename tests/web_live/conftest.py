"""A real Chromium with the live player in it, watched from outside: what it is sent, what it plays, what it shows."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.live.conftest import Server, created, loops_folder, presenter, serve, tiny, tiny_loop  # noqa: F401
from tests.site import WAIT_MS
from tests.stage.conftest import FRAMES, SIZE

#: Keeps every sound message and every start of a buffer; and, once `watchCanvas` runs, what the canvas shows when.
RECORDER = """
window.seen = { sounds: [], starts: [], stops: 0, frames: [], bytes: 0, events: [] };
const Native = WebSocket;
window.WebSocket = class extends Native {
  constructor(...rest) {
    super(...rest);
    this.addEventListener('message', ({ data }) => {
      seen.bytes += data.byteLength ?? data.length;
      if (typeof data === 'string') return;
      const view = new DataView(data);
      if (view.getUint8(0) !== 2) return;
      seen.sounds.push({ codec: view.getUint8(1), t: view.getFloat64(8, true),
        seconds: view.getUint32(20, true) / view.getUint32(16, true) });
    });
  }
};
const { start, stop } = AudioBufferSourceNode.prototype;
AudioBufferSourceNode.prototype.start = function (when, offset, duration) {
  if (this.context instanceof AudioContext) seen.starts.push({ when, offset, duration });
  return start.call(this, when, offset, duration);
};
AudioBufferSourceNode.prototype.stop = function (when) { seen.stops += 1; return stop.call(this, when); };

window.avatar = () => document.querySelector('visema-avatar');
window.keepEvents = (...kinds) => {
  for (const kind of kinds) avatar().addEventListener(kind, ({ detail }) => seen.events.push({ kind, ...detail }));
};
window.watchCanvas = (frames, mouthHeight) => {
  const { canvas, sound } = avatar().player;
  const pen = canvas.getContext('2d');
  const luma = (d, i) => 0.299 * d[i] + 0.587 * d[i + 1] + 0.114 * d[i + 2];
  const look = () => {
    const stamp = pen.getImageData(2, 2, 12, 12).data;
    let sum = 0;
    for (let i = 0; i < stamp.length; i += 4) sum += luma(stamp, i);
    // The stamp's luma is in limited range.
    const index = Math.round((16 + sum / 144 * 219 / 255 - 30) / 4);
    const x = 96 + Math.round(6 * Math.sin(2 * Math.PI * index / frames));
    const column = pen.getImageData(x - x % 2, mouthHeight - 30, 1, 60).data;
    let open = 0;
    for (let i = 0; i < column.length; i += 4) open += luma(column, i) < 63;
    const { context } = sound;
    const heard = context.currentTime - (context.outputLatency || context.baseLatency || 0);
    seen.frames.push({ heard, index, open, at: performance.now() / 1000 });
  };
  const again = () => { setTimeout(look, 0); requestAnimationFrame(again); };
  requestAnimationFrame(again);
};
"""


@dataclass
class Visit:
    """A page with a player in it."""

    page: Any

    def run(self, script: str, argument: Any = None) -> Any:
        """What a script gives, `a` being the player's element."""
        return self.page.evaluate(f"(x) => {{ const a = avatar(); return ({script}); }}", argument)

    def until(self, condition: str, argument: Any = None) -> None:
        """Wait for a condition on the element, `a`."""
        self.page.wait_for_function(f"(x) => {{ const a = avatar(); return ({condition}); }}", arg=argument)

    def say(self, text: str, how: str = "say") -> None:
        assert self.run(f"a.{how}(x)", text), "the player is not connected"

    def happened(self, kind: str, count: int = 1) -> None:
        """Wait until an event has come so many times."""
        self.page.wait_for_function(
            "([kind, count]) => seen.events.filter((e) => e.kind === kind).length >= count", arg=[kind, count]
        )

    def words(self) -> list[str]:
        return [e["text"] for e in self.page.evaluate("seen.events") if e["kind"] == "word"]

    def frames(self) -> list[dict[str, float]]:
        found: list[dict[str, float]] = self.page.evaluate("seen.frames")
        return found


Open = Callable[..., Visit]


@pytest.fixture
def watch(browser: Any) -> Iterator[Open]:
    """Opens a page with a player in a browser context of its own; nothing in it may fail."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_page(
        address: str, *, language: str = "en-US", script: str = "", shown: bool = True, width: int = 900, **how: Any
    ) -> Visit:
        context = browser.new_context(locale=language, viewport={"width": width, "height": 800}, **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script(script + RECORDER)
        page.goto(address)
        visit = Visit(page)
        if shown:
            visit.until("a && a.hasAttribute('data-shown')")
            page.mouse.click(5, 5)  # a gesture, so that sound is allowed
            visit.until("a.player.sound.running")
            page.evaluate("keepEvents('word', 'finished', 'interrupted', 'failed', 'started', 'state', 'sentence')")
            if visit.run("a.player.canvas.width") == SIZE[0]:
                page.evaluate("([n, y]) => watchCanvas(n, y)", [FRAMES, 110])
        return visit

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


class Wire:
    """The network between a browser and a server: a relay that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._whole = True
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._whole = False
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def mend(self) -> None:
        """Let connections through again."""
        self._whole = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._relay, args=(a, b), daemon=True).start()

    @staticmethod
    def _relay(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire() -> Iterator[Callable[[int], Wire]]:
    made: list[Wire] = []

    def make(port: int) -> Wire:
        made.append(Wire(port))
        return made[-1]

    yield make
    for one in made:
        one.close()


__all__ = ["Open", "Server", "Visit", "Wire"]
