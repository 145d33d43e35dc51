"""Settings: one table of all, what wins over what, what is refused, and the documents that are made of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from visema import settings
from visema.errors import InputError
from visema.paths import ROOT, cache_dir
from visema.service.settings import settings_from
from visema.settings import FOREIGN, SETTINGS
from visema.speech.remote import catalogue

MARK = "<!-- the table is made by `python -m tools.settings`; tests hold it to visema/settings.py -->"


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VISEMA_ENV_FILE", str(tmp_path / ".env"))
    monkeypatch.setattr(settings, "_from_file", set())
    monkeypatch.setattr(settings, "_from_line", set())


def test_every_variable_that_is_read_is_in_the_table() -> None:
    sources = [*(ROOT / "visema").rglob("*.py"), ROOT / "app.py", ROOT / "video.py"]
    named = {name for path in sources for name in re.findall(r"VISEMA_[A-Z0-9_]*[A-Z0-9]", path.read_text("utf-8"))}
    assert named <= set(SETTINGS) | FOREIGN
    assert {name for names in catalogue.VARIABLES.values() for name in names} <= set(SETTINGS)
    deployed = [*(ROOT / "docker").rglob("*"), *(ROOT / "k8s").rglob("*"), ROOT / "docker-compose.yml"]
    texts = [path.read_text("utf-8", "ignore") for path in deployed if path.is_file()]
    assert {name for text in texts for name in re.findall(r"VISEMA_[A-Z0-9_]*[A-Z0-9]", text)} <= set(
        SETTINGS
    ) | FOREIGN


def test_the_example_and_the_table_are_what_the_module_makes() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == settings.example_file(), "run python -m tools.settings"
    document = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert document.partition(MARK + "\n\n")[2] == settings.table(), "run python -m tools.settings"


def test_the_example_changes_nothing_and_can_be_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(settings.ENV_FILE.of() or "")
    text = settings.example_file()
    file.write_text(text, "utf-8")
    settings.load()
    assert {settings.source_of(name) for name in SETTINGS} == {"default", "environment"}  # VISEMA_ENV_FILE itself
    for line in text.splitlines():
        if match := re.fullmatch(r"#([A-Z0-9_]+)=(.+)", line):
            SETTINGS[match[1]].of({match[1]: match[2]})
            if not isinstance(SETTINGS[match[1]].default, str):
                usual = SETTINGS[match[1]].default
                assert usual in (None, (), SETTINGS[match[1]].of({match[1]: match[2]}))


def test_the_line_wins_over_the_environment_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(settings.ENV_FILE.of() or "")
    file.write_text(
        "VISEMA_MAX_MB=1\nVISEMA_WORKERS=1\nexport VISEMA_KEEP_HOURS='5'  \nOTHER=x\nOPENAI_API_KEY=abc\n"
        "AWS_ACCESS_KEY_ID=k\n"
    )
    monkeypatch.setenv("VISEMA_WORKERS", "2")
    for name in ("VISEMA_MAX_MB", "VISEMA_KEEP_HOURS", "AWS_ACCESS_KEY_ID", "OTHER"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    settings.load(["VISEMA_MAX_MB=3"])
    made = settings_from(os.environ)
    assert (made.max_bytes, made.workers, made.keep_s) == (3 << 20, 2, 5 * 3600)
    assert [settings.source_of(f"VISEMA_{name}") for name in ("MAX_MB", "WORKERS", "KEEP_HOURS", "LOG")] == [
        "command line", "environment", ".env", "default",
    ]  # fmt: skip
    assert os.environ["AWS_ACCESS_KEY_ID"] == "k" and "OTHER" not in os.environ
    assert "OPENAI_API_KEY" not in os.environ, "keys of services are not handed to every process"
    assert settings.source_of("OPENAI_API_KEY") == ".env"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VISEMA_WORKERS", "many"), ("VISEMA_WORKERS", "-1"), ("VISEMA_MAX_MB", "nan"), ("VISEMA_KEEP_HOURS", "0"),
        ("VISEMA_EAGER", "perhaps"), ("VISEMA_CORS_ORIGINS", "a.org"), ("VISEMA_STORAGE", "/folder"),
        ("VISEMA_DATABASE", "jobs.db"), ("VISEMA_BROKER", "amqp://x"), ("VISEMA_LOG", "xml"), ("COQUI_URL", "here"),
        ("VISEMA_METRICS", "everywhere"), ("VISEMA_TRACES", "collector:4318"),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        settings.load()
    assert name in caught.value.what and "Give" in caught.value.hint
    assert (value in caught.value.what) is not SETTINGS[name].secret
    with pytest.raises(InputError):
        SETTINGS[name].of()


def test_a_name_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match="Did you mean VISEMA_WORKERS"):
        settings.load(["VISEMA_WORKRES=2"])
    monkeypatch.setenv("VISEMA_KEEP_HOUR", "2")
    settings.load()
    assert "no setting VISEMA_KEEP_HOUR. Did you mean VISEMA_KEEP_HOURS?" in caplog.text


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from visema.cli.platform_doctor import all_settings

    for setting in SETTINGS.values():
        if setting.secret:
            monkeypatch.setenv(setting.name, "redis://:geheim@host/0")
    monkeypatch.setenv("VISEMA_TRACES", "http://user:geheim@host:4318")
    shown = all_settings()
    assert "geheim" not in shown and shown.count("***") == 1 + sum(s.secret for s in SETTINGS.values())
    assert all(name in shown for name in SETTINGS)


def test_what_is_said_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VISEMA_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path and settings_from({}).folder == tmp_path.parent / "outputs"
    made = settings_from({"VISEMA_MARK": "yes", "VISEMA_OFFLINE": "on", "VISEMA_CORS_ORIGINS": "https://a.org/, *"})
    assert made.mark and made.offline and made.origins == ("https://a.org", "*")
