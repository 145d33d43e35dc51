"""Texts that come piece by piece, from a language model for example."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, TypeAlias

from visema.errors import VisemaError

if TYPE_CHECKING:
    from visema.live.stage import Stage
    from visema.live.utterance import Utterance

log = logging.getLogger(__name__)

#: A text, or something that brings it in pieces of any size.
Text: TypeAlias = "str | Iterable[str] | AsyncIterator[str]"

#: Tasks that are at work; asyncio itself holds them weakly.
_tasks: set[asyncio.Task[None]] = set()


def pour(stage: Stage, utterance: Utterance, source: Iterable[str] | AsyncIterator[str]) -> None:
    """Give a stage the pieces of ``source`` as they come; returns at once.

    An asynchronous iterator is read by the running event loop, another one by a thread of its own. It is read no
    further once the utterance is over.
    """
    if isinstance(source, AsyncIterator):
        task = asyncio.get_running_loop().create_task(_read_async(stage, utterance, source))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    else:
        threading.Thread(target=_read, args=(stage, utterance, source), name="text-stream", daemon=True).start()


def _read(stage: Stage, utterance: Utterance, source: Iterable[str]) -> None:
    try:
        for piece in source:
            if utterance.over:
                return
            stage.add(utterance, piece)
    except Exception as e:
        _broken(stage, utterance, e)
    else:
        stage.finish(utterance)


async def _read_async(stage: Stage, utterance: Utterance, source: AsyncIterator[str]) -> None:
    try:
        async for piece in source:
            if utterance.over:
                return
            stage.add(utterance, piece)
    except Exception as e:
        _broken(stage, utterance, e)
    else:
        stage.finish(utterance)


def _broken(stage: Stage, utterance: Utterance, error: Exception) -> None:
    """The source of the text failed: its reader's error becomes an event."""
    if not isinstance(error, VisemaError):
        log.error("A stream of text broke off.", exc_info=error)
        error = VisemaError("The text broke off.", "What had come of it is said.")
    stage.fail(utterance, error)
