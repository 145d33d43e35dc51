"""nginx understands its configuration."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.files import COMPOSE, DOCKER, compose
from tests.deploy.nginx import NGINX, certificate, configuration
from tests.deploy.test_docker import ENV


@pytest.mark.skipif(NGINX is None, reason="nginx is not here (Debian: nginx-light)")
def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    certificate(tmp_path / "certificates")
    path = configuration(tmp_path, 8000, 8580, 8581)
    tested = subprocess.run([str(NGINX), "-t", "-c", str(path)], capture_output=True, text=True)
    assert tested.returncode == 0 and "test is successful" in tested.stderr, tested.stderr
    path.write_text(path.read_text().replace("proxy_buffering off;", "proxy_buffering perhaps;"))
    assert subprocess.run([str(NGINX), "-t", "-c", str(path)], capture_output=True).returncode


def test_nginx_and_compose_name_the_same_places() -> None:
    text = (DOCKER / "nginx.conf").read_text()
    services = compose(COMPOSE, env=ENV)["services"]
    listened = set(re.findall(r"listen (\d+)", text))
    assert {port.split(":")[-1] for port in services["nginx"]["ports"]} == listened
    match = re.search(r"http://(\w+):(\d+);", text)
    assert match and match[2] in services[match[1]]["expose"]
    mounts = dict(mount.split(":")[:2] for mount in services["nginx"]["volumes"])
    certificates = mounts["./docker/certificates"]
    assert f"ssl_certificate {certificates}/fullchain.pem;" in text
    assert (
        f"{certificates}"
        == dict(m.split(":")[:2] for m in services["certificate"]["volumes"])["./docker/certificates"]
    )
    # What the server refuses as too large is refused by the server, which says why.
    limit = re.search(r"client_max_body_size (\d+)m", text)
    assert limit and int(limit[1]) > 500
