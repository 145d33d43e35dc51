"""The page where people log in with a key, without any script: a form, a cookie, and the way out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from visema.live.requests import RequestError
from visema.service.who import Who
from visema.web.door import check_same_site
from visema.web.routes import ICON
from visema.web.session import Sessions, cookies
from visema.web.texts import preferred_language, text

if TYPE_CHECKING:
    from visema.service.access import Access

#: Bytes of the form.
MAX_FORM: Final = 8192
#: Where somebody goes who came by themselves.
HOME: Final = "/ui/"


def add_login(app: FastAPI, access: Access, sessions: Sessions) -> None:
    """Put ``/login`` and ``/logout`` on ``app``."""

    def form(request: Request, following: str, status: int = 200, said: str = "", **more: str) -> Response:
        language = preferred_language(request.headers.get("accept-language", ""))
        nonce = cookies(request.headers).get(sessions.form_name, "") or secrets.token_urlsafe(18)
        page = _page(language, following, sessions.form_token(nonce), text(said, language) if said else "")
        answer = HTMLResponse(page, status, {**_HEADERS, **more})
        answer.headers.append("Set-Cookie", sessions.form_cookie(nonce, secure=_secure(request)))
        return answer

    @app.api_route("/login", methods=["GET", "HEAD"], include_in_schema=False)
    async def login_page(request: Request) -> Response:
        following = local_path(request.query_params.get("next", ""))
        if not await asyncio.to_thread(lambda: access.required or access.keys.needed):
            return _go(following)
        return form(request, following)

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        fields = parse_qs((await request.body())[:MAX_FORM].decode(errors="replace"), max_num_fields=8)
        given, following, token = (fields.get(name, [""])[0] for name in ("key", "next", "token"))
        following = local_path(following)
        try:
            check_same_site(request.headers)
        except RequestError:
            return form(request, following, 403, "login_stale")
        if not sessions.form_holds(cookies(request.headers).get(sessions.form_name, ""), token):
            return form(request, following, 403, "login_stale")
        address = request.client.host if request.client else ""
        if wait := await asyncio.to_thread(access.logins.wait, address):
            return form(request, following, 429, "login_often", **{"Retry-After": str(wait)})
        key = await asyncio.to_thread(access.keys.find, given.strip())
        if key is None or key.limits.origins:  # one for other sites' pages is no secret
            await asyncio.to_thread(access.logins.failed, address)
            await asyncio.to_thread(access.note, Who(address=address), "login", outcome="refused")
            return form(request, following, 401, "login_wrong")
        await asyncio.to_thread(access.note, key.who(address), "login")
        answer = _go(following)
        answer.headers.append("Set-Cookie", sessions.cookie(key, secure=_secure(request)))
        return answer

    @app.post("/logout", include_in_schema=False)
    async def logout(request: Request) -> Response:
        check_same_site(request.headers)
        answer = RedirectResponse("login", 303, _HEADERS)
        answer.headers.append("Set-Cookie", sessions.no_cookie(secure=_secure(request)))
        return answer


def local_path(asked: str) -> str:
    """A path of this server that a visitor may be sent to; `HOME` for anything else."""
    plain = asked.isascii() and asked.isprintable() and "\\" not in asked and len(asked) <= 2000
    if not plain or not asked.startswith("/") or asked.startswith(("//", "/login", "/logout")):
        return HOME
    return asked


def _go(path: str) -> Response:
    # Relative, for the server may be below another address; and "./" can never begin the name of another host.
    return RedirectResponse("." + quote(path, safe="/?&=%-._~:+,"), 303, _HEADERS)


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _page(language: str, following: str, token: str, said: str) -> str:
    def word(key: str) -> str:
        return escape(text(key, language))

    wrong = f'<p class="said" role="alert" id="said">{escape(said)}</p>' if said else ""
    described = ' aria-invalid="true" aria-describedby="said"' if said else ""
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{word("login_title")} – Visema</title>
<link rel="icon" href="favicon.ico" type="image/svg+xml">
<style>{_STYLE}</style>
</head>
<body>
<main>
<div class="brand">{ICON}<h1>Visema</h1></div>
<form method="post" action="login">
<label for="key">{word("login_key")}</label>
<input id="key" name="key" type="password" autocomplete="current-password" autocapitalize="off" spellcheck="false"
 required autofocus maxlength="400" placeholder="vsm_…"{described}>
{wrong}
<input type="hidden" name="next" value="{escape(following, quote=True)}">
<input type="hidden" name="token" value="{escape(token, quote=True)}">
<button type="submit">{word("login_enter")}</button>
</form>
<p class="help">{word("login_help")} <code>visema keys create {word("login_name")}</code></p>
</main>
</body>
</html>
"""


_STYLE: Final = """
html { color-scheme: light dark; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 20px;
  background: #f5f4f1; color: #1d1c1a;
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
main { width: min(100%, 400px); padding: 32px 30px 26px; border-radius: 20px; background: #fff;
  box-shadow: 0 1px 2px rgb(30 25 20 / 10%), 0 18px 40px -22px rgb(30 25 20 / 45%); }
.brand { display: flex; align-items: center; gap: 11px; margin-bottom: 24px; }
.brand svg { width: 36px; height: 36px; }
h1 { margin: 0; font-size: 24px; letter-spacing: -0.02em; line-height: 1; }
label { display: block; margin-bottom: 6px; font-weight: 600; font-size: 15px; }
input[type=password] { width: 100%; padding: 12px 14px; font: inherit; font-size: 16px; color: inherit;
  border: 1px solid #c9c4bb; border-radius: 12px; background: #faf9f7; }
input[aria-invalid] { border-color: #b3261e; }
button { width: 100%; margin-top: 16px; padding: 12px; font: inherit; font-weight: 600; color: #fff; border: 0;
  border-radius: 12px; background: #17696f; cursor: pointer; }
button:hover { background: #14555b; }
:is(input, button):focus-visible { outline: 3px solid #48a3a3; outline-offset: 2px; }
.said { margin: 8px 0 0; color: #b3261e; font-size: 14.5px; }
.help { margin: 22px 0 0; color: #6b665e; font-size: 13.5px; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: nowrap; }
@media (prefers-color-scheme: dark) {
  body { background: #141312; color: #f1efea; }
  main { background: #1e1d1b; box-shadow: inset 0 0 0 1px #33312e; }
  input[type=password] { background: #191817; border-color: #4a4742; }
  .said { color: #ffb4ab; } .help { color: #a8a29a; }
}
"""
#: Nothing but its own style runs here, nobody frames it, and the form goes nowhere else.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src "
        f"'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
