"""What each address needs: which are open to everybody, what a key must allow for the others, what is written down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

READS: Final = ("GET", "HEAD")
#: Bytes of a body that is no form; a list of a thousand texts may have more.
BODY: Final = 1 << 20
BATCH_BODY: Final = 16 << 20


@dataclass(frozen=True)
class Rule:
    """What an address needs.

    Attributes:
        path: The whole path, as a regular expression; a group is what is done something to.
        methods: Of HTTP, and ``WS`` for a socket; none for all.
        scopes: A key must have one of these; none where every key will do, or where the address itself asks.
        open: Nobody needs a key here.
        counted: Requests count against those that a key may make in a minute.
        crosses: Pages of other sites that were named may use it.
        action: What the audit log calls it; empty where it is not written down.
        body: Bytes of a body that is no form; 0 where the address looks after that.
    """

    path: re.Pattern[str]
    methods: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    open: bool = False
    counted: bool = False
    crosses: bool = True
    action: str = ""
    body: int = BODY


def _rule(path: str, methods: str = "", scopes: str = "", **more: bool | str | int) -> Rule:
    return Rule(re.compile(path), tuple(methods.split()), tuple(scopes.split()), **more)  # type: ignore[arg-type]


def _open(path: str, methods: str = "GET HEAD") -> Rule:
    return _rule(path, methods, open=True)


#: The first that fits holds; `OTHERWISE` where none does.
RULES: Final = (
    _open("/health|/ready|/favicon\\.ico"),
    _open("/login", "GET HEAD POST"),
    _open("/logout", "POST"),
    _open("/live/player/[a-z_]+\\.js|/live/embed\\.js"),  # programs, the same for all; sites that embed them load them
    _open("/files/.+"),  # the address is signed, and what serves it looks at that
    # The film API of VISEMA 2.0.
    _rule("/generate", "POST", "films", counted=True, action="film.create", body=0),
    _rule("/preview", "POST", "films", counted=True, body=0),
    _rule("/status/([^/]*)", "GET HEAD", "films read", counted=True),
    _rule("/status/([^/]*)", "DELETE", "films", counted=True, action="film.cancel"),
    _rule("/download/([^/]*)", "GET HEAD", "films read", counted=True),
    _rule("/download/([^/]*)", "DELETE", "films", counted=True, action="film.remove"),
    _rule("/config|/|/docs|/docs/.*|/openapi\\.json", "GET HEAD"),
    # The live view.
    _rule("/api/v1/live", "POST", "live", counted=True, action="live.open"),
    _rule("/api/v1/live/stats|/metrics", "GET HEAD", "read", counted=True),
    _rule("/api/v1/live/([^/]*)/close", "POST", "live", counted=True, action="live.close"),
    _rule("/api/v1/live/.*", "", "live", counted=True),
    _rule("/live/ws", "WS", "live", counted=True),
    _rule("/live/.*", "GET HEAD OPTIONS", "live"),
    # The API: its addresses ask for scopes themselves.
    _rule("/api/v1/generate", "POST", counted=True, action="job.create"),
    _rule("/api/v1/jobs/([^/]*)", "DELETE", counted=True, action="job.remove"),
    _rule("/api/v1/avatars/train", "POST", counted=True, action="avatar.train"),
    _rule("/api/v1/avatars/([^/]*)", "DELETE", counted=True, action="avatar.remove"),
    _rule("/api/v1/voices/clone", "POST", counted=True, action="voice.clone"),
    _rule("/api/v1/voices/([^/]*)", "DELETE", counted=True, action="voice.remove"),
    _rule("/api/v1/tts", "POST", counted=True, action="speech.make"),
    _rule("/api/v1/batch", "POST", counted=True, action="batch.create", body=BATCH_BODY),
    _rule("/api/v1/.*", "POST PUT PATCH DELETE", counted=True, action="api.change"),
    _rule("/api/v1/.*", counted=True),
    # The page, which asks for much; Gradio's own addresses are under it.
    _rule("/ui|/ui/.*", "", "live", crosses=False),
    _rule("/stage/.*|/film/.*|/poster\\.jpg|/avatars/.*", "", "live", crosses=False),
)
#: An address that nobody has thought of.
OTHERWISE: Final = Rule(re.compile(".*"), scopes=("admin",), counted=True)


def rule_for(method: str, path: str) -> tuple[Rule, str]:
    """What an address needs, and what is done something to."""
    for rule in RULES:
        if rule.methods and method not in rule.methods:
            continue
        if match := rule.path.fullmatch(path):
            return rule, (match[1] or "") if match.re.groups else ""
    return OTHERWISE, ""
