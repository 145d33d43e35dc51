"""Every setting of Visema: one table of what can be said by variables, what it means and what it may be.

The command line wins over the environment, and the environment over the file ``.env`` (of the current folder, else of
the checkout, or where ``VISEMA_ENV_FILE`` says). `load` brings the file's settings into the environment when a program
begins, so that the processes it starts have them too; from then on the environment is the truth.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from visema.errors import InputError

log = logging.getLogger(__name__)

T = TypeVar("T")
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")
#: What stands for a secret where settings are shown.
HIDDEN: Final = "***"


@dataclass(frozen=True)
class Setting(Generic[T]):
    """A setting.

    Attributes:
        name: Of its variable.
        group: Under which it is described.
        about: What it means.
        usual: What holds where nothing is said, in words.
        example: A value to begin with.
        read: Understands a text that is not empty; ValueError says what would be understood.
        default: What holds where nothing is said.
        secret: Never shown.
    """

    name: str
    group: str
    about: str
    usual: str
    example: str
    read: Callable[[str], T]
    default: T
    secret: bool = False

    def of(self, env: Mapping[str, str] | None = None) -> T:
        """Its value in an environment, the process's own by default.

        Raises:
            InputError: It makes no sense.
        """
        text = (os.environ if env is None else env).get(self.name, "").strip()
        if not text:
            return self.default
        try:
            return self.read(text)
        except ValueError as e:
            shown = "not usable" if self.secret else f"'{text[:100]}'"
            raise InputError(f"{self.name} is {shown}.", f"{e} Or leave it out ({self.usual}).") from None


SETTINGS: Final[dict[str, Setting[Any]]] = {}


def _add(setting: Setting[T]) -> Setting[T]:
    SETTINGS[setting.name] = setting
    return setting


def _words(
    group: str, name: str, about: str, usual: str = "nothing", example: str = "", *, form: str = "", hint: str = "",
    secret: bool = False,
) -> Setting[str]:  # fmt: skip
    def read(text: str) -> str:
        if form and not re.fullmatch(form, text):
            raise ValueError(hint)
        return text

    return _add(Setting(name, group, about, usual, example, read, "", secret))


def _place(group: str, name: str, about: str, usual: str, example: str = "") -> Setting[Path | None]:
    return _add(Setting(name, group, about, usual, example, lambda text: Path(text).expanduser(), None))


def _number(
    group: str, name: str, about: str, default: float, low: float, high: float, usual: str = ""
) -> Setting[float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"Give a number from {low:g} to {high:g}.")
        return value

    return _add(Setting(name, group, about, usual or f"{default:g}", "" if usual else f"{default:g}", read, default))


def _address(group: str, name: str, about: str, usual: str, example: str = "") -> Setting[str]:
    hint = "Give an address such as http://host:4318."
    return _words(group, name, about, usual, example, form=r"https?://[^\s/]+\S*", hint=hint)


def _switch(group: str, name: str, about: str, default: bool, usual: str = "") -> Setting[bool]:
    def read(text: str) -> bool:
        if text.lower() not in _TRUE + _FALSE:
            raise ValueError("Give 1 or 0.")
        return text.lower() in _TRUE

    usual = usual or ("on" if default else "off")
    return _add(Setting(name, group, about, usual, "1" if default else "0", read, default))


def _sites(text: str) -> tuple[str, ...]:
    sites = tuple(filter(None, (site.strip().rstrip("/") for site in text.split(","))))
    for site in sites:
        if site != "*" and not re.fullmatch(r"https?://[^/\s*]+", site):
            raise ValueError("Give addresses such as https://a.org, with commas; or *.")
    return sites


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (host.strip() for host in text.split(","))))


_NONE: Final[tuple[str, ...]] = ()

_G = "Where things are"
CACHE = _place(_G, "VISEMA_CACHE", "Prepared avatars, generated speech, voices of one's own", "cache/ in the checkout")
OUTPUTS = _place(_G, "VISEMA_OUTPUTS", "Films of jobs, their logs, uploads, the database", "outputs/ beside the cache")
STORAGE = _words(
    _G, "VISEMA_STORAGE", "Where films, uploads and avatars are kept, shared by machines", "the folder of outputs",
    "s3://bucket/visema?region=eu-central-1", form=r"s3://\S+", hint="Give s3://bucket/prefix?endpoint=…&region=….",
)  # fmt: skip
WEIGHTS = _place(_G, "VISEMA_WEIGHTS", "File or folder of the networks' weights", "weights/ in the cache")
ENV_FILE = _place(_G, "VISEMA_ENV_FILE", "The file of settings; empty for none", ".env here, else in the checkout")

_G = "Jobs"
DATABASE = _words(
    _G, "VISEMA_DATABASE", "SQLAlchemy address of the jobs; holds a password", "SQLite in the folder of outputs",
    "postgresql+psycopg://visema:password@localhost/visema", form=r"[a-z][a-z0-9+]*://.*",
    hint="Give an address such as postgresql+psycopg://user:password@host/name.", secret=True,
)  # fmt: skip
BROKER = _words(
    _G, "VISEMA_BROKER", "Redis that wakes the workers of other processes and machines; holds a password",
    "none: this server makes its films itself", "redis://localhost:6379/0", form=r"(rediss?|unix)://\S*",
    hint="Give an address such as redis://host:6379/0.", secret=True,
)  # fmt: skip
WORKERS = _number(
    _G, "VISEMA_WORKERS", "Films made at once; 0: `visema worker` makes them", os.cpu_count() or 1, 0, 256, "the cores"
)
EAGER = _switch(
    _G, "VISEMA_EAGER", "Start what makes films at once, not with the first one", False,
    "on for `visema serve` and `app.py`, else off",
)  # fmt: skip
LEASE = _number(_G, "VISEMA_LEASE_SECONDS", "A job whose worker is silent for so long is another's", 15, 1, 3600)
JOB_SECONDS = _number(_G, "VISEMA_JOB_SECONDS", "A job that takes longer fails", 3600, 1, 86400)
MAX_QUEUE = _number(_G, "VISEMA_MAX_QUEUE", "Jobs that may wait, of all", 200, 1, 1e6)
MAX_QUEUE_CLIENT = _number(_G, "VISEMA_MAX_QUEUE_CLIENT", "Jobs that may wait, of one key or address", 50, 1, 1e6)
MAX_MB = _number(_G, "VISEMA_MAX_MB", "MiB of one request, files and all", 500, 0.001, 4096)
MAX_SECONDS = _number(_G, "VISEMA_MAX_SECONDS", "Seconds of a recording that is sent", 600, 1, 7200)
KEEP_HOURS = _number(_G, "VISEMA_KEEP_HOURS", "Hours that films are kept; a key may have its own", 24, 0.0001, 87600)
MIN_FREE_MB = _number(_G, "VISEMA_MIN_FREE_MB", "MiB of the disk that uploads leave free", 200, 0, 1e9)

_G = "Who may use it"
API_KEY = _words(_G, "VISEMA_API_KEY", "A first key, which may do everything; 20 characters or more", secret=True)
REQUIRE_KEY = _switch(_G, "VISEMA_REQUIRE_KEY", "Start only where there is a key: for servers behind a proxy", False)
SECRET = _words(
    _G, "VISEMA_SECRET", "What cookies, links and webhooks are signed with; the same on all machines",
    "a file beside the films", secret=True,
)  # fmt: skip
CORS = _add(
    Setting(
        "VISEMA_CORS_ORIGINS", _G, "Sites whose pages may use the API and the live view, by commas; * is every site",
        "none", "https://a.org,https://b.org", _sites, _NONE,
    )
)  # fmt: skip
WEBHOOK_HOSTS = _add(
    Setting(
        "VISEMA_WEBHOOK_HOSTS", _G, "Hosts that webhooks may reach although they are not public, by commas", "none",
        "hooks.internal:8080", _hosts, _NONE,
    )
)  # fmt: skip
AUDIT_DAYS = _number(_G, "VISEMA_AUDIT_DAYS", "Days that the audit log is kept", 90, 1, 36500)

_G = "What is offered"
OFFLINE = _switch(_G, "VISEMA_OFFLINE", "Ask no cloud voice; the embedded ones speak", False)
PAID_VOICES = _switch(
    _G, "VISEMA_PAID_VOICES", "Visitors may choose voices that cost money (off on servers that others reach)", True
)
TRAINING = _switch(_G, "VISEMA_TRAINING", "Visitors may make avatars of their own, on the page and by the API", True)
CLONING = _switch(_G, "VISEMA_CLONING", "Voices may be made from samples by the API", True)
BATCH = _switch(_G, "VISEMA_BATCH", "Many films may be asked for at once by the API", True)
LIVE = _switch(_G, "VISEMA_LIVE", "The live view by WebSocket; without it the page shows pictures one by one", True)
DOCS = _switch(_G, "VISEMA_DOCS", "The API's description at /docs and /openapi.json", True)
MARK = _switch(_G, "VISEMA_MARK", "A visible mark, AI generated, on every film of jobs and of the page", False)

_G = "Voices"
PRICES = _place(_G, "VISEMA_PRICES", "A table of prices of one's own, before that in visema/speech/prices.tsv", "none")
ELEVENLABS_KEY = _words(_G, "ELEVENLABS_API_KEY", "ElevenLabs", "not set up", secret=True)
ELEVENLABS_URL = _address(_G, "ELEVENLABS_BASE_URL", "Its address", "its own")
ELEVENLABS_MODEL = _words(_G, "ELEVENLABS_MODEL", "Its model", "eleven_multilingual_v2")
OPENAI_KEY = _words(_G, "OPENAI_API_KEY", "OpenAI", "not set up", secret=True)
OPENAI_URL = _address(_G, "OPENAI_BASE_URL", "Its address, or of a server that speaks as it", "its own")
OPENAI_MODEL = _words(_G, "OPENAI_TTS_MODEL", "Its model", "gpt-4o-mini-tts")
COQUI_URL = _address(_G, "COQUI_URL", "A streaming server of Coqui XTTS", "the package TTS")
COQUI_MODEL = _words(_G, "COQUI_MODEL", "Its model", "XTTS v2")
PIPER_URL = _address(_G, "PIPER_URL", "Piper's server", "Piper's program")
PIPER_VOICES = _place(_G, "PIPER_VOICES", "Folder of Piper's voices", "voices/piper in the cache")

_G = "Provenance"
PROVENANCE = _place(_G, "VISEMA_PROVENANCE", "Folder of chain.pem and key.pem that sign", "provenance/ in the cache")
C2PA = _switch(_G, "VISEMA_C2PA", "Sign films by C2PA where c2pa-python is installed", True)

_G = "Networks"
DEVICE = _words(_G, "VISEMA_DEVICE", "What neural engines run on: cpu, cuda, cuda:1, mps", "the best there is", "cpu")
FP16 = _switch(_G, "VISEMA_FP16", "Half precision on CUDA", True)

_G = "Looking after it"
LOG = _words(
    _G, "VISEMA_LOG", "Logs on the terminal as lines of JSON, or as text", "warnings, as text", "json",
    form="(?i:json|text)", hint="Give json or text.",
)  # fmt: skip
TRACES = _address(_G, "VISEMA_TRACES", "OpenTelemetry collector (OTLP over HTTP)", "none", "http://localhost:4318")
METRICS = _words(
    _G, "VISEMA_METRICS", "Address for /metrics without a key, for the inside", "/metrics of the server, with a key",
    "127.0.0.1:9100", form=r".*:\d{1,5}", hint="Give an address and port such as 127.0.0.1:9100.",
)  # fmt: skip

_G = "Client"
CLIENT_URL = _address(_G, "VISEMA_URL", "The server that `visema generate` and its like ask", "http://127.0.0.1:8000")
CLIENT_KEY = _words(_G, "VISEMA_KEY", "The key that they send", secret=True)

#: Read by shell scripts, containers and boto3, not by Visema itself.
FOREIGN: Final = frozenset(
    {"VISEMA_VERSION", "VISEMA_SEED", "VISEMA_PORT", "VISEMA_HTTP_PORT", "VISEMA_HTTPS_PORT", "VISEMA_HOST"}
    | {"VISEMA_ALIVE", "VISEMA_PYTHON", "VISEMA_VENV", "VISEMA_FOUND", "VISEMA_SUITS", "VISEMA_BROWSER"}
    | {"VISEMA_WORKER_SETTINGS"}
)
#: Brought in from the file for boto3, which reads them itself.
FOR_OTHERS: Final = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"}
)
_from_file: set[str] = set()
_from_line: set[str] = set()


def load(line: Iterable[str] = ()) -> None:
    """Bring the settings of the file, and those said on the command line, into the environment, and check them all.

    Args:
        line: Settings as ``NAME=value``; they win.

    Raises:
        InputError: One makes no sense, or there is no such setting.
    """
    from visema.speech.access import file_values

    for said in line:
        name, found, value = said.partition("=")
        if not found or name not in SETTINGS:
            raise InputError(f"There is no setting '{name}'.", _near(name))
        os.environ[name] = value
        _from_line.add(name)
    for name, value in file_values().items():
        # Keys of speech services stay in the file, where those who need them read them.
        if name in os.environ or not (name.startswith("VISEMA_") or name in FOR_OTHERS):
            continue
        os.environ[name] = value
        _from_file.add(name)
    unknown = {name for name in (*os.environ, *file_values()) if name.startswith("VISEMA_")} - set(SETTINGS) - FOREIGN
    for name in sorted(unknown):
        log.warning("There is no setting %s. %s", name, _near(name))
    for setting in SETTINGS.values():
        setting.of()


def source_of(name: str) -> str:
    """Where a setting's value comes from: ``command line``, ``environment``, ``.env``, or ``default``."""
    from visema.speech.access import value_of

    if not value_of(name):
        return "default"
    if name in _from_line:
        return "command line"
    return "environment" if name in os.environ and name not in _from_file else ".env"


