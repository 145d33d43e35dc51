"""Asking a service over HTTP: patience, retries, and its refusals in the user's words. No error shows a key."""

from __future__ import annotations

import email.utils
import ipaddress
import json
import logging
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from visema.errors import VoiceError
from visema.message import Message
from visema.speech.access import Secret
from visema.speech.edge import Unreachable

if TYPE_CHECKING:
    import httpx

_log = logging.getLogger(__name__)

#: Bytes of an answer: 1200 characters of speech at 24 kHz are 7 MB as base64.
_LONGEST: Final = 64 << 20
#: Statuses that may be gone at the next try.
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
#: What services call it when the account is empty; some say so with 401, some with 429.
_QUOTA: Final = ("quota", "insufficient", "credit", "billing", "payment", "limit_reached")
_VOICE: Final = ("voice_not_found", "voice_does_not_exist", "invalid_voice", "voice not found", "unknown voice")
#: After a failure a service is asked once and briefly for so many seconds: whoever talks live cannot wait again.
_REMEMBERED: Final = 60.0


@dataclass
class Patience:
    """How long a service is waited for, in seconds.

    Attributes:
        connect: For the connection.
        silence: Between two pieces of an answer, and for its first.
        whole: For the whole answer.
        tries: How often it is asked.
        pause: Before the second try; doubled for each further one, and varied by a quarter.
        longest_pause: What a service may ask for with Retry-After; beyond that it is given up.
    """

    connect: float = 5.0
    silence: float = 30.0
    whole: float = 180.0
    tries: int = 3
    pause: float = 0.5
    longest_pause: float = 10.0


PATIENCE = Patience()


@contextmanager
def patience(other: Patience) -> Iterator[None]:
    """Have ``other`` patience for a while, in a process that does nothing else then."""
    global PATIENCE
    before, PATIENCE = PATIENCE, other
    try:
        yield
    finally:
        PATIENCE = before


_failed: dict[str, float] = {}


