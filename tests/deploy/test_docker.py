"""Dockerfile and Compose files: what a parser, the published schema and the files themselves say."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import ssl
import stat
import subprocess
import sys
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.deploy.files import COMPOSE, DOCKER, OVERRIDES, compose, schema, variables
from visema.cli.platform import COMMANDS
from visema.paths import ROOT

pytest.importorskip("dockerfile_parse")
ENV = {
    "POSTGRES_PASSWORD": "p",
    "REDIS_PASSWORD": "r",
    "VISEMA_API_KEY": "k",
    "VISEMA_SECRET": "s",
    "GRAFANA_PASSWORD": "g",
}
posix = pytest.mark.skipif(os.name != "posix", reason="shell scripts of the containers")


@pytest.fixture(scope="module")
def stages() -> dict[str, list[dict[str, Any]]]:
    """The stages of the Dockerfile: name to instructions, the first of them FROM."""
    from dockerfile_parse import DockerfileParser

    parser = DockerfileParser(fileobj=(ROOT / "Dockerfile").open("rb"))
    found: dict[str, list[dict[str, Any]]] = {}
    name = ""
    for step in parser.structure:
        if step["instruction"] == "FROM":
            name = step["value"].split()[-1]
            assert name not in found
        if name and step["instruction"] != "COMMENT":
            found.setdefault(name, []).append(step)
    return found


def chain(stages: dict[str, list[dict[str, Any]]], name: str) -> list[dict[str, Any]]:
    """The instructions of a stage and of those that it stands on."""
    base = stages[name][0]["value"].split()[0]
    return [*(chain(stages, base) if base in stages else []), *stages[name]]


def last(steps: list[dict[str, Any]], instruction: str) -> str:
    return [step["value"] for step in steps if step["instruction"] == instruction][-1]


def test_stages_build_on_one_another(stages: dict[str, list[dict[str, Any]]]) -> None:
    seen: set[str] = set()
    for name, steps in stages.items():
        base = steps[0]["value"].split()[0]
        assert base in seen or base.startswith("python:"), base
        for step in steps:
            if match := re.search(r"--from=(\S+)", step["value"]):
                assert match[1] in seen
        seen.add(name)
    assert {"development", "production", "cuda"} <= seen
    assert list(stages)[-1] == "production"  # what `docker build -t … .` makes


@pytest.mark.parametrize("name", ["production", "cuda", "development"])
def test_images_are_not_root_and_start_something_that_there_is(
    stages: dict[str, list[dict[str, Any]]], name: str
) -> None:
    steps = chain(stages, name)
    assert last(steps, "USER") not in ("root", "0", "0:0")
    command = json.loads(last(steps, "CMD"))
    assert command[command.index("serve") - 1] == "visema" and "serve" in COMMANDS
    if name != "development":
        assert last(steps, "USER") == "10001:10001"  # by number, so that Kubernetes can see that it is not root
        health = last(steps, "HEALTHCHECK")
        assert (ROOT / json.loads(health.partition("CMD ")[2])[1]).is_file()
        assert (ROOT / json.loads(last(steps, "ENTRYPOINT"))[-1]).is_file()
        assert last(steps, "VOLUME") == "/data"


def test_what_is_copied_is_there_and_secrets_are_not(stages: dict[str, list[dict[str, Any]]]) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    for steps in stages.values():
        for step in steps:
            if step["instruction"] == "COPY" and "--from" not in step["value"]:
                for source in shlex.split(step["value"])[:-1]:
                    assert (ROOT / source).exists() and source not in ignored
    for secret in (".env", ".git", ".venv", "cache", "outputs", "docker/certificates"):
        assert any(fnmatch(secret, pattern) for pattern in ignored), secret


@posix
def test_shell_lines_are_sound_and_install_what_there_is(stages: dict[str, list[dict[str, Any]]]) -> None:
    tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for steps in stages.values():
        for step in steps:
            if step["instruction"] != "RUN":
                continue
            assert subprocess.run(["sh", "-n", "-c", step["value"]]).returncode == 0
            for named in re.findall(r'"\.\[([^\]]+)\]"', step["value"]):
                assert set(named.split(",")) <= set(extras)
            if "apt-get install" in step["value"]:
                assert "--no-install-recommends" in step["value"] and "rm -rf /var/lib/apt/lists" in step["value"]


@pytest.mark.parametrize("overrides", [[], *([path] for path in OVERRIDES)], ids=lambda p: p[0].name if p else "alone")
def test_compose_files_keep_to_the_schema(overrides: list[Path]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found = compose(COMPOSE, *overrides, env=ENV)
    # The schema calls its id "id" in a draft where that is "$id": its own references need nothing of it.
    jsonschema.Draft7Validator({**schema(), "$schema": "http://json-schema.org/draft-07/schema#"}).validate(found)
    services = found["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "test" in services[needed]["healthcheck"], (name, needed)
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            known = source in found["volumes"] or source == "./docker/certificates" or (ROOT / source).exists()
            assert known, mount
        for network in service.get("networks", []):
            assert network in found["networks"]
        if service.get("build"):
            assert re.search(rf"AS {service['build']['target']}$", (ROOT / "Dockerfile").read_text(), re.M)


@posix
@pytest.mark.parametrize("overrides", [[], *([path] for path in OVERRIDES)], ids=lambda p: p[0].name if p else "alone")
def test_docker_compose_itself_takes_them(tmp_path: Path, overrides: list[Path]) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not here")
    shutil.copytree(DOCKER, tmp_path / "docker")
    shutil.copy(COMPOSE, tmp_path)
    files = [word for path in (COMPOSE, *overrides) for word in ("-f", str(path.relative_to(ROOT)))]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GRAFANA_PASSWORD": "given"}
    command = [program, *files, "config", "-q"]
    refused = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert refused.returncode and ("init.sh" in refused.stderr or ".env" in refused.stderr), refused.stderr
    subprocess.run(["sh", "docker/init.sh"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(command, cwd=tmp_path, env=env, check=True)


def test_services_are_locked_up() -> None:
    services = compose(COMPOSE, env=ENV)["services"]
    assert {"app", "worker", "redis", "postgres", "nginx"} <= set(services)
    for name in ("app", "worker", "redis", "postgres", "nginx"):
        service = services[name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["healthcheck"]["test"] and service["restart"] == "unless-stopped"
        assert not service.get("privileged")
    assert [name for name in services if services[name].get("ports")] == ["nginx"]
    assert services["redis"]["networks"] == services["postgres"]["networks"] == ["inside"]
    for name in ("app", "worker"):
        words = services[name]["command"]
        assert words[0] == "visema" and words[1] in COMMANDS
    assert "--first-key" not in services["app"]["command"]  # the key is in .env


def test_no_secret_is_written_down() -> None:
    for path in (COMPOSE, *OVERRIDES):
        for name in re.findall(r"^\s*\w*(?:PASSWORD|SECRET|API_KEY)\w*: (.*)$", path.read_text(), re.M):
            assert name.startswith("${"), (path.name, name)


@posix
def test_init_makes_secrets_once(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    shutil.copy(DOCKER / "init.sh", tmp_path / "docker")
    command = ["sh", str(tmp_path / "docker/init.sh")]
    (tmp_path / ".env").write_text("VISEMA_KEEP_HOURS=48\n")
    subprocess.run(command, check=True, capture_output=True)
    made = (tmp_path / ".env").read_text()
    values = dict(line.split("=", 1) for line in made.splitlines() if not line.startswith("#"))
    needed = {name for name, rest in variables(COMPOSE.read_text()).items() if rest.startswith(":?")}
    assert values.pop("VISEMA_KEEP_HOURS") == "48" and set(values) == needed
    assert all(len(value) >= 40 for value in values.values()) and len(set(values.values())) == len(values)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / ".env").read_text() == made


@posix
def test_first_certificate_serves(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here")
    command = ["sh", str(DOCKER / "certificate.sh"), str(tmp_path), "avatar.example.org"]
    subprocess.run(command, check=True, capture_output=True)
    chain, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
    kept = chain.read_bytes()
    subprocess.run(command, check=True, capture_output=True)
    assert chain.read_bytes() == kept


@posix
def test_start_brings_the_avatar_once_and_runs_the_command(tmp_path: Path) -> None:
    seed = tmp_path / "seed/face-1"
    seed.mkdir(parents=True)
    (seed / "avatar.json").write_text("{}")
    env = {**os.environ, "VISEMA_SEED": str(tmp_path / "seed"), "VISEMA_CACHE": str(tmp_path / "cache"),
           "VISEMA_OUTPUTS": str(tmp_path / "outputs")}  # fmt: skip
    command = ["sh", str(DOCKER / "start.sh"), "sh", "-c", "echo started; exit 7"]
    many = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[0] for process in many] == [b"started\n"] * 4
    assert {process.returncode for process in many} == {7}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["face-1"]
    assert [path.name for path in (tmp_path / "cache/face-1").iterdir()] == ["avatar.json"]


@posix
def test_start_says_what_to_do_where_it_may_not_write(tmp_path: Path) -> None:
    env = {**os.environ, "VISEMA_CACHE": "/proc/visema", "VISEMA_OUTPUTS": str(tmp_path)}
    ended = subprocess.run(["sh", str(DOCKER / "start.sh"), "true"], env=env, capture_output=True, text=True)
    assert ended.returncode == 2 and "chown" in ended.stderr


def test_health_check_sees_a_server_and_a_worker(tmp_path: Path) -> None:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    alive = tmp_path / "alive"
    env = {**os.environ, "VISEMA_PORT": str(server.server_port), "VISEMA_ALIVE": str(alive)}

    def check(*words: str) -> int:
        return subprocess.run([sys.executable, str(DOCKER / "health.py"), *words], env=env, timeout=30).returncode

    assert check() == 0
    server.shutdown()
    server.server_close()
    assert check() == 1
    assert check("worker") == 1
    alive.touch()
    assert check("worker") == 0
    os.utime(alive, (0, 0))
    assert check("worker") == 1


def test_settings_are_those_that_there_are() -> None:
    from visema.settings import FOREIGN, SETTINGS

    files = [ROOT / "Dockerfile", COMPOSE, *OVERRIDES, *DOCKER.glob("*.sh"), *(ROOT / "k8s").glob("*.yaml")]
    for path in files:
        named = set(re.findall(r"VISEMA_[A-Z_]*[A-Z]", path.read_text("utf-8")))
        assert named <= set(SETTINGS) | FOREIGN, (path.name, named - set(SETTINGS) - FOREIGN)


def test_what_is_made_as_root_can_be_read_by_the_user(stages: dict[str, list[dict[str, Any]]]) -> None:
    made = [step["value"] for steps in stages.values() for step in steps if "VISEMA_CACHE=/seed" in step["value"]]
    assert made and all("chmod -R a+rX /app /seed" in line for line in made)
