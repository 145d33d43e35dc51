"""The client for asyncio: as `visema.client.sync`, method by method."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from visema.client import asks
from visema.client.aio_resources import AsyncResources
from visema.client.asks import Options
from visema.client.download import Download
from visema.client.errors import ApiError, error_of, unreachable
from visema.client.results import Batch, Job, Page, Speech
from visema.client.settings import TIMEOUT, headers_of, late, seconds_of, trust, url_of
from visema.client.wire import (
    Ask,
    Events,
    Progress,
    Retry,
    body_of,
    json_of,
    polling_pauses,
    result_of,
)

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

T = TypeVar("T")


@dataclass
class Listening:
    """Whether a server tells of a job by events."""

    offered: bool = True


class AsyncVisema(AsyncResources):
    """A server of Visema.

    ``async with AsyncVisema("https://avatar.example.org", "vsm_…") as api: await api.make("hello.mp4", …)``

    Requests that fail in passing (no answer, 429, 503) are sent again after a pause, or after as long as the server
    asks for. What makes something is sent with an idempotency key, so that it is made once.

    Args:
        url: The server's address; None takes ``VISEMA_URL``, else this machine.
        key: The API key; None takes ``VISEMA_KEY``. A server on this machine may need none.
        retry: When requests are repeated.
        timeout: Seconds within which something must come.
        verify: Whether the certificate is checked, or a file of certificates to trust.

    Raises:
        InputError: The address is none.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        retry: Retry | None = None,
        timeout: float = TIMEOUT,
        verify: bool | str = True,
    ) -> None:
        self.url = url_of(url)
        self._retry = retry or Retry()
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=headers_of(key), timeout=timeout, verify=trust(verify), follow_redirects=True
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- films ----------------------------------------------------------------------------------------------------

    async def generate(
        self,
        *,
        avatar: str | None = None,
        text: str | None = None,
        audio: Path | str | None = None,
        image: Path | str | None = None,
        voice: str | None = None,
        webhook: str | None = None,
        priority: int | None = None,
        once: str | None = None,
        progress: Progress | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Ask for a film; the job that makes it.

        Args:
            avatar: Id of a prepared face, or give ``image``; without both the server's own presenter speaks.
            text: What to say; with ``audio``, what is said in it.
            audio: A recording of speech.
            image: A photo of a face.
            voice: Who says the text.
            webhook: An address that hears of the end.
            priority: -10 to 10; greater comes first. Above 0 with an administrator's key only.
            once: Idempotency key, to ask again for the same in another process; None makes one.
            progress: Told how much has been sent.
            options: See `Options`.

        Raises:
            ApiError: The server refuses.
            InputError: A file cannot be read, or there are no words.
        """
        sound, picture = (None if file is None else Path(file) for file in (audio, image))
        ask = asks.generate(avatar, text, sound, picture, voice, webhook, priority, once, options)
        return await self._send(ask, progress)

    async def status(self, job: str) -> Job:
        """How far a job is."""
        return await self._send(asks.status(job))

    async def jobs(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        batch: str | None = None,
        dead: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Job]:
        """Your jobs, newest first; ``dead``: those that failed for good after several attempts."""
        return await self._send(asks.jobs(state, kind, batch, dead, limit, cursor))

    async def all_jobs(
        self, *, state: str | None = None, kind: str | None = None, batch: str | None = None
    ) -> AsyncIterator[Job]:
        """Every job of yours, page after page."""
        page = await self.jobs(state=state, kind=kind, batch=batch)
        for job in page.items:
            yield job
        while page.next is not None:
            page = await self.jobs(state=state, kind=kind, batch=batch, cursor=page.next)
            for job in page.items:
                yield job

    async def delete_job(self, job: str) -> None:
        """Cancel a job that waits or is being made; remove a finished one with its files."""
        await self._send(asks.delete_job(job))

    async def wait(
        self, job: str | Job, *, timeout: float | None = None, progress: Callable[[Job], None] | None = None
    ) -> Job:
        """Wait until a job is over; how it ended. `Job.check` complains where it failed.

        Args:
            job: The job or its name.
            timeout: Seconds; None waits for ever.
            progress: Told how far it is.

        Raises:
            TimedOut: It is not over; it goes on.
        """
        name = job.id if isinstance(job, Job) else job
        end = time.monotonic() + seconds_of(timeout)
        async for told in self._watch(name, end):
            if progress:
                progress(told)
            if told.over:
                return told
        raise late(name, timeout)

    async def download(
        self,
        job: str | Job,
        path: Path | str,
        *,
        captions: str | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write the film of a job to ``path``; a download that breaks off is gone on with.

        Args:
            job: The job or its name.
            path: The file.
            captions: Write its captions instead: ``srt`` or ``vtt``.
            progress: Told how many bytes of how many are there.

        Raises:
            ApiError: There is no film (yet).
            OutputError: The file cannot be written.
        """
        name = job.id if isinstance(job, Job) else job
        with Download(Path(path), progress) as target:
            for attempt in range(self._retry.times + 1):
                try:
                    async with self._http.stream(
                        "GET", asks.video_path(name, captions), headers=target.headers()
                    ) as answer:
                        if answer.status_code >= 300:
                            await answer.aread()
                            raise error_of(answer.status_code, json_of(answer.text), answer.headers)
                        target.begin(answer.status_code, answer.headers)
                        async for data in answer.aiter_bytes():
                            target.write(data)
                    target.check()
                    break
                except (httpx.TransportError, ApiError) as e:
                    await self._pause(attempt, e)
            return target.finish()

    async def make(
        self, path: Path | str, *, timeout: float | None = None, progress: Callable[[Job], None] | None = None,
        **what: Any,
    ) -> Job:  # fmt: skip
        """Ask for a film, wait for it and write it to ``path``; ``what`` as for `generate`.

        Raises:
            JobFailed: It could not be made.
        """
        asked = await self.generate(**what)
        job = (await self.wait(asked, timeout=timeout, progress=progress)).check()
        await self.download(job, path)
        return job

    # -- many -----------------------------------------------------------------------------------------------------

    async def wait_batch(
        self, batch: str | Batch, *, timeout: float | None = None, progress: Callable[[Batch], None] | None = None
    ) -> Batch:
        """Wait until every job of a batch is over.

        Raises:
            TimedOut: Some are not.
        """
        name = batch.id if isinstance(batch, Batch) else batch
        end = time.monotonic() + seconds_of(timeout)
        for pause in polling_pauses():
            told = await self.batch_status(name)
            if progress:
                progress(told)
            if told.over:
                return told
            if time.monotonic() + pause > end:
                break
            await asyncio.sleep(pause)
        raise late(name, timeout)

    async def tts_stream(
        self,
        text: str,
        *,
        voice: str | None = None,
        rate: float | None = None,
        pitch: float | None = None,
        volume: float | None = None,
    ) -> AsyncIterator[Speech]:
        """Speak a text sentence by sentence, each as soon as it is spoken; its times begin anew."""
        body = {**(asks.tts(text, voice, rate, pitch, volume).body or {}), "stream": True}
        async with self._http.stream("POST", asks.TTS, json=body) as answer:
            if answer.status_code >= 300:
                await answer.aread()
                raise error_of(answer.status_code, json_of(answer.text), answer.headers)
            async for line in answer.aiter_lines():
                told = json_of(line)
                if isinstance(told, dict) and "error" in told:
                    raise error_of(503, told, {})
                if isinstance(told, dict) and "audio" in told:
                    yield Speech.of(told)

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _send(self, ask: Ask[T], progress: Progress | None = None) -> T:
        for attempt in range(self._retry.times + 1):
            try:
                with body_of(ask, progress) as body:
                    answer = await self._http.request(
                        ask.method, ask.path, params=ask.params(), headers=dict(ask.headers), **body
                    )
                if answer.status_code < 300:
                    return result_of(ask, answer.status_code, answer.text)
                raise error_of(answer.status_code, json_of(answer.text), answer.headers)
            except (httpx.TransportError, ApiError) as e:
                await self._pause(attempt, e, repeats=ask.repeats)
        raise AssertionError  # the last pause raises

    async def _pause(self, attempt: int, error: Exception, *, repeats: bool = True) -> None:
        """Wait before the next attempt, or raise ``error`` where it is final."""
        told = error if isinstance(error, ApiError) else unreachable(self.url, error)
        pause = self._retry.pause(attempt, told, repeats=repeats)
        if pause is None:
            raise told from (None if told is error else error)
        await asyncio.sleep(pause)

    async def _watch(self, job: str, end: float) -> AsyncIterator[Job]:
        """How far a job is, whenever there is news, until ``end``: by its events, else by asking."""
        pauses = polling_pauses()
        news = Listening()
        while True:
            if news.offered:
                with suppress(httpx.TransportError):  # a stream that broke: ask, and listen again
                    async for told in self._listen(job, end, news):
                        yield told
            told = await self.status(job)
            yield told
            pause = next(pauses)
            if told.over or time.monotonic() + pause > end:
                return
            await asyncio.sleep(pause)

    async def _listen(self, job: str, end: float, news: Listening) -> AsyncIterator[Job]:
        """The news of a job's stream; ``news`` hears where the server has none."""
        patience = max(0.1, min(TIMEOUT, end - time.monotonic()))
        async with self._http.stream("GET", asks.events_path(job), headers=asks.EVENTS, timeout=patience) as answer:
            if answer.status_code != 200 or "event-stream" not in answer.headers.get("content-type", ""):
                news.offered = False
                return
            events = Events()
            async for line in answer.aiter_lines():
                told = events.feed(line)
                if isinstance(told, dict) and "state" in told:
                    yield Job.of(told)
                if time.monotonic() > end:
                    break