@dataclass(frozen=True)
class Answer:
    """What came back with a 2xx."""

    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is none.
        """
        return json.loads(self.body)


@dataclass(frozen=True)
class Service:
    """One service at one address.

    Attributes:
        title: What a person calls it.
        url: Its address, without a slash at the end.
        key: Its key, if it has one.
        variable: The environment's name of the key.
        header: Header that carries the key, and what stands before it there.
    """

    title: str
    url: str
    key: Secret = Secret("")  # noqa: RUF009  # it cannot be changed
    variable: str = ""
    header: tuple[str, str] = ("", "")

    def check(self) -> None:
        """Complain about an address that is none, or that would carry the key over the network in the clear.

        Raises:
            VoiceError: It is one of these.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise VoiceError(
                "'{url}' is no address of {service}.",
                "Give one such as http://127.0.0.1:5000.",
                url=self.url,
                service=self.title,
            )
        if self.key and parts.scheme == "http" and not is_loopback(parts.hostname):
            raise VoiceError(
                "The key of {service} is not sent to {host} in the clear.",
                "Give an https address.",
                service=self.title,
                host=parts.hostname,
            )

    def ask(self, method: str, path: str, **request: Any) -> Answer:
        """Ask, again where that may help, and give the answer.

        Args:
            method: Such as ``POST``.
            path: After the address, with its slash.
            request: What httpx takes: ``json``, ``params``, ``files``, ``data``.

        Raises:
            Unreachable: No answer, or none that can be used: another voice can speak instead.
            VoiceError: It refused for good: key, quota, voice or text.
        """
        import httpx

        self.check()
        brief = 0 <= time.monotonic() - _failed.get(self.url, -_REMEMBERED) < _REMEMBERED
        tries = 1 if brief else PATIENCE.tries
        for attempt in range(tries):
            pause = PATIENCE.pause * 2**attempt * random.uniform(0.75, 1.25)
            try:
                status, answer = self._once(method, path, request)
            except httpx.TimeoutException:
                reason = Message("{service} does not answer in time.", service=self.title)
            except httpx.ConnectError as e:
                reason = Message("{service} cannot be reached.", service=self.title)
                _log.info("%s: %s", self.url, self.key.scrub(str(e)))
            except (httpx.TransportError, httpx.DecodingError) as e:
                reason = Message("The answer of {service} broke off.", service=self.title)
                _log.info("%s: %s", self.url, self.key.scrub(str(e)))
            else:
                if status < 300:
                    _failed.pop(self.url, None)
                    return answer
                code, said = _told(answer.body)
                self._refuse(status, code, said)
                reason = Message("{service} is busy or broken (HTTP {status}).", service=self.title, status=status)
                asked = _retry_after(answer.headers)
                pause = max(pause, asked)
                if asked > PATIENCE.longest_pause:
                    break
            if attempt + 1 < tries:
                _log.info("%s Asking again in %.1f s.", reason, pause)
                time.sleep(pause)
        _failed[self.url] = time.monotonic()
        raise Unreachable(reason, "Try again later, or use an espeak: voice.")

    def unusable(self) -> Unreachable:
        """The error for an answer that makes no sense."""
        return Unreachable(
            "The answer of {service} cannot be used.", "Try again later, or use an espeak: voice.", service=self.title
        )

    def _once(self, method: str, path: str, request: dict[str, Any]) -> tuple[int, Answer]:
        import httpx

        headers = {}
        if self.key and self.header[0]:
            headers[self.header[0]] = self.header[1] + self.key.reveal()
        timeout = httpx.Timeout(PATIENCE.silence, connect=PATIENCE.connect)
        until = time.monotonic() + PATIENCE.whole
        # No redirects: a key goes to the address that its owner gave, and nowhere else.
        with (
            httpx.Client(timeout=timeout, follow_redirects=False) as client,
            client.stream(method, self.url + path, headers=headers, **request) as response,
        ):
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _LONGEST:
                    raise self.unusable()
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the whole answer takes too long")
            return response.status_code, Answer(bytes(body), _lower(response.headers))

    def _refuse(self, status: int, code: str, said: str) -> None:
        """Raise for what no other try mends."""
        low = f"{code} {said}".lower()
        said = self.key.scrub(said)[:200]
        if status == 402 or (status in (400, 401, 403, 429) and any(word in code.lower() for word in _QUOTA)):
            raise VoiceError(
                "The account at {service} is used up: {reason}",
                "Wait for its next month or raise its plan, or use another voice.",
                service=self.title,
                reason=said or code or status,
            )
        if status in (401, 403):
            # What the service says about a key may hold parts of it.
            raise VoiceError(
                "{service} does not take the key (HTTP {status}).",
                "Check the key in {variable}: whole, not expired, and allowed to make speech.",
                service=self.title,
                status=status,
                variable=self.variable or self.url,
            )
        if status == 404 or any(word in low for word in _VOICE):
            raise unknown_voice(self.title)
        if status not in _PASSING:
            raise VoiceError(
                "{service} refuses this (HTTP {status}): {reason}",
                "Change the text, the voice or the model.",
                service=self.title,
                status=status,
                reason=said or code or "?",
            )


class UnknownVoice(VoiceError):
    """The service has no such voice, or no such page; the engine tells which names it has."""


def unknown_voice(service: str) -> UnknownVoice:
    """The error of a service that says so."""
    return UnknownVoice("{service} does not know this voice.", "--list-voices shows them all.", service=service)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def forget_failures() -> None:
    """Ask every service as if nothing had happened."""
    _failed.clear()


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _told(body: bytes) -> tuple[str, str]:
    """Code and sentence of an error: in ``detail`` (ElevenLabs, FastAPI) or in ``error`` (OpenAI)."""
    try:
        told = json.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(told, dict):
        return "", ""
    inner = told.get("detail", told.get("error", told))
    if isinstance(inner, list) and inner:
        inner = inner[0]
    if isinstance(inner, str):
        return "", inner
    if not isinstance(inner, dict):
        return "", ""
    codes = [str(inner[name]) for name in ("status", "code", "type") if inner.get(name)]
    return " ".join(codes), str(inner.get("message") or inner.get("msg") or "")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the service asks to wait: a number, or a date."""
    given = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(given))
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(given)
        except (ValueError, TypeError):
            return 0.0
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
