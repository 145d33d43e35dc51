"""What may be sent to the API: strict, bounded, each with an example. A field that is not named here is refused."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from visema.service.settings import Settings
from visema.speech.speak import PITCHES, RATES, VOLUMES
from visema.stage.render import MAX_FPS, MIN_FPS
from visema.web.v1.context import ID_PATTERN

#: Characters of one text: ten minutes of quick speech.
MAX_TEXT: Final = Settings.max_text
#: Characters that are spoken while somebody waits for the sound.
MAX_SPOKEN: Final = 5000
#: Jobs of one batch.
MAX_BATCH: Final = 1000
_VOICE_PATTERN: Final = r"^[^\x00-\x1f\x7f]+$"
_RESOLUTION: Final = r"^([1-9][0-9]{1,4}x[1-9][0-9]{1,4}|[1-9][0-9]{2,4}p)$"
_PRIORITY: Final = "Greater comes first, before the jobs of all others; above 0 with the scope admin only, else 403"
_LANGUAGE: Final = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"\S")]
VoiceName = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=_VOICE_PATTERN)]
Language = Annotated[str, StringConstraints(max_length=40, pattern=_LANGUAGE)]
Webhook = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s/]+\S*$")]
AvatarName = Annotated[str, StringConstraints(pattern=ID_PATTERN)]


class Strict(BaseModel):
    """A body whose every field is known."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def with_words(text: str) -> str:
    """A text that can be said.

    Raises:
        ValueError: It holds no words.
    """
    if not any(c.isalnum() for c in text):
        raise ValueError("it holds no words")
    return text


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, json_schema_extra={"examples": list(examples)})


class Manner(Strict):
    """How a voice speaks."""

    rate: float = Field(1.0, ge=RATES[0], le=RATES[1], description="Speed; 1 is the voice's own", examples=[1.1])
    pitch: float = Field(0.0, ge=PITCHES[0], le=PITCHES[1], description="Semitones up or down", examples=[-1])
    volume: float = Field(
        1.0, ge=VOLUMES[0], le=VOLUMES[1], description="Loudness; 1 is the voice's own", examples=[1]
    )


class Options(Manner):
    """How a video shall be; everything may be left out."""

    language: Language | None = Field(None, description="Of a recording", examples=["en"])
    resolution: Annotated[str, StringConstraints(pattern=_RESOLUTION)] | None = Field(
        None, description="Width and height, or the height alone", examples=["720p"]
    )
    crop: Literal["16:9", "9:16", "1:1"] | None = Field(None, description="Shape, cut around the face")
    fps: float | None = Field(None, ge=MIN_FPS, le=MAX_FPS, description="Pictures a second", examples=[25])
    captions: bool = Field(True, description="Write captions (SRT and WebVTT) beside the video")
    mark: bool = Field(False, description="Write on the picture that the video is synthetic")
    expression: Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z]+(:[0-9.]+)?$")] | None = Field(
        None, description="A lasting look, a degree may follow; of a photo that is sent", examples=["smile:0.5"]
    )
    style: Literal["calm", "lively", "still"] | None = Field(
        None, description="How the head moves; of a photo that is sent"
    )
    face: int | None = Field(
        None, ge=1, le=20, description="Which face speaks, 1 is the largest; of a photo that is sent"
    )
    engine: Annotated[str, StringConstraints(pattern="^[a-z0-9_-]{1,32}$")] | None = Field(
        None, description="What draws the mouth; of a photo that is sent", examples=["auto"]
    )


class Item(Options):
    """A video of a batch."""

    model_config = _example({"text": "Hello, Ada.", "voice": "espeak:en-us"})

    avatar: AvatarName | None = Field(
        None, description="Id of a prepared avatar; the server's own presenter where it is left out",
        examples=["presenter-1c0ffee0"],
    )  # fmt: skip
    text: Text | None = Field(
        None, description="What to say; with a recording, what is said in it", examples=["Hello, and welcome."]
    )
    voice: VoiceName | None = Field(
        None, description="Who says it: a name that GET /api/v1/voices lists", examples=["espeak:en-us"]
    )
    priority: int = Field(0, ge=-10, le=10, description=_PRIORITY, examples=[-1])

    @field_validator("text", mode="after")
    @classmethod
    def _words(cls, text: str | None) -> str | None:
        return None if text is None else with_words(text)

    @property
    def options(self) -> dict[str, Any]:
        """How the video shall be: the options that are given or have a usual value."""
        return self.model_dump(include=set(Options.model_fields), exclude_none=True)


