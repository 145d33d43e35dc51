"""Avatars, voices, batches and the rest: what is asked for by one request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from visema.client import asks
from visema.client.results import Avatar, Batch, Job, Page, Speech, Voice
from visema.client.wire import Ask, Progress

T = TypeVar("T")


class Resources(ABC):
    """A server's things, but for films."""

    @abstractmethod
    def _send(self, ask: Ask[T], progress: Progress | None = None) -> T: ...

    # -- avatars and voices ---------------------------------------------------------------------------------------

    def train(
        self,
        source: Path | str,
        *,
        name: str | None = None,
        consent: str | None = None,
        consent_by: str | None = None,
        webhook: str | None = None,
        once: str | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Job:
        """Make an avatar of a video or a photo; the job, whose ``result`` has the avatar's id and a quality report.

        Args:
            source: The file.
            name: For people.
            consent: What the shown person agreed to, in a sentence; it is kept with the avatar.
            consent_by: Who that is.
            webhook: An address that hears of the end.
            once: Idempotency key.
            progress: Told how much has been sent.
            options: Further fields of the API.
        """
        return self._send(asks.train(Path(source), name, consent, consent_by, webhook, once, options), progress)

    def avatars(self) -> tuple[Avatar, ...]:
        """The avatars that can speak."""
        return self._send(asks.avatars())

    def avatar(self, avatar_id: str) -> Avatar:
        """An avatar."""
        return self._send(asks.avatar(avatar_id))

    def delete_avatar(self, avatar_id: str) -> None:
        """Remove an avatar."""
        self._send(asks.delete_avatar(avatar_id))

    def voices(
        self, *, language: str | None = None, gender: str | None = None, engine: str | None = None
    ) -> tuple[Voice, ...]:
        """The voices, of all engines."""
        return self._send(asks.voices(language, gender, engine))

    def clone(
        self,
        sample: Path | str,
        *,
        name: str,
        consent: str,
        consent_by: str | None = None,
        engine: str | None = None,
        language: str | None = None,
    ) -> Voice:
        """Make a voice like that of a recording.

        Args:
            sample: The recording.
            name: What the voice is to be called.
            consent: What the person whose voice it is agreed to, in a sentence; it is kept with the voice.
            consent_by: Who that is.
            engine: ``match``, an embedded voice set to the sample, which is no clone; or ``elevenlabs``.
            language: That a match shall speak.
        """
        return self._send(asks.clone(Path(sample), name, consent, consent_by, engine, language))

    def delete_voice(self, name: str) -> None:
        """Remove a voice of your own."""
        self._send(asks.delete_voice(name))

    def tts(
        self, text: str, *, voice: str | None = None, rate: float | None = None, pitch: float | None = None,
        volume: float | None = None,
    ) -> Speech:  # fmt: skip
        """Speak a text: the sound, with the times of its words and visemes."""
        return self._send(asks.tts(text, voice, rate, pitch, volume))

    # -- many -----------------------------------------------------------------------------------------------------

    def batch(
        self, items: Sequence[Mapping[str, Any]], *, webhook: str | None = None, once: str | None = None
    ) -> Batch:
        """Ask for up to 1,000 films at once; each item as for `generate`, of avatars and texts."""
        return self._send(asks.batch(items, webhook, once))

    def batch_status(self, batch_id: str) -> Batch:
        """How far a batch is."""
        return self._send(asks.batch_status(batch_id))

    def delete_batch(self, batch_id: str) -> None:
        """Give up a batch: cancel what goes on, remove what was made."""
        self._send(asks.delete_batch(batch_id))

    # -- the rest -------------------------------------------------------------------------------------------------

    def retry(self, job: str) -> Job:
        """Try a job again that failed for good after several attempts."""
        return self._send(asks.retry(job))

    def link(self, job: str) -> Mapping[str, Any]:
        """An address of a film that needs no key, for a time: ``url`` and ``expires``."""
        return self._send(asks.link(job))

    def webhooks(self, *, job: str | None = None, cursor: str | None = None) -> Page[Mapping[str, Any]]:
        """What webhooks were told, newest first, with each attempt."""
        return self._send(asks.webhooks(job, cursor))

    def usage(self) -> Mapping[str, Any]:
        """What your key has used this month, and what it may."""
        return self._send(asks.usage())

    def output(self, mark: str) -> Mapping[str, Any]:
        """What is known of a film by the id inside it."""
        return self._send(asks.output(mark))

    def health(self) -> Mapping[str, Any]:
        """How the server is."""
        return self._send(asks.health())
