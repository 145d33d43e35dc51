"""The network voice: edge-tts, its words timed by the service and its phones fitted into the words.

The text of the speech leaves this machine.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from visema.errors import VoiceError
from visema.message import Message
from visema.speech import edge_voices, network
from visema.speech.cost import CostRecord
from visema.speech.edge_timing import Boundary, fit_speech
from visema.speech.ipa import is_ipa, respelling
from visema.speech.mp3 import Mp3Decoder, Mp3Error
from visema.speech.types import Speech, SpeechSettings, Voice
from visema.speech.words import Word, core, split_words

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: The service takes 4096 bytes of escaped text; an escaped sign has up to 6.
_CHUNK_BYTES: Final = 3500
_TICKS: Final = 10_000_000
#: Seconds between two messages of an answer that has begun.
_STALL: Final = 10.0
#: Tries when an answer broke off or made no sense; a service that can't be reached is asked once.
_TRIES: Final = 2
#: The service takes pitch in hertz: the usual pitch of its voices, for semitones.
_USUAL_PITCH: Final = {"Female": 205.0, "Male": 120.0, "": 160.0}
_RATE_PERCENT: Final = (-70, 200)


class Unreachable(VoiceError):
    """The service could not be reached, or did not answer with speech; another voice can speak instead.

    Attributes:
        cost: Of the parts of the text that it had spoken before.
    """

    cost: CostRecord | None = None


class _Broken(Exception):
    """An answer that broke off or made no sense: worth another try."""


class _Refused(Exception):
    """The service refused the connection."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


ConnectorFactory = Callable[[], "aiohttp.BaseConnector"]


