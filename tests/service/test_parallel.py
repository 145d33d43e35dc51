"""Eight at once: none lost, none mixed up, in a fair order, each progress rising."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import av
import cv2
import numpy as np

from tests.service.conftest import Server, until, wav_of

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


def test_eight_at_once(own_server: Callable[..., Server], picture: np.ndarray) -> None:
    server = own_server(VISEMA_WORKERS="2")
    photos, sounds = [], []
    for number in range(8):
        tinted = picture.copy()
        tinted[:24, :24] = (20 + 28 * number, 128, 230 - 28 * number)  # a corner that tells whose it is
        photos.append(bytes(cv2.imencode(".png", tinted)[1]))
        sounds.append(wav_of(" ".join(WORDS[: number + 1])))

    def make(number: int) -> str:
        return server.begin(image=photos[number], audio=sounds[number], text=" ".join(WORDS[: number + 1]))

    with ThreadPoolExecutor(8) as pool:
        sessions = list(pool.map(make, range(8)))
    assert len(set(sessions)) == 8
    seen: dict[str, list[float]] = {session: [] for session in sessions}
    begun: list[str] = []

    def all_over() -> bool:
        states = {session: server.status(session) for session in sessions}
        for session, status in states.items():
            seen[session].append(status["percent"])
            if status["state"] != "queued" and session not in begun:
                begun.append(session)
        return all(status["status"] == "completed" for status in states.values())

    until(all_over, "all eight")
    for percents in seen.values():
        assert percents == sorted(percents) and percents[-1] == 100
    seconds = []
    for number, session in enumerate(sessions):
        film = server.ask("GET", f"/download/{session}").content
        with av.open(io.BytesIO(film)) as box:
            corner = next(iter(box.decode(video=0))).to_ndarray(format="bgr24")[6:14, 6:14].reshape(-1, 3).mean(0)
        assert np.abs(corner - (20 + 28 * number, 128, 230 - 28 * number)).max() < 20, (number, corner)
        seconds.append(server.status(session)["duration"])
    assert seconds == sorted(seconds) and len(set(seconds)) == 8
    assert server.files() == {f"{session}.mp4" for session in sessions}


def test_who_asks_for_much_does_not_keep_others_waiting(own_server: Callable[..., Server], photo: bytes) -> None:
    server = own_server(VISEMA_WORKERS="1")

    def ask(client: str) -> str:
        return server.begin(image=photo, text="Hi.", voice="espeak:en-us", client=client)

    many = [ask("10.0.0.1") for _ in range(4)]
    one = ask("10.0.0.2")
    order = {session: server.status(session) for session in [*many, one]}
    assert order[one]["place"] < order[many[-1]]["place"], order
    for session in [*many, one]:
        assert server.over(session)["status"] == "completed"
