"""What the API answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from visema.web.film_models import Problem

_ID: Final = "1c0ffee0a1b2c3d4e5f60718"
_WHEN: Final = "2026-05-04T10:00:00Z"
StateWord = Literal["queued", "running", "done", "failed", "cancelled", "expired"]
KindWord = Literal["film", "speak", "train"]


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Links(BaseModel):
    """Where things of a job are."""

    status: str = Field(examples=[f"/api/v1/status/{_ID}"])
    events: str = Field(examples=[f"/api/v1/jobs/{_ID}/events"])
    video: str | None = Field(description="Once it is there", examples=[f"/api/v1/video/{_ID}"])
    captions_srt: str | None = Field(description="Once they are there", examples=[f"/api/v1/video/{_ID}/captions.srt"])
    captions_vtt: str | None = Field(description="Once they are there", examples=[f"/api/v1/video/{_ID}/captions.vtt"])
    avatar: str | None = Field(description="Of a job that prepares one, once it is there", examples=[None])


class Try(BaseModel):
    """An attempt that failed and was made again."""

    attempt: int
    ended: datetime
    error: str
    detail: str


class Job(BaseModel):
    """A job, and how far it is."""

    job_id: str = Field(examples=[_ID])
    kind: KindWord = Field(description="speak: a prepared avatar; film: a photo that was sent; train: an avatar")
    state: StateWord
    stage: str = Field(description="What is being done", examples=["drawing"])
    percent: float = Field(description="0 to 100; it never falls", examples=[62.5])
    seconds_left: float | None = Field(description="A guess; null where nothing is known yet", examples=[1.8])
    message: str = Field(description="In a sentence, with the notes", examples=["Drawing the film."])
    notes: list[str] = Field(description="What you must know, such as that a fallback spoke", examples=[[]])
    place: int = Field(description="Place in the queue from 1; 0 where it does not wait", examples=[0])
    priority: int = Field(examples=[0])
    attempts: int = Field(description="How often it was begun", examples=[1])
    tries: list[Try] = Field(description="Attempts that failed")
    created: datetime = Field(examples=[_WHEN])
    started: datetime | None = Field(examples=[_WHEN])
    ended: datetime | None = Field(examples=[None])
    avatar: str | None = Field(description="Who speaks", examples=["presenter-1c0ffee0"])
    voice: str | None = Field(description="The voice that was asked for", examples=["espeak:en-us"])
    batch: str | None = Field(examples=[None])
    duration: float | None = Field(description="Seconds of the video, once it is there", examples=[None])
    bytes: int | None = Field(description="Of the video, once it is there", examples=[None])
    result: dict[str, Any] | None = Field(description="What was made beside the video: the report of an avatar, …")
    cost: dict[str, Any] | None = Field(description="Characters, seconds and money of a paid voice")
    links: Links
    error: Problem | None = Field(description="Why it failed")


class Jobs(BaseModel):
    """A page of jobs, the newest first."""

    jobs: list[Job]
    next: str | None = Field(description="For the field 'cursor' of the next page; null on the last", examples=["412"])


class Avatar(BaseModel):
    """A prepared face."""

    id: str = Field(examples=["presenter-1c0ffee0"])
    name: str = Field(examples=["Presenter"])
    engine: str = Field(description="What draws the mouth", examples=["warp"])
    width: int = Field(examples=[720])
    height: int = Field(examples=[720])
    fps: float = Field(examples=[25.0])
    seconds: float = Field(description="Length of its idle loop", examples=[8.0])
    kind: Literal["photo", "video"] = Field(description="What it was made from")
    created: str = Field(examples=[_WHEN])
    own: bool = Field(description="Yours: you may delete it; else it is everybody's here")
    default: bool = Field(description="Who speaks where nobody is named")
    notes: list[str] = Field(description="What is odd about it")
    consent: dict[str, Any] | None = Field(description="Who agreed to what; of your own alone")
    report: dict[str, Any] | None = Field(description="Sharpness, light, pose, occlusion, mouth; of your own alone")
    thumbnail: str = Field(examples=["/api/v1/avatars/presenter-1c0ffee0/thumbnail.png"])
    contact_sheet: str = Field(examples=["/api/v1/avatars/presenter-1c0ffee0/contact_sheet.png"])


class Avatars(BaseModel):
    """The avatars that you may use, the newest first."""

    avatars: list[Avatar]


class Voice(BaseModel):
    """A voice that you may use."""

    name: str = Field(description="For the field 'voice'", examples=["espeak:en-us"])
    label: str = Field(examples=["English (America)"])
    language: str = Field(description="BCP 47; mul: every language", examples=["en-US"])
    gender: Literal["female", "male", ""]
    engine: str = Field(examples=["espeak"])
    cloud: bool = Field(description="The text leaves this server")
    own: bool = Field(description="Yours: you may delete it")
    kind: Literal["voice", "voice match", "clone"] = Field(
        description="A voice match is an embedded voice set to the pitch, speed and timbre of a sample; no clone"
    )
    preview: str = Field(examples=["/api/v1/voices/espeak:en-us/preview"])


class Voices(BaseModel):
    """Voices, by language and name."""

    voices: list[Voice]
    engines: list[str] = Field(description="Of all voices, whatever was asked for", examples=[["edge", "espeak"]])
    languages: list[str] = Field(description="The same", examples=[["de", "en", "fr"]])


class Distance(BaseModel):
    """How far a voice is from the sample."""

    semitones: float = Field(examples=[0.4])
    rate: float = Field(description="Of the sample's speed", examples=[0.98])
    timbre_db: float = Field(examples=[3.1])


class OwnVoice(Voice):
    """A voice of your own that was made."""

    base: str = Field(description="The voice that speaks", examples=["espeak:en-us"])
    said: str = Field(description="What it is, in a sentence", examples=["A voice match, not a clone."])
    before: Distance | None = Field(description="Of a match: the embedded voice as it is")
    after: Distance | None = Field(description="Of a match: as it is set now")
    consent: dict[str, str] = Field(examples=[{"text": "I agree.", "who": "Ada", "when": _WHEN}])


class Word(BaseModel):
    """A word with its time, seconds from the start."""

    start: float = Field(examples=[0.06])
    end: float = Field(examples=[0.41])
    text: str = Field(description="As written", examples=["Good"])


class Viseme(BaseModel):
    """A look of the mouth with its time, seconds from the start."""

    start: float = Field(examples=[0.06])
    end: float = Field(examples=[0.14])
    viseme: str = Field(examples=["M"])


class Spoken(BaseModel):
    """Speech with the times of its words and visemes."""

    audio: str = Field(description="WAV, mono, 16 bit, as base64", examples=["UklGRiQAAABXQVZF"])
    rate: int = Field(description="Samples a second", examples=[22050])
    duration: float = Field(description="Seconds", examples=[1.2])
    voice: str = Field(description="Who really spoke", examples=["espeak:en-us"])
    timing: str = Field(description="Where the times come from", examples=["service"])
    words: list[Word]
    visemes: list[Viseme]
    notes: list[str] = Field(description="What you must know, such as that a fallback spoke", examples=[[]])
    cost: dict[str, Any] | None = Field(description="Characters, seconds and money of a paid voice")


class Refused(BaseModel):
    """An item of a batch that cannot be used."""

    index: int = Field(description="In the list that was sent, from 0", examples=[2])
    error: str = Field(examples=["unusable"])
    detail: str
    hint: str


class BatchJob(Job):
    """A job of a batch."""

    index: int = Field(description="Of its item in the list that was sent, from 0", examples=[0])


class Batch(BaseModel):
    """The report of a batch."""

    batch_id: str = Field(examples=[_ID])
    created: datetime = Field(examples=[_WHEN])
    items: int = Field(description="Videos that are or will be made", examples=[2])
    counts: dict[str, int] = Field(description="How many are in each state", examples=[{"done": 1, "running": 1}])
    over: bool = Field(description="Nothing more will happen to any of them", examples=[False])
    percent: float = Field(description="Of the whole", examples=[75.0])
    duration: float = Field(description="Seconds of video so far", examples=[12.5])
    jobs: list[BatchJob]
    refused: list[Refused] = Field(description="Items that could not be used; the others go on")
    status_url: str = Field(examples=[f"/api/v1/batch/{_ID}"])


class Usage(BaseModel):
    """What a key has used."""

    key: str = Field(description="Empty for this machine's own user", examples=["4f1d0c2b9a7e"])
    month: str = Field(examples=["2026-05"])
    video_seconds: float = Field(examples=[184.2])
    characters: float = Field(examples=[5120])
    money: float = Field(description="By the table of prices", examples=[0.61])
    requests_this_minute: float = Field(examples=[3])
    storage_bytes: int = Field(examples=[48_112_004])
    waiting: int = Field(description="Jobs that wait or are made", examples=[2])
    limits: dict[str, Any] = Field(description="Of the key; what is not named has none")


class Delivery(BaseModel):
    """News that were sent to a webhook, or will be."""

    id: str = Field(examples=[_ID])
    job: str = Field(examples=[_ID])
    event: str = Field(examples=["job.done"])
    url: str = Field(examples=["https://example.org/hooks/visema"])
    state: Literal["waiting", "sent", "failed"]
    attempts: int
    tries: list[dict[str, Any]] = Field(description="Time, status, error and milliseconds of each attempt")
    created: datetime
    due: datetime | None = Field(description="When it is tried next")


class Deliveries(BaseModel):
    """A page of the delivery log, the newest first."""

    deliveries: list[Delivery]
    next: str | None = Field(examples=[None])
    secret: str | None = Field(description="By which your news are signed", examples=["whsec_5d0c0ffee0a1b2c3"])


class Link(BaseModel):
    """An address that opens a video without a key, for a time."""

    url: str = Field(examples=["https://host/files/1c0ffee0a1b2c3d4e5f60718.mp4?expires=1767225600&signature=…"])
    expires: datetime


class Output(BaseModel):
    """What is known of a video by the id inside it."""

    id: str = Field(examples=[_ID])
    synthetic: Literal[True] = Field(description="It was made by a machine")
    created: datetime
    sha256: str = Field(description="Of the file as it was given out")
    job: str | None = Field(description="Of your own alone")
    facts: dict[str, Any] | None = Field(description="Engine, voice, avatar, consents; of your own alone")


class Ready(BaseModel):
    """Whether the server can take work."""

    ready: bool
    checks: dict[str, str] = Field(description="'ok' or what is wrong, of each part", examples=[{"database": "ok"}])
