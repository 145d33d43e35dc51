"""What the film API answers, as OpenAPI tells it."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, Field

_ID: Final = "1c0ffee0a1b2c3d4e5f60718"


class Problem(BaseModel):
    """Why something could not be done."""

    error: str = Field(description="A word that programs can rely on", examples=["not_ready"])
    detail: str = Field(description="What is wrong", examples=["The film is not finished."])
    hint: str = Field(description="What to do", examples=["Ask /status until it says completed."])


class Accepted(BaseModel):
    """A film that will be made."""

    session_id: str = Field(
        description="The film's name; without keys, who knows it can download the film; else only the key that asked",
        examples=[_ID],
    )
    status: Literal["processing"] = "processing"
    download_url: str = Field(examples=[f"/download/{_ID}"])
    status_url: str = Field(examples=[f"/status/{_ID}"])


class Status(BaseModel):
    """How far a film is."""

    session_id: str = Field(examples=[_ID])
    status: Literal["processing", "completed", "failed", "cancelled", "expired"] = Field(
        description="In a word, as VISEMA 2.0 has it", examples=["processing"]
    )
    state: Literal["queued", "running", "done", "failed", "cancelled", "expired"] = Field(
        description="The same, finer", examples=["running"]
    )
    stage: str = Field(description="What is being done", examples=["drawing"])
    percent: float = Field(description="0 to 100; it never falls", examples=[62.5])
    seconds_left: float | None = Field(description="A guess; null where nothing is known yet", examples=[1.8])
    message: str = Field(description="In a sentence, with what the user must be told", examples=["Drawing the film."])
    notes: list[str] = Field(description="What the user must be told, such as that a fallback spoke", examples=[[]])
    place: int = Field(description="Place in the queue from 1; 0 where it does not wait", examples=[0])
    download_url: str | None = Field(description="Where the film is, once it is there", examples=[None])
    duration: float | None = Field(description="Seconds of the film, once it is there", examples=[None])
    error: Problem | None = Field(description="Why it failed")


class Face(BaseModel):
    """A face of a picture; points are shares of its width and height."""

    number: int = Field(description="For the field 'face' of /generate; 1 is the largest")
    outline: list[tuple[float, float]]
    lines: list[list[tuple[float, float]]] = Field(description="Eyes and lips")
    problem: str = Field(description="Why it cannot speak; empty where it can")


class Faces(BaseModel):
    """The faces of a picture, the largest first."""

    width: int
    height: int
    faces: list[Face]


class Config(BaseModel):
    """What the service makes, and its limits."""

    version: str
    device: str = Field(description="Where networks run; the embedded engine is on the CPU", examples=["auto"])
    fp16: bool
    encoding: dict[str, str] = Field(
        examples=[
            {"vcodec": "libx264", "pix_fmt": "yuv420p", "profile": "high", "level": "4.2", "crf": "18", "r": "25"}
        ]
    )
    limits: dict[str, float]
    options: dict[str, dict[str, Any]] = Field(description="The fields of /generate and what they may hold")
    workers: int
    keep_hours: float = Field(description="How long a film can be downloaded")


#: Codes of the errors that any call may answer with.
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    code: {"model": Problem, "description": words}
    for code, words in {
        400: "The request is damaged.",
        403: "Pages of that site may not use this server.",
        404: "There is no such film.",
        408: "Nothing came for a minute.",
        409: "Not now: the film is not finished, or has failed.",
        410: "The film was kept long enough and is gone.",
        413: "The request is too large.",
        415: "The body is no form.",
        416: "The file has no such range.",
        422: "A file or field cannot be used.",
        429: "Too many requests.",
        503: "Too many jobs are waiting.",
        507: "The server's disk is full.",
    }.items()
}


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The entries of some codes."""
    return {code: PROBLEMS[code] for code in codes}