def default_connector() -> aiohttp.BaseConnector:
    """A connector whose name look-ups can be abandoned: the system's own hang for long on a dead network."""
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            found = await _in_thread(lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
            return [
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=port,
                    family=kind,
                    proto=proto,
                    flags=socket.AI_NUMERICHOST,
                )
                for kind, _, proto, _, address in found
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return aiohttp.TCPConnector(resolver=Resolver())


class EdgeEngine:
    """`SpeechEngine` of the network voices.

    Args:
        connector: Makes the connections, for proxies and tests.
    """

    name = edge_voices.ENGINE

    def __init__(self, connector: ConnectorFactory = default_connector) -> None:
        self._connector = connector

    def voices(self) -> Sequence[Voice]:
        """The service's voices, or the shipped list where it can't be reached."""
        return edge_voices.list_voices()

    def speak(self, text: str, voice: str, settings: SpeechSettings) -> Speech:
        """Send ``text`` to the service and time its answer.

        Raises:
            Unreachable: No answer, a refusal, or an answer without speech. Remembered for five minutes, in which the
                service is given only a moment.
            VoiceError: The voice is unknown.
        """
        found = edge_voices.find(voice, offline=True) if "-" in voice else None
        language, gender = (found.language, found.gender) if found else ("en-US", "")
        brief = network.failed_recently()
        parts = []
        try:
            for chunk, words in _chunks(text, split_words(text)):
                sent, sent_words = respelled(chunk, words, settings)
                samples, rate, boundaries = _in_loop(self._ask(sent, voice, settings, gender, brief, sent_words))
                brief = False
                parts.append((chunk, words, sent_words, samples, rate, boundaries))
        except Unreachable:
            network.remember_failure()
            raise
        network.forget_failure()
        if not parts:
            raise VoiceError("There is nothing to say.", "Give a text with words in it.")
        return fit_speech(parts, f"{self.name}:{voice}", language, settings, text)

    async def _ask(
        self, text: str, voice: str, settings: SpeechSettings, gender: str, brief: bool, words: Sequence[Word]
    ) -> tuple[np.ndarray[Any, np.dtype[np.float32]], int, list[Boundary]]:
        for attempt in range(_TRIES):
            try:
                samples, rate, boundaries = await self._stream(text, voice, settings, gender, brief)
                _check_whole(words, boundaries, len(samples) / rate)
                return samples, rate, boundaries
            except _Refused as e:
                # edge-tts has set its clock by the service's now, if that was it.
                if e.status != 403 or brief or attempt == _TRIES - 1:
                    raise Unreachable(
                        "The speech service refused (HTTP {status}).", _hint(e.status), status=e.status
                    ) from e
            except _Broken as e:
                if brief or attempt == _TRIES - 1:
                    _log.info("the speech service's answer cannot be used: %s", e)
                    raise Unreachable(
                        "The speech service's answer cannot be used.", "Try again later, or use an espeak: voice."
                    ) from e
                _log.info("the speech service's answer cannot be used (%s): asking again", e)
        raise AssertionError("the loop returns or raises")

    async def _stream(
        self, text: str, voice: str, settings: SpeechSettings, gender: str, brief: bool
    ) -> tuple[np.ndarray[Any, np.dtype[np.float32]], int, list[Boundary]]:
        import aiohttp
        import edge_tts
        from edge_tts import exceptions

        percent = int(np.clip(round((settings.rate - 1) * 100), *_RATE_PERCENT))
        hertz = round(_USUAL_PITCH[gender] * (2 ** (settings.pitch / 12) - 1))
        decoder = Mp3Decoder()
        boundaries: list[Boundary] = []
        answer = network.BRIEF if brief else network.ANSWER
        try:
            talk = edge_tts.Communicate(
                text,
                voice,
                rate=f"{percent:+d}%",
                pitch=f"{hertz:+d}Hz",
                boundary="WordBoundary",
                connector=self._connector(),
                connect_timeout=int(network.CONNECT),
                receive_timeout=int(_STALL),
            )
            async for message in _bounded(talk.stream(), answer, _STALL):
                if message["type"] == "audio":
                    decoder.feed(message["data"])
                elif message["type"] == "WordBoundary":
                    start = message["offset"] / _TICKS
                    boundaries.append(Boundary(start, start + message["duration"] / _TICKS, message["text"]))
            samples = decoder.finish()
        except aiohttp.WSServerHandshakeError as e:
            raise _Refused(e.status) from e
        except RuntimeError as e:
            # After a 403 edge-tts asks again through its connector, which its first session has closed.
            if not isinstance(e.__context__, aiohttp.WSServerHandshakeError):
                raise
            raise _Refused(e.__context__.status) from e
        except (aiohttp.ClientConnectionError, OSError, TimeoutError, asyncio.TimeoutError) as e:
            if decoder.fed:
                raise _Broken("it broke off") from e
            raise _unreachable(e) from e
        except exceptions.NoAudioReceived as e:
            raise Unreachable(
                "The speech service sent no sound.", "The voice may not speak this language: choose another."
            ) from e
        except Mp3Error as e:
            raise _Broken("its sound cannot be decoded") from e
        except (exceptions.EdgeTTSException, aiohttp.ClientError, ValueError, KeyError, TypeError) as e:
            raise _Broken(_short(e)) from e
        return samples, decoder.rate, boundaries


def fetch_voices(connector: ConnectorFactory = default_connector) -> list[dict[str, Any]]:
    """The service's own list of voices.

    Raises:
        Unreachable: It cannot be had.
    """
    brief = network.failed_recently()

    async def ask() -> list[dict[str, Any]]:
        import edge_tts

        limit = network.BRIEF if brief else network.CONNECT
        rows = await asyncio.wait_for(edge_tts.list_voices(connector=connector()), limit)
        return [dict(row) for row in rows]

    import aiohttp

    try:
        return _in_loop(ask())
    except (aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError, ValueError) as e:
        network.remember_failure()
        raise _unreachable(e) from e


def _hint(status: int) -> Message:
    if status == 403:
        return Message("Check this machine's clock; the service refuses calls more than five minutes off.")
    return Message("Try again later, or use an espeak: voice.")


def _unreachable(error: BaseException) -> Unreachable:
    """The user's words for a network that does not get us there; what the system calls it goes to the log."""
    hint = "Check the network, or use an espeak: voice."
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return Unreachable("The speech service does not answer in time.", hint)
    _log.info("the speech service cannot be reached: %s", _short(error))
    return Unreachable("The speech service cannot be reached.", hint)


def _short(error: BaseException) -> str:
    reason = getattr(getattr(error, "os_error", None), "strerror", None)  # aiohttp wraps the system's error
    if reason:
        return str(reason)
    return " ".join(str(error).split())[:120] or type(error).__name__


async def _bounded(messages: AsyncIterator[_T], first: float, others: float) -> AsyncIterator[_T]:
    """Pass messages on; a `TimeoutError` when one takes longer than ``first`` and then ``others`` seconds."""
    limit = first
    while True:
        try:
            message = await asyncio.wait_for(_next(messages), limit)
        except StopAsyncIteration:
            return
        limit = others
        yield message


def _next(messages: AsyncIterator[_T]) -> Awaitable[_T]:
    return messages.__anext__()


async def _in_thread(call: Callable[[], _T]) -> _T:
    """Run ``call`` in a daemon thread, which nobody waits for if it is abandoned."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if not answer.done():
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        try:
            result, error = call(), None
        except OSError as e:
            result, error = None, e
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            _log.debug("a name look-up ended after its caller had gone")

    threading.Thread(target=work, daemon=True).start()
    return await answer


def _in_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine in a thread and loop of its own, so that callers may have a running loop."""
    result: Future[_T] = Future()

    def run() -> None:
        try:
            result.set_result(asyncio.run(work))
        except BaseException as e:  # handed to the caller, whatever it is
            result.set_exception(e)

    threading.Thread(target=run, name="speech-service", daemon=True).start()
    return result.result()


def _chunks(text: str, words: Sequence[Word]) -> Iterator[tuple[str, list[Word]]]:
    """Parts of ``text`` that the service takes at once, cut after sentences where possible."""
    start = 0
    while start < len(words):
        size, stop, sentence = 0, start, start
        while stop < len(words):
            size += 1 + _escaped_bytes(words[stop].text)
            if size > _CHUNK_BYTES and stop > start:
                break
            stop += 1
            if words[stop - 1].text[-1] in ".!?…。！？":
                sentence = stop
        if stop < len(words) and sentence > start:
            stop = sentence
        first = words[start].start
        part = [Word(w.start - first, w.end - first, w.text) for w in words[start:stop]]
        yield text[first : words[stop - 1].end], part
        start = stop


def _escaped_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace")) + 5 * sum(text.count(c) for c in "&<>")


def respelled(text: str, words: Sequence[Word], settings: SpeechSettings) -> tuple[str, list[Word]]:
    """The text as the service gets it: it takes no IPA, so such words go out in letters that sound like it."""
    out = ""
    sent: list[Word] = []
    end = 0
    for word in words:
        given = settings.pronunciations.get(core(word.text), "")
        said = respelling(given) if is_ipa(given) else ""
        body = core(word.text)
        at = word.text.lower().find(body)
        spelled = word.text[:at] + said + word.text[at + len(body) :] if said and at >= 0 else word.text
        out += text[end : word.start]
        sent.append(Word(len(out), len(out) + len(spelled), spelled))
        out += spelled
        end = word.end
    return out, sent


def _check_whole(words: Sequence[Word], boundaries: Sequence[Boundary], duration: float) -> None:
    """Raise `_Broken` when the answer ends before its text."""
    if not boundaries:
        raise _Broken("it has no times of words")
    speakable = sum(any(c.isalnum() for c in w.text) for w in words)
    heard = len("".join(b.text for b in boundaries))
    letters = sum(sum(c.isalnum() for c in w.text) for w in words)
    if duration < boundaries[-1].end - 0.25 or (speakable > 3 and heard < letters / 2):
        raise _Broken("it broke off")
