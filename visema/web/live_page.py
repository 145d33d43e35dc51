"""The live player's files, its page ``/live/<avatar>``, and the script that embeds it elsewhere."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from visema.avatar import ID
from visema.errors import VisemaError
from visema.web.identity import asker
from visema.web.texts import preferred_language, text

if TYPE_CHECKING:
    from visema.avatar import Avatar
    from visema.web.house import House

#: Asked for again at every visit, answered by 304: a new version is there at once.
_CHECKED: Final = {"Cache-Control": "no-cache"}
#: The player's code is no secret: pages that embed it may read it. Whether they may connect is asked at the socket.
_PUBLIC: Final = {"Access-Control-Allow-Origin": "*"}
_NEVER: Final = {"Cache-Control": "no-store"}


def add_live_pages(app: FastAPI, house: House) -> None:
    """Put the player's addresses on ``app``, after those of the live view itself."""

    @app.api_route("/live/player/{name}.js", methods=["GET", "HEAD"], include_in_schema=False)
    async def module(name: str, request: Request) -> Response:
        return _script(name, request)

    @app.api_route("/live/embed.js", methods=["GET", "HEAD"], include_in_schema=False)
    async def embed(request: Request) -> Response:
        return _script("embed", request)

    @app.api_route("/live/{avatar_id}", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(avatar_id: str, request: Request) -> Response:
        language = preferred_language(request.headers.get("accept-language", ""))
        try:
            if not ID.fullmatch(avatar_id):
                raise VisemaError("There is no such avatar.")
            avatar = house.avatar_for(asker(request), avatar_id)
        except VisemaError:
            return HTMLResponse(_missing(language), 404, _NEVER)
        stats = "stats" in request.query_params
        return HTMLResponse(_page(avatar, language, stats=stats), headers=_CHECKED)


def _script(name: str, request: Request) -> Response:
    found = scripts().get(name)
    if found is None:
        return Response("There is no such script.", 404, _NEVER, "text/plain")
    body, tag = found
    headers = {**_CHECKED, **_PUBLIC, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="text/javascript")


@lru_cache(maxsize=1)
def scripts() -> dict[str, tuple[bytes, str]]:
    """The player's modules by name: what is in them, and their tag."""
    folder = resources.files("visema.web").joinpath("live")
    files = [path for path in folder.iterdir() if path.name.endswith(".js")]
    bodies = {path.name.removesuffix(".js"): path.read_bytes() for path in files}
    return {name: (body, f'"{hashlib.sha256(body).hexdigest()[:16]}"') for name, body in bodies.items()}


def _page(avatar: Avatar, language: str, *, stats: bool) -> str:
    panel = " stats" if stats else ""
    shown = escape(avatar.name)
    width, height = avatar.size
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{shown} – Visema</title>
<link rel="icon" href="../favicon.ico" type="image/svg+xml">
<style>{_STYLE}</style>
<script type="module" src="player/element.js"></script>
</head>
<body>
<main style="--aspect: {width / height:.4f}">
<visema-avatar avatar="{avatar.id}" controls{panel}></visema-avatar>
</main>
<noscript>{escape(text("no_script", language))}</noscript>
</body>
</html>
"""


def _missing(language: str) -> str:
    said = escape(text("no_avatar", language))
    return f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Visema</title><style>{_STYLE}</style></head>
<body><main><p>{said}</p><p><a href="../ui/">Visema</a></p></main></body></html>
"""


#: The picture as large as the window allows, with captions and controls below it.
_STYLE: Final = """
html { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; background: #f5f4f1;
  color: #1d1c1a; font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
main { width: min(100%, 1080px, 40px + (100dvh - 190px) * var(--aspect, 1)); min-width: min(100%, 360px);
  padding: 20px; box-sizing: border-box; }
visema-avatar { --visema-radius: 20px; min-height: 200px;
  box-shadow: 0 1px 2px rgb(30 25 20 / 10%), 0 18px 40px -22px rgb(30 25 20 / 45%); background: #20201f; }
@media (prefers-color-scheme: dark) { body { background: #141312; color: #f1efea; } a { color: #7ec3c0; } }
@media (max-width: 640px) {
  body { place-items: start stretch; }
  main { padding: 0; }
  visema-avatar { --visema-radius: 0; --visema-height: min(62dvh, 100vw / var(--aspect, 1)); }
  main { width: 100%; }
}
"""
