"""A job as the API tells it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Final

from visema.live.requests import RequestError
from visema.message import Message
from visema.service.desk import Standing
from visema.service.files import Files
from visema.service.jobs import Job, State, unpack
from visema.web.film_api import failure_of, sentence_of
from visema.web.film_errors import clean, problem
from visema.web.texts import in_language

#: Kinds of captions that a job may have.
CAPTIONS: Final = ("srt", "vtt")
BASE: Final = "/api/v1"


def told(standing: Standing, language: str, files: Files) -> dict[str, Any]:
    """A job as `answers.Job` has it.

    Args:
        standing: The job, and what follows from it.
        language: Of its sentences.
        files: Where its files are.
    """
    job = standing.job
    failed = problem(job.error, failure_of(job), language) if job.state is State.FAILED else None
    notes = [clean(in_language(note, language)) for note in unpack(job.message)]
    sentence = in_language(sentence_of(job.stage), language)
    return {
        "job_id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "stage": job.stage,
        "percent": round(job.percent, 1),
        "seconds_left": standing.seconds_left,
        "message": f"{failed['detail']} {failed['hint']}".strip() if failed else " ".join([sentence, *notes]),
        "notes": notes,
        "place": standing.place,
        "priority": job.priority,
        "attempts": job.attempts,
        "tries": [_try(one, language) for one in job.tries or ()],
        "created": when(job.created),
        "started": when(job.started),
        "ended": when(job.ended),
        "avatar": job.options.get("avatar"),
        "voice": job.options.get("voice"),
        "batch": job.batch,
        "duration": job.duration,
        "bytes": job.bytes if job.state is State.DONE and job.bytes else None,
        "result": _result(job.result, language),
        "cost": job.cost,
        "links": links(job, files),
        "error": failed,
    }


def spoken_report(report: dict[str, Any] | None, language: str) -> dict[str, Any] | None:
    """A report on a face with its advice in ``language``."""
    return report and {
        name: {**one, "advice": one.get("advice") and in_language(one["advice"], language)}
        if isinstance(one, dict)
        else one
        for name, one in report.items()
    }


def _result(result: dict[str, Any] | None, language: str) -> dict[str, Any] | None:
    if not result or "report" not in result:
        return result
    return {**result, "report": spoken_report(result["report"], language)}


def links(job: Job, files: Files) -> dict[str, str | None]:
    """Where things of a job are."""
    done = job.state is State.DONE
    video = f"{BASE}/video/{job.id}" if done and job.kind != "train" else None
    avatar = (job.result or {}).get("avatar") if done and job.kind == "train" else None
    captions = {
        f"captions_{kind}": f"{video}/captions.{kind}" if video and job.options.get("captions") else None
        for kind in CAPTIONS
    }
    return {
        "status": f"{BASE}/status/{job.id}",
        "events": f"{BASE}/jobs/{job.id}/events",
        "video": video,
        **captions,
        "avatar": f"{BASE}/avatars/{avatar}" if avatar else None,
    }


def _try(one: dict[str, Any], language: str) -> dict[str, Any]:
    detail = " ".join(clean(in_language(sentence, language)) for sentence in unpack(str(one.get("detail", ""))))
    return {
        "attempt": int(one.get("attempt", 0)), "ended": when(one.get("ended")), "error": str(one.get("error", "")),
        "detail": detail,
    }  # fmt: skip


def when(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def refuse_unfinished(job: Job) -> None:
    """Refuse to give out what is not there.

    Raises:
        RequestError: The job goes on, has failed, was cancelled or is gone.
    """
    if job.state is State.DONE:
        return
    if not job.state.over:
        raise RequestError(
            "not_ready", Message("It is not finished."), Message("Ask for its status until it is done."), 409
        )
    if job.state is State.FAILED:
        raise failure_of(job)
    if job.state is State.EXPIRED:
        what = Message("The film was kept long enough and is gone.")
        raise RequestError("gone", what, Message("Make it again."), 410)
    raise RequestError("cancelled", Message("It was cancelled."), Message("Ask for it again."), 409)
