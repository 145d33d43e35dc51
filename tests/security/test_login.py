"""The login page: a form without scripts, a cookie that nobody can make, and the limits of trying."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.guarded import Guarded
from tests.service.conftest import until
from visema.service.keys import Key, Keys, Limits
from visema.service.logins import MOST
from visema.web.login import HOME, local_path
from visema.web.session import FORM_S, SESSION_S, Sessions


@pytest.fixture
def visitor(guarded: Guarded) -> Iterator[httpx.Client]:
    """A browser without a screen; each test from an address of its own."""
    visitor.count = getattr(visitor, "count", 0) + 1  # type: ignore[attr-defined]
    address = f"10.1.0.{visitor.count}"  # type: ignore[attr-defined]
    with httpx.Client(base_url=guarded.address, headers={"X-Forwarded-For": address}, timeout=30) as client:
        yield client


def fill_in(client: httpx.Client, key: str, following: str = "", **headers: str) -> httpx.Response:
    page = client.get("/login", params={"next": following} if following else {})
    token, asked = (re.search(rf'name="{name}" value="([^"]*)"', page.text) for name in ("token", "next"))
    assert token and asked, page.text
    return client.post(
        "/login", data={"key": key, "token": token[1], "next": html.unescape(asked[1])}, headers=headers
    )


def test_a_key_opens_the_page(visitor: httpx.Client, anna: str) -> None:
    sent = visitor.get("/ui/?x=1&y=2", headers={"Accept": "text/html"})
    assert sent.status_code == 303
    assert sent.headers["location"] == "../login?next=/ui/%3Fx%3D1%26y%3D2"
    answer = fill_in(visitor, f" {anna}\n", "/ui/?x=1&y=2")
    assert answer.status_code == 303 and answer.headers["location"] == "./ui/?x=1&y=2"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie and anna[17:] not in cookie
    assert visitor.get("/ui/").status_code == 200 and visitor.get("/config").status_code == 200
    assert visitor.get("/login?next=/ui/").status_code == 200
    assert visitor.post("/logout").status_code == 303
    assert visitor.get("/config").status_code == 401


def test_over_https_the_cookie_stays_there(visitor: httpx.Client, anna: str) -> None:
    answer = fill_in(visitor, anna, **{"X-Forwarded-Proto": "https"})
    assert "; Secure" in answer.headers["set-cookie"]


def test_a_cookie_ends_with_its_key(visitor: httpx.Client, guarded: Guarded) -> None:
    text = guarded.key("brief", "live", "read")
    assert fill_in(visitor, text).status_code == 303 and visitor.get("/config").status_code == 200
    assert Keys(guarded.store.engine).rotate(text[4:16])
    until(lambda: visitor.get("/config").status_code == 401, "the cookie to end", 10)


def test_nobody_else_makes_cookies(guarded: Guarded, anna: str) -> None:
    keys = Keys(guarded.store.engine)
    key = keys.find(anna)
    assert key
    name = Sessions(guarded.folder.joinpath("outputs", "secret").read_bytes()).name
    from visema.service.secret import server_secret

    ours = Sessions(server_secret(guarded.folder / "outputs", {}))
    good = ours.cookie(key, secure=False).split(";")[0]
    assert guarded.ask("GET", "/config", headers={"Cookie": good}).status_code == 200
    assert not good.startswith(name), "a hash of the secret is used, not the file"
    head, mine, ends, sign = re.split(r"[=.]", good, maxsplit=3)
    forged = Sessions(b"a secret of somebody else").cookie(key, secure=False).split("=", 1)[1].split(";")[0]
    boss_id = guarded.key("boss")[4:16]
    for wrong in (forged, f"{boss_id}.{ends}.{sign}", f"{mine}.{int(ends) + 1}.{sign}",
                  f"{mine}.{ends}.", f"{mine}.{ends}.{sign[:-1]}", "..", f"env.{ends}.{sign}",
                  f"{mine}.{'9' * 5000}.x", mine):  # fmt: skip
        assert guarded.ask("GET", "/config", headers={"Cookie": f"{head}={wrong}"}).status_code == 401, wrong


def test_cookies_and_forms_grow_old() -> None:
    now = [1e9]
    sessions = Sessions(b"s" * 32, lambda: now[0])
    from visema.service.keys import Limits as No

    key = Key("0" * 12, "a", "h", frozenset({"live"}), No(), 0.0)
    brief = Key("0" * 12, "a", "h", frozenset({"live"}), No(), 0.0, expires=now[0] + 100)
    claimed = sessions.key_of(sessions.cookie(key, secure=True).split(";")[0].split("=")[1])
    assert sessions.holds(key, *claimed[1:])
    assert "Max-Age=100;" in sessions.cookie(brief, secure=True)
    token = sessions.form_token("nonce")
    assert sessions.form_holds("nonce", token) and not sessions.form_holds("other", token)
    assert not sessions.form_holds("", sessions.form_token(""))
    now[0] += FORM_S
    assert not sessions.form_holds("nonce", token)
    now[0] += SESSION_S
    assert not sessions.holds(key, *claimed[1:])


def test_pages_of_other_sites_do_nothing_with_the_cookie(visitor: httpx.Client, anna: str) -> None:
    assert fill_in(visitor, anna).status_code == 303
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                    {"Sec-Fetch-Site": "same-site"}):  # fmt: skip
        for method, path in (("POST", "/api/v1/live"), ("POST", "/generate"), ("DELETE", "/status/x"),
                             ("POST", "/ui/gradio_api/queue/join")):  # fmt: skip
            answer = visitor.request(method, path, headers=headers)
            assert answer.status_code == 403 and answer.json()["error"] == "origin", (method, path, headers)
        assert visitor.post("/logout", headers=headers).status_code == 403
    own = {"Origin": str(visitor.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert visitor.delete("/status/x", headers=own).status_code == 404


def test_nobody_is_logged_in_by_another_site(visitor: httpx.Client, guarded: Guarded, anna: str) -> None:
    assert fill_in(visitor, anna, Origin="https://evil.example").status_code == 403
    with httpx.Client(base_url=guarded.address) as other:
        token = re.search(r'name="token" value="([^"]*)"', other.get("/login").text)
        assert token
    visitor.cookies.clear()
    for form in ({"key": anna}, {"key": anna, "token": token[1]}, {"key": anna, "token": "1.x"}):
        answer = visitor.post("/login", data=form)
        assert answer.status_code == 403 and "visema_form" in answer.headers["set-cookie"]
        assert "too long" in answer.text


def test_too_many_wrong_keys(visitor: httpx.Client, guarded: Guarded, anna: str) -> None:
    for _ in range(MOST):
        answer = fill_in(visitor, f"vsm_{'0' * 12}_{'a' * 43}")
        assert answer.status_code == 401 and "does not open" in answer.text
    refused = fill_in(visitor, anna)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0, (
        "a right one now is not taken either"
    )
    with httpx.Client(base_url=guarded.address, headers={"X-Forwarded-For": "10.2.0.1"}) as neighbour:
        assert fill_in(neighbour, anna).status_code == 303


def test_wrong_keys_of_programs_are_limited_too(guarded: Guarded, anna: str) -> None:
    headers = {"X-Forwarded-For": "10.3.0.1"}
    found = [guarded.ask("GET", "/config", f"vsm_{n:012x}_{'a' * 43}", headers=headers) for n in range(40)]
    assert {answer.status_code for answer in found} == {401, 429}
    assert found[-1].headers["retry-after"]
    assert guarded.ask("GET", "/config", anna, headers=headers).status_code == 200, "behind one router with others"


@pytest.mark.parametrize("asked", [
    "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/ui/\r\nSet-Cookie: x=1", "",
    "evil", "/login", "/logout", "/é", "\t//evil.example", "/" + "a" * 3000,
])  # fmt: skip
def test_login_leads_nowhere_else(visitor: httpx.Client, anna: str, asked: str) -> None:
    assert local_path(asked) == HOME
    answer = fill_in(visitor, anna, asked)
    assert answer.headers["location"] == f".{HOME}" and "x" not in visitor.cookies


def test_what_was_asked_for_is_quoted(visitor: httpx.Client) -> None:
    page = visitor.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy


def test_a_key_for_other_sites_is_no_way_in(visitor: httpx.Client, guarded: Guarded) -> None:
    text = guarded.key("embed", "live", limits=Limits(origins=("https://shop.example",)))
    assert fill_in(visitor, text).status_code == 401
    url = "/live/opus-probe.ogg"
    assert guarded.ask("GET", url, text).status_code == 403
    assert guarded.ask("GET", url, text, headers={"Origin": "https://evil.example"}).status_code == 403
    assert guarded.ask("GET", url, text, headers={"Origin": "https://shop.example"}).status_code == 200
    assert guarded.ask("GET", "/config", text, headers={"Origin": "https://shop.example"}).status_code == 200
    assert guarded.ask("POST", "/generate", text, headers={"Origin": "https://shop.example"}).status_code == 403
