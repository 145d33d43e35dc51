"""`visema doctor`: each line says what is, and the exit code whether the platform can run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.service.bucket import KEYS, s3_server
from visema.paths import ROOT
from visema.service.database import open_engine
from visema.service.migrate import migrate
from visema.service.schema import DELIVERIES
from visema.settings import SETTINGS


def doctor(folder: Path, *words: str, **env: str) -> tuple[int, dict[str, tuple[str, str]], str]:
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    own = {"VISEMA_CACHE": str(folder / "cache"), "VISEMA_OUTPUTS": str(folder / "outputs"), "VISEMA_ENV_FILE": ""}
    done = subprocess.run(
        [sys.executable, "-m", "visema", "doctor", *words], env={**kept, **own, **env}, cwd=ROOT, timeout=300,
        capture_output=True, text=True,
    )  # fmt: skip
    lines = {line[:15].strip(): (line[16:24].strip(), line[25:]) for line in done.stdout.splitlines() if line}
    return done.returncode, lines, done.stdout + done.stderr


def test_a_new_machine_can_run(tmp_path: Path) -> None:
    code, lines, text = doctor(tmp_path, "--platform")
    assert code == 0, text
    assert lines["database"][0] == "ok" and "the first start makes it" in lines["database"][1]
    assert lines["provenance"][1].startswith("MP4 comment")
    assert not (tmp_path / "outputs").exists(), "looking makes nothing"


def test_a_database_is_looked_at_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    path = tmp_path / "outputs" / "jobs.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine, "0001")
    code, lines, text = doctor(tmp_path, "--platform")
    assert code == 0 and "the next start brings it" in lines["database"][1], text
    migrate(engine)
    code, lines, _ = doctor(tmp_path, "--platform", VISEMA_API_KEY="k" * 30)
    assert code == 0 and "up to date" in lines["database"][1] and "one in VISEMA_API_KEY" in lines["keys"][1]
    with engine.begin() as connection:
        connection.execute(
            DELIVERIES.insert().values(
                id="1", job="j", event="job.done", url="https://a.org", payload={}, state="waiting", due=1.0,
                created=time.time(),
            )
        )  # fmt: skip
    code, lines, _ = doctor(tmp_path, "--platform", VISEMA_API_KEY="short")
    assert lines["webhooks"][0] == "no" and "1 are late" in lines["webhooks"][1]
    assert code == 0 and lines["keys"][0] == "no" and "short" not in lines["keys"][1]
    assert doctor(tmp_path, "--platform", VISEMA_API_KEY="short", VISEMA_REQUIRE_KEY="1")[0] == 2
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    code, lines, _ = doctor(tmp_path, "--platform")
    assert code == 2 and "later release" in lines["database"][1]
    engine.dispose()


def test_what_does_not_answer_is_named_without_its_passwords(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    pytest.importorskip("celery")
    code, lines, text = doctor(
        tmp_path, "--platform", VISEMA_DATABASE="postgresql://u:geheim@127.0.0.1:9/x", **KEYS,
        VISEMA_BROKER="redis://:geheim@127.0.0.1:9/0", VISEMA_STORAGE="s3://films?endpoint=http://127.0.0.1:9",
        AWS_DEFAULT_REGION="eu-central-1", AWS_MAX_ATTEMPTS="1",
    )  # fmt: skip
    assert code == 2 and "geheim" not in text and KEYS["AWS_SECRET_ACCESS_KEY"] not in text
    for name in ("database", "broker", "storage"):
        assert lines[name][0] == "MISSING" and "does not answer" in lines[name][1], text
    assert "cannot run here: database, broker, storage" in text


def test_a_bucket_that_is_there(tmp_path: Path) -> None:
    with s3_server(tmp_path) as bucket:
        code, lines, text = doctor(tmp_path, "--platform", VISEMA_STORAGE=bucket.address, **KEYS)
        assert code == 0 and "bucket films" in lines["storage"][1], text
        nowhere = bucket.address.replace("films", "nothing")
        code, lines, _ = doctor(tmp_path, "--platform", VISEMA_STORAGE=nowhere, **KEYS)
        assert code == 2 and "no bucket" in lines["storage"][1]


def test_the_whole_of_it(tmp_path: Path) -> None:
    code, lines, text = doctor(tmp_path, "--offline")
    assert code == 0, text
    assert {"Python", "codecs", "embedded voice", "database", "storage", "provenance"} <= set(lines)


def test_a_setting_that_makes_no_sense_ends_it(tmp_path: Path) -> None:
    code, _, text = doctor(tmp_path, "--platform", VISEMA_WORKERS="many")
    assert code == 2 and "VISEMA_WORKERS is 'many'. Give a number from 0 to 256." in text
