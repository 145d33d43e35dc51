"""A video or photo becomes an avatar of the gallery, with a report on its quality."""

from __future__ import annotations

import os
import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visema.face.quality import SAMPLES, measure_quality, report_json
from visema.paths import atomic_folder
from visema.service import faces
from visema.service.kinds import Made, Work
from visema.service.schema import AVATARS

if TYPE_CHECKING:
    from visema.avatar import Avatar

#: What was sent, in the job's folder; what it is shows when it is opened.
SOURCE: Final = "source"
#: Share of the work that is done when the avatar is there, and the report is not.
_MADE: Final = 0.9


def make(work: Work) -> Made:
    """Make the avatar.

    Raises:
        MediaError: The file cannot be read, or is beyond the limits.
        FaceError: No face in it can be used.
        EngineError: The engine is not known or not installed.
        Cancelled: It was given up.
    """
    from visema.setup import prepare_avatar

    options = work.job.options
    # Made apart from the others: what lies among them without a row is everybody's.
    apart = work.folder / "made"
    os.environ["VISEMA_CACHE"] = str(apart)
    work.at("reading", 0.0)

    def told(done: int, total: int) -> None:
        work.at("preparing", _MADE * done / max(total, 1))

    # The job's name in the file's, and so in the avatar's: the same file sent by two people makes two avatars.
    source = work.folder / f"avatar-{work.job.id[:12]}"
    if not source.exists():
        shutil.copyfile(work.folder / SOURCE, source)
    name = str(options.get("name") or "Avatar")
    avatar = prepare_avatar(
        source, engine=str(options.get("engine") or "auto"), name=name, face=int(options.get("face") or 1),
        progress=told,
    )  # fmt: skip
    if consent := options.get("consent"):
        avatar = avatar.consented(f"{consent.get('text', '')} ({consent.get('who', '')}, {consent.get('when', '')})")
    work.at("judging", _MADE)
    frames = _some_frames(avatar)
    report = report_json(measure_quality(frames, avatar.track))
    row = {"id": avatar.id, "key": work.job.key, "name": name, "consent": consent, "report": report}

    def publish() -> None:
        _keep(work, avatar.folder, row)

    return Made(
        tuple(avatar.notes),
        0.0,
        {"avatar": avatar.id, "report": report},
        None,
        publish,
        lambda: _drop(work, avatar.id),
    )


def _keep(work: Work, folder: Path, row: dict[str, Any]) -> None:
    """Put the avatar among the others, after it is written down whose it is. Doing it twice changes nothing."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with work.database.writing() as connection:
        connection.execute(AVATARS.delete().where(AVATARS.c.id == row["id"]))
        connection.execute(AVATARS.insert().values(**row, created=work.database.now(), bytes=size))
    with atomic_folder(work.cache / row["id"]) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
    work.files.send_avatar(work.cache / row["id"])


def _drop(work: Work, avatar_id: str) -> None:
    faces.delete(work.database.engine, work.files, avatar_id, work.cache / avatar_id)


def _some_frames(avatar: Avatar) -> dict[int, Any]:
    """Frames all over the loop."""
    from visema.media.colour import i420_to_bgr

    count = len(avatar.track)
    step = max(1, count // SAMPLES)
    with avatar.open_loop() as loop:
        return {i: i420_to_bgr(frame) for i, frame in enumerate(islice(loop, count)) if i % step == 0}
