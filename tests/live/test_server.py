"""The live view over real sockets: the protocol as a player sees it, and everything that can go wrong."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Callable

import av
import cv2
import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.live.conftest import WORD_S, Player, Server, eventually
from tests.stage.conftest import FRAMES, SIZE, opening, stamped_index
from visema.live.theatre import GRACE_S, TICK_S
from visema.web.live_routes import SOCKET_OPTIONS

Serve = Callable[..., Server]


def test_a_talk_from_hello_to_the_end(serve: Serve) -> None:
    server = serve()

    async def talk() -> Player:
        async with server.player() as player:
            await player.send(type="say", id="q1", text="ma ma ma.")
            accepted = await player.until("accepted")
            assert accepted == {"type": "accepted", "utterance": 1, "id": "q1"}
            await player.until("state", state="listening")
            await player.send(type="ping", c=5)
            pong = await player.until("pong")
            assert pong["c"] == 5 and pong["t"] > player.hello["t"]
            return player

    player = asyncio.run(talk())
    hello = player.hello
    assert hello["version"] == 1 and hello["size"] == list(SIZE) and hello["fps"] == 25
    assert hello["loop"]["count"] == FRAMES and hello["audio"] == "opus" and not hello["resumed"]
    status, headers, loop = server.request("/live/" + hello["loop"]["url"])
    assert status == 200 and "immutable" in headers["cache-control"]
    pictures = [cv2.imdecode(np.frombuffer(j, np.uint8), 1) for j in loop_pictures(loop)]
    assert len(pictures) == FRAMES and pictures[0].shape == (SIZE[1], SIZE[0], 3)
    # Sound: chunks adjoin, decode to what they say, and hold three words.
    at, heard = 0, []
    for head, data in player.sounds:
        kind, codec, _, epoch, t, rate, samples, take, first = head
        assert (kind, codec, epoch, rate, take) == (2, 2, 0, 48_000, 1) and first == at
        assert t == pytest.approx(player.sounds[0][0][4] + first / rate)
        with av.open(io.BytesIO(data)) as box:
            heard.append(np.concatenate([f.to_ndarray().ravel() for f in box.decode(audio=0)]))
        assert len(heard[-1]) == samples
        at += samples
    loud = np.flatnonzero(np.abs(np.concatenate(heard)) > 0.05) / 48_000
    assert loud[-1] - loud[0] == pytest.approx(3 * WORD_S, abs=0.02)
    assert player.sounds[0][0][2] & 1 and player.sounds[-1][0][2] & 2
    # Pictures: on their loop frames, with the mouth open in the vowels.
    open_at = []
    for head, data in player.pictures:
        kind, codec, base, _, t, frame, x, y, width, height, sx, sy, zero = head
        assert (kind, sx, sy, zero) == (1, 0, 0, 0) and base == frame % FRAMES and t == frame / 25
        if codec:
            canvas = pictures[base].copy()
            canvas[y : y + height, x : x + width] = cv2.imdecode(np.frombuffer(data, np.uint8), 1)
            if opening(canvas[..., 1], base) > 8:
                open_at.append(t)
    words = [e for e in player.events() if e["kind"] == "word"]
    assert [e["text"] for e in words] == ["ma", "ma", "ma."]
    for word in words:
        assert any(word["t"] + 0.08 <= t <= word["end"] + 0.05 for t in open_at)
    assert not player.pictures[-1][0][1], "the bare loop at the end"


def loop_pictures(data: bytes) -> list[bytes]:
    magic, count, width, height, *_ = struct.unpack_from("<4sIHHIII", data)
    assert magic == b"VLP1" and (width, height) == SIZE
    offsets = struct.unpack_from(f"<{count + 1}I", data, 24)
    assert offsets[0] == 24 + 4 * (count + 1) and offsets[-1] == len(data)
    return [data[a:b] for a, b in itertools.pairwise(offsets)]


def test_the_loop_is_cached_and_given_in_parts(serve: Serve) -> None:
    server = serve()
    theatre_loop, _ = server.theatre.loop()
    path = f"/live/loops/tiny/{theatre_loop.edition}.vlp"
    status, headers, whole = server.request(path)
    assert status == 200 and len(whole) == int(headers["content-length"])
    assert server.request(path, headers={"If-None-Match": headers["etag"]})[0] == 304
    status, _, part = server.request(path, headers={"Range": "bytes=100-199"})
    assert status == 206 and part == whole[100:200]
    for missing in ("/live/loops/tiny/000000000000.vlp", "/live/loops/nobody/1.vlp", "/live/loops/..%2f/1.vlp"):
        status, _, _body = server.request(missing)
        assert status == 404
    assert server.request("/live/opus-probe.ogg")[2][:4] == b"OggS"


def test_an_idle_viewer_gets_nothing(serve: Serve) -> None:
    server = serve()

    async def wait() -> int:
        async with server.player() as player:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(player.socket.recv(), 3)
            return len(player.pictures)

    assert asyncio.run(wait()) == 0


def test_pcm_for_those_who_cannot_decode_opus(serve: Serve) -> None:
    server = serve()

    async def talk() -> Player:
        async with server.player(audio=["pcm"]) as player:
            await player.send(type="say", text="ma")
            await player.until("state", state="listening")
            return player

    player = asyncio.run(talk())
    assert player.hello["audio"] == "pcm"
    for head, data in player.sounds:
        assert head[1] == 1 and head[5] == 24_000 and len(data) == 2 * head[6]
    samples = np.concatenate([np.frombuffer(d, "<i2") for _, d in player.sounds]) / 32767
    assert np.abs(samples).max() == pytest.approx(0.4, abs=0.01)


def test_interrupt_over_the_socket(serve: Serve) -> None:
    server = serve()

    async def talk() -> tuple[dict[str, object], Player]:
        async with server.player() as player:
            await player.send(type="say", text="ma " * 40)
            await player.event("started")
            while len(player.pictures) < 12:
                await player.take()
            await player.send(type="interrupt")
            cut = await player.until("cut")
            count = len(player.sounds)
            while not player.pictures[-1][0][3]:
                await player.take()
            while player.pictures[-1][0][1]:
                await player.take()
            assert len(player.sounds) == count
            await player.event("interrupted")
            return cut, player

    cut, player = asyncio.run(talk())
    closing = [head for head, _ in player.pictures if head[3] == cut["epoch"]]
    assert closing[0][5] == cut["frame"] and closing[-1][4] - float(cut["t"]) <= 0.2  # type: ignore[arg-type]


def test_text_in_tokens_over_the_socket(serve: Serve) -> None:
    server = serve()

    async def talk() -> list[str]:
        async with server.player() as player:
            await player.send(type="say", id="s", text="", stream=True)
            for token in ("ma ", "ma. Two", " two", " two."):
                await player.send(type="text", id="s", text=token)
            await player.event("word", text="ma.")
            await player.send(type="end", id="s")
            await player.event("finished")
            await player.send(type="text", id="s", text="late")
            assert (await player.until("error"))["error"] == "order"
            return [e["text"] for e in player.events() if e["kind"] == "word"]

    assert asyncio.run(talk()) == ["ma", "ma.", "Two", "two", "two."]


def test_the_line_for_a_seat_shows_the_place(serve: Serve) -> None:
    server = serve(seats=1)

    async def talk() -> None:
        async with server.player() as first, server.player() as second, server.player() as third:
            for player in (first, second, third):
                await player.send(type="say", text="ma ma ma")
                await player.until("accepted")
            places = [m["place"] for m in third.messages if m.get("state") == "waiting"]
            assert places == [2] and [m.get("place") for m in second.messages if m["type"] == "state"][-1] == 1
            await second.socket.close(1000)  # who leaves the line lets the others move up
            await third.until("state", state="waiting", place=1)
            await third.event("finished")

    asyncio.run(talk())
    eventually(lambda: server.value("seats_taken") == 0 and server.value("waiting") == 0)


def test_one_stage_for_all(serve: Serve) -> None:
    server = serve(shared=True)

    async def talk() -> tuple[Player, Player]:
        async with server.player() as first, server.player() as second:
            assert first.hello["session"] == second.hello["session"] and first.hello["shared"]
            await first.send(type="say", text="ma ma ma ma")
            await second.event("started")
            async with server.player() as late:
                assert late.hello["state"] == "speaking"
                await late.until("state", state="listening")
            await asyncio.gather(*(p.until("state", state="listening") for p in (first, second)))
            return first, second

    first, second = asyncio.run(talk())
    assert [d for _, d in first.pictures] == [d for _, d in second.pictures]
    assert [d for _, d in first.sounds] == [d for _, d in second.sounds]


# -- faults ---------------------------------------------------------------------------------------------------------


def test_a_cut_connection_goes_on_at_the_word(serve: Serve) -> None:
    server = serve()
    text = " ".join(f"w{k}" for k in range(30))

    async def talk() -> None:
        async with server.player() as player:
            await player.send(type="say", text=text)
            started = await player.event("started")
            await player.event("word", text="w4")
            await asyncio.sleep(1.0)
            player.socket.transport.abort()
            heard = started["t"] + 0.06 + 3.5 * WORD_S
            session = player.hello["session"]
        await asyncio.sleep(0.3)
        assert server.value("sessions") == 1
        async with server.player(session=session, heard=heard) as again:
            assert again.hello["resumed"] and again.hello["session"] == session
            word = await again.event("word")
            assert word["text"] == "w3" and word["t"] > again.hello["t"]
            await again.event("finished")

    asyncio.run(talk())
    eventually(lambda: server.value("sessions") == 0)


def test_after_a_long_silence_the_rest_of_the_words_is_kept(serve: Serve) -> None:
    server = serve()
    text = " ".join(f"w{k}" for k in range(40)) + "."

    async def talk() -> None:
        async with server.player() as player:
            await player.send(type="say", text=text)
            await player.event("started")
            await asyncio.sleep(1.2)
            player.socket.transport.abort()
        began = time.monotonic()
        while server.value("sessions"):
            await asyncio.sleep(0.05)
            assert time.monotonic() - began < 5, "everything is freed within 5 s"
        assert server.value("seats_taken") == 0 and server.value("parked") == 1
        async with server.player(session=player.hello["session"]) as again:
            assert again.hello["resumed"]
            word = await again.event("word")
            assert 2 <= int(word["text"].strip("w.")) <= 6
        async with server.player(session="unknown" * 4) as other:
            assert not other.hello["resumed"]

    asyncio.run(talk())
    assert server.value("parked") == 0


@pytest.mark.parametrize("goodbye", ["close", "abort"])
def test_a_closed_tab_frees_everything(serve: Serve, goodbye: str) -> None:
    server = serve()

    async def talk() -> None:
        async with server.player() as player:
            await player.send(type="say", text="ma " * 60)
            await player.event("started")
            if goodbye == "abort":
                player.socket.transport.abort()

    asyncio.run(talk())
    eventually(
        lambda: not (server.value("sessions") or server.value("seats_taken") or server.value("viewers")),
        0.9 if goodbye == "close" else 5.0,
    )


def test_a_peer_that_vanished_is_gone_within_five_seconds(serve: Serve) -> None:
    pings = SOCKET_OPTIONS["ws_ping_interval"] + SOCKET_OPTIONS["ws_ping_timeout"]
    assert pings + GRACE_S + TICK_S <= 5.0
    server = serve()

    async def talk() -> None:
        async with server.player() as player:
            await player.send(type="say", text="ma " * 120)
            await player.event("started")
            player.socket.transport.pause_reading()  # answers no ping any more, and closes nothing
            while server.value("sessions"):
                await asyncio.sleep(0.05)
            assert server.value("seats_taken") == 0
            player.socket.transport.abort()

    asyncio.run(asyncio.wait_for(talk(), 20))


def test_a_slow_reader_loses_pictures_and_nobody_else_notices(serve: Serve) -> None:
    server = serve(shared=True)

    async def talk() -> tuple[int, float]:
        async with server.player() as good:
            # A reader that reads nothing: its socket takes a few kilobytes, the server's queue the rest.
            slow = socket.create_connection(("127.0.0.1", server.port))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            shake_hands(slow, server.port)
            await asyncio.sleep(0.3)
            await good.send(type="say", text="ma " * 60)
            end = time.monotonic() + 6
            while time.monotonic() < end:
                await good.take()
            frames = [head[5] for head, _ in good.pictures]
            slow.close()
            bare = {head[5] for head, _ in good.pictures if not head[1]}
            missing = [n for a, b in itertools.pairwise(frames) for n in range(a + 1, b) if a not in bare]
            return len(missing), len(frames)

    missing, frames = asyncio.run(talk())
    assert frames > 80 and missing <= frames // 20


def shake_hands(raw: socket.socket, port: int) -> None:
    raw.sendall(
        f"GET /live/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert raw.recv(12).startswith(b"HTTP/1.1 101")
    hello = json.dumps({"type": "hello", "version": 1, "audio": ["pcm"]}).encode()
    mask = b"\x01\x02\x03\x04"
    raw.sendall(b"\x81" + bytes([0x80 | len(hello)]) + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(hello)))


def test_a_reader_that_hangs_is_let_go(serve: Serve) -> None:
    server = serve()
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.settimeout(10)
    shake_hands(raw, server.port)
    eventually(lambda: server.value("sessions") == 1)
    # It answers no ping and never closes.
    eventually(lambda: server.value("sessions") == 0 and server.value("viewers") == 0, 12)
    raw.close()


def test_a_voice_that_fails_in_mid_sentence(serve: Serve) -> None:
    server = serve()

    async def talk() -> None:
        async with server.player() as player:
            await player.send(type="say", text="ma ma ma. it will FAIL here. never.")
            failed = await player.event("failed")
            assert failed["error"] == "voice" and failed["detail"] and failed["hint"]
            await player.until("state", state="listening")
            assert player.sounds
            await player.send(type="say", text="ma")
            await player.event("finished", utterance=2)

    asyncio.run(talk())


def test_a_thousand_opens_and_closes(serve: Serve) -> None:
    server = serve(opens_per_second=10_000, opens_at_once=10_000)

    async def visit(number: int) -> None:
        async with server.player() as player:
            if number % 10 == 0:
                await player.send(type="say", text="ma ma")
                await player.until("accepted")
            if number % 7 == 0:
                player.socket.transport.abort()

    async def all_of_them() -> None:
        for k in range(0, 1000, 20):
            await asyncio.gather(*(visit(n) for n in range(k, k + 20)))

    threads = threading.active_count()
    asyncio.run(all_of_them())
    eventually(lambda: not (server.value("sessions") or server.value("viewers") or server.value("seats_taken")))
    assert server.value("sockets_opened_total") == 1000
    # Voices of the crew may have come, nothing that is one a visitor.
    assert threading.active_count() - threads < 40


@pytest.mark.parametrize(
    "rubbish",
    ["", "{", "null", '{"type": "dance"}', '{"type": "say"}', '{"type": "text", "id": "x", "text": "a"}',
     '{"type": "hello", "version": 1, "audio": []}'],
)  # fmt: skip
def test_rubbish_is_answered_and_too_much_of_it_ends_the_socket(serve: Serve, rubbish: str) -> None:
    server = serve()

    async def talk() -> int:
        async with server.player() as player:
            await player.socket.send(rubbish)
            error = await player.until("error")
            assert error["error"] in ("malformed", "order") and error["detail"]
            await player.send(type="ping")
            await player.until("pong")
            for _ in range(9):
                await player.socket.send(rubbish)
            code = await player.closed()
            assert player.messages[-1]["type"] == "bye" and player.messages[-1]["code"] == 1008
            return code

    assert asyncio.run(talk()) == 1008
    eventually(lambda: server.value("sessions") == 0)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x00\x01", 1003),
        (json.dumps({"type": "say", "text": "a" * 70_000}), 1009),
    ],
)
def test_messages_that_end_the_socket_at_once(serve: Serve, message: bytes | str, code: int) -> None:
    server = serve()

    async def talk() -> int:
        async with server.player() as player:
            await player.socket.send(message)
            return await player.closed()

    assert asyncio.run(talk()) == code


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ('{"type": "say", "text": "hi"}', 4000),
        ('{"type": "hello", "version": 99, "audio": []}', 4000),
        ("rubbish", 4000),
        ('{"type": "hello", "version": 1, "audio": [], "avatar": "nobody"}', 4004),
        ('{"type": "hello", "version": 1, "audio": [], "avatar": "../../etc"}', 4004),
    ],
)
def test_a_wrong_beginning(serve: Serve, first: str, code: int) -> None:
    server = serve()

    async def talk() -> tuple[int, list[str]]:
        said = []
        async with connect(f"ws://127.0.0.1:{server.port}/live/ws") as raw:
            await raw.send(first)
            try:
                while True:
                    said.append(str(await raw.recv()))
            except ConnectionClosed:
                return raw.close_code or 0, said

    closed, said = asyncio.run(talk())
    assert closed == code and json.loads(said[-1])["type"] == "bye" and json.loads(said[-1])["detail"]


def refused(server: Server, **options: object) -> tuple[int, dict[str, str]]:
    async def knock() -> tuple[int, dict[str, str]]:
        try:
            async with connect(f"ws://127.0.0.1:{server.port}/live/ws", **options):  # type: ignore[arg-type]
                return 101, {}
        except InvalidStatus as e:
            return e.response.status_code, json.loads(e.response.body)

    return asyncio.run(knock())


def test_pages_of_other_sites_do_not_come_in(serve: Serve) -> None:
    server = serve(origins=("https://friend.example",))
    status, error = refused(server, origin="http://evil.example")
    assert status == 403 and error["error"] == "origin" and error["hint"]
    assert refused(server, origin=f"http://127.0.0.1:{server.port}")[0] == 101
    assert refused(server, origin="https://friend.example")[0] == 101
    status, _, body = server.request("/api/v1/live", {}, headers={"Origin": "http://evil.example"})
    assert status == 403 and json.loads(body)["error"] == "origin"


def test_floods_of_sockets_are_refused(serve: Serve) -> None:
    server = serve(opens_per_second=0.001, opens_at_once=5)
    answers = [refused(server) for _ in range(8)]
    assert [status for status, _ in answers] == [101] * 5 + [429] * 3
    assert answers[-1][1]["error"] == "flood" and server.value("refused_total") == 3
    bounded = serve(sockets_per_address=2)

    async def crowd() -> None:
        async with bounded.player(), bounded.player():
            with pytest.raises(InvalidStatus) as e:
                async with bounded.player():
                    pass
            assert e.value.response.status_code == 429
        async with bounded.player():
            pass

    asyncio.run(crowd())


def test_floods_of_messages_end_the_socket(serve: Serve) -> None:
    server = serve()

    async def talk() -> tuple[int, Player]:
        async with server.player() as player:
            for _ in range(40):
                await player.send(type="say", text="ma")
            for _ in range(1000):
                try:
                    await player.send(type="ping")
                except ConnectionClosed:
                    break
            return await player.closed(), player

    code, player = asyncio.run(talk())
    assert code == 1008
    errors = [m for m in player.messages if m["type"] == "error"]
    assert errors and {m["error"] for m in errors} == {"flood"}


# -- HTTP -----------------------------------------------------------------------------------------------------------


def test_the_api_opens_speaks_tells_and_closes(serve: Serve) -> None:
    server = serve()
    status, _, body = server.request("/api/v1/live", {"avatar": "tiny"})
    opened = json.loads(body)
    assert status == 201 and opened["avatar"]["id"] == "tiny"
    told: list[tuple[float, dict[str, object]]] = []

    def listen() -> None:
        with urllib.request.urlopen(server.address + opened["urls"]["events"], timeout=20) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            for line in stream:
                if line.startswith(b"data: "):
                    told.append((time.monotonic(), json.loads(line[6:])))

    listener = threading.Thread(target=listen)
    listener.start()
    eventually(lambda: server.theatre.find(opened["session"]).watchers)  # type: ignore[union-attr]
    status, _, body = server.request(opened["urls"]["say"], {"text": "ma ma ma. ma ma."})
    assert status == 202 and json.loads(body) == {"utterance": 1}
    eventually(lambda: any(e["kind"] == "finished" for _, e in told))
    kinds = [e["kind"] for _, e in told if e["kind"] not in ("viseme", "word")]
    assert kinds == ["queued", "started", "sentence", "sentence", "finished"]
    # Each is sent when it happens.
    words = [(at, float(str(e["t"]))) for at, e in told if e["kind"] == "word"]
    assert len(words) == 5
    for (a, s), (b, t) in itertools.pairwise(words):
        assert abs((b - a) - (t - s)) < 0.15
    status, _, body = server.request(f"/api/v1/live/{opened['session']}")
    assert json.loads(body)["state"] == "listening"
    server.request(opened["urls"]["say"], {"text": "ma " * 50})
    eventually(lambda: server.theatre.find(opened["session"]).stage.standing.state == "speaking")  # type: ignore[union-attr]
    assert server.request(opened["urls"]["interrupt"], {})[0] == 202
    eventually(lambda: any(e["kind"] == "interrupted" for _, e in told))
    assert server.request(opened["urls"]["clear"], {})[0] == 202
    assert server.request(opened["urls"]["close"], {})[0] == 200
    listener.join(5)
    assert not listener.is_alive()
    assert server.request(opened["urls"]["say"], {"text": "ma"})[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "error"),
    [
        ("", b"rubbish", {}, 400, "malformed"),
        ("", b"[]", {}, 400, "malformed"),
        ("", {"avatar": 5}, {}, 400, "malformed"),
        ("", {"avatar": "nobody"}, {}, 404, "unknown_avatar"),
        ("", b"{}", {"Content-Type": "text/plain"}, 415, "malformed"),
        ("", b" " * 70_000, {}, 413, "too_large"),
        ("/unknown/say", {"text": "a"}, {}, 404, "unknown_session"),
        ("/unknown/close", {}, {}, 404, "unknown_session"),
        ("/SESSION/say", {}, {}, 400, "malformed"),
        ("/SESSION/say", {"text": ""}, {}, 422, "text"),
        ("/SESSION/say", {"text": "a" * 5001}, {}, 422, "text"),
        ("/SESSION/say", {"text": "a", "rate": 99}, {}, 422, "text"),
        ("/SESSION/say", {"text": "a", "voice": "nobody"}, {}, 422, "unknown_voice"),
        ("/SESSION/say", {"text": "a", "stream": True}, {}, 422, "text"),
    ],
)
def test_errors_of_the_api(
    serve: Serve, path: str, body: object, headers: dict[str, str], status: int, error: str
) -> None:
    server = serve()
    if "SESSION" in path:
        path = path.replace("SESSION", json.loads(server.request("/api/v1/live", {})[2])["session"])
    got, _, answer = server.request("/api/v1/live" + path, body, headers=headers)
    found = json.loads(answer)
    assert got == status and found["error"] == error and found["detail"].endswith(".") and "hint" in found


def test_mjpeg_idles_and_talks(serve: Serve) -> None:
    server = serve()
    shown: list[np.ndarray] = []
    with urllib.request.urlopen(server.address + "/live/mjpeg/tiny", timeout=20) as stream:
        session = stream.headers["X-Visema-Session"]
        end, asked = time.monotonic() + 3.5, False
        while time.monotonic() < end:
            line = stream.readline()
            if line.lower().startswith(b"content-length"):
                stream.readline()
                data = stream.read(int(line.split(b":")[1]))
                shown.append(cv2.imdecode(np.frombuffer(data, np.uint8), 1))
            if len(shown) > 5 and not asked:
                asked = True
                assert server.request(f"/api/v1/live/{session}/say", {"text": "ma ma ma ma"})[0] == 202
    stamps = [stamped_index(cv2.cvtColor(s, cv2.COLOR_BGR2YUV_I420)[: SIZE[1]]) for s in shown]
    moves = np.diff(np.unwrap(stamps, period=FRAMES))
    assert (moves >= 0).all() and moves.sum() > 40
    openings = [opening(s[..., 1], n % FRAMES) for s, n in zip(shown, stamps, strict=True)]
    assert max(openings) > 10 and openings[0] == 0
    eventually(lambda: server.value("sessions") == 0)


def test_counters_for_prometheus_and_the_panel(serve: Serve) -> None:
    server = serve()

    async def talk() -> None:
        async with server.player() as player:
            await player.send(type="say", text="ma")
            await player.send(type="report", skew_ms=-12.5, late=2, dropouts=1)
            await player.until("state", state="listening")

    asyncio.run(talk())
    status, headers, body = server.request("/metrics")
    text = body.decode()
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["visema_live_utterances_total"]) == 1
    assert float(values["visema_live_player_late_total"]) == 2
    assert float(values["visema_live_first_sound_seconds_count"]) == 1
    assert float(values['visema_live_player_skew_seconds_bucket{le="0.025"}']) == 1
    assert float(values["visema_live_picture_bytes_total"]) > 0
    for line in text.splitlines():
        assert line.startswith("#") or line.startswith("visema_live_")
    panel = json.loads(server.request("/api/v1/live/stats")[2])
    assert panel["sound_bytes_total"] > 0 and panel["draw_seconds"]["count"] > 0