def shown(setting: Setting[Any]) -> str:
    """A setting's value for people; secrets are hidden, and so are passwords in addresses."""
    from visema.speech.access import value_of

    text = value_of(setting.name)
    if not text:
        return setting.usual
    return HIDDEN if setting.secret else re.sub(r"(?<=//)[^/@\s]+@", f"{HIDDEN}@", text)


def example_file() -> str:
    """The text of ``.env.example``."""
    out = ["# Settings of Visema. Copy this file to .env and take away the # where something shall be otherwise.",
           "# The command line wins over the environment, and the environment over this file.", ""]  # fmt: skip
    for group, settings in groups().items():
        out.append(f"# {group}")
        for setting in settings:
            out += [f"# {setting.about} (usually: {setting.usual})", f"#{setting.name}={setting.example}"]
        out.append("")
    return "\n".join(out)


def table() -> str:
    """The table of ``docs/settings.md``."""
    out = []
    for group, settings in groups().items():
        out += [f"## {group}", "", "| variable | what it means | where nothing is said |", "|---|---|---|"]
        out += [f"| `{s.name}` | {s.about} | {s.usual} |" for s in settings]
        out.append("")
    return "\n".join(out)


def groups() -> dict[str, list[Setting[Any]]]:
    """The settings in their groups."""
    out: dict[str, list[Setting[Any]]] = {}
    for setting in SETTINGS.values():
        out.setdefault(setting.group, []).append(setting)
    return out


def _near(name: str) -> str:
    from visema.speech.similar import similar

    near = similar(name, SETTINGS)
    return f"Did you mean {near[0]}?" if near else "docs/settings.md lists them."
