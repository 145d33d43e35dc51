"""Keys in a database: made, shown, found, revoked, rotated; by several processes and by the command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from visema.errors import InputError
from visema.paths import ROOT
from visema.service import keys as service_keys
from visema.service.courier import key_secret
from visema.service.keys import BOOTSTRAP, Keys, Limits
from visema.service.logins import MOST, SPAN_S, Logins
from visema.service.schema import AUDIT, KEYS
from visema.service.secret import derive, server_secret
from visema.service.store import JobStore


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    store = JobStore(url)
    yield store.engine
    store.close()


@pytest.fixture
def keys(engine: sa.Engine) -> Keys:
    return Keys(engine)


def test_a_key_is_found_by_its_text_alone(keys: Keys, engine: sa.Engine) -> None:
    limits = Limits(requests_per_minute=60, storage_bytes=1 << 30, origins=("https://a.org",))
    made, text = keys.create("Anna", ["films", "read", "films"], limits)
    other, other_text = keys.create("Boris", ["admin"])
    assert re.fullmatch(r"vsm_[0-9a-f]{12}_[A-Za-z0-9]{43}", text) and text != other_text
    found = keys.find(text)
    assert found == made and found.scopes == {"films", "read"} and found.limits == limits
    who = found.who("10.0.0.1")
    assert (who.key, who.client, who.may("films"), who.may("live")) == (made.id, made.id, True, False)
    assert who.owns(made.id) and not who.owns(other.id) and not who.owns("")
    boss = keys.find(other_text)
    assert boss and boss.who("").may("live") and boss.who("").owns(made.id)
    for wrong in (
        "",
        "vsm_",
        text[:-1],
        text + "x",
        text.swapcase(),
        text[:-1] + "é",
        other_text[:17] + text[17:],
        "\ud800",
    ):
        assert keys.find(wrong) is None, wrong
    with engine.connect() as connection:
        kept = str(connection.execute(KEYS.select()).all())
    assert text[17:] not in kept and made.hash in kept
    assert made.hash not in repr(made), "a log could show it"


def test_revoked_keys_and_those_that_are_over_open_nothing(engine: sa.Engine) -> None:
    now = [1_000_000.0]
    keys = Keys(engine, now=lambda: now[0])
    first, text = keys.create("a", ["films"])
    _, short = keys.create("b", ["films"], expires=now[0] + 60)
    assert keys.find(text) and keys.find(short) and keys.usable
    now[0] += 61
    assert keys.find(text) and not keys.find(short)
    assert keys.revoke(first.id) and not keys.find(text)
    assert not keys.usable and keys.needed, "the last key's end must not open the server"
    revoked = keys.list()[0].revoked
    now[0] += 10
    assert keys.revoke(first.id) and keys.list()[0].revoked == revoked, "when it was revoked first"
    assert keys.rotate(first.id) is None and not keys.revoke("nobody")
    assert keys.remove(first.id) and not keys.remove(first.id)


def test_a_rotated_key_has_another_secret_only(keys: Keys) -> None:
    made, text = keys.create("a", ["live"], Limits(max_waiting=3))
    again = keys.rotate(made.id)
    assert again and again != text and not keys.find(text)
    found = keys.find(again)
    assert found and (found.id, found.name, found.scopes, found.limits) == (made.id, "a", made.scopes, made.limits)


def test_other_processes_hear_of_it_within_a_second(
    keys: Keys, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(service_keys.time, "monotonic", lambda: clock[0])
    other = Keys(engine)
    assert not other.needed
    made, text = keys.create("a", ["live"])
    assert not other.needed, "it is believed for a second"
    clock[0] += service_keys.BELIEVED_S
    assert other.needed and not other.remembers(text)
    assert other.find(text) and other.remembers(text)
    keys.revoke(made.id)
    assert other.find(text)
    clock[0] += service_keys.BELIEVED_S
    assert not other.find(text)
    assert service_keys.BELIEVED_S <= 2


def test_finding_asks_the_database_once_a_second(keys: Keys, engine: sa.Engine) -> None:
    _, text = keys.create("a", ["live"])
    asked: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    unknown = f"vsm_{'0' * 12}_{'a' * 43}"
    for _ in range(200):
        assert keys.find(text) and not keys.find(unknown)
    assert len(asked) <= 6, asked
    for number in range(3 * service_keys.REMEMBERED // 2):
        keys.get(f"{number:012x}")
    assert len(keys._rows) <= service_keys.REMEMBERED, "strangers fill the memory"


def test_the_key_of_the_environment(engine: sa.Engine) -> None:
    with pytest.raises(InputError, match="fewer than 20"):
        Keys(engine, "secret")
    keys = Keys(engine, "a-long-and-random-one-1234")
    assert keys.needed and keys.usable
    found = keys.find("a-long-and-random-one-1234")
    assert found and found.id == BOOTSTRAP and found.who("").may("admin")
    assert not keys.find("a-long-and-random-one-1235") and not keys.find("")


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "x" * 81}, {"name": "a\nb"}, {"scopes": []},
                                   {"scopes": ["root"]}, {"expires": 5.0}])  # fmt: skip
def test_keys_that_make_no_sense_are_not_made(keys: Keys, wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        keys.create(**{"name": "a", "scopes": ["live"], **wrong})  # type: ignore[arg-type]
    assert not keys.list() and not keys.needed


def test_failed_logins_are_counted_for_all_processes(engine: sa.Engine) -> None:
    now = [3000.0]
    here, there = Logins(engine, lambda: now[0]), Logins(engine, lambda: now[0])
    for _ in range(MOST - 1):
        here.failed("10.0.0.1")
    assert not there.wait("10.0.0.1")
    there.failed("10.0.0.1")
    assert 0 < here.wait("10.0.0.1") <= SPAN_S + 1 and not here.wait("10.0.0.2")
    now[0] += SPAN_S
    assert not here.wait("10.0.0.1")


def test_the_secret_is_one_for_all_processes_of_a_folder(tmp_path: Path) -> None:
    first = server_secret(tmp_path / "a", {})
    assert first == server_secret(tmp_path / "a", {}) != server_secret(tmp_path / "b", {})
    assert os.name != "posix" or (tmp_path / "a" / "secret").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["secret"]
    given = {"VISEMA_SECRET": "a secret that all machines have"}
    assert server_secret(tmp_path / "a", given) == server_secret(tmp_path / "c", given) != first
    with pytest.raises(InputError):
        server_secret(tmp_path, {"VISEMA_SECRET": "short"})
    assert derive(first, "x") != derive(first, "y")


def visema(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "VISEMA_OUTPUTS": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "visema", "keys", *arguments], cwd=ROOT, env=env, capture_output=True, text=True
    )


def test_the_command_line(tmp_path: Path) -> None:
    assert "needs none" in visema(tmp_path, "list").stdout
    made = visema(
        tmp_path, "create", "Анна", "--scope", "films", "--expires", "30d", "--requests", "60", "--storage", "1.5G",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    text = made.stdout.splitlines()[0]
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    found = Keys(store.engine).find(text)
    assert found and found.name == "Анна" and found.scopes == {"films"}
    assert found.limits == Limits(requests_per_minute=60, storage_bytes=3 << 29)
    assert found.expires and abs(found.expires - found.created - 30 * 86400) < 60
    listed = visema(tmp_path, "list").stdout
    assert found.id in listed and "works" in listed and text not in listed
    hook = visema(tmp_path, "webhook", found.id).stdout.strip()
    assert hook == key_secret(server_secret(tmp_path, {}), found.id) and hook.startswith("whsec_")
    again = visema(tmp_path, "rotate", text).stdout.splitlines()[0]
    assert Keys(store.engine).find(again) and not Keys(store.engine).find(text)
    assert visema(tmp_path, "revoke", found.id).returncode == 0
    assert not Keys(store.engine).find(again) and "revoked" in visema(tmp_path, "list").stdout
    log = visema(tmp_path, "audit").stdout
    assert [line.split()[4] for line in log.splitlines()] == ["key.create", "key.rotate", "key.revoke"]
    with store.engine.connect() as connection:
        assert text[17:] not in str(connection.execute(AUDIT.select()).all())
    assert visema(tmp_path, "revoke", "--forget", found.id).returncode == 0
    assert "needs none" in visema(tmp_path, "list").stdout
    store.close()
    for wrong in (
        ("create", "a", "--expires", "soon"), ("create", "a", "--requests", "0"), ("create", "a", "--storage", "much"),
        ("create", "a", "--origin", "example"), ("create", ""), ("rotate", "nobody"), ("revoke", "nobody"),
    ):  # fmt: skip
        answer = visema(tmp_path, *wrong)
        assert answer.returncode == 2 and "Traceback" not in answer.stderr and answer.stderr.startswith("visema:"), (
            wrong
        )
