"""What a server tells, typed. Fields that a newer server adds are kept out of the way: see ``raw``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from visema.client.errors import JobFailed

T = TypeVar("T")
#: States in which nothing more will happen.
OVER = ("done", "failed", "cancelled", "expired")


@dataclass(frozen=True)
class Job:
    """Something that is made.

    Attributes:
        id: Its name.
        kind: ``film``, ``speak`` or ``train``.
        state: ``queued``, ``running``, ``done``, ``failed``, ``cancelled``, ``expired``.
        stage: What is being done.
        percent: How much is done, 0 to 100.
        message: How far it is, in a sentence.
        notes: What you must know, such as that a fallback spoke.
        place: In the queue, from 1; 0 where it does not wait.
        seconds_left: A guess; None where nothing is known.
        duration: Seconds of the film, once it is there.
        error, detail, hint: Why it failed; empty where it did not.
        result: What it made beside the film: an avatar's id, a quality report, the film's provenance id.
        cost: Characters, seconds and money by the server's price table.
        batch: The batch that it is of; empty where it is of none.
        raw: All that the server told.
    """

    id: str
    kind: str
    state: str
    stage: str = ""
    percent: float = 0.0
    message: str = ""
    notes: tuple[str, ...] = ()
    place: int = 0
    seconds_left: float | None = None
    duration: float | None = None
    error: str = ""
    detail: str = ""
    hint: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    batch: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER

    def check(self) -> Job:
        """Itself, where it is done.

        Raises:
            JobFailed: It failed, was cancelled, or is gone.
        """
        if self.state == "done":
            return self
        what = self.detail or {
            "cancelled": "The job was cancelled.", "expired": "What the job made was kept long enough and is gone.",
        }.get(self.state, "The job is not finished.")  # fmt: skip
        raise JobFailed(what, self.hint, code=self.error or self.state)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Job:
        """Of the server's JSON."""
        error = told.get("error") or {}
        return cls(
            id=told["job_id"],
            kind=told.get("kind") or "film",
            state=told["state"],
            stage=told.get("stage") or "",
            percent=float(told.get("percent") or 0.0),
            message=told.get("message") or "",
            notes=tuple(told.get("notes") or ()),
            place=int(told.get("place") or 0),
            seconds_left=told.get("seconds_left"),
            duration=told.get("duration"),
            error=str(error.get("error") or ""),
            detail=str(error.get("detail") or ""),
            hint=str(error.get("hint") or ""),
            result=told.get("result") or {},
            cost=told.get("cost") or {},
            batch=told.get("batch") or "",
            raw=told,
        )


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of many, newest first.

    Attributes:
        items: Of this page.
        next: What to give as ``cursor`` for the next page; None on the last.
    """

    items: tuple[T, ...]
    next: str | None = None


def page_of(name: str, of: Callable[[Mapping[str, Any]], T]) -> Callable[[Any], Page[T]]:
    """Reads a page whose things are under ``name``."""

    def read(told: Any) -> Page[T]:
        cursor = told.get("next")
        return Page(tuple(of(item) for item in told[name]), None if cursor is None else str(cursor))

    return read


@dataclass(frozen=True)
class Avatar:
    """A face that can speak.

    Attributes:
        id, name: Its name for the server, and for people.
        engine: What draws its mouth.
        size: Width and height, pixels.
        fps: Pictures a second.
        report: How good the picture is: sharpness, light, pose, occlusion, mouth.
        consent: Who agreed to the use of the face, as it was said.
        raw: All that the server told.
    """

    id: str
    name: str
    engine: str = ""
    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    report: Mapping[str, Any] = field(default_factory=dict)
    consent: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Avatar:
        """Of the server's JSON."""
        size = told.get("size") or (told.get("width") or 0, told.get("height") or 0)
        return cls(
            id=told["id"],
            name=told.get("name") or told["id"],
            engine=told.get("engine") or "",
            size=(int(size[0]), int(size[1])),
            fps=float(told.get("fps") or 0.0),
            report=told.get("report") or {},
            consent=told.get("consent") or {},
            raw=told,
        )


@dataclass(frozen=True)
class Voice:
    """A voice.

    Attributes:
        name: What to give as ``voice``.
        engine: Who speaks: ``edge``, ``espeak``, ``elevenlabs``, …
        language: Its tag, such as ``en-US``.
        gender: ``female``, ``male`` or empty.
        label: For people.
        cloud: Whether the text leaves the server.
        raw: All that the server told.
    """

    name: str
    engine: str = ""
    language: str = ""
    gender: str = ""
    label: str = ""
    cloud: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Voice:
        """Of the server's JSON."""
        return cls(
            name=told.get("name") or told["id"],
            engine=told.get("engine") or "",
            language=told.get("language") or "",
            gender=told.get("gender") or "",
            label=told.get("label") or "",
            cloud=bool(told.get("cloud")),
            raw=told,
        )


@dataclass(frozen=True)
class Speech:
    """A text as sound.

    Attributes:
        audio: A WAV file.
        voice: Who spoke; a fallback where the wanted one could not.
        duration: Seconds.
        words: Each with ``text``, ``start`` and ``end``, seconds.
        visemes: Each with ``viseme``, ``start`` and ``end``, seconds.
        notes: What you must know.
        raw: All that the server told, but the sound.
    """

    audio: bytes = field(repr=False)
    voice: str
    duration: float
    words: tuple[Mapping[str, Any], ...] = ()
    visemes: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Speech:
        """Of the server's JSON."""
        return cls(
            audio=base64.b64decode(told["audio"]),
            voice=told.get("voice") or "",
            duration=float(told.get("duration") or 0.0),
            words=tuple(told.get("words") or ()),
            visemes=tuple(told.get("visemes") or ()),
            notes=tuple(told.get("notes") or ()),
            raw={name: value for name, value in told.items() if name != "audio"},
        )


@dataclass(frozen=True)
class Batch:
    """Many jobs at once.

    Attributes:
        id: Its name.
        items: How many.
        counts: State to how many are in it.
        jobs: The jobs; ``raw["index"]`` of each is its place among the items that were sent, from 0.
        refused: Items that could not be used: ``index``, ``error``, ``detail``, ``hint``.
        raw: All that the server told.
    """

    id: str
    items: int
    counts: Mapping[str, int] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    refused: tuple[Mapping[str, Any], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def over(self) -> bool:
        """Whether every job of it is over."""
        return sum(self.counts.get(state, 0) for state in OVER) >= self.items

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Batch:
        """Of the server's JSON."""
        return cls(
            id=told["batch_id"],
            items=int(told["items"]),
            counts=told.get("counts") or {},
            jobs=tuple(Job.of(job) for job in told.get("jobs") or ()),
            refused=tuple(told.get("refused") or ()),
            raw=told,
        )
