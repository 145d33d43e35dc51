"""What the tab of films asks for beside the film API: its scripts, its words and voices, the faces of a picture."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import threading
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from visema.errors import FaceError
from visema.live.requests import RequestError
from visema.service.uploads import RAW_PICTURE
from visema.web import voice_choice
from visema.web.film_errors import NO_STORE, explained
from visema.web.film_intake import receive
from visema.web.film_models import Faces, problems
from visema.web.texts import LANGUAGES, TEXTS, preferred_language, text

if TYPE_CHECKING:
    from visema.service.desk import Desk
    from visema.web.house import House

#: Points of the mesh that draw a face: its outline, its eyes, its lips.
OUTLINE: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
EYES: Final = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
LIPS: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
#: A picture for a look at its faces, bytes.
MAX_PREVIEW: Final = 64 << 20
_CHECKED: Final = {"Cache-Control": "no-cache"}


def add_film_page(app: FastAPI, house: House, desk: Desk, check_origin: Callable[[Any], None]) -> None:
    """Put the addresses on ``app``."""
    looking = asyncio.Semaphore(1)

    @app.api_route("/film/{name}.js", methods=["GET", "HEAD"], include_in_schema=False)
    async def module(name: str, request: Request) -> Response:
        found = scripts().get(name)
        if found is None:
            return Response("There is no such script.", 404, NO_STORE, "text/plain")
        body, tag = found
        headers = {**_CHECKED, "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="text/javascript")

    @app.get("/film/words.json", include_in_schema=False)
    def words(request: Request) -> Response:
        language = preferred_language(request.headers.get("accept-language", ""))
        return JSONResponse(_words(house, desk, language), headers={**NO_STORE, "Vary": "Accept-Language"})

    @app.get("/film/jobs_words.json", include_in_schema=False)
    async def jobs_words(request: Request) -> Response:
        language = preferred_language(request.headers.get("accept-language", ""))
        found = {"language": language, "texts": _texts("jobs_", language)}
        return JSONResponse(found, headers={**NO_STORE, "Vary": "Accept-Language"})

    @app.post(
        "/preview",
        response_model=Faces,
        responses=problems(400, 403, 413, 415, 422, 507),
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {
            "type": "object", "required": ["image"],
            "properties": {"image": {"type": "string", "format": "binary"}},
        }}}}},
        summary="The faces of a picture, the largest first",
        tags=["films"],
    )  # fmt: skip
    @explained
    async def preview(request: Request) -> Response:
        check_origin(request.headers)
        desk.crew.start()  # who looks at a picture will want a film of it
        name = await asyncio.to_thread(desk.begin)
        folder = desk.files.work(name)
        try:
            received = await receive(
                request.headers, request.stream(), folder, known=frozenset(),
                max_bytes=min(MAX_PREVIEW, desk.settings.max_bytes), max_field=0,
            )  # fmt: skip
            if "image" not in received.files:
                raise RequestError("missing", "There is no picture.", "Send it as the field 'image', a file.", 422)
            async with looking:
                return JSONResponse(await asyncio.to_thread(faces_of, folder / RAW_PICTURE), headers=NO_STORE)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


_MODEL: Final = threading.Lock()


def faces_of(path: Path) -> dict[str, Any]:
    """The faces of a picture as shares of its width and height, the largest first.

    Raises:
        MediaError: The file cannot be used.
        FaceError: It shows no face.
    """
    import numpy as np

    from visema.base import LARGEST_PHOTO
    from visema.face.diagnose import refuse_unusable
    from visema.face.pose import fit_poses
    from visema.face.tracking import find_faces
    from visema.media.guard import read_photo

    image = read_photo(path, LARGEST_PHOTO, strict=True)
    with _MODEL:
        found, _ = find_faces(image)
    if not found:
        raise FaceError(
            "No face was found.", "Use a photo that shows one whole human face from the front, upright and well lit."
        )
    height, width = image.shape[:2]
    faces = []
    for number, landmarks in enumerate(found, 1):
        points = np.round(landmarks[:, :2] / (width, height), 4)
        pose = fit_poses(landmarks[None])
        problem = ""
        try:
            refuse_unusable(float(pose.scale[0]), float(pose.residual[0]), "photo")
        except FaceError as e:
            problem = str(e)
        lines = [points[list(line)].tolist() for line in (OUTLINE, *EYES, LIPS)]
        faces.append({"number": number, "outline": lines[0], "lines": lines[1:], "problem": problem})
    return {"width": width, "height": height, "faces": faces}


@lru_cache(maxsize=1)
def scripts() -> dict[str, tuple[bytes, str]]:
    """The tab's modules by name: what is in them, and their tag."""
    folder = resources.files("visema.web").joinpath("film")
    bodies = {
        path.name.removesuffix(".js"): path.read_bytes() for path in folder.iterdir() if path.name.endswith(".js")
    }
    return {name: (body, f'"{hashlib.sha256(body).hexdigest()[:16]}"') for name, body in bodies.items()}


def _texts(prefix: str, language: str) -> dict[str, str]:
    """A tab's texts, whose keys begin with ``prefix``."""
    return {key.removeprefix(prefix): text(key, language) for key in TEXTS if key.startswith(prefix)}


def _words(house: House, desk: Desk, language: str) -> dict[str, Any]:
    from visema.service.request import FIELDS

    voices = [
        {"name": voice.name, "label": voice_choice.label(voice, language), "cloud": voice.cloud,
         "language": voice_choice.base_language(voice.language)}
        for voice in house.voices
    ]  # fmt: skip
    voices.sort(key=lambda voice: bool(voice["cloud"]) == house.offline)
    languages = voice_choice.language_choices(house.voices, language)[1:]
    first = {code: voice_choice.pick(house.voices, code, offline=house.offline) for _, code in languages}
    notice = "offline_notice" if house.offline else "cloud_notice"
    return {
        "language": language if language in LANGUAGES else LANGUAGES[0],
        "texts": _texts("film_", language),
        "notices": {"cloud": text(notice, language), "local": text("local_notice", language)},
        "languages": languages,
        "voices": voices,
        "first": first,
        "voice": house.first_voice(language),
        "styles": FIELDS["style"].choices,
        "limits": {"bytes": desk.settings.max_bytes, "seconds": desk.settings.max_seconds,
                   "text": desk.settings.max_text},
    }  # fmt: skip
