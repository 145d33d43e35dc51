"""OWASP API5, broken function level authorisation: each address asks for what a key allows."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.guarded import Guarded
from visema.service.who import SCOPES

#: Addresses that change or read something, and the scopes of which one opens them.
NEEDS: dict[tuple[str, str], set[str]] = {
    ("POST", "/generate"): {"films"}, ("POST", "/preview"): {"films"}, ("GET", "/status/x"): {"films", "read"},
    ("DELETE", "/status/x"): {"films"}, ("GET", "/download/x"): {"films", "read"}, ("DELETE",
    "/download/x"): {"films"},
    ("POST", "/api/v1/generate"): {"films"}, # Training is a job too.
    ("GET", "/api/v1/status/x"): {"films", "avatars", "read"},
    ("GET", "/api/v1/jobs"): {"films", "avatars", "read"}, ("DELETE", "/api/v1/jobs/x"): {"films", "avatars"},
    ("POST", "/api/v1/batch"): {"films"}, ("POST", "/api/v1/avatars/train"): {"avatars"},
    ("DELETE", "/api/v1/avatars/x"): {"avatars"}, ("POST", "/api/v1/voices/clone"): {"voices"},
    ("POST", "/api/v1/tts"): {"speech"}, ("POST", "/api/v1/live"): {"live"}, ("GET", "/api/v1/live/x"): {"live"},
    ("GET", "/ui/"): {"live"}, ("GET", "/poster.jpg"): {"live"}, ("GET", "/live/x"): {"live"},
    ("POST", "/ui/gradio_api/queue/join"): {"live"}, ("GET", "/metrics"): {"read"}, ("GET", "/nothing"): set(),
}  # fmt: skip


@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "admin"])
def test_a_key_opens_what_it_is_for(guarded: Guarded, scope: str) -> None:
    text = guarded.key(f"only {scope}", scope)
    for (method, path), scopes in NEEDS.items():
        answer = guarded.ask(method, path, text, **({"json": {}} if method == "POST" else {}))
        if scope in scopes:
            assert answer.status_code not in (401, 403), (method, path, answer.text)
            if answer.status_code == 201:
                guarded.ask("POST", f"/api/v1/live/{answer.json()['session']}/close", text, json={})
        else:
            assert answer.status_code == 403, (method, path, answer.status_code, answer.text)
            assert answer.json()["error"] == "forbidden" and "scope" in answer.json()["hint"]


def test_no_method_slips_through(guarded: Guarded) -> None:
    text = guarded.key("only read", "read")
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "FOO", "post", "OPTIONS"):
        for path in ("/generate", "/status/x", "/api/v1/jobs/x", "/api/v1/avatars/x", "/ui/"):
            for headers in (
                {},
                {"X-HTTP-Method-Override": "GET"},
                {"X-Method-Override": "GET", "X-Original-URL": "/health"},
            ):
                answer = guarded.ask(method, path, text, headers=headers)
                assert answer.status_code in (400, 401, 403, 404, 405, 422), (method, path, answer.status_code)


def test_leave_is_asked_without_a_key_and_gives_none(guarded: Guarded) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    for path in ("/api/v1/jobs", "/generate", "/ui/"):
        answer = guarded.ask("OPTIONS", path, headers=headers)
        assert answer.status_code in (400, 401, 404, 405) and "access-control-allow-origin" not in answer.headers
        assert guarded.ask("OPTIONS", path).status_code == 401


def test_the_page_does_what_the_key_allows() -> None:
    from types import SimpleNamespace

    from visema.errors import AvatarError, InputError
    from visema.service.who import Who
    from visema.web.owners import Owners
    from visema.web.panels import check_scope

    looker: Any = SimpleNamespace(who=Who("a" * 12, "a", frozenset({"live"})))
    with pytest.raises(InputError):
        check_scope(looker, "films")
    owners: Any = Owners.__new__(Owners)
    owners._read = lambda: None
    owners._avatars = {"mine": "a" * 12}
    for change in (lambda: owners.check_make(looker.who), lambda: owners.check_change(looker.who, "mine")):
        with pytest.raises(AvatarError, match=re.escape("Your key does not allow this.")):
            change()
    maker = Who("a" * 12, "a", frozenset({"live", "avatars"}))
    owners.check_change(maker, "mine")
    with pytest.raises(AvatarError, match="server's own"):
        owners.check_change(maker, "presenter")
    owners.check_change(Who(), "presenter")


def test_what_was_done_is_in_the_audit_log(guarded: Guarded, anna: str) -> None:
    from visema.service import audit

    guarded.ask("DELETE", "/api/v1/jobs/0123456789abcdef01234567", anna)
    made = guarded.ask("POST", "/api/v1/generate", anna, json={"text": "Hello.", "voice": "espeak:en-us"}).json()
    guarded.ask("DELETE", f"/api/v1/jobs/{made['job_id']}", anna)
    rows = [(row.action, row.outcome, row.target) for row in audit.rows(guarded.store.engine, key=anna[4:16], limit=5)]
    assert ("job.remove", "ok", made["job_id"]) in rows and ("job.create", "ok", made["job_id"]) in rows
    assert ("job.remove", "refused", "0123456789abcdef01234567") in rows
