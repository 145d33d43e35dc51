"""The requests of the API, as values: what both clients send, and how the answers are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict
from urllib.parse import quote

from visema.client.results import Avatar, Batch, Job, Page, Speech, Voice, page_of
from visema.client.wire import Ask, once_headers
from visema.errors import InputError

API: Final = "/api/v1"
TTS: Final = f"{API}/tts"
#: What is said to hear of a job as it goes on.
EVENTS: Final = {"Accept": "text/event-stream"}


class Options(TypedDict, total=False):
    """How a film is made; what is left out is as usual.

    ``rate`` 0.5 to 2, ``pitch`` -8 to 8 semitones, ``volume`` 0.1 to 2; ``language`` of a recording; ``style``
    (``calm``, ``lively``, ``still``) and ``expression`` (``smile:0.5``) of a photo; ``face``, from 1; ``fps``;
    ``resolution`` (``512x512``, ``720p``); ``crop`` (``16:9``, ``9:16``, ``1:1``); ``engine``;
    ``captions``, on unless told; ``mark``, a visible mark that the film is synthetic.
    """

    rate: float
    pitch: float
    volume: float
    language: str
    style: str
    expression: str
    face: int
    fps: float
    resolution: str
    crop: str
    engine: str
    captions: bool
    mark: bool


def generate(
    avatar: str | None,
    text: str | None,
    audio: Path | None,
    image: Path | None,
    voice: str | None,
    webhook: str | None,
    priority: int | None,
    once: str | None,
    options: Mapping[str, Any],
) -> Ask[Job]:
    """Make a film."""
    if avatar is not None and image is not None:
        raise InputError("A film has one face: an avatar or a picture.", "Give avatar= or image=, one of them.")
    if not text and audio is None:
        raise InputError("A film needs words: a text or a recording.", "Give text= or audio=.")
    given = {"avatar": avatar, "text": text, "voice": voice, "webhook": webhook, "priority": priority, **options}
    files = {name: path for name, path in (("image", image), ("audio", audio)) if path is not None}
    body = {name: value for name, value in given.items() if value is not None}
    return Ask("POST", f"{API}/generate", Job.of, body=body, files=files, headers=once_headers(once))


def status(job: str) -> Ask[Job]:
    """How far a job is."""
    return Ask("GET", f"{API}/status/{_name(job)}", Job.of)


def jobs(
    state: str | None, kind: str | None, batch: str | None, dead: bool | None, limit: int | None, cursor: str | None
) -> Ask[Page[Job]]:
    """Your jobs, newest first."""
    query = {"state": state, "kind": kind, "batch": batch, "dead": dead, "limit": limit, "cursor": cursor}
    return Ask("GET", f"{API}/jobs", page_of("jobs", Job.of), query=query)


def delete_job(job: str) -> Ask[None]:
    """Cancel or remove a job."""
    return Ask("DELETE", f"{API}/jobs/{_name(job)}", _nothing)


def train(
    source: Path,
    name: str | None,
    consent: str | None,
    consent_by: str | None,
    webhook: str | None,
    once: str | None,
    options: Mapping[str, Any],
) -> Ask[Job]:
    """Make an avatar of a video or a photo."""
    given = {"name": name, "consent": consent, "consent_by": consent_by, "webhook": webhook, **options}
    body = {key: value for key, value in given.items() if value is not None}
    return Ask("POST", f"{API}/avatars/train", Job.of, body=body, files={"source": source}, headers=once_headers(once))


def avatars() -> Ask[tuple[Avatar, ...]]:
    """The avatars."""
    return Ask("GET", f"{API}/avatars", lambda told: page_of("avatars", Avatar.of)(told).items)


def avatar(avatar_id: str) -> Ask[Avatar]:
    """An avatar."""
    return Ask("GET", f"{API}/avatars/{_name(avatar_id)}", Avatar.of)


def delete_avatar(avatar_id: str) -> Ask[None]:
    """Remove an avatar."""
    return Ask("DELETE", f"{API}/avatars/{_name(avatar_id)}", _nothing)


def voices(language: str | None, gender: str | None, engine: str | None) -> Ask[tuple[Voice, ...]]:
    """The voices."""
    query = {"language": language, "gender": gender, "engine": engine}
    return Ask("GET", f"{API}/voices", lambda told: page_of("voices", Voice.of)(told).items, query=query)


def clone(
    sample: Path, name: str, consent: str, consent_by: str | None, engine: str | None, language: str | None
) -> Ask[Voice]:
    """Make a voice like that of a recording."""
    given = {"name": name, "consent": consent, "consent_by": consent_by, "engine": engine, "language": language}
    body = {key: value for key, value in given.items() if value is not None}
    # Sent twice, the second would hear that the name is taken.
    return Ask("POST", f"{API}/voices/clone", Voice.of, body=body, files={"sample": sample}, repeats=False)


def delete_voice(name: str) -> Ask[None]:
    """Remove a voice."""
    return Ask("DELETE", f"{API}/voices/{_name(name)}", _nothing)


def tts(text: str, voice: str | None, rate: float | None, pitch: float | None, volume: float | None) -> Ask[Speech]:
    """Speak a text."""
    given = {"text": text, "voice": voice, "rate": rate, "pitch": pitch, "volume": volume}
    body = {key: value for key, value in given.items() if value is not None}
    # Sent twice, it would be spoken and paid twice.
    return Ask("POST", TTS, Speech.of, body=body, headers={"Accept": "application/json"}, repeats=False)


def batch(items: Sequence[Mapping[str, Any]], webhook: str | None, once: str | None) -> Ask[Batch]:
    """Make many films."""
    body: dict[str, Any] = {"items": [dict(item) for item in items]}
    if webhook is not None:
        body["webhook"] = webhook
    return Ask("POST", f"{API}/batch", Batch.of, body=body, headers=once_headers(once))


def batch_status(batch_id: str) -> Ask[Batch]:
    """How far a batch is."""
    return Ask("GET", f"{API}/batch/{_name(batch_id)}", Batch.of)


def retry(job: str) -> Ask[Job]:
    """Try a failed job again."""
    return Ask("POST", f"{API}/jobs/{_name(job)}/retry", Job.of, repeats=False)


def link(job: str) -> Ask[Mapping[str, Any]]:
    """An address of a film that needs no key."""
    return Ask("GET", f"{API}/video/{_name(job)}/link", dict)


def delete_batch(batch_id: str) -> Ask[None]:
    """Give up a batch."""
    return Ask("DELETE", f"{API}/batch/{_name(batch_id)}", _nothing)


def webhooks(job: str | None, cursor: str | None) -> Ask[Page[Mapping[str, Any]]]:
    """What webhooks were told."""
    query = {"job": job, "cursor": cursor}
    return Ask("GET", f"{API}/webhooks", page_of("deliveries", dict), query=query)


def usage() -> Ask[Mapping[str, Any]]:
    """What was used."""
    return Ask("GET", f"{API}/usage", dict)


def output(mark: str) -> Ask[Mapping[str, Any]]:
    """What is known of a film."""
    return Ask("GET", f"{API}/outputs/{_name(mark)}", dict)


def health() -> Ask[Mapping[str, Any]]:
    """Whether the server is well."""
    return Ask("GET", "/health", dict)


def video_path(job: str, captions: str | None = None) -> str:
    """Where the film of a job is, or its captions of a form (``srt``, ``vtt``)."""
    return f"{API}/video/{_name(job)}" + (f"/captions.{_name(captions)}" if captions else "")


def events_path(job: str) -> str:
    """Where a job tells how far it is."""
    return f"{API}/jobs/{_name(job)}/events"


def _name(text: str) -> str:
    """A name as a part of an address."""
    return quote(text, safe="")


def _nothing(told: Any) -> None:
    return None
