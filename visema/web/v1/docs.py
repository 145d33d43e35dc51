"""The description of the API for programs and for people: ``/openapi.json`` and ``/docs``, nothing from elsewhere."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from pydantic.json_schema import models_json_schema

import visema
from visema.web.v1.errors import ALWAYS, about
from visema.web.v1.requests import BY_HAND

router = APIRouter(include_in_schema=False)

#: Addresses that anybody may ask, and that refuse nobody.
_OPEN: Final = ("/health", "/ready")
#: The package that carries Swagger UI's files; its own addresses are not used.
_PACKAGE: Final = "fastapi_swagger"
_FILES: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_WEEK: Final = {"Cache-Control": "public, max-age=604800"}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_ABOUT: Final = """A face and words go in; the face saying the words comes out.

Ask for a video by `POST /api/v1/generate`, follow it by `GET /api/v1/status/{job_id}`, by its events or by a webhook,
and get it from `GET /api/v1/video/{job_id}`.

Errors are always `{"error": a word for programs, "detail": what is wrong, "hint": what to do}`; `Accept-Language: ru`
brings their sentences in Russian. What is somebody else's answers 404, as what does not exist.

A request under an `Idempotency-Key` that is sent again is done once.
"""
_TAGS: Final = [
    {"name": "videos", "description": "Videos, one or many at once"},
    {"name": "avatars", "description": "Prepared faces"},
    {"name": "voices", "description": "Who speaks"},
    {"name": "speech", "description": "Words as sound"},
    {"name": "account", "description": "What was used, what webhooks were told, where a video came from"},
    {"name": "server", "description": "Whether the server is well"},
    {"name": "live", "description": "Avatars on stage, live"},
    {"name": "films", "description": "The API of VISEMA 2.0"},
]
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Visema API</title>
<link rel="icon" href="favicon.ico" type="image/svg+xml">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
#: No validator, which would ask a server elsewhere; the path of the description is relative, for proxies.
_START: Final = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, persistAuthorization: false,
  tryItOutEnabled: true, displayRequestDuration: true, defaultModelsExpandDepth: 0, docExpansion: "list",
  presets: [SwaggerUIBundle.presets.apis],
});
"""


@router.get("/docs")
async def docs() -> Response:
    """The page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})


@router.get("/docs/{name}")
def file(name: str, request: Request) -> Response:
    """What the page is made of."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript", headers={"Cache-Control": "no-cache"})
    if name not in _FILES:
        return Response("There is no such file.", 404, media_type="text/plain")
    return Response(_read(name), media_type=_FILES[name], headers=_WEEK)


@lru_cache(maxsize=len(_FILES))
def _read(name: str) -> bytes:
    return resources.files(_PACKAGE).joinpath("resources").joinpath(name).read_bytes()


def describe(app: FastAPI) -> None:
    """Let ``app`` tell of itself completely: the keys, the bodies that are read by hand, what each part is."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title="Visema", version=visema.__version__, openapi_version="3.1.0", summary="Talking avatars",
                description=_ABOUT, routes=app.routes, tags=_TAGS,
                license_info={"name": "MIT", "identifier": "MIT"},
            )  # fmt: skip
            _complete(found)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(found: dict[str, Any]) -> None:
    _, by_hand = models_json_schema(
        [(model, "validation") for model in BY_HAND], ref_template="#/components/schemas/{model}"
    )
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {}).update(by_hand.get("$defs", {}))
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key: Authorization: Bearer vsm_…"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key"},
    }
    # Without any key on the server this machine's own user needs none, which the empty entry says.
    found["security"] = [{"bearer": []}, {"header": []}, {}]
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, methods in found["paths"].items():
        for operation in methods.values():
            answers = operation["responses"]
            if "HTTPValidationError" in str(answers.get("422")):
                del answers["422"]
            for code in () if path in _OPEN else ALWAYS:
                answers.setdefault(str(code), {"description": about(code), "content": problem})
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