class Generate(Item):
    """A video that shall be made."""

    model_config = _example(
        {"text": "Hello, and welcome.", "voice": "espeak:en-us"},
        {
            "avatar": "presenter-1c0ffee0",
            "text": "The news of the day.",
            "voice": "en-US-JennyNeural",
            "rate": 1.1,
            "crop": "9:16",
            "webhook": "https://example.org/hooks/visema",
            "priority": -1,
        },
    )

    webhook: Webhook | None = Field(
        None, description="Address that is told when it is over, signed", examples=["https://example.org/hooks/visema"]
    )


class ManyVideos(Strict):
    """Many videos at once."""

    model_config = _example({
        "items": [
            {"text": "Hello, Ada.", "voice": "espeak:en-us"},
            {"text": "Hello, Grace.", "voice": "espeak:en-us", "crop": "1:1"},
        ],
        "webhook": "https://example.org/hooks/visema",
    })  # fmt: skip

    items: list[dict[str, Any]] = Field(
        min_length=1, max_length=MAX_BATCH,
        description="Each as in Item; one that cannot be used is told in the report and does not hold up the others",
        json_schema_extra={"items": {"anyOf": [{"$ref": "#/components/schemas/Item"}, {"type": "object"}]}},
    )  # fmt: skip
    webhook: Webhook | None = Field(
        None, description="Address that is told of each video when it is over, and at last of the batch"
    )


class Utter(Manner):
    """Words that shall be spoken."""

    model_config = _example({"text": "Good morning.", "voice": "espeak:en-us", "rate": 0.9})

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_SPOKEN, pattern=r"\S")] = Field(
        description="What to say", examples=["Good morning."]
    )
    voice: VoiceName | None = Field(
        None, description="A name that GET /api/v1/voices lists", examples=["espeak:en-us"]
    )
    stream: bool = Field(
        False, description="Answer sentence by sentence, as lines of JSON (application/x-ndjson), while it is spoken"
    )

    @field_validator("text", mode="after")
    @classmethod
    def _words(cls, text: str) -> str:
        return with_words(text)


class Consenting(Strict):
    """Who agreed to what."""

    consent_by: Annotated[str, StringConstraints(max_length=200, pattern=r"\S")] | None = Field(
        None, description="Who agreed; the name of your key where it is left out", examples=["Ada Lovelace"]
    )


class Train(Consenting):
    """An avatar that shall be prepared; the video or photo comes beside it."""

    model_config = _example(
        {"name": "Ada", "consent": "I agree that my face may speak.", "consent_by": "Ada Lovelace"}
    )

    name: Annotated[str, StringConstraints(max_length=80, pattern=r"\S")] | None = Field(
        None, description="What people call it", examples=["Ada"]
    )
    consent: Annotated[str, StringConstraints(min_length=12, max_length=2000, pattern=r"\S")] | None = Field(
        None, description="What the shown person agreed to", examples=["I agree that my face may speak."]
    )
    engine: Annotated[str, StringConstraints(pattern="^[a-z0-9_-]{1,32}$")] = Field(
        "auto", description="What draws the mouth", examples=["auto"]
    )
    face: int = Field(1, ge=1, le=20, description="Which face, where there are several; 1 is the largest")
    priority: int = Field(0, ge=-10, le=10, description=_PRIORITY, examples=[-1])
    webhook: Webhook | None = Field(
        None, description="Address that is told when it is over, signed", examples=["https://example.org/hooks/visema"]
    )


class Clone(Consenting):
    """A voice that shall be made; the sample comes beside it."""

    model_config = _example(
        {"name": "Ada", "consent": "I agree that my voice may be imitated.", "consent_by": "Ada Lovelace"}
    )

    name: Annotated[str, StringConstraints(max_length=40, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .-]*$")] = Field(
        description="What the voice shall be called", examples=["Ada"]
    )
    consent: Annotated[str, StringConstraints(min_length=12, max_length=2000, pattern=r"\S")] = Field(
        description="What the person whose voice it is agreed to", examples=["I agree that my voice may be imitated."]
    )
    engine: Literal["match", "elevenlabs"] = Field(
        "match",
        description="match: an embedded voice is set to the sample's pitch, speed and timbre, which is no clone and "
        "stays here; elevenlabs: that service clones it, and the sample is sent there",
    )
    language: Language = Field("en-US", description="That a match shall speak", examples=["en-US"])


#: The bodies that are read by hand, for they come in more than one form; their schemas go into the description.
BY_HAND: Final[tuple[type[BaseModel], ...]] = (Generate, Item)
