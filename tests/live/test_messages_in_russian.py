"""Notes and errors over the socket, in the language of the browser behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from tests.live.conftest import Server
from visema.speech.speak import speak


@pytest.mark.parametrize(
    ("language", "note", "error"),
    [
        ("ru-RU,ru;q=0.9", "Вместо него говорит встроенный голос espeak:en-us+f3.", "Нечего сказать."),
        ("de", "The embedded voice espeak:en-us+f3 speaks instead.", "There is nothing to say."),
    ],
)
def test_a_player_is_told_in_its_language(serve: Callable[..., Server], language: str, note: str, error: str) -> None:
    server = serve(partial(speak, offline=True))

    async def talk() -> tuple[str, str]:
        async with server.player(headers={"Accept-Language": language}) as player:
            await player.send(type="say", text="Hello.", voice="en-US-JennyNeural")
            started = await player.event("started")
            await player.send(type="say", text="...")
            refused = await player.until("error")
            return started["notes"][0], refused["detail"]

    told, refused = asyncio.run(talk())
    assert told.endswith(note) and refused == error
